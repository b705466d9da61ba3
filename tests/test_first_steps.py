"""The first minutes of a user: what a run says while it runs, when it fails and when it ends."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY

from smoothcert import cli
from smoothcert.workflow.progress import Job, Progress, duration, failure

OWN = """
import torch


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
"""
CERTIFY = ("certify", "--dataset", "digits", "--noise", "gaussian-0.25", "--budget", "fixed-1000",
           "--max", "2", "--quiet", "--out", "own.tsv")  # fmt: skip


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


# --- a network of one's own -----------------------------------------------------------------


def test_a_network_in_the_current_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "own_network.py").write_text(OWN)
    # as the installed command: without the current folder in Python's path
    start = "import sys; sys.path.remove(''); from smoothcert.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", start, *CERTIFY, "--model", "own_network:model"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "own.tsv").is_file()


@pytest.mark.parametrize("name", ["model.pth.tar", "model.pth", "model.bin"])
def test_a_checkpoint_of_pytorch_names_the_command_that_converts_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, name)
    assert cli.main([*CERTIFY, "--model", name]) == 2
    said = capsys.readouterr().err
    assert f"smoothcert import-checkpoint {name} --arch ARCH" in said
    assert said.count("\n") == 1


def test_a_file_of_python_says_how_its_network_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    assert cli.main([*CERTIFY, "--model", "own.py"]) == 2
    assert "own:FUNCTION" in capsys.readouterr().err


# --- while it runs --------------------------------------------------------------------------


def test_the_line_says_jobs_done_of_all_what_is_running_and_time_left() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.plan({"train": 2, "sample": 2, "total": 4})
    assert progress.line() == "0 of 4 jobs"
    progress.begin(1, Job("train", {"training": "cohen-fs-0.25"}))
    assert progress.line() == "0 of 4 jobs; now train cohen-fs-0.25"
    clock.now = 10.0
    progress.finish(1)
    progress.begin(2, Job("train", {"training": "cohen-fs-0.50"}))
    clock.now = 14.0
    # of the second training 6 s, and two samplings of 6.6 s: a train of 5 s took 10
    assert progress.left == pytest.approx(6 + 2 * 3.3 * (10 + 5) / (5 + 5))
    assert progress.line() == "1 of 4 jobs, about 16 s left; now train cohen-fs-0.50"
    assert progress.line(20) == "1 of 4 jobs, abou..."


def test_a_job_that_runs_for_long_says_that_others_will() -> None:
    """It was said to take 5 s, as in preset smoke, however long it ran."""
    clock = Clock()
    progress = Progress(clock)
    progress.plan({"data": 1, "train": 2, "sample": 4})
    progress.begin(1, Job("data", {}))
    clock.now = 1.0
    progress.finish(1)
    progress.begin(2, Job("train", {"training": "cohen-fs-0.25"}))
    clock.now = 1.0 + 4.0  # not longer than is typical
    assert progress.left == pytest.approx(2 * 5.0 + 4 * 3.3 - 4.0)
    clock.now = 1.0 + 600.0
    pace = (1 + 1200 + 5) / (1 + 5 + 5)
    assert progress.left == pytest.approx(2 * 1200 + 4 * 3.3 * pace - 600)


def test_jobs_side_by_side_halve_the_time_left() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.plan({"sample": 8})
    for first in (0, 2):
        for number in (first, first + 1):
            progress.begin(number, Job("sample", {}))
        clock.now += 10.0
        for number in (first, first + 1):
            progress.finish(number)
    assert progress.left == pytest.approx(20.0)


def test_the_line_leaves_the_terminal_to_a_job_that_prints() -> None:
    progress = Progress(Clock())
    progress.plan({"plan": 1})
    progress.begin(0, Job("plan", {}, silent=False))
    assert progress.line() == ""


def test_it_ends_with_how_long_it_took() -> None:
    clock = Clock()
    progress = Progress(clock)
    assert progress.closing() == ""
    progress.plan({"all": 1})
    clock.now = 235.0
    assert progress.closing() == "stopped: 0 of 1 jobs done in 3 min 55 s"
    progress.begin(0, Job("all", {}))
    progress.finish(0)
    assert progress.closing() == "1 jobs in 3 min 55 s"
    assert [duration(s) for s in (59.4, 60, 7500)] == ["59 s", "1 min 0 s", "2 h 5 min"]


def test_a_failure_says_its_one_line_and_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("".join(f"line {i}\n" for i in range(40)) + "error: disk is full\nbye\n")
    said = failure(Job("sample", {"noise": "gaussian-0.25"}, [str(log)])).splitlines()
    assert said[:3] == [
        "FAILED: sample gaussian-0.25", "  error: disk is full", f"  the end of {log}:",
    ]  # fmt: skip
    assert said[-1] == "  | bye"
    assert len(said) == 3 + 12
    log.write_text("Traceback (most recent call last):\n  File\nx.KeyError: 'k'\n\n")
    assert failure(Job("a", {}, [str(log)])).splitlines()[1] == "  x.KeyError: 'k'"
    assert "nothing in its log" in failure(Job("a", {}, [str(tmp_path / "absent")]))


SNAKEFILE = """
rule all:
    input: "good", "bad"
rule good:
    output: "good"
    log: "good.log"
    shell: "sleep 1; touch {output}"
rule bad:
    output: "bad"
    log: "bad.log"
    shell: "(echo begun; echo error: no such thing; exit 1) > {log} 2>&1"
"""


def run(folder: Path, terminal: bool, *words: str) -> tuple[int, str]:
    """Snakemake with the project's own words, on a terminal or not: status and what it said."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    reader, writer = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--keep-going"]
    running = subprocess.Popen(
        [*command, "--logger", "smoothcert", *words],
        cwd=folder,
        stdout=writer,
        stderr=writer,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "XDG_CACHE_HOME": str(folder)},
    )
    os.close(writer)
    said = b""
    try:
        while part := os.read(reader, 1 << 16):
            said += part
    except OSError:  # the other end of a terminal is closed
        pass
    os.close(reader)
    return running.wait(), said.decode()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_shows_one_line_and_what_failed(tmp_path: Path, terminal: bool) -> None:
    status, said = run(tmp_path, terminal)
    assert status == 1
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", said) if line.strip()]
    shown = dict.fromkeys(lines)  # in order, each once
    assert "0 of 3 jobs" in shown
    assert ("0 of 3 jobs, 1 failed; now good" in shown) == terminal
    at = lines.index("FAILED: bad")
    assert lines[at + 1 : at + 5] == [
        "  error: no such thing", "  the end of bad.log:", "  | begun", "  | error: no such thing",
    ]  # fmt: skip
    assert lines[-1].startswith("1 failed (bad), 1 of 3 jobs done in ")
    assert "rule bad" not in said
    assert "CalledProcessError" not in said
    (log,) = (tmp_path / ".snakemake/log").glob("*.log")
    assert "rule bad" in log.read_text()  # Snakemake's own log is whole


def test_who_asks_for_other_words_gets_snakemake_s(tmp_path: Path) -> None:
    _, said = run(tmp_path, False, "--printshellcmds")
    assert "rule bad:" in said
    assert "FAILED" not in said
    _, said = run(tmp_path, False, "--dry-run")
    assert "This was a dry-run" in said


def test_a_cluster_keeps_snakemake_s_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake.profiles import ProfileConfigFileParser
    from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

    monkeypatch.setattr(LoggerPluginRegistry, "is_installed", lambda self, name: True)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)

    def logger(*words: str) -> object:
        monkeypatch.setattr(sys, "argv", ["snakemake", *words])
        with (REPOSITORY / "profiles/default/config.yaml").open(encoding="utf-8") as stream:
            return ProfileConfigFileParser().parse(stream).get("logger")

    assert logger("cohen_table") == ["smoothcert"]
    assert logger("-n") is None
    assert logger("--profile", "slurm") is None
    assert logger("--executor=slurm") is None
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "slurm")
    assert logger() is None
