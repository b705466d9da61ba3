"""The device a job runs on: chosen, named, and the cores beside it."""

from __future__ import annotations

import os
from pathlib import Path

from smoothcert.compute.arithmetic import switch
from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError

# The least driver for the CUDA that a torch was built with (NVIDIA, CUDA compatibility guide).
DRIVERS = {"11": 450, "12": 525, "13": 580}
_NONE = frozenset({"", "-1", "none", "nodevfiles", "void"})
_ASKED = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
_DRIVER = Path("/proc/driver/nvidia/version")


def choose_device(name: str = "auto") -> torch.device:
    """``auto`` takes a GPU where there is one, and the CPU where nobody gave this process a GPU.

    Raises SmoothcertError for a device that is not, with the reason; also where the environment
    (CUDA_VISIBLE_DEVICES, Slurm) names a GPU that torch cannot use: a job that asked for a GPU
    must not spend its time limit on a CPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and (asked := gpu_of_environment()):
            raise SmoothcertError(
                f"device: {asked} gives this job a GPU, but torch cannot use it:"
                f" {_why_not()}; use --device cpu to run on the CPU instead"
            )
    if name.partition(":")[0] == "cuda" and not torch.cuda.is_available():
        raise SmoothcertError(f"device {name!r} cannot be used: {_why_not()}")
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SmoothcertError(f"device {name!r} cannot be used: {reason}") from None


def job_device(name: str = "auto") -> torch.device:
    """:func:`choose_device` for a command: on a CPU its process keeps to one thread.

    Two threads on a busy machine were measured slower than one, and sums over another number
    of threads round differently, so a result would depend on the machine's cores. On a GPU
    float32 is IEEE's until somebody names another arithmetic.
    """
    device = choose_device(name)
    if device.type == "cpu":
        torch.set_num_threads(1)
    else:
        switch("float32")
    return device


def kind_of(device: torch.device) -> str:
    """What a result depends on: ``cpu``, or ``cuda (NVIDIA H100 80GB HBM3)``.

    The model of a GPU counts: torch spreads a draw over its multiprocessors, so another model
    draws other noise from the same seed, and its kernels round otherwise.
    """
    if device.type != "cuda":
        return device.type
    return f"{device.type} ({torch.cuda.get_device_name(device)})"


def gpu_of_environment() -> str:
    """The variable that gives this process a GPU, with its value; '' if none does."""
    for name in _ASKED:
        if os.environ.get(name, "").strip().lower() not in _NONE:
            return f"{name}={os.environ[name]}"
    return ""


def cores() -> int:
    """The cores that are this process's: those of its job, not of its machine.

    The least of what the system lets it use, what Slurm gave a task (SLURM_CPUS_PER_TASK) and
    what Snakemake gave a rule (its threads, as OMP_NUM_THREADS). The processes of torchrun, which
    sets OMP_NUM_THREADS to 1 unless somebody else did, share those of their job alike.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    found = [len(allowed) if allowed else os.cpu_count() or 1]
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    for name in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "")
        if text.isdigit() and int(text) and not (beside > 1 and name.startswith("OMP")):
            found.append(int(text))
    return max(1, min(found) // beside)


def _why_not() -> str:
    """Why torch sees no GPU, with the versions that decide it."""
    built = torch.version.cuda
    if built is None:
        return f"torch {torch.__version__} is a build without CUDA"
    driver, needed = driver_version(), DRIVERS.get(built.partition(".")[0])
    found = f"no NVIDIA driver is loaded here ({_DRIVER} is missing)"
    if driver is not None:
        found = f"this machine's driver is {driver}"
    wanted = "" if needed is None else f", which needs an NVIDIA driver of {needed} or newer"
    return f"torch {torch.__version__} is built for CUDA {built}{wanted}; {found}"


def driver_version() -> str | None:
    """The version of the NVIDIA driver that is loaded, such as 535.183.01; None without one."""
    try:
        words = _DRIVER.read_text(encoding="utf-8").splitlines()[0].split()
    except (OSError, IndexError):
        return None
    return next((word for word in words if word[0].isdigit() and "." in word), None)
