"""The device a job runs on."""

from __future__ import annotations

import os

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError


def choose_device(name: str = "auto") -> torch.device:
    """``auto`` takes a GPU where there is one. Raises SmoothcertError for one that is not."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SmoothcertError(f"device {name!r} cannot be used: {reason}") from None


def job_device(name: str = "auto") -> torch.device:
    """:func:`choose_device` for a command: on a CPU its process keeps to one thread.

    Two threads on a busy machine were measured slower than one, and sums over another number
    of threads round differently, so a result would depend on the machine's cores.
    """
    device = choose_device(name)
    if device.type == "cpu":
        torch.set_num_threads(1)
    return device


def cores() -> int:
    """The cores this process may use: OMP_NUM_THREADS where it is set (the workflow sets it to
    a job's share), else those it is allowed to run on."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
