"""DDRS figure 7: what the number of ascent steps K does, beside a constant shift of the scale.

One row a model: accuracy against radius, one curve a K (the paper's figure); accuracy at a few
radii against K; ACR against K. The ramp moves every input by what a confident one moves, the
mean gives all inputs the mean of the ascent's scales: what ascent has above them is adaptation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.ddrs.runs import label, own_scale, paper_row, scaling, steps
from smoothcert.papers.ddrs.series import (
    add_notes,
    groups,
    inputs_note,
    memory_note,
    paper_note,
    radius_text,
    start_text,
)
from smoothcert.report import curves
from smoothcert.report.figure_registry import FIGURES
from smoothcert.report.printing import number
from smoothcert.report.reference import NotComparable, Row
from smoothcert.report.style import COLOURS, PANEL, style
from smoothcert.report.table import Options

# Searches with steps, by the name of the scaling: colour, dash, mark, words
LOOKS: dict[str, tuple[str, str, str, str]] = {
    "ascent": (COLOURS[0], "-", "o", "ascent"),
    "ramp": (COLOURS[1], "--", "s", "constant ramp"),
    "ascent-mean": (COLOURS[2], "-.", "D", "one σ: the mean of ascent"),
    "ascent-sound": (COLOURS[3], ":", "^", "ascent, sound"),
}
MOST_RADII = 4


@FIGURES.member("ddrs_fig7")
def figure7(runs: Sequence[Run], options: Options) -> Figure:
    """``options.radii``: those of the middle panels (four that fit the data)."""
    models = _models(runs)
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.6, (PANEL[1] + 0.6) * len(models) + 0.6))
        grid = figure.subplots(len(models), 3, squeeze=False)
        papers: list[Row | NotComparable] = []
        for panels, (title, members) in zip(grid, models, strict=True):
            papers += _by_radius(panels[0], members, options.strict)
            _by_steps(panels[1], members, options)
            _area(panels[2], members)
            panels[0].set_title(title)
        everything = [run for _, members in models for run in members]
        add_notes(
            figure,
            inputs_note(everything),
            "K = 0 is the fixed scale. Bands: 95% intervals for the number of inputs.",
            memory_note(everything),
            paper_note(papers),
        )
        figure.suptitle(options.title or "Steps of ascent")
    return figure


def _models(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """The runs of each model with at least two K, at the scale of its training."""
    found: dict[tuple[str, ...], list[Run]] = {}
    titles = {}
    for group, members in groups(filter(_swept, runs), "ddrs_fig7").items():
        for run in members:
            key = (*map(str, (group.dataset, group.arch)), str(run.training), str(run.noise))
            found.setdefault(key, []).append(run)
            titles[key] = f"{group.of},\n{run.training}, {start_text(run)}"
    models = [
        (titles[key], members)
        for key, members in found.items()
        if sum(scaling(run).name == "ascent" for run in members) > 1
    ]
    if not models:
        raise SmoothcertError("ddrs_fig7: expected runs of ascent at several K of one model")
    return models


def _swept(run: Run) -> bool:
    return own_scale(run) and scaling(run).name in ("fixed", *LOOKS)


def _sweep(members: Sequence[Run], name: str) -> list[tuple[int, Run]]:
    """(K, run) of one search by rising K, the fixed scale as K = 0."""
    own = [(steps(run) or 0, run) for run in members if scaling(run).name in ("fixed", name)]
    own.sort(key=lambda pair: pair[0])
    return own if any(k for k, _ in own) else []


def _by_radius(axes: Axes, members: Sequence[Run], strict: bool) -> list[Row | NotComparable]:
    """The paper's figure: accuracy against radius, one curve a K of ascent."""
    sweep = _sweep(members, "ascent")
    shades = colormaps["viridis_r"](np.linspace(0.12, 1.0, len(sweep)))
    papers: list[Row | NotComparable] = []
    for (k, run), shade in zip(sweep, shades, strict=True):
        radii, accuracy = curves.curve([run.table], strict)
        look: dict[str, Any] = {"color": shade, "label": f"K = {k}", "linewidth": 1.1}
        curves.draw(axes, radii, accuracy, band=False, **look)
        papers.append(paper_row(run))
        if isinstance(papers[-1], Row):
            curves.mark(axes, papers[-1], color=shade, marker="o")
    axes.set_xlabel(radius_text(sweep[0][1]))
    axes.set_ylabel(f"correct with radius {'>' if strict else '≥'} r (% of inputs)")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 102)
    _legend(axes, ncols=4)
    return papers


def _by_steps(axes: Axes, members: Sequence[Run], options: Options) -> None:
    """Accuracy at a few radii against K, for ascent and the ramp."""
    if options.radii is not None:
        radii = metrics.parse_radii(options.radii)
    else:
        ascent = [run.table for _, run in _sweep(members, "ascent")]
        grid = metrics.default_radii(ascent)
        grid = grid if len(grid) > 2 else metrics.radius_grid(0, str(grid[-1]), "0.125")
        chosen = np.linspace(0, len(grid) - 1, min(MOST_RADII, len(grid))).round().astype(int)
        radii = grid[chosen]
    handles = []
    for i, radius in enumerate(radii):
        colour = COLOURS[i % 6]
        for name in ("ascent", "ramp"):
            sweep = _sweep(members, name)
            if sweep:
                each = [
                    metrics.certified_accuracy(run.table, [radius], options.strict)
                    for _, run in sweep
                ]
                _curve(axes, [k for k, _ in sweep], each, name, colour, 100, name == "ascent")
        sign = ">" if options.strict else "≥"
        handles.append(Line2D([], [], color=colour, label=f"r {sign} {number(float(radius))}"))
    if _sweep(members, "ramp"):
        for name in ("ascent", "ramp"):
            _, dash, mark, words = LOOKS[name]
            look: dict[str, Any] = {"linestyle": dash, "marker": mark, "markersize": 3.5}
            handles.append(Line2D([], [], color="0.3", label=words, **look))
    axes.set_xlabel("ascent steps K")
    axes.set_ylabel("certified accuracy (% of inputs)")
    axes.set_ylim(0, 102)
    _legend(axes, ncols=3, handles=handles)


def _area(axes: Axes, members: Sequence[Run]) -> None:
    """ACR against K for each search."""
    for name, (colour, _, _, words) in LOOKS.items():
        sweep = _sweep(members, name)
        if sweep:
            each = [metrics.average_certified_radius(run.table) for _, run in sweep]
            _curve(axes, [k for k, _ in sweep], each, name, colour, 1, name == "ascent", words)
    fixed = next((run for run in members if scaling(run).name == "fixed"), None)
    if fixed is not None:
        value = float(metrics.average_certified_radius(fixed.table).value)
        axes.axhline(value, color="0.4", linewidth=0.9, label=f"{label(fixed)}, fixed")
    axes.set_xlabel("ascent steps K")
    axes.set_ylabel("average certified radius (pixels in [0, 1])")
    _legend(axes, ncols=2)


def _curve(
    axes: Axes,
    k: Sequence[int],
    each: Sequence[Estimate],
    name: str,
    colour: str,
    unit: int,
    band: bool,
    words: str | None = None,
) -> None:
    """Values against K, with their intervals as a band where asked for."""

    def ends(part: str) -> NDArray[np.float64]:
        return unit * np.array([float(np.ravel(getattr(one, part))[0]) for one in each])

    _, dash, mark, _ = LOOKS[name]
    look: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": mark, "markersize": 4}
    look["markerfacecolor"] = colour if band else "white"  # so that equal curves are both seen
    axes.plot(k, ends("value"), label=words, **look)
    if band:
        shade: dict[str, Any] = {"color": colour, "alpha": 0.14, "linewidth": 0}
        axes.fill_between(k, ends("low"), ends("high"), **shade)


def _legend(axes: Axes, ncols: int, handles: Sequence[Line2D] | None = None) -> None:
    more: dict[str, Any] = {} if handles is None else {"handles": handles}
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=ncols, **more)
