"""Certified accuracy beside the accuracy that an attack on the smoothed classifier leaves.

What lies between the two curves is undecided: neither certified nor attacked with success.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.columns import UNDER_ATTACK
from smoothcert.audits.described import about, described
from smoothcert.audits.rows import read_rows
from smoothcert.certificates import metrics
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.numbers import Metric, Row, frame, share
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, PANEL, style

_MATH = {"l1": r"$\ell_1$", "l2": r"$\ell_2$", "linf": r"$\ell_\infty$"}
_LINES = (
    ("certified", COLOURS[0], "-", "o", "certified: no attack of norm r can succeed"),
    ("robust", COLOURS[1], "--", "s", "left correct by our attack of norm r"),
)


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of attack-accuracy, a panel each."""
    rows: list[Row] = []
    for path in files.some():
        found = read_rows(path, UNDER_ATTACK)
        if found.empty:
            raise SmoothcertError(f"{path}: no rows; expected at least one radius")
        row: dict[Any, Any] = {**found.loc[0, ["kind", "norm"]], **about(path)}
        for name, *_ in _LINES:
            shares = metrics.proportion(found[name].to_numpy(), int(found.inputs[0]))
            row |= {Metric(name, r): share(shares[i]) for i, r in enumerate(found.radius)}
        rows.append(row)
    return Picture(frame("audit_attack_accuracy", rows))


def draw(picture: Picture) -> Figure:
    """A panel a row."""
    count = picture.numbers.row.nunique()
    columns = min(count, 3)
    height = -(-count // columns)
    with style():
        figure = Figure(figsize=(PANEL[0] * max(columns, 1.15), PANEL[1] * height + 0.4))
        grid = figure.subplots(height, columns, squeeze=False).ravel()
        for axes, (_, part) in zip(grid, picture.numbers.groupby("row"), strict=False):
            _panel(axes, part)
        for axes in grid[count:]:
            axes.remove()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, 2 * columns))
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame) -> None:
    ends = {}
    for name, colour, dash, marker, label in _LINES:
        line = ends[name] = numbers[numbers.metric == name]
        axes.plot(line.radius, line.value, color=colour, linestyle=dash, marker=marker,
                  markersize=4, label=label)  # fmt: skip
        axes.fill_between(line.radius, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
    axes.fill_between(
        ends["robust"].radius, ends["certified"].value.to_numpy(), ends["robust"].value.to_numpy(),
        facecolor="none", edgecolor="0.75", hatch="///", linewidth=0, label="undecided",
    )  # fmt: skip
    axes.fill_between([], [], color="0.5", alpha=0.3, label="95% interval (inputs)")
    first = numbers.iloc[0]
    kind, _, _ = str(first.kind).rpartition(",")
    model = described(first.to_dict(), ("dataset", "arch", "training"))
    noise = described(first.to_dict(), ("noise",))
    title = f"{kind or first.kind}\n{model}\n{noise} ({first.inputs:,} inputs)"
    axes.set_title(title, fontsize=8)
    norm, reach = _MATH.get(first.norm, first.norm), float(numbers.radius.max())
    axes.set_xlabel(f"{norm} radius r (pixels in [0, 1])")
    axes.set_ylabel("correct (% of inputs)")
    axes.set_ylim(0, 102)
    axes.set_xlim(0, reach * 1.02 or 1.0)
