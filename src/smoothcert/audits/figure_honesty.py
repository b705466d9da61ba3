"""What a whole table is worth: certified accuracy at alpha and alpha / N, and optimism."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.described import described
from smoothcert.report import curves
from smoothcert.report.numbers import read_numbers
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.printing import norm as symbol
from smoothcert.report.style import COLOURS, DASHES, PANEL, style


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of honesty."""
    rows = read_numbers([files.one()])
    return Picture(rows[rows.part.isin(("curve", "optimism"))].assign(output="audit_honesty"))


def draw(picture: Picture) -> Figure:
    """A panel of curves for the first vote stores, and one of optimism for the choices."""
    parts = {"curve": _together, "optimism": _optimism}
    numbers = [(parts[str(name)], part) for name, part in picture.numbers.groupby("part")]
    with style():
        figure = Figure(figsize=(PANEL[0] * max(len(numbers), 1), PANEL[1] * 1.25))
        panels = figure.subplots(1, max(len(numbers), 1), squeeze=False)[0]
        for axes, (show, part) in zip(panels, numbers, strict=False):
            show(axes, part)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=7)
    return figure


def _together(axes: Axes, numbers: pd.DataFrame) -> None:
    stores = list(numbers.groupby("subject", sort=False))[: len(COLOURS)]
    for colour, (_, store) in zip(COLOURS, stores, strict=False):
        name = described(store.iloc[0].to_dict(), ("dataset", "training", "noise", "scaling"))
        for reading, part in store.groupby("reading", sort=False):
            if reading == "corrected":
                axes.plot(
                    part.radius, part.value, drawstyle="steps-pre", color=colour, linestyle=":",
                    linewidth=1.0, label=f"{name}: less what may be wrong",
                )  # fmt: skip
                continue
            dash, level = DASHES[int(reading == "joint")], part.level.iloc[0]
            curves.draw(axes, part, band=False, color=colour, linestyle=dash,
                        label=f"{name}: {level}")  # fmt: skip
    axes.set_xlabel(f"certified {symbol(numbers.norm.iloc[0])} radius r (pixels in [0, 1])")
    axes.set_ylabel("correct with radius ≥ r (% of inputs)")
    axes.set_ylim(0, 102)
    axes.set_title("One by one, and all at once")


def _optimism(axes: Axes, numbers: pd.DataFrame) -> None:
    points = numbers[numbers.metric == "points"]
    for i, (_, part) in enumerate(points.groupby("row", sort=False)):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]
        first = part.iloc[0]
        label = (
            f"{first.dataset}, {first.arch}, {first.recipe}: best of {first.settings},"
            f" {first.folds} folds"
        )
        axes.plot(part.radius, part.value, color=colour, linestyle=dash, marker="o",
                  markersize=3.5, label=label)  # fmt: skip
        axes.fill_between(part.radius, part.low, part.high, color=colour, alpha=0.13, linewidth=0)
    axes.axhline(0, color="0.3", linewidth=0.9)
    axes.set_xlabel("radius r (pixels in [0, 1])")
    axes.set_ylabel("optimism (points of certified accuracy)")
    axes.set_title("Choosing the best setting on the test inputs")
