"""The baseline rows of Zhang et al. 2020 (Tables 2 and 3), from the logs that they were made of.

Table 2's baseline is Cohen et al.'s, at the best of their noise scales; Table 3's that of
Salman et al., whose l2 radii are divided by the square root of the dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from smoothcert.datasets import published
from smoothcert.papers.iss.published import read_rows
from smoothcert.report import names
from smoothcert.report.numbers import Key, Label, Metric, Number, Row
from smoothcert.report.output import Files, Options
from smoothcert.report.reference import Cell, cells
from smoothcert.report.table import Column, Table

_D = 3072  # of an input of CIFAR-10
_BEST = "best at each radius"


def table2(files: Files, options: Options) -> Table:
    """At l2 radii."""
    return _baseline("table2", files, 1.0)


def table3(files: Files, options: Options) -> Table:
    """At linf radii."""
    return _baseline("table3", files, 1 / math.sqrt(_D))


def _baseline(table: str, files: Files, factor: float) -> Table:
    """A row a log, and for each data set the best of them at each radius, beside the paper's."""
    printed = cells("zhang", table, method="Baseline", metric="certified_accuracy")
    radii = sorted({cell.radius for cell in printed if cell.radius is not None})
    rows: list[Row] = []
    read = sorted(read_rows(files.some(), "record"), key=lambda row: str(row["dataset"]))
    for dataset, group in groupby(read, key=lambda row: str(row["dataset"])):
        logs = [_at(row, radii, factor) for row in group]
        rows += [*logs, _best(dataset, logs, [c for c in printed if c.dataset == dataset])]
    linf = factor != 1
    columns = (
        Column("dataset", "data"),
        Column("training", "model", show=names.training),
        *(
            Column(_accuracy(r), f"≥ {255 * r:.0f}/255" if linf else f"≥ {r:g}", measured=True)
            for r in radii
        ),
        Column("verdict", "as printed"),
    )
    notes = (
        "Certified accuracy (%) of the logs that "
        + ("Salman et al." if linf else "Cohen et al.")
        + " published, plain counting; in the last row of a data set the best model at each radius,"
        " and after a slash the baseline that Zhang et al. print. As printed: to the nearest whole"
        " percent. The interval is that of the best model, without the choice.",
        "linf radii are l2 radii over the square root of 3,072; all 10,000 inputs, where the paper"
        " does not say how many it has."
        if linf
        else "Cohen's radii are of α = 0.01, where 0.001 is stated, but for those at σ = 0.12.",
    )
    return Table("", columns, rows, notes)


def _accuracy(radius: float) -> Metric:
    return Metric("accuracy_percent", radius)


def _at(row: dict[Key, Label | Number], radii: Sequence[float], factor: float) -> Row:
    """The row with its accuracy at the paper's radii; 0 beyond the largest radius of its noise."""
    known = {
        round(key.radius, 9): one
        for key, one in row.items()
        if isinstance(key, Metric) and key.radius is not None and isinstance(one, Number)
    }
    labels = ("published", "dataset", "arch", "training", "noise", "sigma", "alpha")
    inputs = published.table(str(row["published"])).rows
    none = Number(0.0, 0.0, 0.0, inputs, "percent")
    return {
        **{key: row[key] for key in labels},
        **{_accuracy(r): known.get(round(r / factor, 9), none) for r in radii},
    }


def _best(dataset: str, logs: Sequence[Row], printed: Sequence[Cell]) -> Row:
    row: dict[Key, Label | Number] = {"dataset": dataset, "training": _BEST}
    met = 0
    for cell in printed:
        assert cell.radius is not None
        key = _accuracy(cell.radius)
        each = [one for log in logs if isinstance(one := log[key], Number)]
        top = max(each, key=lambda one: one.value)
        row[key] = Number(top.value, top.low, top.high, top.inputs, top.unit, cell)
        met += cell.value is not None and abs(top.value - cell.value) <= 0.5 + 1e-9
    return {**row, "verdict": f"{met} of {len(printed)}", "selection": _BEST}
