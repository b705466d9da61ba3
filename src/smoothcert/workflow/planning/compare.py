"""Planned beside recorded: the benchmarks that jobs wrote and the times in the records."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.workflow.planning.estimate import Estimate
from smoothcert.workflow.planning.jobs import Job


@dataclass
class Compared:
    """One rule: seconds over its jobs that have run. ``wall`` and ``cpu`` are the benchmarks',
    ``inside`` those that the jobs themselves recorded of their work alone (None without)."""

    rule: str
    jobs: int = 0
    planned: float = 0.0
    wall: float = 0.0
    cpu: float | None = 0.0
    inside: float | None = None

    def recorded(self, clock: str) -> float:
        """What the plan is measured by: processor time on a CPU, else wall time."""
        return self.cpu if clock == "cpu" and self.cpu else self.wall


def compare(estimate: Estimate, folder: str | os.PathLike[str] = ".") -> list[Compared]:
    """The rules whose jobs left benchmarks under ``folder``, in the order of the jobs.

    Raises SmoothcertError if there is none, or for a benchmark that is no table.
    """
    found: dict[str, Compared] = {}
    for i, job in enumerate(estimate.jobs):
        seconds, path = estimate.works[i].seconds, Path(folder, job.option("--benchmark") or ".")
        if not path.is_file():
            continue
        line = found.setdefault(job.rule, Compared(job.rule))
        line.jobs += 1
        line.planned += seconds or 0.0
        wall, cpu = _benchmark(path)
        line.wall += wall
        line.cpu = None if cpu is None or line.cpu is None else line.cpu + cpu
        inside = _inside(job, Path(folder))
        if inside is not None:
            line.inside = (line.inside or 0.0) + inside
    for line in found.values():
        uncounted = [
            job
            for job, work in zip(estimate.jobs, estimate.works, strict=True)
            if job.rule == line.rule and work.seconds is None
        ]
        if uncounted:
            line.planned = float("nan")
    if not found:
        raise SmoothcertError("nothing to compare: none of these jobs has left a benchmark")
    return list(found.values())


def _benchmark(path: Path) -> tuple[float, float | None]:
    """(wall seconds, processor seconds if known), the last run of the file."""
    try:
        rows = list(csv.DictReader(path.open(encoding="utf-8"), delimiter="\t"))
        cpu = rows[-1].get("cpu_time", "NA")
        return float(rows[-1]["s"]), None if cpu in ("NA", "-", "") else float(cpu)
    except (KeyError, IndexError, ValueError) as error:
        raise SmoothcertError(f"{path}: not a benchmark of a job: {error!r}") from None


def _inside(job: Job, folder: Path) -> float | None:
    """The seconds of the work itself, from what the job wrote beside its result."""
    for name in job.output:
        path = folder / name
        if not path.is_file():
            continue
        if name.endswith("model.log.csv"):
            with path.open(encoding="utf-8") as file:
                return sum(float(row["seconds"]) for row in csv.DictReader(file))
        if job.command == "scales" and name.endswith(".json"):
            seconds = json.loads(path.read_text(encoding="utf-8"))["seconds"]
            return float(seconds["searched"]) + float(seconds["measured"])
    if job.command == "sample":
        # The shard is gone; the store that it went into has the seconds of each input.
        votes = folder / Path(job.output[0]).parent.parent / "votes.json"
        i, k = (int(part) for part in (job.option("--shard") or "0/1").split("/"))
        if votes.is_file():
            seconds = json.loads(votes.read_text(encoding="utf-8"))["seconds"]
            return float(sum(list(seconds.values())[i::k]))
    return None
