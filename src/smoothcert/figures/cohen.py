"""Certified accuracy against the radius, one curve a noise scale, and their envelope.

One panel for the runs that differ in the noise scale only; the figure of Cohen et al. 2019.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from smoothcert import metrics
from smoothcert.figures import curves
from smoothcert.figures.registry import FIGURES
from smoothcert.figures.style import COLOURS, DASHES, ENVELOPE, PANEL, style
from smoothcert.printing import number
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
    sources, reach = [], 0.0
    look: dict[str, Any] = {}
    for i, run in enumerate(group):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        radii, accuracy = curves.curve([run.table], options.strict)
        label = run.path.name if run.sigma is None else f"σ = {number(run.sigma)}"
        curves.draw(axes, radii, accuracy, color=colour, linestyle=dash, label=label)
        reach = max(reach, float(radii[-1]))
        reference = cohen_row(run.settings())
        if isinstance(reference, Row):
            sources.append(reference.source)
            curves.mark(axes, reference, color=colour, marker="o")
            reach = max([reach, *(r for r, _ in curves.marks(reference))])
    if len({run.sigma for run in group}) > 1:
        tables = metrics.common_inputs([run.table for run in group])
        radii, accuracy = curves.curve(tables, options.strict)
        # Wide and behind the curves, so that the curve it follows stays visible.
        look.update(color=ENVELOPE, linewidth=4.5, solid_capstyle="butt", zorder=1.5)
        label = "envelope: best σ at each radius"
        curves.draw(axes, radii, accuracy, band=False, label=label, **look)
    if sources:
        text = f"paper: {', '.join(dict.fromkeys(sources))}"
        look = {"marker": "o", "markersize": 5, "color": "0.3", "markerfacecolor": "white"}
        axes.plot([], [], linestyle="none", label=text, **look)
    if options.radii is not None:
        reach = float(metrics.parse_radii(options.radii)[-1])
    _axes(axes, group, options.strict, reach or 1.0)


def _axes(axes: Axes, group: list[Run], strict: bool, reach: float) -> None:
    run = group[0]
    names = [run.dataset or run.path.name, run.arch, run.recipe if run.training else None]
    inputs = sorted({len(r.table) for r in group})
    counts = " or ".join(f"{n:,}" for n in inputs)
    axes.set_title(f"{', '.join(n for n in names if n)} ({counts} inputs)")
    sign = ">" if strict else "≥"
    math = {"l1": r"$\ell_1$", "l2": r"$\ell_2$", "linf": r"$\ell_\infty$"}.get(run.norm, run.norm)
    axes.set_xlabel(f"certified {math} radius r (pixels in [0, 1])")
    axes.set_ylabel(f"correct with radius {sign} r (% of inputs)")
    axes.set_xlim(-0.015 * reach, 1.03 * reach)  # room for a mark at radius 0
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    # Each radius by itself, for the sampling of the inputs.
    band: dict[str, Any] = {"color": COLOURS[0], "alpha": 0.18, "linewidth": 0}
    axes.fill_between([], [], label="95% interval for the number of inputs", **band)
    # Below the axes: within them, the curves of easy data would run through it.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
