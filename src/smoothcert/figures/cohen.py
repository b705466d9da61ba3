"""Certified accuracy against the radius, one curve a noise scale, and their envelope.

One panel for the runs that differ in the noise scale only; the figure of Cohen et al. 2019.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from smoothcert import metrics
from smoothcert.figures import curves
from smoothcert.figures.registry import FIGURES
from smoothcert.figures.style import COLOURS, DASHES, ENVELOPE, PANEL, style
from smoothcert.printing import norm, number
from smoothcert.reference import Row, cohen_row
from smoothcert.tables.cohen import same_but_sigma

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from smoothcert.runs import Run
    from smoothcert.tables.base import Options


@FIGURES.member("cohen")
def cohen(runs: Sequence[Run], options: Options) -> Figure:
    """``options.radii`` sets where the x axis ends (its largest); the curves are exact."""
    groups = [list(members) for _, members in groupby(runs, key=same_but_sigma)]
    columns = min(len(groups), 3)
    rows = -(-len(groups) // columns)
    with style():
        figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, group in zip(panels, groups, strict=False):
            _panel(axes, group, options)
        for axes in panels[len(groups) :]:
            axes.set_axis_off()
        if options.title:
            figure.suptitle(options.title)
    return figure


def _panel(axes: Axes, group: list[Run], options: Options) -> None:
    sources = []
    for i, run in enumerate(group):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        radii, accuracy = curves.curve([run.table], options.strict)
        label = run.path.name if run.sigma is None else f"σ = {number(run.sigma)}"
        curves.draw(axes, radii, accuracy, color=colour, linestyle=dash, label=label)
        reference = cohen_row(run.settings())
        if isinstance(reference, Row):
            sources.append(reference.source)
            curves.mark(axes, reference, color=colour, marker="o")
    if len({run.sigma for run in group}) > 1:
        tables = metrics.common_inputs([run.table for run in group])
        radii, accuracy = curves.curve(tables, options.strict)
        # Thin and on top, so that the curve it follows can be seen beside it.
        curves.draw(
            axes,
            radii,
            accuracy,
            band=False,
            color=ENVELOPE,
            linewidth=0.7,
            label="envelope (best σ at each radius)",
        )
        sigmas = [run.sigma for run in group if run.sigma is not None]
        settings = replace(group[0].settings(), sigma=None)
        best = cohen_row(settings, best_of=sigmas)
        if isinstance(best, Row) and all(r.settings().train_sigma == r.sigma for r in group):
            sources.append(best.source)
            curves.mark(axes, best, color=ENVELOPE, marker="D")
    if sources:
        axes.plot(
            [],
            [],
            linestyle="none",
            marker="o",
            color="0.3",
            markerfacecolor="white",
            label=f"paper ({', '.join(dict.fromkeys(sources))})",
        )
    _axes(axes, group, options)


def _axes(axes: Axes, group: list[Run], options: Options) -> None:
    run = group[0]
    names = [run.dataset or run.path.name, run.arch, run.recipe if run.training else None]
    inputs = sorted({len(r.table) for r in group})
    counts = " or ".join(f"{n:,}" for n in inputs)
    axes.set_title(f"{', '.join(n for n in names if n)} ({counts} inputs)")
    sign = ">" if options.strict else "≥"
    axes.set_xlabel(f"certified {norm(run.norm)} radius r (pixels in [0, 1])")
    axes.set_ylabel(f"correct with radius {sign} r (% of inputs)")
    reach = (
        max(float(metrics.parse_radii(options.radii)[-1]), 1e-3)
        if options.radii is not None
        else 1.03 * max(float(curves.breakpoints([r.table])[-1]) for r in group) or 1.0
    )
    axes.set_xlim(0, reach)
    axes.set_ylim(0, 100)
    axes.set_yticks(np.arange(0, 101, 20))
    # Bands cover the sampling of inputs, 95% at each radius by itself.
    axes.fill_between([], [], color="0.5", alpha=0.3, linewidth=0, label="95% interval, inputs")
    axes.legend(loc="upper right")
