"""What lies in a results folder, for the checks: tables, certificates, audits. Read once."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from smoothcert.errors import SmoothcertError

if TYPE_CHECKING:
    from pathlib import Path

    from smoothcert.runs import Run

Line = dict[str, str]


@dataclass
class Evidence:
    """A results folder. What is not there is empty; what cannot be read is a SmoothcertError."""

    results: Path
    _tables: dict[str, list[Line]] = field(default_factory=dict)

    def rows(self, name: str) -> list[Line]:
        """The rows of ``tables/NAME.csv``, or of another CSV below the folder."""
        if name not in self._tables:
            path = self.results / self.link(name)
            self._tables[name] = _read(path) if path.exists() else []
        return self._tables[name]

    @staticmethod
    def link(name: str) -> str:
        """A table's path from the folder."""
        return name if "/" in name else f"tables/{name}.csv"

    def first(self, *paths: str) -> str:
        """The first of these files that is there, or nothing."""
        return next((path for path in paths if (self.results / path).exists()), "")

    @cached_property
    def runs(self) -> list[Run]:
        """Every certificate table of the workflow, before any memory."""
        from smoothcert.runs import read_runs

        return read_runs(sorted((self.results / "certificates").glob("*/*/*/*/*/*.tsv")))

    @cached_property
    def searched(self) -> list[tuple[Run, Run]]:
        """(fixed scale, scales of its own) of one model, noise and budget."""
        found: dict[tuple[str, ...], list[Run]] = defaultdict(list)
        for run in self.runs:
            axes = (run.dataset, run.arch, run.training, run.noise, run.budget)
            found[tuple(map(str, axes))].append(run)
        return [
            (fixed, run)
            for group in found.values()
            for fixed in group
            if fixed.scaling == "fixed"
            for run in group
            if run.scaling != "fixed"
        ]

    @cached_property
    def audits(self) -> list[tuple[str, dict[str, Any]]]:
        """(path from the folder, verdict) of every audit."""
        found = []
        for path in sorted((self.results / "audits").glob("**/*.json")):
            try:
                whole = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise SmoothcertError(f"{path}: no file of verdicts: {error}") from None
            name = path.relative_to(self.results).as_posix()
            found += [(name, verdict) for verdict in whole.get("verdicts", [])]
        return found


def _read(path: Path) -> list[Line]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SmoothcertError(f"{path}: cannot be read as a table: {error}") from None


def value(row: Line, key: str) -> float | None:
    """A number of a row; None where there is none."""
    text = row.get(key) or ""
    try:
        return float(text.replace(",", "")) if text else None
    except ValueError:
        return None


def radii(row: Line, prefix: str) -> dict[float, str]:
    """The columns of certified accuracy by their radius, rising: ``accuracy_percent_0.25``,
    ``certified_0.5``, ``accuracy_percent_2_255``."""
    found = {}
    for key in row:
        text = key.removeprefix(prefix)
        if text == key or text.endswith(("_low", "_high", "_paper")):
            continue
        above, _, below = text.partition("_")
        found[float(above) / float(below or 1)] = key
    return dict(sorted(found.items()))
