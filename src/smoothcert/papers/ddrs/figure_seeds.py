"""The central comparisons for each seed of training: a dot a seed, and their mean.

One row of panels a data set, scale and budget; ACR left, certified accuracy right. A dot's line is
the interval for other test inputs, the diamond's that for other seeds: where dots lie further apart
than their lines are long, the seed decides more than the inputs do.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from smoothcert.certificates.runs import read_runs
from smoothcert.papers.ddrs.options import SeedOptions
from smoothcert.papers.ddrs.seeds import column_of, compare
from smoothcert.papers.ddrs.series import add_notes, small_print
from smoothcert.report.numbers import each, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.style import COLOURS, around_zero, heading, style

_NOTE = (
    "Dots: one training seed each, with the paired 95% CI (test-set sampling). Diamonds: their"
    " mean, with the 95% CI over training seeds (Student's t)."
)
_PANEL = ["dataset", "arch", "sigma", "budget"]


def measure(files: Files, options: SeedOptions) -> Picture:
    """The rows of the table of the same name."""
    rows, seeds, notes = compare(read_runs(files.some()), options.radius)
    more = {"notes": small_print(*notes, _NOTE), "title": options.title, "seeds": seeds}
    return Picture(frame("ddrs_seeds", rows), more)


def draw(picture: Picture) -> Figure:
    """Differences for each seed, and their mean, around the zero line."""
    rows = [part for _, part in picture.numbers.groupby(_PANEL, sort=False)]
    counts = [part.comparison.nunique() for part in rows]
    seeds = picture.more["seeds"]
    with style():
        figure = Figure(figsize=(11.2, sum(0.42 * n + 0.7 for n in counts) + 1.1))
        grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row", height_ratios=counts)
        for cells, part in zip(grid, rows, strict=True):
            for axes, (_, numbers) in zip(cells, part.groupby("measure", sort=False), strict=True):
                _panel(axes, numbers, seeds)
                about = numbers.iloc[0]
                if about.measure == "ACR":
                    axes.set_xlabel("pixels in [0, 1]")
                    axes.set_title(f"ACR: {about.dataset}, {about.arch}, σ = {about.sigma}")
                else:
                    axes.set_xlabel("points certified")
                    axes.set_title(f"certified accuracy, {about.measure}")
        handles = [
            Line2D([], [], color=COLOURS[i % 6], marker="o", markersize=4, label=f"seed {seed}")
            for i, seed in enumerate(seeds)
        ]
        handles.append(Line2D([], [], color="black", marker="D", linewidth=2.2, label="their mean"))
        add_notes(figure, picture.more["notes"])
        figure.legend(handles=handles, loc="outside right upper")
        heading(figure, picture.more["title"])
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame, seeds: list[int]) -> None:
    """A row a comparison: the seeds above each other, their mean below."""
    comparisons = list(numbers.comparison.unique())
    step = 0.6 / (len(seeds) + 1)
    places = {column_of(seed): place for place, seed in enumerate(seeds)}
    for y, comparison in enumerate(comparisons):
        for one in each(numbers[numbers.comparison == comparison]):
            if one.metric == "mean_seeds":
                place, colour, width, marker = len(seeds), "black", 2.2, "D"
            elif one.metric in places:
                place = places[one.metric]
                colour, width, marker = COLOURS[place % 6], 1.0, "o"
            else:
                continue
            at = y - 0.3 + step * (place + 0.5)
            axes.hlines(at, one.low, one.high, color=colour, linewidth=width)
            axes.plot([one.value], [at], color=colour, marker=marker, markersize=4)
    around_zero(axes, comparisons)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6))
