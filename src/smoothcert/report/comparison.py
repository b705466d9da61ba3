"""The paper's numbers beside ours, with the sampling error of both.

A table of this project (tables/write.py) holds a measured number as KEY, KEY_low, KEY_high and
KEY_paper. Only a number of the same data and model has a KEY_paper, so a difference is one of
results; whether it is more than chance depends on the test inputs of both sides
(sampling_error.py). The interval of the difference is Newcombe's (1998, method 10): from the ends
of the two intervals that face each other.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.report import sampling_error

AGREES, DIFFERS = "within sampling error", "beyond sampling error"
OTHER, UNJUDGED = "different data or model", "no sampling error known"
COLUMNS = (
    "table", "row", "column", "ours", "paper", "difference", "allowed", "inputs", "paper_inputs",
    "verdict", "assumed",
)  # fmt: skip
_ACCURACY = ("accuracy_percent_", "certified_", "abstain_percent")
# Columns that say what a row is of, in print; the others repeat the table or are long.
_LEFT_OUT = ("paper", "memory", "models", "mean_sigma", "mad", "votes", "difference", "verdict")


@dataclass(frozen=True)
class Difference:
    """Ours minus the paper's for one cell, and how far chance alone takes it (95%).

    ``difference`` is None where the paper has no comparable number, ``allowed`` where the
    sampling error of either side is not known. ``inputs`` are ours, ``paper_inputs`` the
    paper's; ``assumed`` says what the judgement rests on beyond the numbers.
    """

    table: str
    row: str
    column: str
    ours: float
    paper: float | None = None
    difference: float | None = None
    allowed: float | None = None
    inputs: int | None = None
    paper_inputs: int | None = None
    assumed: str = ""

    @property
    def verdict(self) -> str:
        if self.difference is None:
            return OTHER
        if self.allowed is None:
            return UNJUDGED
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
    noted = _noted_inputs(path.with_suffix(".md"))
    found = []
    for number, row in enumerate(rows, 2):
        label = ", ".join(row[name] for name in words if row[name] and name not in _LEFT_OUT)
        inputs = sampling_error.inputs_of_row(row) or noted.get(row.get("data") or "")
        try:
            found += [
                _difference(path.stem, label, column, row, inputs)
                for column in measured
                if row[column]
            ]
        except ValueError as error:
            raise SmoothcertError(f"{path}:{number}: expected numbers: {error}") from None
    return found


def _ends(name: str) -> tuple[str, str, str]:
    return f"{name}_low", f"{name}_high", f"{name}_paper"


def _noted_inputs(path: Path) -> dict[str, int]:
    """By data, the number of inputs that the notes of a table state; none without its file."""
    if not path.exists():
        return {}
    lines = re.findall(
        r"^- (.+?): ([\d,]+) test inputs", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {data: int(count.replace(",", "")) for data, count in lines}


def _dataset(row: dict[str, str]) -> str:
    """The data set of a row, whichever column has it."""
    for name in ("dataset", "data", "model"):
        if row.get(name):
            return row[name].split(",")[0]
    return ""


def _difference(
    table: str, label: str, column: str, row: dict[str, str], inputs: int | None
) -> Difference:
    low, high, printed = (row.get(name) or None for name in _ends(column))
    ours = float(row[column])
    if printed is None:
        return Difference(table, label, column, ours)
    paper, kind = float(printed), sampling_error.PAPER_OF.get(table.split("_")[0], "")
    theirs = sampling_error.PAPER_INPUTS.get(kind, {}).get(_dataset(row))
    known = Difference(table, label, column, ours, paper, ours - paper, None, inputs, theirs)
    if low is None or high is None or theirs is None:
        return known
    below, above = ours - float(low), float(high) - ours
    if column.startswith(_ACCURACY):
        facing = sampling_error.accuracy_ends(paper, theirs)
        assumed = "independent inputs; binomial"
        if inputs is None:
            assumed += "; our interval as the table has it"
    elif inputs is None:
        return known
    else:
        half = sampling_error.mean_half_width((below + above) / 2, inputs, theirs)
        facing = (half, half)
        assumed = "independent inputs; the paper's spread over inputs is ours"
    # Ours above: our lower end faces the paper's upper one.
    ends = (below, facing[1]) if ours > paper else (above, facing[0])
    allowed = sampling_error.together(ends) + sampling_error.rounding(table, column, printed)
    return Difference(
        table, label, column, ours, paper, ours - paper, allowed, inputs, theirs, assumed
    )


def write_differences(path: str | os.PathLike[str], cells: Iterable[Difference]) -> None:
    """One row a cell, with the columns COLUMNS."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in cells:
        values = [getattr(cell, name) for name in COLUMNS]
        writer.writerow(["" if v is None else v for v in values])
    write_text(path, out.getvalue())
