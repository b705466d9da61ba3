"""Certified accuracy beside the accuracy that an attack on the smoothed classifier leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import metrics
from smoothcert.report.style import COLOURS, PANEL, style

Rows = Sequence[dict[str, Any]]

_MATH = {"l1": r"$\ell_1$", "l2": r"$\ell_2$", "linf": r"$\ell_\infty$"}
_LINES = (
    ("certified", COLOURS[0], "-", "o", "certified: no attack of norm r can succeed"),
    ("robust", COLOURS[1], "--", "s", "left correct by our attack of norm r"),
)


def under_attack(panels: Sequence[Rows], title: str | None = None) -> Figure:
    """A panel for each list of rows with kind, subject, norm, radius, certified, robust, inputs.

    What lies between the two curves is undecided: neither certified nor attacked with success.
    """
    columns = min(len(panels), 3)
    height = -(-len(panels) // columns)
    with style():
        figure = Figure(figsize=(PANEL[0] * max(columns, 1.15), PANEL[1] * height + 0.4))
        grid = figure.subplots(height, columns, squeeze=False).ravel()
        for axes, rows in zip(grid, panels, strict=False):
            _panel(axes, rows)
        for axes in grid[len(panels) :]:
            axes.remove()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, 2 * columns))
        if title:
            figure.suptitle(title)
    return figure


def _panel(axes: Axes, rows: Rows) -> None:
    n, r = rows[0]["inputs"], np.array([row["radius"] for row in rows])
    ends = {}
    for key, colour, dash, marker, label in _LINES:
        found = metrics.proportion(np.array([row[key] for row in rows]), n)
        ends[key] = 100 * found.value
        axes.plot(r, 100 * found.value, color=colour, linestyle=dash, marker=marker,
                  markersize=4, label=label)  # fmt: skip
        axes.fill_between(
            r, 100 * found.low, 100 * found.high, color=colour, alpha=0.15, linewidth=0
        )
    axes.fill_between(
        r, ends["certified"], ends["robust"], facecolor="none", edgecolor="0.75", hatch="///",
        linewidth=0, label="undecided",
    )  # fmt: skip
    axes.fill_between([], [], color="0.5", alpha=0.3, label="95% interval (inputs)")
    kind, _, _ = str(rows[0]["kind"]).rpartition(",")
    axes.set_title(f"{kind or rows[0]['kind']}\n{rows[0]['subject']} ({n:,} inputs)", fontsize=8)
    norm = _MATH.get(rows[0]["norm"], rows[0]["norm"])
    axes.set_xlabel(f"{norm} radius r (pixels in [0, 1])")
    axes.set_ylabel("correct (% of inputs)")
    axes.set_ylim(0, 102)
    axes.set_xlim(0, float(r[-1]) * 1.02 or 1.0)
