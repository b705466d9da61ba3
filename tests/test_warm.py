"""Commands that a running process starts: they end, fail and die as commands started anew do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from smoothcert import models

# A process that answers with a small command of its own, and imports next to nothing
SERVER = """
import os, sys, time
from smoothcert.core import warm

def run(words):
    print(*words, os.getcwd(), os.environ["WHO"], warm.VARIABLE in os.environ, flush=True)
    print(sys.stdin.read(), file=sys.stderr)
    if words[0] == "sleep":
        time.sleep(60)
    if words[0] == "raise":
        raise ValueError("planted")
    if words[0] == "exit":
        sys.exit("planted")
    return int(words[1])

warm.serve(sys.argv[1], run)
"""


def wait_until(happened, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def started(command: list[str], address: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, *command, str(address)], stdin=subprocess.PIPE)
    wait_until(lambda: address.exists() or process.poll() is not None)
    return process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = started(["-c", SERVER], tmp_path / "socket")
    yield process
    process.stdin.close()
    assert process.wait(30) == 0
    assert not (tmp_path / "socket").exists()


def asked(folder: Path, *words: str, threads: str = "1") -> subprocess.Popen[str]:
    """The command as the workflow starts it, where a process may listen in ``folder``."""
    here = {"SMOOTHCERT_WARM": str(folder / "socket"), "WHO": "me", "OMP_NUM_THREADS": threads}
    (folder / "elsewhere").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "smoothcert", *words],
        cwd=folder / "elsewhere",
        env={**os.environ, **here},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_has_the_words_folder_environment_streams_and_status_of_who_asked(server, tmp_path):
    process = asked(tmp_path, "end", "7")
    out, err = process.communicate("said\n")
    assert (process.returncode, err.strip()) == (7, "said")
    assert out == f"end 7 {tmp_path / 'elsewhere'} me False\n"


@pytest.mark.parametrize("word", ["raise", "exit"])
def test_one_that_fails_fails(server, tmp_path, word):
    process = asked(tmp_path, word, "0")
    _, err = process.communicate("")
    assert process.returncode == 1
    assert err.splitlines()[-1] == {"raise": "ValueError: planted", "exit": "planted"}[word]


def test_it_ends_when_who_asked_is_killed(server, tmp_path):
    process = asked(tmp_path, "sleep", "0")
    assert process.stdout.readline().startswith("sleep")
    (fork,) = psutil.Process(server.pid).children()
    process.kill()
    wait_until(lambda: not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE)


def test_who_asked_fails_in_one_line_when_it_is_killed(server, tmp_path):
    process = asked(tmp_path, "sleep", "0")
    assert process.stdout.readline().startswith("sleep")
    (fork,) = psutil.Process(server.pid).children()
    fork.send_signal(signal.SIGKILL)
    _, err = process.communicate("")
    assert process.returncode == 1
    assert err.splitlines()[-1] == "error: the process of this command was killed"


def test_a_command_goes_on_when_no_more_are_taken(tmp_path):
    server = started(["-c", SERVER], tmp_path / "socket")
    process = asked(tmp_path, "end", "3")
    assert process.stdout.readline().startswith("end")
    server.stdin.close()
    assert server.wait(30) == 0
    process.communicate("")
    assert process.returncode == 3


@pytest.mark.parametrize("threads", ["1", "2"])
def test_without_a_process_or_with_more_threads_it_runs_itself(tmp_path, threads):
    """Where the library reads its number of threads once, only a new process reads another."""
    server = started(["-c", SERVER], tmp_path / "socket") if threads == "2" else None
    process = asked(tmp_path, "end", "3", threads=threads)
    _, err = process.communicate("")
    assert process.returncode == 2
    assert "invalid choice" in err
    if server is not None:
        server.stdin.close()
        server.wait(30)


def test_votes_are_the_same_to_the_byte_and_their_cost_is_measured(tmp_path):
    model = tmp_path / "model.safetensors"
    models.save(models.build("tiny_cnn", 10, (1, 8, 8)), model, {})
    spec = {"dataset": "digits", "noise": "gaussian-0.25", "budget": "fixed-200", "max": 3}
    words = ["sample", "--spec", json.dumps({**spec, "look": 100}), "--model", str(model)]
    words += ["--quiet", "--benchmark", "../what/it.tsv", "--out"]
    assert asked(tmp_path, *words, "cold.npz").wait() == 0
    server = started(["-m", "smoothcert", "warm"], tmp_path / "socket")
    wait_until(lambda: (tmp_path / "socket").exists())
    process = asked(tmp_path, *words, "warm.npz")
    assert process.wait() == 0, process.stderr.read()
    server.stdin.close()
    assert server.wait(30) == 0
    cold, warm = (tmp_path / "elsewhere" / f"{name}.npz" for name in ("cold", "warm"))
    assert cold.read_bytes() == warm.read_bytes()
    head, row = (tmp_path / "what" / "it.tsv").read_text().splitlines()
    took = dict(zip(head.split("\t"), map(float, row.split("\t")), strict=True))
    assert 0 < took["cpu_time"] < 1.0 + took["s"]
    assert took["max_rss"] > 50
