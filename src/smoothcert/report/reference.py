"""The numbers that the papers print, as data: ``papers/{paper}/printed/{table}.csv``.

    value("ddrs", "appendix_H1", dataset="cifar10", method="Cohen", sigma=0.25, radius=0.5)

is the printed cell. Each paper's folder says when one of its numbers may stand beside ours; where
none may, :class:`NotComparable` says why.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from smoothcert.core.errors import SmoothcertError

# The papers by their key in the CSV files: (folder, name in print).
PAPERS = {
    "ddrs": ("ddrs", "DDRS"),
    "iss": ("iss", "ISS"),
    "lbrs": ("lbrs", "LBRS"),
    "zhang": ("nongaussian", "Zhang et al."),
}
_ROOT = resources.files("smoothcert.papers")


@dataclass(frozen=True)
class Cell:
    """A printed number: its key, and its text as printed (None where it cannot be read).

    ``sigma``, ``radius`` are in pixels of [0,1]; None where a column does not apply.
    """

    paper: str
    table: str
    dataset: str | None
    norm: str | None
    method: str | None
    train: str | None
    certify: str | None
    sigma: float | None
    K: int | None
    n: int | None
    metric: str
    radius: float | None
    text: str | None
    unit: str
    note: str

    @property
    def value(self) -> float | None:
        """The number; None where the text cannot be read or is no number."""
        try:
            return float(self.text) if self.text is not None else None
        except ValueError:
            return None

    @property
    def decimals(self) -> int:
        """Digits printed after the point: 79.9 -> 1, 60 -> 0."""
        return max(0, -int(Decimal(self.text or "0").as_tuple().exponent))

    @property
    def source(self) -> str:
        """Where it is printed: ``DDRS table 1``, ``DDRS appendix H.1``."""
        name = self.table.replace("appendix_H", "appendix H.").replace("appendix_", "appendix ")
        return f"{PAPERS[self.paper][1]} {name.replace('table', 'table ')}"


@dataclass(frozen=True)
class NotComparable:
    """Why no number of a paper may stand beside ours: a few words for a table's cell."""

    reason: str


@dataclass(frozen=True)
class Row:
    """A row of a paper's table: its cells by metric and radius, to stand beside ours."""

    cells: tuple[Cell, ...]

    def at(self, radius: float) -> Cell | None:
        """The certified accuracy that the row prints at ``radius``, if it prints one."""
        return next((c for c in self.accuracies if c.radius == radius), None)

    def metric(self, name: str) -> Cell | None:
        """The cell of another metric (``ACR``, ``avg_samples``, ...), if printed."""
        return next((c for c in self.cells if c.metric == name), None)

    @property
    def accuracies(self) -> tuple[Cell, ...]:
        """The legible cells of certified accuracy, by radius."""
        return tuple(
            c for c in self.cells if c.metric == "certified_accuracy" and c.value is not None
        )

    @property
    def source(self) -> str:
        return self.cells[0].source


def cells(paper: str, table: str, **key: Any) -> tuple[Cell, ...]:
    """The cells of a paper's table whose fields equal ``key``, in printed order.

    ``sigma=None`` asks for rows without sigma. Raises SmoothcertError for an unknown paper,
    table or field.
    """
    file = _ROOT / PAPERS[paper][0] / "printed" / f"{table}.csv" if paper in PAPERS else None
    if file is None or not file.is_file():
        raise SmoothcertError(f"reference {paper} {table}: unknown paper or table")
    for name in key:
        if name not in Cell.__dataclass_fields__:
            raise SmoothcertError(f"reference {paper} {table}: has no column {name!r}")
    return tuple(c for c in _read(paper, table) if all(getattr(c, k) == v for k, v in key.items()))


def value(paper: str, table: str, **key: Any) -> Cell:
    """The one printed cell that ``key`` names (``metric`` is certified accuracy if a radius is
    given and it isn't). Raises SmoothcertError if no cell or several have the key."""
    if "radius" in key:
        key.setdefault("metric", "certified_accuracy")
    found = cells(paper, table, **key)
    if len(found) != 1:
        text = ", ".join(f"{k}={v}" for k, v in key.items())
        raise SmoothcertError(
            f"reference {paper} {table} ({text}): expected one cell, found {len(found)}"
        )
    return found[0]


@cache
def _read(paper: str, table: str) -> tuple[Cell, ...]:
    file = _ROOT / PAPERS[paper][0] / "printed" / f"{table}.csv"
    with file.open(encoding="utf-8") as handle:
        return tuple(_cell(row) for row in csv.DictReader(handle))


@cache
def inputs_behind() -> dict[tuple[str, str], int]:
    """Test inputs behind a paper's numbers, by paper and data set (papers/inputs.csv says why)."""
    with (_ROOT / "inputs.csv").open(encoding="utf-8") as handle:
        return {(r["paper"], r["dataset"]): int(r["inputs"]) for r in csv.DictReader(handle)}


def _cell(row: dict[str, str]) -> Cell:
    def optional(name: str, kind: type) -> Any:
        return kind(row[name]) if row[name] else None

    return Cell(
        paper=row["paper"],
        table=row["table"],
        dataset=row["dataset"] or None,
        norm=row["norm"] or None,
        method=row["method"] or None,
        train=row["train"] or None,
        certify=row["certify"] or None,
        sigma=optional("sigma", float),
        K=optional("K", int),
        n=optional("n", int),
        metric=row["metric"],
        radius=optional("radius", float),
        text=row["value"] or None,
        unit=row["unit"],
        note=row["note"],
    )
