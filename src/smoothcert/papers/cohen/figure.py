"""Certified accuracy against the radius, one curve a noise scale, and their envelope.

One panel for the runs that differ in the noise scale only; the figure of Cohen et al. 2019.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.cohen.table import same_but_sigma
from smoothcert.papers.ddrs.comparable import cohen_row, settings_of
from smoothcert.report import curves, names
from smoothcert.report.numbers import Key, Label, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import number
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.style import COLOURS, DASHES, ENVELOPE, heading, panels, style


def measure(files: Files, options: AccuracyOptions) -> Picture:
    """A row a curve, at every radius at which it steps down; and the paper's printed values."""
    rows: list[Row] = []
    groups = groupby(read_runs(files.some()), key=same_but_sigma)
    for panel, (_, members) in enumerate(groups):
        group = list(members)
        rows += _curves(group, options.strict, _title(group), panel)
    reach = None if options.radii is None else float(metrics.parse_radii(options.radii)[-1])
    return Picture(frame("cohen_figure", rows), {"strict": options.strict, "reach": reach,
                                                 "title": options.title})  # fmt: skip


def _curves(group: list[Run], strict: bool, title: str, panel: int) -> list[Row]:
    common: dict[str, Label] = {"panel": panel, "title": title, "norm": group[0].norm}
    rows: list[Row] = []
    for run in group:
        name = run.path.name if run.sigma is None else f"σ = {number(run.sigma)}"
        own = {**common, **run.axes}
        rows.append(_row({**own, "curve": "run", "series": name}, [run.table], strict))
        reference = cohen_row(settings_of(run))
        if isinstance(reference, PaperRow):
            rows.append(curves.printed(reference, curve="paper", **own))
    if len({run.sigma for run in group}) > 1:
        tables = metrics.common_inputs([run.table for run in group])
        best = {**common, "curve": "envelope", "series": "envelope: best σ at each radius"}
        rows.append(_row(best, tables, strict))
    return rows


def _row(labels: dict[str, Label], tables: list[CertificateTable], strict: bool) -> Row:
    row: dict[Key, Label | Number] = dict(labels.items())
    return row | curves.curve(tables, strict)


def _title(group: list[Run]) -> str:
    run = group[0]
    recipe = names.recipe(run.recipe) if run.training else None
    known = [run.dataset or run.path.name, run.arch, recipe]
    counts = " or ".join(f"{n:,}" for n in sorted({len(r.table) for r in group}))
    return f"{', '.join(name for name in known if name)} ({counts} inputs)"


def draw(picture: Picture) -> Figure:
    """``options.radii`` set where the x axis ends (its largest); the curves are exact."""
    with style():
        figure, each = panels(picture.numbers.panel.nunique())
        for axes, (_, part) in zip(each, picture.numbers.groupby("panel"), strict=True):
            _panel(axes, part, picture.more["strict"], picture.more["reach"])
        heading(figure, picture.more["title"])
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame, strict: bool, reach: float | None) -> None:
    colour, runs = COLOURS[0], -1
    sources: dict[str, None] = {}
    for _, part in numbers.groupby("row", sort=True):
        kind, name = part.curve.iloc[0], part.series.iloc[0]
        if kind == "run":
            runs += 1
            colour, dash = COLOURS[runs % len(COLOURS)], DASHES[runs % len(DASHES)]
            curves.draw(axes, part, color=colour, linestyle=dash, label=name)
        elif kind == "paper":
            sources[name.removeprefix("paper: ")] = None
            curves.mark(axes, part, color=colour, marker="o")
        else:  # wide and behind the curves, so that the curve it follows stays visible
            look: dict[str, Any] = {"linewidth": 4.5, "solid_capstyle": "butt", "zorder": 1.5}
            curves.draw(axes, part, band=False, label=name, color=ENVELOPE, **look)
    if sources:
        look = {"marker": "o", "markersize": 5, "color": "0.3", "markerfacecolor": "white"}
        axes.plot([], [], linestyle="none", label=f"paper: {', '.join(sources)}", **look)
    most = numbers.radius.max() if reach is None else reach
    _axes(axes, numbers.iloc[0].title, numbers.iloc[0].norm, strict, most or 1.0)


def _axes(axes: Axes, title: str, norm: str, strict: bool, reach: float) -> None:
    axes.set_title(title)
    sign = ">" if strict else "≥"
    math = {"l1": r"$\ell_1$", "l2": r"$\ell_2$", "linf": r"$\ell_\infty$"}.get(norm, norm)
    axes.set_xlabel(f"certified {math} radius r (pixels in [0, 1])")
    axes.set_ylabel(f"correct with radius {sign} r (% of inputs)")
    axes.set_xlim(-0.015 * reach, 1.03 * reach)  # room for a mark at radius 0
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    # Each radius by itself, for the sampling of the inputs.
    band: dict[str, Any] = {"color": "0.5", "alpha": 0.25, "linewidth": 0}
    axes.fill_between([], [], label="95% CI (test-set sampling)", **band)
    # Below the axes: within them, the curves of easy data would run through it.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
