"""The paper's numbers beside ours, with the sampling error of both.

A table of this project (tables/write.py) holds a measured number as KEY, KEY_low, KEY_high and
KEY_paper. Only a number of the same data and model has a KEY_paper, so a difference is one of
results; whether it is more than chance depends on the test inputs of both sides.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smoothcert.errors import SmoothcertError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

# Test inputs behind a paper's numbers (discrepancies of the papers, settings).
PAPER_INPUTS = {
    "cifar10": {"ddrs": 10_000, "iss": 500, "nongaussian": 500, "cohen": 10_000},
    "imagenet": {"ddrs": 500, "iss": 500, "nongaussian": 500, "cohen": 500},
}
AGREES, DIFFERS, OTHER = "within sampling error", "beyond sampling error", "different data or model"


@dataclass(frozen=True)
class Difference:
    """Ours minus the paper's for one cell, and what the numbers of inputs allow (95%).

    ``difference`` and ``allowed`` are None where the paper has no comparable number.
    """

    table: str
    row: str
    column: str
    ours: float
    paper: float | None = None
    difference: float | None = None
    allowed: float | None = None

    @property
    def verdict(self) -> str:
        if self.difference is None or self.allowed is None:
            return OTHER
        return AGREES if abs(self.difference) <= self.allowed else DIFFERS


def differences(path: str | os.PathLike[str]) -> list[Difference]:
    """The measured cells of one table's CSV, in its order.

    Raises SmoothcertError for a file that is no such table.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            rows, names = list(reader), list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SmoothcertError(f"{path}: cannot be read as a table: {error}") from None
    measured = [name for name in names if f"{name}_paper" in names]
    words = [n for n in names if not any(n in (m, *_ends(m)) for m in measured)]
    found = []
    for row in rows:
        label = ", ".join(row[name] for name in words[:6] if row[name])
        columns = [column for column in measured if row[column]]
        found += [_difference(path.stem, label, column, row) for column in columns]
    return found


def _ends(name: str) -> tuple[str, str, str]:
    return f"{name}_low", f"{name}_high", f"{name}_paper"


def _difference(table: str, label: str, column: str, row: dict[str, str]) -> Difference:
    low, high, paper = (row.get(name) or None for name in _ends(column))
    ours = float(row[column])
    if paper is None or low is None or high is None:
        return Difference(table, label, column, ours)
    # Their error from ours: the same spread of inputs, over as many as they had.
    half = (float(high) - float(low)) / 2
    ratio = _inputs(row) / _paper_inputs(table, row)
    allowed = half * math.sqrt(1 + ratio)
    return Difference(table, label, column, ours, float(paper), ours - float(paper), allowed)


def _inputs(row: dict[str, str]) -> float:
    for name in ("inputs", "n_inputs"):
        text = (row.get(name) or "").replace(",", "")
        if text.isdigit() and int(text) > 0:
            return float(text)
    return 500.0


def _paper_inputs(table: str, row: dict[str, str]) -> float:
    data = next((d for d in PAPER_INPUTS if d in row.values()), "imagenet")
    return float(PAPER_INPUTS[data].get(table.split("_")[0], 500))


def write_differences(path: str | os.PathLike[str], cells: Iterable[Difference]) -> None:
    """One row a cell: table, row, column, ours, paper, difference, allowed, verdict."""
    import io

    from smoothcert.files import write_text

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("table", "row", "column", "ours", "paper", "difference", "allowed")
    writer.writerow([*names, "verdict"])
    for cell in cells:
        values = [getattr(cell, name) for name in names]
        writer.writerow(["" if v is None else v for v in values] + [cell.verdict])
    write_text(path, out.getvalue())
