"""Certified accuracy beside the accuracy that an attack on the smoothed classifier leaves.

What lies between the two at a radius is undecided: neither certified nor attacked with success.
Only the radii that were attacked are shown.
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
from smoothcert.report import curves
from smoothcert.report.numbers import Metric, Row, frame, share
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.printing import norm as symbol
from smoothcert.report.style import COLOURS, PANEL, style

_LINES = (
    ("certified", COLOURS[0], "o", -0.12, "certified: no attack of norm r can succeed"),
    ("robust", COLOURS[1], "s", 0.12, "correct under our attack of norm r"),
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
    radii = sorted(numbers.radius.unique())
    ends = numbers.pivot(index="radius", columns="metric", values="value")
    axes.bar(range(len(radii)), ends.robust - ends.certified, bottom=ends.certified, width=0.5,
             color="0.88", label="undecided")  # fmt: skip
    for name, colour, marker, shift, label in _LINES:
        curves.points(axes, numbers[numbers.metric == name], radii, shift, color=colour,
                      marker=marker, markersize=4, label=label)  # fmt: skip
    axes.plot([], [], color="0.5", marker="|", label="95% CI (test-set sampling)")
    first = numbers.iloc[0]
    kind, _, _ = str(first.kind).rpartition(",")
    model = described(first.to_dict(), ("dataset", "arch", "training"))
    noise = described(first.to_dict(), ("noise",))
    lines = [kind or str(first.kind), model, f"{noise} ({first.inputs:,} inputs)".strip()]
    axes.set_title("\n".join(line for line in lines if line), fontsize="small")
    axes.set_xlabel(f"{symbol(first.norm)} radius r (pixels in [0, 1])")
    axes.set_ylabel("correct (% of inputs)")
    axes.set_ylim(-2, 102)  # a mark at 0 is seen whole
    curves.places(axes, radii)
