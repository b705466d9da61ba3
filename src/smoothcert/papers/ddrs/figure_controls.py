"""Does the optimization of DDRS do anything? ACR minus that of fixed smoothing, paired.

One panel a method and scale of training. Every run is compared, on the same inputs, with the
fixed scale of the model that was trained with it; what the ascent has above its controls (a
constant ramp, one scale for all, other fixed scales, grids) is due to the optimization.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.ddrs.runs import own_scale, scaling, steps, training_n
from smoothcert.papers.ddrs.series import (
    Group,
    add_notes,
    groups,
    inputs_note,
    is_fixed,
    memory_note,
    sigma_0,
    start_text,
    with_settings,
)
from smoothcert.report.figure_registry import FIGURES
from smoothcert.report.printing import number
from smoothcert.report.printing import radius as printed_radius
from smoothcert.report.style import COLOURS, style
from smoothcert.report.table import Options

WORDS = {
    "ascent": "DS: ascent",
    "ascent-sound": "ascent, sound",
    "ascent-mean": "one σ: mean of DS",
    "ramp": "constant ramp",
    "grid": "grid, soft",
    "grid-hard": "grid an input, hard votes",
    "grid-one": "one σ: best of a grid",
    "fixed": "fixed σ",
}
NOTE = (
    "Lines: 95% intervals of the paired differences (Student's t), each by itself; * leaves out 0."
)
BESIDE: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"), "xytext": (4, 0), "textcoords": "offset points",
    "va": "center", "fontsize": "x-small",
}  # fmt: skip


@FIGURES.member("ddrs_controls")
def controls(runs: Sequence[Run], options: Options) -> Figure:
    """ACR differences to fixed smoothing, with 95% intervals; a fixed scale as the zero line."""
    panels = _panels(runs)
    columns = min(2, len(panels))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [0.21 * max(len(rest) for _, _, _, rest in row) + 0.75 for row in rows]
    with style():
        figure = Figure(figsize=(5.9 * columns, sum(heights) + 1.1))
        grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        shown: dict[str, Any] = {}
        for cells, row in zip(grid, rows, strict=True):
            for axes, (group, title, fixed, rest) in zip(cells, row, strict=False):
                shown |= _panel(axes, group, fixed, rest)
                axes.set_title(title)
            for axes in cells[len(row) :]:
                axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("ACR minus that of fixed smoothing (pixels in [0, 1])")
        everything = [run for _, _, fixed, rest in panels for run in (fixed, *rest)]
        add_notes(figure, inputs_note(everything), NOTE, memory_note(everything))
        # Hung by a length, not by a share of an axis: panels differ in height.
        drop = ScaledTranslation(0, -0.5, figure.dpi_scale_trans)
        below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, 0), "borderaxespad": 0}
        below["bbox_transform"] = grid[-1, 0].transAxes + drop
        grid[-1, 0].legend(handles=list(shown.values()), **below)
        figure.suptitle(options.title or "What the optimization adds to its controls")
    return figure


def _panels(runs: Sequence[Run]) -> list[tuple[Group, str, Run, list[Run]]]:
    """(group, title, fixed smoothing, what is compared with it) of each scale of training."""
    found = []
    lonely = None
    for group, members in groups(runs, "ddrs_controls").items():
        scales = sorted({run.trained.scale for run in members if run.trained})
        for scale in scales:
            own = [run for run in members if run.trained and run.trained.scale == scale]
            fixed = next((run for run in own if is_fixed(run)), None)
            rest = sorted((run for run in own if run is not fixed), key=_rank)
            if fixed is not None and rest:
                acr = printed_radius(metrics.average_certified_radius(fixed.table).value)
                title = f"{group.of}: {group.method}, {start_text(fixed)} (fixed: ACR {acr})"
                found.append((group, title, fixed, rest))
            elif fixed is None:
                lonely = own[0]
    if not found:
        what = "" if lonely is None else f" beside {lonely.path}"
        raise SmoothcertError(
            "ddrs_controls: expected fixed smoothing (training fs, scaling fixed, one scale)"
            f" and what to compare with it; found no such pair{what}"
        )
    return found


def _rank(run: Run) -> tuple[object, ...]:
    """By training; then the searches in the order of WORDS; then by K and scale."""
    names = list(WORDS)
    name = scaling(run).name
    place = names.index(name) if name in names else len(names)
    samples = getattr(scaling(run), "n", 0)
    return (_training(run), place, samples, steps(run) or 0, sigma_0(run), str(run.scaling))


def _training(run: Run) -> tuple[int, str]:
    """Place and words of how the model was trained."""
    trained = run.trained
    assert trained is not None
    if trained.schedule == "ds2":
        n = training_n(run)
        return 1, "trained with DS (DS2)" if n == 1 else f"trained with DS (DS2, n = {n})"
    if "_ft" in trained.variant:
        return 2, "fine-tuned with a fixed σ"
    return 0, "trained with a fixed σ"


def _name(run: Run) -> str:
    """``DS: ascent, K = 900``; for a fixed scale, which."""
    how = scaling(run)
    words = WORDS.get(how.name, how.slug)
    if how.name == "fixed":
        return f"{words} = {number(sigma_0(run))}"
    text = with_settings(words, run)
    return text if own_scale(run) else f"{text}, {start_text(run)}"


def _panel(axes: Axes, group: Group, fixed: Run, rest: Sequence[Run]) -> dict[str, Any]:
    """One line a run; returns the legend's handles by label."""
    handles: dict[str, Any] = {}
    for y, run in enumerate(rest):
        gap = metrics.acr_difference(run.table, fixed.table)
        value, low, high = (float(v) for v in (gap.value, gap.low, gap.high))
        place, words = _training(run)
        adapted = scaling(run).name == "ascent"
        look: dict[str, Any] = {"color": COLOURS[place], "marker": "o" if adapted else "D"}
        look |= {"markersize": 5 if adapted else 4}
        look |= {"markerfacecolor": COLOURS[place] if adapted else "white"}
        error = np.array([[value - low], [high - value]])
        if not np.isfinite(error).all():
            error = np.zeros((2, 1))
        axes.errorbar([value], [y], xerr=error, linestyle="none", linewidth=1.3, **look)
        star = "*" if low > 0 or high < 0 else ""
        axes.annotate(f"{value:+.3f}{star}", (1.0, y), **BESIDE)
        handles[words] = Line2D(
            [], [], linestyle="-", marker="o", color=COLOURS[place], label=words
        )
    axes.axvline(0, color="0.3", linewidth=1.0)
    axes.set_yticks(range(len(rest)), [_name(run) for run in rest], fontsize="small")
    axes.set_ylim(len(rest) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return handles
