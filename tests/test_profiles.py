"""The profiles: what Snakemake reads from them, and what their scripts add, without a cluster."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

BIN = REPOSITORY / "slurm/bin"
ONE_GPU = REPOSITORY / "profiles/local-gpu/one-gpu.sh"


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch):
    """A profile as Snakemake reads it, in an environment without any of the variables."""
    from snakemake.profiles import ProfileConfigFileParser

    for name in list(os.environ):
        if name.startswith(("SMOOTHCERT_", "SBATCH_", "SNAKEMAKE_", "CUDA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", os.environ["PATH"])  # restored afterwards
    monkeypatch.chdir(REPOSITORY)

    def read(path: str, **environment: str) -> dict:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with Path(path).open(encoding="utf-8") as stream:
            return ProfileConfigFileParser().parse(stream)

    return read


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Programs on PATH that do what a line of shell says; each writes its arguments to a log."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{BIN}:{folder}:/usr/bin:/bin")

    def make(name: str, does: str) -> Path:
        log = tmp_path / f"{name}.log"
        script = f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {log}\n{does}\n"
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        return log

    return make


def call(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


# --- slurm/profile.yaml ---------------------------------------------------------------------


def test_retries_and_requeueing_are_set_once_and_nowhere_else(profile) -> None:
    read = profile("slurm/profile.yaml")
    assert int(read["retries"]) >= 1
    assert ("slurm-requeue" in read) != ("slurm-no-requeue" in read)
    for file in (REPOSITORY / "rules").glob("*.smk"):
        for rule in re.split(r"^\s*(?:use )?rule\b", file.read_text(), flags=re.M):
            assert "retries:" not in rule or "localrule: True" in rule, f"{file}:{rule}"


def test_a_retry_asks_for_more(profile) -> None:
    defaults = dict(
        pair.split("=", 1) for pair in profile("slurm/profile.yaml")["default-resources"]
    )
    for name in ("mem_mb", "runtime"):
        assert eval(defaults[name], {"attempt": 3}) == 3 * eval(defaults[name], {"attempt": 1})


def test_without_variables_nothing_of_a_site_is_asked_for(profile) -> None:
    read = profile("slurm/profile.yaml")
    names = {pair.partition("=")[0] for pair in read["default-resources"]}
    assert names == {"mem_mb", "runtime", "login"}
    assert read["slurm-partition-config"] == "slurm/partitions.yaml"


def test_what_is_particular_to_a_site_comes_from_the_environment(profile) -> None:
    read = profile(
        "slurm/profile.yaml",
        SMOOTHCERT_PARTITION="long",
        SMOOTHCERT_SCRATCH="/scratch/$SLURM_JOB_ID",
        SNAKEMAKE_SLURM_PARTITIONS="/home/me/partitions.yaml",
    )
    assert "slurm_partition=long" in read["default-resources"]
    assert any("/scratch/$SLURM_JOB_ID" in pair for pair in read["default-resources"])
    assert read["slurm-partition-config"] == "/home/me/partitions.yaml"


def test_the_profile_says_where_it_must_be_started(profile, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="at the top of the checkout"):
        profile(str(REPOSITORY / "slurm/profile.yaml"))


def test_every_partition_of_the_example_is_one_that_the_executor_understands() -> None:
    from snakemake_executor_plugin_slurm.partitions import read_partition_file

    partitions = read_partition_file(REPOSITORY / "slurm/partitions.yaml")
    assert any(p.limits.max_gpu for p in partitions)
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    retries = yaml.safe_load((REPOSITORY / "slurm/profile.yaml").read_text())["retries"]
    for stage, asked in config["resources"].items():
        takes = [p.limits for p in partitions if p.limits.max_gpu >= asked["gpu"]]
        for name in ("runtime", "mem_mb"):
            most = max(getattr(limits, f"max_{name}") for limits in takes)
            assert most >= (1 + retries) * asked[name], f"{stage}: the last attempt's {name}"


def test_the_rules_of_a_group_exist_and_use_no_gpu() -> None:
    profile = yaml.safe_load((REPOSITORY / "slurm/profile.yaml").read_text())
    listed = subprocess.run(
        [sys.executable, "-m", "snakemake", "--list-rules"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert set(profile["groups"]) <= set(listed.stdout.split())
    assert set(profile["groups"].values()) == set(profile["group-components"])
    grouped = [rule for rule in rules() if rule.strip().partition(":")[0] in profile["groups"]]
    assert len(grouped) >= 2
    for rule in grouped:
        assert "gpus.resources(" not in rule
        assert "localrule: True" not in rule


def test_rules_on_the_login_node_are_few_at_once(tmp_path: Path) -> None:
    for name in ("slurm", "profiles"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: expand('{i}', i=range(12))\n    localrule: True\n"
        "rule one:\n    output: '{i}'\n    localrule: True\n"
        "    shell: 'date +%s.%N > {output}; sleep 0.4; date +%s.%N >> {output}'\n"
    )
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "slurm"],
        cwd=tmp_path,
        env={**inherited, "XDG_CACHE_HOME": str(tmp_path / ".cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    spans = [tuple(map(float, (tmp_path / str(i)).read_text().split())) for i in range(12)]
    assert 2 <= most_at_once(spans) <= 4


def most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(a <= start < b for a, b in spans) for start, _ in spans)


# --- slurm/bin/sacct ------------------------------------------------------------------------

STATES = ("sacct", "-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", "run")


def test_a_job_cancelled_by_a_user_counts_as_cancelled(fake) -> None:
    fake("squeue", "exit 1")
    fake("sacct", "echo '7|CANCELLED by 1000'; echo '8|COMPLETED'")
    done = call(*STATES)
    assert (done.returncode, done.stdout) == (0, "7|CANCELLED\n8|COMPLETED\n")


@pytest.mark.parametrize("accounting", ["off", "not installed"])
def test_without_accounting_the_queue_answers(fake, accounting: str) -> None:
    if accounting == "off":
        fake("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    asked = fake("squeue", "echo '7|RUNNING'")
    done = call(*STATES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7|RUNNING\n", "")
    assert asked.read_text().split()[-2:] == ["--name", "run"]
    assert "--states=all" in asked.read_text()


def test_where_nobody_answers_the_executor_is_told_to_ask_again(fake) -> None:
    fake("sacct", "exit 1")
    fake("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    done = call(*STATES)
    assert (done.returncode, done.stdout) == (1, "")


def test_other_questions_go_to_slurm_as_they_are_and_no_account_is_guessed(fake) -> None:
    fake("squeue", "exit 1")
    asked = fake("sacct", "echo node1")
    assert call("sacct", "-j", "7", "-n", "-o", "nodelist").stdout == "node1\n"
    assert asked.read_text().split() == ["-j", "7", "-n", "-o", "nodelist"]
    assert call("sacct", "-nu", "me", "-o", "Account%256", "|", "tail", "-1").stdout == ""


# --- slurm/bin/sbatch -----------------------------------------------------------------------

COMMENT = "rule_sample_wildcards_digits_0_2"
LOG = "/home/me/.snakemake/slurm_logs/rule_sample/digits_0_2"
RUN = "smoothcert-1-elsewhere_5ad1"


def submit(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return call(
        "sbatch", "--parsable", "--job-name", RUN, "--output", f"{LOG}/%j.log", "--comment",
        COMMENT, "-p", "gpu", "--cpus-per-task=1", *flags, "--wrap=python -m x", **environment,
    )  # fmt: skip


def test_a_kind_of_gpu_is_asked_for_by_jobs_that_ask_for_gpus(fake) -> None:
    fake("squeue", "")
    asked = fake("sbatch", "echo 12")
    assert submit("--gpus=1", SMOOTHCERT_GPU_TYPE="a100").stdout == "12\n"
    assert "--gpus=a100:1" in asked.read_text().splitlines()
    asked.unlink()
    submit(SMOOTHCERT_GPU_TYPE="a100")
    assert "gpus" not in asked.read_text()


def test_further_flags_come_after_the_executor_s_so_that_they_win(fake) -> None:
    fake("squeue", "")
    asked = fake("sbatch", "echo 12")
    submit("--gpus=1", SMOOTHCERT_SBATCH="-p long --comment 'two words'")
    assert asked.read_text().splitlines()[-6:] == [
        "--gpus=1", "-p", "long", "--comment", "two words", "--wrap=python -m x",
    ]  # fmt: skip


def queue(fake, name: str, comment: str = COMMENT, log: str = LOG) -> tuple[Path, Path]:
    """One job in the queue; returns the logs of sbatch and scancel."""
    fake("squeue", f"echo '7|{name}|{comment}'")
    fake("scontrol", f"echo '   StdOut={log}/7.log'")
    return fake("sbatch", "echo 12"), fake("scancel", "")


def host() -> str:
    import socket

    return re.sub("[^A-Za-z0-9]+", "-", socket.gethostname())[:25]


def test_a_job_of_a_killed_snakemake_is_cancelled_and_waited_for(fake) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    asked, cancelled = queue(fake, f"smoothcert-{dead.pid}-{host()}_77aa")
    done = submit()
    assert (done.returncode, done.stdout) == (0, "12\n")
    assert cancelled.read_text() == "7\n"
    assert "--dependency=afterany:7" in asked.read_text().splitlines()


@pytest.mark.parametrize(
    "other",
    [
        {"name": f"smoothcert-{os.getpid()}-{host()}_77aa"},  # its Snakemake runs
        {"name": RUN},  # of this Snakemake
        {"name": "a-job-of-mine"},
        {"name": "smoothcert-1-elsewhere_77aa", "comment": "rule_sample_wildcards_digits_1_2"},
        {"name": "smoothcert-1-elsewhere_77aa", "log": "/home/me/other/" + LOG[9:]},
    ],
    ids=["alive", "own", "foreign", "another shard", "another folder"],
)
def test_no_other_job_is_cancelled(fake, other: dict[str, str]) -> None:
    asked, cancelled = queue(fake, **other)
    assert submit().returncode == 0
    assert not cancelled.exists()
    assert "dependency" not in asked.read_text()


# A controller that fails as often as lines are left in a file
FLAKY = """
if [ -s {left} ]; then sed -i 1d {left}; echo 'sbatch: error: {says}' >&2; exit 1; fi; echo 12"""


def flaky(fake, folder: Path, times: int, says: str) -> Path:
    left = folder / "left"
    left.write_text("x\n" * times)
    return fake("sbatch", FLAKY.format(left=left, says=says))


def test_a_busy_controller_is_asked_again(fake, tmp_path: Path) -> None:
    fake("squeue", "")
    asked = flaky(
        fake, tmp_path, 2, "Batch job submission failed: Unable to contact slurm controller"
    )
    done = submit()
    assert (done.returncode, done.stdout) == (0, "12\n")
    assert done.stderr.count("asking again in") == done.stderr.count("contact slurm") == 2
    assert "submission failed" not in done.stderr  # what makes the executor give the job up
    assert asked.read_text().count("--parsable") == 3


def test_a_job_that_a_busy_controller_took_is_not_submitted_twice(fake, tmp_path: Path) -> None:
    # In the queue only once sbatch was called: before, there is what the last attempt left.
    seen = tmp_path / "left"
    fake("squeue", f"echo '7|{RUN}|{COMMENT}'; [ -s {seen} ] || echo '8|{RUN}|{COMMENT}'")
    fake("scontrol", f"echo '   StdOut={LOG}/7.log'")
    asked = flaky(fake, tmp_path, 1, "Socket timed out on send/recv operation")
    done = submit()
    assert (done.returncode, done.stdout) == (0, "8\n")
    assert asked.read_text().count("--parsable") == 1


def test_what_is_wrong_with_a_job_is_said_at_once(fake, tmp_path: Path) -> None:
    fake("squeue", "")
    asked = flaky(
        fake, tmp_path, 1, "Batch job submission failed: Invalid partition name specified"
    )
    done = submit()
    assert done.returncode == 1
    assert "Invalid partition" in done.stderr
    assert asked.read_text().count("--parsable") == 1


# --- profiles/local-gpu ---------------------------------------------------------------------


def test_as_many_gpu_jobs_as_gpus(profile, fake) -> None:
    fake("nvidia-smi", "echo 'GPU 0: A'; echo '  MIG 1g.5gb'; echo 'GPU 1: B'; echo 'GPU 2: C'")
    read = profile("profiles/local-gpu/config.yaml")
    assert read["resources"] == ["gpu=3"]
    assert os.environ["SMOOTHCERT_GPUS"] == "0 1 2"
    del os.environ["SMOOTHCERT_GPUS"], os.environ["BASH_ENV"]
    read = profile("profiles/local-gpu/config.yaml", CUDA_VISIBLE_DEVICES="2,5")
    assert read["resources"] == ["gpu=2"]
    del os.environ["SMOOTHCERT_GPUS"], os.environ["BASH_ENV"]


def test_a_machine_without_a_gpu_is_told_so(profile, fake) -> None:
    fake("nvidia-smi", "exit 9")
    with pytest.raises(Exception, match="no GPU found"):
        profile("profiles/local-gpu/config.yaml")


def rules() -> list[str]:
    text = "\n".join(file.read_text() for file in sorted((REPOSITORY / "rules").glob("*.smk")))
    return re.split(r"^\s*rule\b", text, flags=re.M)[1:]


def test_the_commands_of_rules_with_a_gpu_get_one_and_no_others() -> None:
    seen = {True: 0, False: 0}
    for rule in rules():
        command = re.search(r'"[^"]*(smoothcert [^"]*)', rule)
        if command is None:
            continue
        # Of audits the command says it, by its --model
        wants = re.search(r'gpus\.resources\(config, "\w+"\)', rule) is not None
        told = subprocess.run(
            ["bash", "-c", f": {shlex.quote(command[1])}; echo [$CUDA_VISIBLE_DEVICES]"],
            env={"PATH": os.environ["PATH"], "BASH_ENV": str(ONE_GPU), "SMOOTHCERT_GPUS": "GPU-7"},
            capture_output=True,
            text=True,
        ).stdout
        assert told == ("[GPU-7]\n" if wants else "[]\n"), rule
        seen[wants] += 1
    assert min(seen.values()) >= 3


def test_jobs_side_by_side_never_share_a_gpu_not_even_of_two_snakemakes(tmp_path, fake) -> None:
    fake("nvidia-smi", 'for i in 0 1 2; do echo "GPU $i: fake"; done')
    fake(
        "smoothcert",
        'start=$(date +%s.%N); sleep 0.7; echo "$CUDA_VISIBLE_DEVICES $start $(date +%s.%N)" > $2',
    )
    runs = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "profiles").symlink_to(REPOSITORY / "profiles")
        (folder / "Snakefile").write_text(
            "rule all:\n    input: expand('{i}', i=range(6))\n    localrule: True\n"
            "rule one:\n    output: '{i}'\n    resources: gpu=1\n"
            "    shell: 'smoothcert sample {output}'\n"
        )
        inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BASH_ENV")}
        inherited.pop("CUDA_VISIBLE_DEVICES", None)
        runs.append(
            subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--workflow-profile", "local-gpu"],
                cwd=folder,
                env={**inherited, "XDG_CACHE_HOME": str(folder / ".cache")},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for run in runs:
        _, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
    spans: dict[str, list[tuple[float, float]]] = {}
    for name in ("a", "b"):
        for i in range(6):
            gpu, start, end = (tmp_path / name / str(i)).read_text().split()
            spans.setdefault(gpu, []).append((float(start), float(end)))
    assert set(spans) == {"0", "1", "2"}
    assert {gpu: most_at_once(times) for gpu, times in spans.items()} == dict.fromkeys(spans, 1)
    assert most_at_once([span for times in spans.values() for span in times]) >= 2


def test_an_orphan_keeps_its_gpu(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"], "BASH_ENV": str(ONE_GPU), "SMOOTHCERT_GPUS": "orphan-test",
    }  # fmt: skip
    first = subprocess.Popen(
        ["bash", "-c", ": 'smoothcert sample '; sleep 30 & echo $!; wait"],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdout is not None
    orphan = int(first.stdout.readline())
    first.kill()  # the shell, not what it started
    first.wait()
    second = subprocess.Popen(["bash", "-c", ": 'smoothcert sample '; true"], env=environment)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1.5)
    os.kill(orphan, 9)
    assert second.wait(20) == 0
