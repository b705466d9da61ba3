"""The papers' numbers beside ours, with the sampling error of both sides.

Only a number of the same data, model and settings has a paper's beside it in the result frame, so
a difference is one of results; whether it is more than chance depends on the test inputs of both
sides (sampling_error.py). The interval of the difference is Newcombe's (1998, method 10): from
the ends of the two intervals that face each other.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from smoothcert.compute.lazy import pandas as pd
from smoothcert.core.files import write_text
from smoothcert.report import sampling_error
from smoothcert.report.numbers import MEASURED, PERCENT, Metric

AGREES, DIFFERS = "within sampling error", "beyond sampling error"
OTHER, UNJUDGED = "different data or model", "sampling error unknown"
COLUMNS = (
    "table",
    "row",
    "column",
    "ours",
    "paper",
    "difference",
    "allowed",
    "inputs",
    "paper_inputs",
    "verdict",
    "assumed",
)


@dataclass(frozen=True)
class Difference:
    """Ours minus the paper's for one number, and how far chance alone takes it (95%).

    ``labels`` of its row: the data, and what tells the table's rows apart. ``difference`` is None
    where the paper has no comparable number, ``allowed`` where the sampling error of either side
    is not known. ``inputs`` are ours, ``paper_inputs`` the paper's; ``assumed`` says what the
    judgement rests on beyond the numbers.
    """

    table: str
    labels: Mapping[str, str]
    metric: Metric
    ours: float
    paper: float | None = None
    allowed: float | None = None
    inputs: int | None = None
    paper_inputs: int | None = None
    assumed: str = ""

    @property
    def row(self) -> str:
        return ", ".join(self.labels.values())

    @property
    def column(self) -> str:
        """The column of the table's CSV."""
        return self.metric.key

    @property
    def difference(self) -> float | None:
        return None if self.paper is None else self.ours - self.paper

    @property
    def verdict(self) -> str:
        if self.difference is None:
            return OTHER
        if self.allowed is None:
            return UNJUDGED
        return AGREES if abs(self.difference) <= self.allowed else DIFFERS


def differences(numbers: pd.DataFrame) -> list[Difference]:
    """Every number of one output, from its result frame, in its order."""
    told = _telling(numbers)
    return [_difference(row, told) for row in numbers.to_dict("records")]


def _telling(numbers: pd.DataFrame) -> list[str]:
    """The labels that tell the rows of a table apart, no more; and its data."""
    labels = [c for c in numbers.columns if c not in ("output", "row", *MEASURED)]
    rows = numbers.drop_duplicates("row")
    told = ["data"] if "data" in labels else [name for name in labels if name == "dataset"]
    for name in labels:
        more = [*told, name]
        if len(rows.drop_duplicates(more)) > (len(rows.drop_duplicates(told)) if told else 1):
            told = more
    return [name for name in labels if name in told]


def _difference(row: Mapping[Any, Any], told: list[str]) -> Difference:
    known: dict[str, Any] = {k: None if pd.isna(v) else v for k, v in row.items()}
    labels = {name: str(known[name]) for name in told if known[name] is not None}
    metric = Metric(known["metric"], known["radius"])
    ours, paper = known["value"], known["paper"]
    inputs, theirs = known["inputs"], known["paper_inputs"]
    allowed, assumed = None, ""
    if paper is not None and known["low"] is not None and theirs is not None:
        below, above = ours - known["low"], known["high"] - ours
        facing = None
        if known["unit"] == PERCENT:
            facing = sampling_error.accuracy_ends(paper, theirs)
            assumed = "independent inputs; binomial"
        elif inputs is not None:
            half = sampling_error.mean_half_width((below + above) / 2, inputs, theirs)
            facing = (half, half)
            assumed = "independent inputs; the paper's spread over inputs taken from ours"
        if facing is not None:
            # Ours above: our lower end faces the paper's upper one.
            ends = (below, facing[1]) if ours > paper else (above, facing[0])
            allowed = sampling_error.together(ends) + known["paper_step"] / 2
    about = (ours, paper, allowed, inputs, theirs if paper is not None else None, assumed)
    return Difference(known["output"], labels, metric, *about)


def write_differences(path: str | os.PathLike[str], cells: Iterable[Difference]) -> None:
    """One row a number, with the columns COLUMNS."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in cells:
        values = [getattr(cell, name) for name in COLUMNS]
        writer.writerow(["" if v is None else v for v in values])
    write_text(path, out.getvalue())
