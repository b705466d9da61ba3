"""Stops a job at a known place, where it waits for what the test does to it.

The GPUs of the test's nodes are pretended: a job that asks for one gets the CPU.

Python reads this file at its start, for it is on PYTHONPATH. A training stops after its second
epoch, the sampling of a shard after five looks, and when it is resumed after five further ones.
"""

import os
import signal
import sys
from pathlib import Path

AFTER = {"train": 2, "sample": 5}
TIMES = {"train": 1, "sample": 2}


def stop(name: str, times: int) -> None:
    """Leave the file ``name``.N for the test to see, and wait; nothing after ``times`` of them."""
    for n in range(times):
        try:
            Path(os.environ["STOPS"], f"{name}.{n}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGSTOP)
        return


def after(function, command: str, name: str):
    """``function`` as it is, and a stop after so many of its calls."""
    calls = 0

    def counted(*arguments):
        nonlocal calls
        result = function(*arguments)
        calls += 1
        if calls == AFTER[command]:
            stop(name, TIMES[command])
        return result

    return counted


def on_the_cpu() -> None:
    """What ``--device cuda`` means here."""
    import torch

    from smoothcert.compute import devices

    devices.choose_device = lambda name="auto": torch.device("cpu")


if sys.orig_argv[1:4] == ["-m", "smoothcert", "train"]:
    on_the_cpu()
    from smoothcert.training import keeper

    keeper.write_log = after(keeper.write_log, "train", "train")
elif sys.orig_argv[1:4] == ["-m", "smoothcert", "selftest"]:
    on_the_cpu()
elif sys.orig_argv[1:4] == ["-m", "smoothcert", "sample"]:
    on_the_cpu()
    from smoothcert.core.scratch import Journal

    shard = sys.orig_argv[sys.orig_argv.index("--shard") + 1].partition("/")[0]
    Journal.append = after(Journal.append, "sample", f"shard{shard}")
