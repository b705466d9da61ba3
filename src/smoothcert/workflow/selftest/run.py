"""All questions to a device, one after the other: a file of what was seen, and one line."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from smoothcert.compute.arithmetic import switches
from smoothcert.compute.devices import driver_version, job_device, kind_of
from smoothcert.core import provenance
from smoothcert.core.errors import SmoothcertError, first_line
from smoothcert.core.files import write_text
from smoothcert.workflow.selftest import again, noise, same, speed
from smoothcert.workflow.selftest.place import Ask, Check, Place

FORMAT = "smoothcert-selftest-1"
ASKED: dict[str, Ask] = {
    "arithmetic": same.arithmetic,
    "networks": same.networks,
    "votes": same.votes,
    "noise": noise.laws,
    "again": again.votes,
    "weights": again.weights,
    "trainings": same.trainings,
    "memory": speed.memory,
    "rates": speed.rates,
    "loader": speed.loader,
}


def selftest(
    device: str, seconds: float, only: tuple[str, ...] = (), say: Callable[[str], None] = print
) -> dict[str, Any]:
    """What was seen on ``device``, the verdict in one line, whether all was as it must be.

    ``only``: these questions. A question that ends in an error is answered with no, and says the
    error. Raises SmoothcertError for a device that is not, or a question that is none.
    """
    for name in only:
        if name not in ASKED:
            raise SmoothcertError(f"--questions {name}: expected one of {', '.join(ASKED)}")
    where, start = job_device(device), time.monotonic()
    kind, checks = kind_of(where), []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(where, Path(folder), seconds)
        for name, ask in ASKED.items():
            if only and name not in only:
                continue
            for check in _answers(name, ask, place):
                checks.append(check)
                word = {True: "yes", False: "NO", None: "-"}[check.passed]
                say(f"{word:4}{check.name}: {check.said}")
    failed = [check.name for check in checks if check.passed is False]
    asked = sum(check.passed is not None for check in checks)
    took = time.monotonic() - start
    about = f"{kind}, torch {torch.__version__}, driver {driver_version() or 'none'}"
    line = (
        f"selftest FAILED on {about}: {len(failed)} of {asked}: {', '.join(failed)}"
        if failed
        else f"selftest passed on {about}: {asked} of {asked} checks, {took:.0f} s"
    )
    return {
        "format": FORMAT,
        "passed": not failed,
        "verdict": line,
        "device": kind,
        "driver": driver_version(),
        "cuda": torch.version.cuda,
        "switches": switches(),
        "seconds": round(took, 1),
        "checks": [dataclasses.asdict(check) for check in checks],
        "made_by": provenance.record(str(where)),
    }


def _answers(name: str, ask: Ask, place: Place) -> list[Check]:
    found: list[Check] = []
    try:
        found.extend(ask(place))
    except Exception as error:  # a device may fail in any way; the other questions go on
        found.append(Check(name, False, f"{type(error).__name__}: {first_line(error)}"))
    return found


def write(path: Path, seen: dict[str, Any]) -> None:
    """The file, atomically."""
    write_text(path, json.dumps(seen, indent=1) + "\n")
