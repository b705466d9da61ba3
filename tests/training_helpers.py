"""What the tests of training share: a run in a process of its own that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from smoothcert.training import Job
from smoothcert.training.run import train


def killed_and_resumed(job: Job, out: Path, after_epoch: int = 1) -> dict:
    """Train in a forked process, SIGKILL it in the middle of a later epoch, and run again.

    The caller has set torch to one thread: a forked process has no others.
    """
    process = multiprocessing.get_context("fork").Process(
        target=train, args=(job, out), kwargs={"device": "cpu", "quiet": True}
    )
    process.start()
    wait_for_epoch(out, after_epoch, process.is_alive)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    return train(job, out, device="cpu", quiet=True)


def wait_for_epoch(out: Path, epochs: int, runs: Callable[[], bool]) -> None:
    """Until the log of a training to ``out`` in another process has ``epochs`` rows."""
    deadline = time.monotonic() + 60
    while True:
        logs = list(out.parent.glob(f".{out.name}.*.partial/log.csv"))
        if logs and len(logs[0].read_text().splitlines()) > epochs:
            return
        assert runs(), "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def signalled(job: Job, out: Path, name: str) -> int:
    """The exit status of ``smoothcert train`` that is sent the signal after its first epoch."""
    words = ["train", "--spec", job.model_dump_json(), "--device", "cpu", "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "smoothcert", *words, "--out", str(out)])
    wait_for_epoch(out, 1, lambda: process.poll() is None)
    process.send_signal(signal.Signals[name])
    assert process.wait(60) == 128 + signal.Signals[name]
    return process.returncode
