"""What the tests of training share: a run in a process of its own that can be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
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
    deadline = time.monotonic() + 60
    pattern = f".{out.name}.*.partial/log.csv"
    while True:
        logs = list(out.parent.glob(pattern))
        if logs and len(logs[0].read_text().splitlines()) > after_epoch:
            break
        assert process.is_alive(), "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    return train(job, out, device="cpu", quiet=True)


def signalled(job: Job, out: Path, name: str) -> int:
    """The exit status of ``smoothcert train`` that is sent the signal after its first epoch."""

    words = ["train", "--spec", job.model_dump_json(), "--device", "cpu", "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "smoothcert", *words, "--out", str(out)])
    deadline = time.monotonic() + 60
    while not list(out.parent.glob(f".{out.name}.*.partial/log.csv")):
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.Signals[name])
    assert process.wait(60) == 128 + signal.Signals[name]
    return process.returncode
