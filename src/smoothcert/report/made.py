"""What made the results in a folder: revisions, versions, devices, seeds, inputs, times."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError


@dataclass(frozen=True)
class Made:
    """Each field's values with how many records have them; by rule, jobs and their seconds."""

    values: dict[str, Counter[str]]
    seconds: dict[str, tuple[int, float]]
    records: int

    @property
    def jobs(self) -> int:
        return sum(jobs for jobs, _ in self.seconds.values())

    @property
    def total(self) -> float:
        """Seconds of all jobs."""
        return sum(seconds for _, seconds in self.seconds.values())


def made(results: Path) -> Made:
    """Read the records beside certificates and the jobs' benchmarks under ``results``.

    Raises SmoothcertError for a record that is no JSON.
    """
    values: dict[str, Counter[str]] = {}
    count = 0
    for path in sorted(results.glob("**/certificates/**/*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SmoothcertError(f"{path}: not a JSON record: {error}") from None
        count += 1
        for name, value in _facts(record):
            values.setdefault(name, Counter())[value] += 1
    return Made(values, _seconds(results / "benchmarks"), count)


def _facts(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    votes = record.get("votes", record)
    identity, where = votes.get("identity", {}), votes.get("surroundings", {})
    for name in ("dataset", "device", "engine", "precision", "seed", "arch"):
        if identity.get(name) is not None:
            yield name, str(identity[name])
    git = where.get("git") or {}
    if git:
        changed = " with uncommitted changes" if git.get("dirty") else ""
        yield "git revision", f"{git['revision'][:12]}{changed}"
    for name in ("smoothcert", "python", "platform"):
        if where.get(name):
            yield name, str(where[name])
    for name, version in (where.get("packages") or {}).items():
        yield name, str(version)


def _seconds(folder: Path) -> dict[str, tuple[int, float]]:
    """By rule, the number of jobs and their wall-clock seconds in all."""
    found: dict[str, tuple[int, float]] = {}
    for path in sorted(folder.glob("**/*.tsv")):
        rule = path.relative_to(folder).parts[0]
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t"))
        jobs, total = found.get(rule, (0, 0.0))
        took = sum(float(row["s"]) for row in rows if row.get("s"))
        found[rule] = (jobs + 1, total + took)
    return found
