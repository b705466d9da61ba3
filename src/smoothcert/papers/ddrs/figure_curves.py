"""DDRS figures 3 to 5, and the grid search of its appendix: accuracy against radius.

One row a data set: a panel for each starting scale, then the envelopes over scales and K; below
each the difference to fixed smoothing, on the same inputs. The paper does not say which K its
curves are of: in a panel it is that of the largest ACR on these inputs, named in the legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.certificates.runs import Run
from smoothcert.papers.ddrs.runs import label, order, own_scale, paper_best, paper_row, scaling
from smoothcert.papers.ddrs.series import (
    Group,
    add_notes,
    best,
    groups,
    in_paper,
    inputs_note,
    is_fixed,
    memory_note,
    paper_note,
    radius_text,
    sigma_0,
    start_text,
    with_settings,
    with_steps,
)
from smoothcert.report import curves
from smoothcert.report.figure_registry import FIGURES
from smoothcert.report.printing import radius as printed_radius
from smoothcert.report.reference import NotComparable, Row
from smoothcert.report.style import COLOURS, DASHES, PANEL, style
from smoothcert.report.table import Options

CURVE_NOTE = (
    "One starting scale a panel, with the K of the largest ACR on these inputs (the paper does not"
    " say which K it draws)."
)
ENVELOPE_NOTE = "Envelope: best starting scale and K at each radius, chosen on these inputs."
PASSES_NOTE = "Passes: forward and backward ones of one noisy sample, as the paper counts them."


@dataclass(frozen=True)
class Series:
    """One curve a panel: its name and place in the legend, and its runs at every scale."""

    name: str
    place: int
    runs: list[Run]

    @property
    def fixed(self) -> bool:
        """Fixed smoothing, which the others are compared with."""
        return is_fixed(self.runs[0])

    @property
    def look(self) -> dict[str, Any]:
        """Colour and dash."""
        turn = self.place // len(COLOURS)  # another dash when the colours begin again
        return {
            "color": COLOURS[self.place % len(COLOURS)],
            "linestyle": DASHES[(self.place + turn) % len(DASHES)],
        }


@FIGURES.member("ddrs_fig3")
def figure3(runs: Sequence[Run], options: Options) -> Figure:
    """Cohen's training; ``options.radii`` sets where the x axes end."""
    return _paper_figure(runs, options, "ddrs_fig3", "Cohen")


@FIGURES.member("ddrs_fig4")
def figure4(runs: Sequence[Run], options: Options) -> Figure:
    """SmoothAdv."""
    return _paper_figure(runs, options, "ddrs_fig4", "SmoothAdv")


@FIGURES.member("ddrs_fig5")
def figure5(runs: Sequence[Run], options: Options) -> Figure:
    """MACER."""
    return _paper_figure(runs, options, "ddrs_fig5", "MACER")


def _paper_figure(runs: Sequence[Run], options: Options, what: str, method: str) -> Figure:
    rows = []
    for group, members in groups(filter(in_paper, runs), what, method).items():
        members.sort(key=order)
        names = dict.fromkeys(map(label, members))
        own = {name: [run for run in members if label(run) == name] for name in names}
        rows.append((group, [Series(n, i, m) for i, (n, m) in enumerate(own.items())]))
    return _figure(rows, options, CURVE_NOTE)


@FIGURES.member("ddrs_appendix_grid")
def appendix_grid(runs: Sequence[Run], options: Options) -> Figure:
    """Fixed scales, ascent, and greedy grid searches, each with its passes through the network.

    Where several K are given, those count whose ascent spends as many passes as a grid, if any.
    """
    rows = []
    for group, members in groups(filter(_compared, runs), "ddrs_appendix_grid").items():
        grids = {_passes(run) for run in members if _search(run) not in ("fixed", "ascent")}
        equal = [run for run in members if _search(run) == "ascent" and _passes(run) in grids]
        own = [run for run in members if _search(run) != "ascent" or not equal or run in equal]
        names = sorted({_search(run) for run in own}, key=_rank)
        rows.append((
            group,
            [Series(n, i, [r for r in own if _search(r) == n]) for i, n in enumerate(names)],
        ))  # fmt: skip
    return _figure(rows, options, PASSES_NOTE)


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


# --- panels --------------------------------------------------------------------------------


def _figure(rows: Sequence[tuple[Group, Sequence[Series]]], options: Options, note: str) -> Figure:
    scales = [sorted({sigma_0(r) for s in series for r in s.runs}) for _, series in rows]
    columns = max(len(own) for own in scales)
    envelopes = any(len(s.runs) > 1 for _, series in rows for s in series)
    with style():
        wide = max(PANEL[0] * 0.86 * (columns + envelopes), 1.15 * PANEL[0])
        figure = Figure(figsize=(wide, (PANEL[1] + 1.7) * len(rows) + 0.5))
        ratios = [3.0, 1.2] * len(rows)
        shape = (2 * len(rows), columns + envelopes)
        grid = figure.subplots(*shape, squeeze=False, height_ratios=ratios)
        papers: list[Row | NotComparable] = []
        for j, ((group, series), own) in enumerate(zip(rows, scales, strict=True)):
            above, below = grid[2 * j], grid[2 * j + 1]
            for axes, difference, scale in zip(above, below, own, strict=False):
                lines = []
                for one in series:
                    here = [run for run in one.runs if run.sigma == scale]
                    if here:
                        run = best(here)
                        lines.append(Line(one, _text(one, run), [run], paper_row(run)))
                papers += [line.paper for line in lines]
                _panel(axes, difference, lines, options)
                axes.set_title(f"{group.of}: {group.method}, {start_text(lines[0].runs[0])}")
            for axes in [*above[len(own) : columns], *below[len(own) : columns]]:
                axes.set_axis_off()
            if envelopes:
                lines = [Line(s, _name(s), s.runs, paper_best(s.runs)[0]) for s in series]
                papers += [line.paper for line in lines]
                _panel(above[-1], below[-1], lines, options)
                above[-1].set_title(f"{group.of}: {group.method}, envelope")
        everything = [run for _, series in rows for one in series for run in one.runs]
        notes = [note, ENVELOPE_NOTE if envelopes else "", memory_note(everything)]
        add_notes(figure, inputs_note(everything), *notes, paper_note(papers))
        methods = ", ".join(dict.fromkeys(group.method for group, _ in rows))
        figure.suptitle(options.title or f"{methods}: certified accuracy")
    return figure


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


@dataclass(frozen=True)
class Line:
    """A curve of one panel: of one run, or the envelope of several on the same inputs."""

    series: Series
    name: str
    runs: list[Run]
    paper: Row | NotComparable

    @property
    def tables(self) -> list[CertificateTable]:
        """The certificates."""
        return [run.table for run in self.runs]

    @property
    def text(self) -> str:
        """The name with the area under the curve."""
        if len(self.tables) == 1:
            value = metrics.average_certified_radius(self.tables[0]).value
            return f"{self.name} (ACR {printed_radius(value)})"
        return f"{self.name} (area {printed_radius(metrics.envelope_area(self.tables).value)})"


def _panel(axes: Axes, difference: Axes, lines: Sequence[Line], options: Options) -> None:
    """The curves, and below them their difference to fixed smoothing."""
    reach = 0.0
    for line in lines:
        radii, accuracy = curves.curve(line.tables, options.strict)
        reach = max(reach, float(radii[-1]))
        curves.draw(axes, radii, accuracy, label=line.text, **line.series.look)
        if isinstance(line.paper, Row):
            curves.mark(axes, line.paper, color=line.series.look["color"], marker="o")
            reach = max([reach, *(r for r, _ in curves.marks(line.paper))])
    fixed = next((line for line in lines if line.series.fixed), None)
    difference.axhline(0, color=COLOURS[0], linewidth=1.0)
    for line in lines:
        if fixed is not None and line is not fixed:
            _difference(difference, line, fixed, options.strict)
    if options.radii is not None:
        reach = float(metrics.parse_radii(options.radii)[-1])
    reach = reach or 1.0
    for one in (axes, difference):
        one.set_xlim(-0.015 * reach, 1.03 * reach)
    difference.set_xlabel(radius_text(lines[0].runs[0]))
    axes.set_ylabel(f"correct with radius {'>' if options.strict else '≥'} r (% of inputs)")
    difference.set_ylabel("minus fixed\n(% of inputs)")
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.tick_params(labelbottom=False)
    band: dict[str, Any] = {"color": "0.5", "alpha": 0.25, "linewidth": 0}
    text = "95% interval for the number of inputs (differences: paired)"
    difference.fill_between([], [], label=text, **band)
    above, below = axes.get_legend_handles_labels(), difference.get_legend_handles_labels()
    difference.legend(
        above[0] + below[0], above[1] + below[1], loc="upper center", bbox_to_anchor=(0.5, -0.42)
    )


def _difference(axes: Axes, line: Line, fixed: Line, strict: bool) -> None:
    """Accuracy minus that of ``fixed``: paired interval for two runs, none for envelopes."""
    radii = curves.breakpoints([*line.tables, *fixed.tables])
    look = line.series.look
    if len(line.runs) == len(fixed.runs) == 1:
        gap = metrics.accuracy_difference(line.tables[0], fixed.tables[0], radii, strict)
        shade: dict[str, Any] = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
        axes.fill_between(radii, 100 * gap.low, 100 * gap.high, step="pre", **shade)
        value = gap.value
    else:
        first, second = (metrics.envelope(o.tables, radii, strict).value for o in (line, fixed))
        value = first - second
    axes.plot(radii, 100 * value, drawstyle="steps-pre", **look)
