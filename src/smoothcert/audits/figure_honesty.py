"""What a whole table is worth: certified accuracy at alpha and alpha / N, and optimism.

A pair of panels a vote store: the accuracies, and what is lost where all certificates are to hold
at once. Then the optimism of a choice on the test inputs, at the radii at which it was measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.described import described
from smoothcert.report import curves, names
from smoothcert.report.numbers import read_numbers
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.printing import norm as symbol
from smoothcert.report.style import COLOURS, PANEL, style

_MOST = 3  # pairs in a row; the first stores are shown
_LOOKS = {
    "each": {"color": COLOURS[0], "linestyle": "-"},
    "joint": {"color": COLOURS[1], "linestyle": "--"},
    "corrected": {"color": COLOURS[2], "linestyle": "-."},
}


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of honesty."""
    rows = read_numbers([files.one()])
    return Picture(rows[rows.part.isin(("curve", "optimism"))].assign(output="audit_honesty"))


def draw(picture: Picture) -> Figure:
    """Accuracies above, losses below, a column a store; the last column is optimism."""
    numbers = picture.numbers
    stores = [part for _, part in numbers[numbers.part == "curve"].groupby("subject", sort=False)]
    optimism = numbers[(numbers.part == "optimism") & (numbers.metric == "points")]
    left_out = len(stores) - _MOST
    stores = stores[:_MOST]
    columns = len(stores) + (not optimism.empty)
    with style():
        figure = Figure(figsize=(PANEL[0] * 0.86 * max(columns, 1), PANEL[1] + 1.9))
        grid = figure.add_gridspec(2, max(columns, 1), height_ratios=[3.0, 1.6])
        for column, store in enumerate(stores):
            above, below = (figure.add_subplot(grid[row, column]) for row in (0, 1))
            _together(above, below, store)
        if not optimism.empty:
            _optimism(figure.add_subplot(grid[:, -1]), optimism)
        if left_out > 0:
            figure.supxlabel(
                f"The first {_MOST} vote stores of {_MOST + left_out}", fontsize="small"
            )
    return figure


def _together(axes: Axes, losses: Axes, numbers: pd.DataFrame) -> None:
    """One store: its accuracies, and their losses against those at alpha each."""
    readings = {str(name): part for name, part in numbers.groupby("reading", sort=False)}
    plain = readings["each"]
    radii = np.unique(numbers.radius)
    for reading, look in _LOOKS.items():
        if reading not in readings:
            continue
        part = readings[reading]
        label = "minus possibly wrong" if reading == "corrected" else part.level.iloc[0]
        curves.draw(axes, part, band=False, label=label, **look)
        if reading != "each":
            loss = curves.value_at(plain, radii) - curves.value_at(part, radii)
            losses.plot(radii, loss, drawstyle="steps-pre", color=look["color"], linewidth=0.9)
    end = float(readings.get("joint", plain).radius.max())
    before = radii <= end
    least = [curves.value_at(part, radii[before]) for part in readings.values()]
    most = float(np.max(curves.value_at(plain, radii[before]) - np.min(least, axis=0)))
    losses.set_ylim(-0.05 * (most or 1.0), 1.15 * (most or 1.0))
    shade: dict[str, Any] = {
        "facecolor": "0.97",
        "edgecolor": "0.82",
        "linewidth": 0,
        "zorder": 0,
        "hatch": "//",
    }
    reach = 1.03 * float(radii.max()) or 1.0
    losses.axvspan(end, 2 * reach, label="beyond all α/N certificates", **shade)
    for one in (axes, losses):
        one.set_xlim(-0.015 * reach, reach)
    axes.tick_params(labelbottom=False)
    store = numbers.iloc[0].to_dict()
    axes.set_title(f"{described(store, ('dataset', 'training'))}\n{_certified(store)}")
    axes.set_ylabel("correct with radius ≥ r (% of inputs)")
    axes.set_ylim(0, 102)
    losses.set_ylabel("lost\n(% of inputs)")
    losses.set_xlabel(f"certified {symbol(store['norm'])} radius r (pixels in [0, 1])")
    above, below = axes.get_legend_handles_labels(), losses.get_legend_handles_labels()
    losses.legend(
        above[0] + below[0], above[1] + below[1], loc="upper center", bbox_to_anchor=(0.5, -0.32)
    )


def _certified(store: dict[Any, Any]) -> str:
    return described(store, ("noise", "scaling"))


def _optimism(axes: Axes, numbers: pd.DataFrame) -> None:
    """With its interval at each radius at which it was measured; nothing is said between them."""
    radii = sorted(numbers.radius.unique())
    rows = list(numbers.groupby("row", sort=False))
    for i, (_, part) in enumerate(rows):
        first = part.iloc[0]
        shift = 0.6 * ((i + 0.5) / len(rows) - 0.5)
        label = (
            f"{first.dataset}, {first.arch}, {names.recipe(first.recipe)}:"
            f" best of {first.settings}, {first.folds} folds"
        )
        look = {"color": COLOURS[i % len(COLOURS)], "marker": "osD^vP"[i // len(COLOURS) % 6]}
        curves.points(axes, part, radii, shift, markersize=4, label=label, **look)
    axes.axhline(0, color="0.3", linewidth=0.9, zorder=1)
    curves.places(axes, radii)
    axes.set_xlabel("radius r (pixels in [0, 1])")
    axes.set_ylabel("optimism (points of certified accuracy)")
    axes.set_title("Choosing the best setting\non test inputs")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12))
