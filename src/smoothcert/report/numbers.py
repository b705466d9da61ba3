"""Measured numbers, and the result frame: one row a number, with all that it is of.

A table, a figure or an audit measures :class:`Number`s in rows of plain labels. :func:`frame`
turns such rows into the long frame, from which tables are printed, figures drawn, claims judged
and the page made; :func:`read_results` gives every number of a run. Text is made from a number
where a person reads it (printing.py), and never read back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from smoothcert.certificates.metrics import Estimate
from smoothcert.compute.lazy import pandas as pd
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.core.slugs import number
from smoothcert.report.reference import Cell, inputs_behind

# What the numbers are counted in; it decides how they are printed.
RADIUS, PERCENT, POINTS, GAIN = "radius", "percent", "points", "gain"
DECLINE, SPREAD = "decline", "spread"
SECONDS, MINUTES, SAMPLES, PLAIN = "seconds", "minutes", "samples", ""

# The columns of the frame after the labels (which differ between outputs).
MEASURED = (
    "metric", "radius", "value", "low", "high", "inputs", "unit", "paper", "paper_step",
    "paper_inputs", "source", "reason",
)  # fmt: skip
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("radius", "value", "low", "high", "paper", "paper_step"), "float64"),
    **dict.fromkeys(("row", "inputs", "paper_inputs"), "Int64"),
}


class Metric(NamedTuple):
    """What a number is: ``acr``, or ``accuracy_percent`` at a radius."""

    name: str
    radius: float | None = None

    @property
    def key(self) -> str:
        """The column of a table's CSV: ``accuracy_percent_0.25``."""
        return self.name if self.radius is None else f"{self.name}_{number(self.radius)}"


@dataclass(frozen=True)
class Number:
    """A measured number with its 95% interval (None: none is known), the test inputs behind it,
    and the paper's number where data, model and settings are the paper's.

    ``unit`` is RADIUS (pixels of [0,1] in the certificate's norm; an ACR too), PERCENT (of the
    inputs), POINTS (a difference of percents), GAIN (a difference of radii), DECLINE (a radius
    that is given up), SPREAD (a standard deviation of radii), SECONDS, MINUTES, SAMPLES or PLAIN.
    ``brief``: printed without its interval, which the CSV has.
    """

    value: float
    low: float | None = None
    high: float | None = None
    inputs: int | None = None
    unit: str = PLAIN
    paper: Cell | None = None
    brief: bool = False


def acr(estimate: Estimate, paper: Cell | None = None) -> Number:
    """An average certified radius."""
    return _number(estimate, 1.0, RADIUS, paper)


def share(estimate: Estimate, paper: Cell | None = None, brief: bool = False) -> Number:
    """A share of the inputs, in percent."""
    return _number(estimate, 100.0, PERCENT, paper, brief)


def gain(estimate: Estimate) -> Number:
    """A difference of radii, paired."""
    return _number(estimate, 1.0, GAIN)


def samples(estimate: Estimate, paper: Cell | None = None) -> Number:
    """An average number of noise samples."""
    return _number(estimate, 1.0, SAMPLES, paper)


def points(estimate: Estimate) -> Number:
    """A difference of shares, paired, in percentage points; printed with * beyond chance."""
    return _number(estimate, 100.0, POINTS, brief=True)


def _number(
    of: Estimate, unit: float, name: str, paper: Cell | None = None, brief: bool = False
) -> Number:
    value, low, high = (unit * float(v) for v in (of.value, of.low, of.high))
    return Number(value, low, high, of.inputs, name, paper, brief)


Label = str | int | float | bool | None
Key = str | Metric
Row = Mapping[Key, Label | Number]  # labels by name, numbers by name or Metric


def frame(output: str, rows: Iterable[Row]) -> pd.DataFrame:
    """The long frame of one output: a row a :class:`Number`, with the labels of its row.

    Columns: ``output``, ``row`` (its place), the labels, then MEASURED. The label ``paper`` says
    which row of a paper stands beside ours (``source``), or why none does (``reason``).
    """
    found: list[dict[str, object]] = []
    labels: dict[str, None] = {}
    for place, row in enumerate(rows):
        own = {
            str(k): v
            for k, v in row.items()
            if not isinstance(v, Number) and k not in MEASURED  # a Number has its own inputs
        }
        labels |= dict.fromkeys(own)
        numbers = [(k, v) for k, v in row.items() if isinstance(v, Number)]
        compared = any(one.paper is not None for _, one in numbers)
        about = {("source" if compared else "reason"): row.get("paper")}
        for key, one in numbers:
            metric = key if isinstance(key, Metric) else Metric(key)
            found.append({"output": output, "row": place, **own, **_measured(metric, one), **about})
    columns = ["output", "row", *labels, *MEASURED]
    # As objects first: a whole number among missing ones would become 10000.0.
    return pd.DataFrame(found, columns=columns, dtype=object).astype(_KINDS)


def _measured(metric: Metric, one: Number) -> dict[str, object]:
    cell = one.paper
    theirs = None if cell is None else inputs_behind().get((cell.paper, cell.dataset or ""))
    return {
        "metric": metric.name,
        "radius": metric.radius,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "inputs": one.inputs,
        "unit": one.unit,
        "paper": None if cell is None else cell.value,
        "paper_step": None if cell is None or cell.value is None else 10.0**-cell.decimals,
        "paper_inputs": theirs,
    }


def rows_of(numbers: pd.DataFrame) -> list[dict[Key, Label | Number]]:
    """The rows that a frame was made of: labels as the frame has them, without papers' numbers."""
    # A frame is taken apart once: a frame a row of it was measured ten times slower.
    labels = {name: numbers[name].array for name in _labels(numbers)}
    present = {name: numbers[name].notna().tolist() for name in numbers.columns}
    rows: dict[object, dict[Key, Label | Number]] = {}
    for i, one in enumerate(numbers.to_dict("records")):
        if one["row"] not in rows:
            rows[one["row"]] = {name: of[i] for name, of in labels.items() if present[name][i]}
        known = {name: one[name] for name in MEASURED if present[name][i]}
        key = Metric(known["metric"], known.get("radius"))
        rows[one["row"]][key if key.radius is not None else key.name] = Number(
            known["value"], known.get("low"), known.get("high"), known.get("inputs"),
            known.get("unit", PLAIN),
        )  # fmt: skip
    return list(rows.values())


def wide(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row a row of the output: its labels, and the value of each metric without a radius."""
    values = numbers[numbers.radius.isna()].pivot(index="row", columns="metric", values="value")
    labels = numbers.drop_duplicates("row").set_index("row")[_labels(numbers)]
    return labels.infer_objects().join(values)


def each(numbers: pd.DataFrame) -> list[Any]:
    """The rows of a frame, one value an attribute."""
    return list(numbers.itertuples())


def _labels(numbers: pd.DataFrame) -> list[str]:
    return [name for name in numbers.columns if name not in ("output", "row", *MEASURED)]


def write_numbers(path: str | os.PathLike[str], numbers: pd.DataFrame) -> None:
    """Write a frame as CSV at full precision, atomically."""
    with atomic(path) as temporary:
        numbers.to_csv(temporary, index=False, lineterminator="\n")


def read_numbers(paths: Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
    """Frames that :func:`write_numbers` wrote, below each other; labels are text.

    Raises SmoothcertError for a file that is none.
    """
    frames = []
    for path in paths:
        try:
            text = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
            if not {"output", "row", *MEASURED} <= set(text.columns):
                raise ValueError(f"expected the columns output, row, {', '.join(MEASURED)}")
            frames.append(text.astype(_KINDS))
        except (OSError, ValueError) as error:
            raise SmoothcertError(
                f"{path}: cannot be read as the numbers of a run: {error}"
            ) from None
    return pd.concat(frames, ignore_index=True) if frames else frame("", [])


def read_results(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Every number of a run, from its folder (``results/smoke``).

    Raises SmoothcertError where there is none.
    """
    paths = sorted((Path(folder) / "numbers").glob("*.csv"))
    if not paths:
        raise SmoothcertError(f"{folder}: holds no numbers of a run; make them with snakemake")
    return read_numbers(paths)
