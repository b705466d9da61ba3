"""DDRS figure 7: what the number of ascent steps K does, beside a constant shift of the scale.

One row a model: accuracy against radius, one curve a K (the paper's figure); accuracy at a few
radii against K; ACR against K. Marks are runs; at small K a ramp certifies nothing at a radius
that its n votes cannot reach, which needs no run. The ramp moves every input by what a confident
one moves, the mean gives all inputs the mean of the ascent's scales: what ascent has above them is
adaptation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.runs import (
    label,
    largest_radius,
    own_scale,
    paper_row,
    ramp_speed,
    scaling,
    steps,
)
from smoothcert.papers.ddrs.series import (
    add_notes,
    groups,
    inputs_note,
    memory_note,
    paper_note,
    radius_text,
    sigma_0,
    small_print,
)
from smoothcert.report import curves
from smoothcert.report import names as readable
from smoothcert.report.numbers import Metric, Number, Row, acr, frame, share
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import number
from smoothcert.report.reference import NotComparable
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.style import COLOURS, PANEL, heading, style

# Searches with steps, by the name of the scaling: colour, dash, mark, words
LOOKS: dict[str, tuple[str, str, str, str]] = {
    "ascent": (COLOURS[0], "-", "o", "ascent"),
    "ramp": (COLOURS[1], "--", "s", "constant ramp"),
    "ascent-mean": (COLOURS[2], "-.", "D", "one σ: the mean of ascent"),
    "ascent-sound": (COLOURS[3], ":", "^", "ascent, sound"),
}
MOST_RADII = 4
STEPS_NOTE = (
    "Marks are runs (K = 0: the fixed scale); lines guide the eye. Where the ramp is 0, even n"
    " agreeing votes do not reach the radius."
)
AT = "accuracy_percent_at"  # of the middle panel, beside the whole curves of the left one
OUT_OF_REACH = "steps_out_of_reach"


def figure7(files: Files, options: AccuracyOptions) -> Picture:
    """A row a model (``group``), search and K: its curve and ACR, and its accuracy at a few radii.

    ``options.radii``: those of the middle panels (four that fit the data). The fixed scale is
    K = 0 of every search.
    """
    rows: list[Row] = []
    models = _models(read_runs(files.some()))
    papers: list[PaperRow | NotComparable] = []
    for group, (title, members) in enumerate(models):
        radii = _radii(members, options)
        for search in LOOKS:
            for k, run in _sweep(members, search):
                labels: Row = {
                    "group": group, "title": title, **names.axes(run), "norm": run.norm,
                    "method": label(run), "search": search, "K": k, "kind": "run",
                }  # fmt: skip
                curve = curves.curve([run.table], options.strict)
                at = metrics.certified_accuracy(run.table, radii, options.strict)
                rows.append({
                    **labels,
                    **curve,
                    **{Metric(AT, float(r)): share(at[i]) for i, r in enumerate(radii)},
                    "acr": acr(metrics.average_certified_radius(run.table)),
                })  # fmt: skip
                if search == "ascent":
                    papers.append(paper := paper_row(run))
                    if isinstance(paper, PaperRow):
                        rows.append({**labels, **curves.printed(paper), "kind": "paper"})
        ramps = [run for k, run in _sweep(members, "ramp") if k]
        if ramps:
            labels = {"group": group, "title": title, "search": "ramp", "kind": "cap"}
            rows.append({**labels, **_out_of_reach(ramps[-1], radii)})
    everything = [run for _, members in models for run in members]
    notes = small_print(
        inputs_note(everything),
        STEPS_NOTE,
        "Vertical lines: 95% CIs (test-set sampling).",
        memory_note(everything),
        paper_note(papers),
    )
    more = {"notes": notes, "strict": options.strict, "title": options.title}
    return Picture(frame("ddrs_fig7", rows), more)


def _models(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """The runs of each model with at least two K, at the scale of its training."""
    by_model: dict[tuple[str, ...], list[Run]] = {}
    titles: dict[tuple[str, ...], str] = {}
    for group, members in groups(filter(_swept, runs), "ddrs_fig7").items():
        for run in members:
            key = (group.of, str(run.training), str(run.noise))
            by_model.setdefault(key, []).append(run)
            titles[key] = f"{group.of},\n{readable.training(str(run.training))}"
    models = [
        (titles[key], members)
        for key, members in by_model.items()
        if sum(scaling(run).name == "ascent" for run in members) > 1
    ]
    if not models:
        raise SmoothcertError("ddrs_fig7: expected runs of ascent at several K of one model")
    return models


def _swept(run: Run) -> bool:
    return own_scale(run) and scaling(run).name in ("fixed", *LOOKS)


def _sweep(members: Sequence[Run], name: str) -> list[tuple[int, Run]]:
    """(K, run) of one search by rising K, the fixed scale as K = 0; none where it was not run."""
    each = [(steps(run) or 0, run) for run in members if scaling(run).name in ("fixed", name)]
    each.sort(key=lambda pair: pair[0])
    return each if any(k for k, _ in each) else []


def _out_of_reach(run: Run, radii: NDArray[np.float64]) -> Row:
    """At each radius the K of a ramp up to which its n votes cannot certify it; none for K < 0."""
    reach = largest_radius(run, 1.0)
    if reach is None:
        return {}
    steps = (radii / reach - sigma_0(run)) / ramp_speed(run)
    return {
        Metric(OUT_OF_REACH, float(r)): Number(float(k))
        for r, k in zip(radii, steps, strict=True)
        if k > 0
    }


def _radii(members: Sequence[Run], options: AccuracyOptions) -> Any:
    """Those of the middle panel: chosen, or MOST_RADII that fit the ascents."""
    if options.radii is not None:
        return metrics.parse_radii(options.radii)
    grid = metrics.default_radii([run.table for _, run in _sweep(members, "ascent")])
    grid = grid if len(grid) > 2 else metrics.radius_grid(0, str(grid[-1]), "0.125")
    chosen = np.linspace(0, len(grid) - 1, min(MOST_RADII, len(grid))).round().astype(int)
    return grid[chosen]


def draw(picture: Picture) -> Figure:
    """A row of three panels a model."""
    numbers, strict = picture.numbers, picture.more["strict"]
    models = numbers.group.nunique()
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.6, (PANEL[1] + 0.6) * models + 0.6))
        grid = figure.subplots(models, 3, squeeze=False)
        for panels, (_, part) in zip(grid, numbers.groupby("group"), strict=True):
            _by_radius(panels[0], part, strict)
            _by_steps(panels[1], part, strict)
            _area(panels[2], part)
        add_notes(figure, picture.more["notes"])
        heading(figure, picture.more["title"])
    return figure


def _by_radius(axes: Axes, numbers: pd.DataFrame, strict: bool) -> None:
    """The paper's figure: accuracy against radius, one curve a K of ascent."""
    ascent = numbers[(numbers.search == "ascent") & (numbers.metric == curves.ACCURACY)]
    shades = colormaps["viridis_r"](np.linspace(0.12, 1.0, ascent.K.nunique()))
    for (k, of_k), shade in zip(ascent.groupby("K"), shades, strict=True):
        curve = of_k[of_k.kind == "run"]
        curves.draw(axes, curve, band=False, color=shade, label=f"K = {k}", linewidth=1.1)
        curves.mark(axes, of_k[of_k.kind == "paper"], color=shade, marker="o")
    axes.set_title(numbers.iloc[0].title)
    axes.set_xlabel(radius_text(numbers.iloc[0].norm))
    axes.set_ylabel(f"correct with radius {'>' if strict else '≥'} r (% of inputs)")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 102)
    _legend(axes, ncols=4)


def _by_steps(axes: Axes, numbers: pd.DataFrame, strict: bool) -> None:
    """Accuracy at a few radii against K, for ascent and the ramp."""
    zero = numbers[numbers.metric == OUT_OF_REACH].set_index("radius").value
    numbers = numbers[(numbers.metric == AT) & numbers.search.isin(["ascent", "ramp"])]
    handles = []
    radius: Any
    for i, (radius, at) in enumerate(numbers.groupby("radius")):
        colour = COLOURS[i % 6]
        for search, sweep in at.groupby("search", sort=False):
            _curve(
                axes,
                sweep,
                str(search),
                colour,
                zero=zero.get(radius) if search == "ramp" else None,
            )
        sign = ">" if strict else "≥"
        handles.append(Line2D([], [], color=colour, label=f"r {sign} {number(float(radius))}"))
    if (numbers.search == "ramp").any():
        for name in ("ascent", "ramp"):
            _, dash, mark, words = LOOKS[name]
            look: dict[str, Any] = {"linestyle": dash, "marker": mark, "markersize": 3.5}
            handles.append(Line2D([], [], color="0.3", label=words, **look))
    axes.set_xlabel("ascent steps K")
    axes.set_ylabel("certified accuracy (% of inputs)")
    axes.set_ylim(-2, 102)  # a mark at 0 is seen whole
    _legend(axes, ncols=3, handles=handles)


def _area(axes: Axes, numbers: pd.DataFrame) -> None:
    """ACR against K for each search."""
    numbers = numbers[numbers.metric == "acr"]
    search: Any
    for search, sweep in numbers.groupby("search", sort=False):
        colour, _, _, words = LOOKS[search]
        _curve(axes, sweep, search, colour, words)
    fixed = numbers[numbers.K == 0]
    if len(fixed):
        name = f"{fixed.iloc[0].method}, fixed"
        axes.axhline(fixed.iloc[0].value, color="0.4", linewidth=0.9, label=name)
    axes.set_xlabel("ascent steps K")
    axes.set_ylabel("average certified radius (pixels in [0, 1])")
    _legend(axes, ncols=2)


def _curve(
    axes: Axes, sweep: pd.DataFrame, search: str, colour: str, words: str | None = None,
    zero: float | None = None,
) -> None:  # fmt: skip
    """Values against K, those of ascent with their intervals; 0 up to K = ``zero``."""
    _, dash, mark, _ = LOOKS[search]
    filled = search == "ascent"
    look: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": mark, "markersize": 4}
    look["markerfacecolor"] = colour if filled else "white"  # so that equal curves are both seen
    known = sweep.assign(K=sweep.K.astype(float), run=True)
    if zero is not None and zero < known.K.max():
        known = pd.concat([known, pd.DataFrame({"K": [zero], "value": [0.0], "run": [False]})])
    known = known.sort_values("K")
    runs = np.flatnonzero(known.run).tolist()
    axes.plot(known.K, known.value, label=words, markevery=runs, linewidth=1.0, **look)
    if filled:
        axes.vlines(known.K, known.low, known.high, color=colour, linewidth=1.0, alpha=0.6)


def _legend(axes: Axes, ncols: int, handles: Sequence[Line2D] | None = None) -> None:
    more: dict[str, Any] = {} if handles is None else {"handles": handles}
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=ncols, **more)
