"""Does the optimization of DDRS do anything? ACR minus that of fixed smoothing, paired.

One panel a method and scale of training. Every run is compared, on the same inputs, with the
fixed scale of the model that was trained with it; what the ascent has above its controls (a
constant ramp, one scale for all, other fixed scales, grids) is due to the optimization.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.ddrs.runs import axes, is_fixed, own_scale, scaling, steps, training_n
from smoothcert.papers.ddrs.series import (
    add_notes,
    groups,
    inputs_note,
    memory_note,
    sigma_0,
    small_print,
    start_text,
    with_settings,
)
from smoothcert.report.numbers import Row, frame, gain
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import number
from smoothcert.report.printing import radius as printed_radius
from smoothcert.report.style import COLOURS, around_zero, heading, style

WORDS = {
    "ascent": "DS: ascent",
    "ascent-sound": "ascent, sound",
    "ascent-mean": "one σ: mean of DS",
    "ramp": "constant ramp",
    "grid": "per-input grid, soft",
    "grid-hard": "per-input grid, hard votes",
    "grid-one": "one σ: best of a grid",
    "fixed": "fixed σ",
}
NOTE = (
    "Lines: 95% CIs of the paired differences (Student's t, Gaffke's where few differ), each"
    " separately; * excludes 0."
)
BESIDE: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"), "xytext": (4, 0), "textcoords": "offset points",
    "va": "center", "fontsize": "x-small",
}  # fmt: skip


def measure(files: Files, options: Titled) -> Picture:
    """A row a run that is compared: its ACR minus that of fixed smoothing."""
    rows: list[Row] = []
    panels = _panels(read_runs(files.some()))
    for panel, (title, fixed, rest) in enumerate(panels):
        for run in rest:
            colour, trained, _ = _training(run)
            rows.append({
                **axes(run),
                "panel": panel,
                "title": title,
                "name": _name(run),
                "colour": colour,
                "trained": trained,
                "search": scaling(run).name,
                "acr_difference": gain(metrics.acr_difference(run.table, fixed.table)),
            })  # fmt: skip
    everything = [run for _, fixed, rest in panels for run in (fixed, *rest)]
    notes = small_print(inputs_note(everything), NOTE, memory_note(everything))
    more = {"notes": notes, "title": options.title}
    return Picture(frame("ddrs_controls", rows), more)


def _panels(runs: Sequence[Run]) -> list[tuple[str, Run, list[Run]]]:
    """(title, fixed smoothing, what is compared with it) of each scale of training."""
    panels = []
    lonely = None
    for group, members in groups(runs, "ddrs_controls").items():
        for scale in sorted({run.trained.scale for run in members if run.trained}):
            same = [run for run in members if run.trained and run.trained.scale == scale]
            fixed = next((run for run in same if is_fixed(run)), None)
            rest = sorted((run for run in same if run is not fixed), key=_rank)
            if fixed is not None and rest:
                acr = printed_radius(metrics.average_certified_radius(fixed.table).value)
                title = f"{group.of}: {group.method}, {start_text(fixed)} (fixed: ACR {acr})"
                panels.append((title, fixed, rest))
            elif fixed is None:
                lonely = same[0]
    if not panels:
        beside = "" if lonely is None else f" beside {lonely.path}"
        raise SmoothcertError(
            "ddrs_controls: expected fixed smoothing (training fs, scaling fixed, one scale)"
            f" and runs to compare with it; found no such pair{beside}"
        )
    return panels


def _rank(run: Run) -> tuple[object, ...]:
    """By training; then the searches in the order of WORDS; then by K and scale."""
    names = list(WORDS)
    name = scaling(run).name
    place = names.index(name) if name in names else len(names)
    samples = getattr(scaling(run), "n", 0)
    return (_training(run), place, samples, steps(run) or 0, sigma_0(run), str(run.scaling))


class _Training(NamedTuple):
    """How a model was trained: its place, what the legend says and, unless usual, a run's name."""

    place: int
    words: str
    model: str


def _training(run: Run) -> _Training:
    trained = run.trained
    assert trained is not None
    if trained.schedule == "ds2":
        n = training_n(run)
        samples = "" if n == 1 else f", n = {n}"
        name = "DS2 model" if n == 1 else f"DS2 model (n = {n})"
        return _Training(1, f"trained with DS (DS2{samples})", name)
    if "_ft" in trained.variant:
        return _Training(2, "fine-tuned with a fixed σ", "fine-tuned model")
    return _Training(0, "trained with a fixed σ", "")


def _name(run: Run) -> str:
    """``DS: ascent, K = 900``; for a fixed scale, which; ``DS2 model, ...`` of another training."""
    how = scaling(run)
    words = WORDS.get(how.name, how.slug)
    if how.name == "fixed":
        text = f"{words} = {number(sigma_0(run))}"
    else:
        text = with_settings(words, run)
        text = text if own_scale(run) else f"{text}, {start_text(run)}"
    model = _training(run).model
    return f"{model}, {text}" if model else text


def draw(picture: Picture) -> Figure:
    """ACR differences to fixed smoothing, with 95% intervals; a fixed scale as the zero line."""
    panels = [part for _, part in picture.numbers.groupby("panel")]
    columns = min(2, len(panels))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [0.21 * max(map(len, row)) + 0.95 for row in rows]
    with style():
        figure = Figure(figsize=(5.9 * columns, sum(heights) + 1.1))
        grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        shown: dict[str, Any] = {}
        for cells, row in zip(grid, rows, strict=True):
            for axes, part in zip(cells, row, strict=False):
                shown |= _panel(axes, part)
            for axes in cells[len(row) :]:
                axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("ACR minus ACR of fixed smoothing (pixels in [0, 1])")
        add_notes(figure, picture.more["notes"])
        # Hung by a length, not by a share of an axis: panels differ in height.
        drop = ScaledTranslation(0, -0.5, figure.dpi_scale_trans)
        below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, 0), "borderaxespad": 0}
        below["bbox_transform"] = grid[-1, 0].transAxes + drop
        grid[-1, 0].legend(handles=list(shown.values()), **below)
        heading(figure, picture.more["title"])
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame) -> dict[str, Any]:
    """One line a run; returns the legend's handles by label."""
    handles: dict[str, Any] = {}
    rows: list[Any] = list(numbers.itertuples())
    for y, one in enumerate(rows):
        adapted = one.search == "ascent"
        colour = COLOURS[one.colour]
        look: dict[str, Any] = {"color": colour, "marker": "o" if adapted else "D"}
        look |= {"markersize": 5 if adapted else 4}
        look |= {"markerfacecolor": colour if adapted else "white"}
        error = np.array([[one.value - one.low], [one.high - one.value]])
        if not np.isfinite(error).all():
            error = np.zeros((2, 1))
        axes.errorbar([one.value], [y], xerr=error, linestyle="none", linewidth=1.3, **look)
        star = "*" if one.low > 0 or one.high < 0 else ""
        axes.annotate(f"{one.value:+.3f}{star}", (1.0, y), **BESIDE)
        handles[one.trained] = Line2D(
            [], [], linestyle="-", marker="o", color=colour, label=one.trained
        )
    around_zero(axes, list(numbers["name"]), above=0.6, below=0.6)
    # in two lines: beside the names of its rows an axis is narrow
    axes.set_title(numbers.iloc[0].title.replace(": ", ":\n", 1))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return handles
