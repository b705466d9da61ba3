"""DDRS figures 3 to 5, and the grid search of its appendix: accuracy against radius.

One row a data set: a panel for each starting scale, then the envelopes over scales and K; below
each the difference to fixed smoothing, on the same inputs. Beyond the radius that n equal votes
certify at the fixed scale, the difference is the other curve itself: there it is shaded and cut
off. The paper does not say which K its curves are of: in a panel it is that of the largest ACR on
these inputs, named in the legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.runs import (
    label,
    largest_radius,
    order,
    own_scale,
    paper_best,
    paper_row,
    scaling,
)
from smoothcert.papers.ddrs.series import (
    Group,
    add_notes,
    best,
    groups,
    in_paper,
    inputs_note,
    memory_note,
    paper_note,
    radius_text,
    sigma_0,
    small_print,
    start_text,
    with_settings,
    with_steps,
)
from smoothcert.report import curves
from smoothcert.report.numbers import POINTS, RADIUS, Metric, Number, Row, acr, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import radius as printed_radius
from smoothcert.report.reference import NotComparable
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.style import COLOURS, DASHES, PANEL, heading, style

CURVE_NOTE = (
    "One starting scale per panel, with the K of the largest ACR on these inputs (the paper does"
    " not state which K it plots)."
)
ENVELOPE_NOTE = "Envelope: best starting scale and K at each radius, chosen on these inputs."
CAP_NOTE = "Dotted: the largest radius at a fixed scale, reached if all n votes agree."
PASSES_NOTE = "Passes: forward and backward passes of one noisy sample, as counted by the paper."
DIFFERENCE = "accuracy_difference"


@dataclass(frozen=True)
class Series:
    """One curve a panel: its name and place in the legend, and its runs at every scale."""

    name: str
    place: int
    runs: list[Run]

    @property
    def fixed(self) -> bool:
        """Fixed smoothing, which the others are compared with."""
        return names.is_fixed(self.runs[0])


@dataclass(frozen=True)
class Line:
    """A curve of one panel: of one run, or the envelope of several on the same inputs."""

    series: Series
    name: str
    runs: list[Run]
    paper: PaperRow | NotComparable

    @property
    def tables(self) -> list[CertificateTable]:
        return [run.table for run in self.runs]


# --- what is measured ----------------------------------------------------------------------


def figure3(files: Files, options: AccuracyOptions) -> Picture:
    """Cohen's training; ``options.radii`` sets where the x axes end."""
    return _of_method(files, options, "ddrs_fig3", "Cohen")


def figure4(files: Files, options: AccuracyOptions) -> Picture:
    """SmoothAdv."""
    return _of_method(files, options, "ddrs_fig4", "SmoothAdv")


def figure5(files: Files, options: AccuracyOptions) -> Picture:
    """MACER."""
    return _of_method(files, options, "ddrs_fig5", "MACER")


def _of_method(files: Files, options: AccuracyOptions, output: str, method: str) -> Picture:
    rows = []
    runs = filter(in_paper, read_runs(files.some()))
    for group, members in groups(runs, output, method).items():
        members.sort(key=order)
        labels = dict.fromkeys(map(label, members))
        each = {name: [run for run in members if label(run) == name] for name in labels}
        rows.append((group, [Series(n, i, m) for i, (n, m) in enumerate(each.items())]))
    return _measured(output, rows, options, CURVE_NOTE)


def appendix_grid(files: Files, options: AccuracyOptions) -> Picture:
    """Fixed scales, ascent, and greedy grid searches, each with its passes through the network.

    Where several K are given, those count whose ascent spends as many passes as a grid, if any.
    """
    rows = []
    runs = filter(_compared, read_runs(files.some()))
    for group, members in groups(runs, "ddrs_appendix_grid").items():
        grids = {_passes(run) for run in members if _search(run) not in ("fixed", "ascent")}
        equal = [run for run in members if _search(run) == "ascent" and _passes(run) in grids]
        shown = [run for run in members if _search(run) != "ascent" or not equal or run in equal]
        searches = sorted({_search(run) for run in shown}, key=_rank)
        rows.append((
            group,
            [
                Series(n, i, [r for r in shown if _search(r) == n])
                for i, n in enumerate(searches)
            ],
        ))  # fmt: skip
    return _measured("ddrs_appendix_grid", rows, options, PASSES_NOTE)


def _compared(run: Run) -> bool:
    """At a fixed scale or by one of the searches compared, for a model of a fixed scale."""
    trained = run.trained
    if trained is None or not own_scale(run) or trained.schedule != "fs" or trained.variant:
        return False
    name = scaling(run).name
    return name in ("fixed", "ascent") or name.startswith("grid")


def _search(run: Run) -> str:
    how = scaling(run)
    return how.name if how.name in ("fixed", "ascent") else how.slug


def _passes(run: Run) -> int:
    return scaling(run).cost.evaluations


def _rank(name: str) -> tuple[bool, bool, str, float]:
    """Fixed, ascent, then grid-n4 before grid-n10."""
    head = name.rstrip("0123456789")
    return name != "fixed", name != "ascent", head, float(name[len(head) :] or 0)


def _measured(
    output: str, groups: Sequence[tuple[Group, Sequence[Series]]], options: AccuracyOptions,
    note: str,
) -> Picture:  # fmt: skip
    """Rows of curves (``kind`` run, paper, difference or cap) by ``group`` and ``panel``, from 0;
    the envelopes' panel is -1."""
    rows: list[Row] = []
    papers: list[PaperRow | NotComparable] = []
    envelopes = any(len(s.runs) > 1 for _, series in groups for s in series)
    for j, (group, series) in enumerate(groups):
        heading = f"{group.of}: {group.method}"
        for i, scale in enumerate(sorted({sigma_0(r) for s in series for r in s.runs})):
            lines = []
            for one in series:
                here = [run for run in one.runs if run.sigma == scale]
                if here:
                    run = best(here)
                    lines.append(Line(one, _text(one, run), [run], paper_row(run)))
            title = f"{heading}, {start_text(lines[0].runs[0])}"
            rows += _panel_rows(lines, options.strict, {"group": j, "panel": i, "title": title})
            papers += [line.paper for line in lines]
        if envelopes:
            lines = [Line(s, _name(s), s.runs, paper_best(s.runs)[0]) for s in series]
            title = f"{heading}, envelope"
            rows += _panel_rows(lines, options.strict, {"group": j, "panel": -1, "title": title})
            papers += [line.paper for line in lines]
    everything = [run for _, series in groups for one in series for run in one.runs]
    notes = small_print(
        inputs_note(everything), note, ENVELOPE_NOTE if envelopes else "",
        CAP_NOTE if any(row["kind"] == "cap" for row in rows) else "",
        memory_note(everything), paper_note(papers),
    )  # fmt: skip
    reach = None if options.radii is None else float(metrics.parse_radii(options.radii)[-1])
    more = {"notes": notes, "reach": reach, "strict": options.strict, "title": options.title}
    return Picture(frame(output, rows), more)


def _name(series: Series) -> str:
    """What the legend calls a series; of a grid its samples, by their name in the paper."""
    first = series.runs[0]
    if series.name in (label(first), scaling(first).name):
        return series.name
    return with_settings(scaling(first).name, first)


def _text(series: Series, run: Run) -> str:
    """What it says of one run: its K; for a search of the appendix what it spends."""
    if series.name == label(run):
        return with_steps(series.name, run)
    if series.fixed:
        return series.name
    return f"{with_settings(scaling(run).name, run)}: {_passes(run):,} passes"


def _panel_rows(lines: Sequence[Line], strict: bool, panel: Row) -> list[Row]:
    rows: list[Row] = []
    fixed = next((line for line in lines if line.series.fixed), None)
    for line in lines:
        single = len(line.runs) == 1
        labels: Row = {
            **panel, **names.shared(line.runs), "norm": line.runs[0].norm,
            "series": line.name, "place": line.series.place,
        }  # fmt: skip
        area: Row = (
            {"acr": acr(metrics.average_certified_radius(line.tables[0]))}
            if single
            else {"acr_area": acr(metrics.envelope_area(line.tables))}
        )
        curve = curves.curve(line.tables, strict)
        rows.append({**labels, "kind": "run", **curve, **area})
        if isinstance(line.paper, PaperRow):
            rows.append({**labels, **curves.printed(line.paper), "kind": "paper"})
        if fixed is not None and line is not fixed:
            rows.append({**labels, "kind": "difference", **_difference(line, fixed, strict)})
    return [*rows, *(_caps(fixed, panel) if fixed is not None else [])]


def _caps(fixed: Line, panel: Row) -> list[Row]:
    """How far each run of fixed smoothing can certify with its n."""
    reach = [(run, largest_radius(run, sigma_0(run))) for run in fixed.runs]
    return [
        {
            **panel, **names.axes(run), "norm": run.norm, "kind": "cap", "n": run.n,
            "largest_radius": Number(cap, unit=RADIUS),
        }
        for run, cap in reach
        if cap is not None
    ]  # fmt: skip


def _difference(line: Line, fixed: Line, strict: bool) -> Row:
    """Accuracy minus that of ``fixed``: paired interval for two runs, none for envelopes."""
    radii = curves.breakpoints([*line.tables, *fixed.tables])
    if len(line.runs) == len(fixed.runs) == 1:
        gap = metrics.accuracy_difference(line.tables[0], fixed.tables[0], radii, strict)
        return {
            Metric(DIFFERENCE, float(r)): Number(
                100 * float(gap.value[i]), 100 * float(gap.low[i]), 100 * float(gap.high[i]),
                gap.inputs, POINTS,
            )
            for i, r in enumerate(radii)
        }  # fmt: skip
    first, second = (metrics.envelope(one.tables, radii, strict) for one in (line, fixed))
    gaps = 100 * (first.value - second.value)
    return {
        Metric(DIFFERENCE, float(r)): Number(float(gap), inputs=first.inputs, unit=POINTS)
        for r, gap in zip(radii, gaps, strict=True)
    }


# --- how it is drawn -----------------------------------------------------------------------


def draw(picture: Picture) -> Figure:
    """Accuracy above, differences below; a row of such pairs for each data set."""
    numbers, more = picture.numbers, picture.more
    groups = numbers.group.nunique()
    columns = int(numbers.panel.max()) + 1
    envelopes = bool((numbers.panel < 0).any())
    with style():
        wide = max(PANEL[0] * 0.86 * (columns + envelopes), 1.15 * PANEL[0])
        figure = Figure(figsize=(wide, (PANEL[1] + 1.7) * groups + 0.5))
        shape = (2 * groups, columns + envelopes)
        grid = figure.subplots(*shape, squeeze=False, height_ratios=[3.0, 1.2] * groups)
        drawn = set()
        place: Any
        for place, part in numbers.groupby(["group", "panel"]):
            group, panel = place
            above, below = grid[2 * group, panel], grid[2 * group + 1, panel]
            _panel(above, below, part, more["strict"], more["reach"])
            drawn |= {above, below}
        for axes in set(grid.flat) - drawn:
            axes.set_axis_off()
        add_notes(figure, more["notes"])
        heading(figure, more["title"])
    return figure


def _look(place: int) -> dict[str, Any]:
    """Colour and dash of a series; another dash when the colours begin again."""
    turn = place // len(COLOURS)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[(place + turn) % len(DASHES)],
    }


def _panel(
    axes: Axes, difference: Axes, numbers: pd.DataFrame, strict: bool, reach: float | None
) -> None:
    """The curves, and below them their difference to fixed smoothing."""
    difference.axhline(0, color=COLOURS[0], linewidth=1.0)
    for _, part in numbers.groupby("row", sort=True):
        first = part.iloc[0]
        look = {} if first.kind == "cap" else _look(int(first.place))
        if first.kind == "run":
            accuracy = part[part.metric == curves.ACCURACY]
            curves.draw(axes, accuracy, label=_legend(first.series, part), **look)
        elif first.kind == "paper":
            curves.mark(axes, part, color=look["color"], marker="o")
        elif first.kind == "difference":
            shade: dict[str, Any] = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
            if part.low.notna().all():
                difference.fill_between(part.radius, part.low, part.high, step="pre", **shade)
            difference.plot(part.radius, part.value, drawstyle="steps-pre", **look)
    shown = numbers[numbers.kind.isin(["run", "paper"])]
    most = (shown.radius.max() if reach is None else reach) or 1.0
    _beyond(axes, difference, numbers, most)
    for one in (axes, difference):
        one.set_xlim(-0.015 * most, 1.03 * most)
    axes.set_title(numbers.iloc[0].title)
    difference.set_xlabel(radius_text(numbers.iloc[0].norm))
    axes.set_ylabel(f"correct with radius {'>' if strict else '≥'} r (% of inputs)")
    difference.set_ylabel("minus fixed\n(% of inputs)")
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.tick_params(labelbottom=False)
    band: dict[str, Any] = {"color": "0.5", "alpha": 0.25, "linewidth": 0}
    text = "95% CI (test-set sampling; differences paired)"
    difference.fill_between([], [], label=text, **band)
    above, below = axes.get_legend_handles_labels(), difference.get_legend_handles_labels()
    difference.legend(
        above[0] + below[0], above[1] + below[1], loc="upper center", bbox_to_anchor=(0.5, -0.42)
    )


def _beyond(axes: Axes, difference: Axes, numbers: pd.DataFrame, most: float) -> None:
    """Mark where fixed smoothing must end; the differences are scaled to what is before."""
    caps = numbers[(numbers.kind == "cap") & (numbers.value < most)]
    for cap in caps.value:
        for one in (axes, difference):
            one.axvline(cap, color="0.35", linewidth=0.8, linestyle=":", zorder=1)
    if caps.empty or len(caps) < (numbers.kind == "cap").sum():
        return
    end = caps.value.max()
    text = f"beyond the largest radius of the fixed scale at n = {int(caps.n.max()):,}"
    shade: dict[str, Any] = {
        "facecolor": "0.97",
        "edgecolor": "0.82",
        "linewidth": 0,
        "zorder": 0,
        "hatch": "//",
    }
    difference.axvspan(end, 2 * most, label=text, **shade)
    before = numbers[(numbers.kind == "difference") & (numbers.radius <= end * (1 + 1e-9))]
    values = before[["value", "low", "high"]].to_numpy(dtype=float)
    if np.isfinite(values).any():
        low, high = min(np.nanmin(values), 0.0), max(np.nanmax(values), 0.0)
        room = 0.1 * (high - low) or 1.0
        difference.set_ylim(low - room, high + room)


def _legend(name: str, part: pd.DataFrame) -> str:
    """The name of a curve with the area under it."""
    one = part[part.metric.isin(["acr", "acr_area"])].iloc[0]
    return f"{name} ({'ACR' if one.metric == 'acr' else 'area'} {printed_radius(one.value)})"
