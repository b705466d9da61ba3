"""DDRS appendix E: where the scales end up, and for which of them the radius has grown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.ddrs.runs import (
    axes,
    is_fixed,
    label,
    order,
    own_scale,
    ramp_speed,
    scaling,
    steps,
    symbol,
)
from smoothcert.papers.ddrs.series import (
    add_notes,
    groups,
    inputs_note,
    memory_note,
    sigma_0,
    small_print,
    start_text,
    with_steps,
)
from smoothcert.report.numbers import RADIUS, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import percent
from smoothcert.report.style import COLOURS, PANEL, heading, style
from smoothcert.scaling import Ascent

BINS = 40
FARTHER = "larger radius"


def measure(files: Files, options: Titled) -> Picture:
    """A row an input of each model: its scale, and whether it is certified farther with it.

    Of several K the largest is shown. The ramp is the scale of an input whose noisy copies are
    all classified with confidence.
    """
    rows: list[Row] = []
    pairs = _pairs(read_runs(files.some()))
    for panel, (title, fixed, run) in enumerate(pairs):
        scales = run.table.optional("sigma")
        if scales is None:
            raise SmoothcertError(f"{run.path}: lacks the column 'sigma', the scale of each input")
        better = metrics.certified_radius(run.table) > metrics.certified_radius(fixed.table)
        common = {**axes(run), "panel": panel}
        rows.append({
            **common,
            "kind": "model",
            "title": title,
            "symbol": symbol(run),
            "start": start_text(run),
            "scale_0": Number(sigma_0(run), unit=RADIUS),
            "scale_mean": Number(float(scales.mean()), inputs=len(scales), unit=RADIUS),
            "scale_ramp": Number(_ramp(run), unit=RADIUS),
        })  # fmt: skip
        rows += [
            {
                **common,
                "kind": "input",
                "idx": int(idx),
                "outcome": FARTHER if farther else "no larger radius",
                "scale": Number(float(scale), inputs=1, unit=RADIUS),
            }
            for idx, scale, farther in zip(run.table.idx, scales, better, strict=True)
        ]
    everything = [run for _, _, run in pairs]
    notes = small_print(
        inputs_note(everything),
        "Larger radius: correct, with a larger certified radius than at the fixed scale.",
        memory_note(everything),
    )
    more = {"notes": notes, "title": options.title}
    return Picture(frame("ddrs_appendix_sigma", rows), more)


def _pairs(runs: Sequence[Run]) -> list[tuple[str, Run, Run]]:
    """(title, at the fixed scale, at the ascent's) of each model; of several K the largest."""
    pairs = []
    for group, members in groups(filter(own_scale, runs), "ddrs_appendix_sigma").items():
        members.sort(key=order)
        for model in dict.fromkeys((run.training, run.noise) for run in members):
            same = [run for run in members if (run.training, run.noise) == model]
            ascent = [run for run in same if isinstance(scaling(run), Ascent)]
            fixed = next((run for run in same if scaling(run).name == "fixed"), None)
            fixed = fixed or next(
                (run for run in members if is_fixed(run) and run.noise == model[1]), None
            )
            if ascent and fixed is not None:
                last = max(ascent, key=lambda run: steps(run) or 0)
                title = f"{group.of},\n{with_steps(label(last), last)}, {start_text(last)}"
                pairs.append((title, fixed, last))
    if not pairs:
        raise SmoothcertError(
            "ddrs_appendix_sigma: expected runs of ascent and of fixed smoothing for one model"
        )
    return pairs


def _ramp(run: Run) -> float:
    """sigma_0 + K steps of an input whose class probabilities are clamped throughout."""
    how = scaling(run)
    assert isinstance(how, Ascent)
    return min(sigma_0(run) + how.K * ramp_speed(run), how.bound * sigma_0(run))


def draw(picture: Picture) -> Figure:
    """A panel for each model: all inputs, and those certified farther than at the fixed scale."""
    parts = [part for _, part in picture.numbers.groupby("panel")]
    columns = 2 if len(parts) == 4 else min(3, len(parts))
    rows = -(-len(parts) // columns)
    with style():
        wide = max(PANEL[0] * columns, 7.0)
        figure = Figure(figsize=(wide, (PANEL[1] + 0.3) * rows + 0.6))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, part in zip(panels, parts, strict=False):
            _panel(axes, part)
        for axes in panels[len(parts) :]:
            axes.set_axis_off()
        add_notes(figure, picture.more["notes"])
        heading(figure, picture.more["title"])
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame) -> None:
    inputs = numbers[numbers.kind == "input"]
    sigma, better = inputs.value, inputs.outcome == FARTHER
    model = numbers[numbers.kind == "model"]
    about = model.iloc[0]
    start, mean, ramp = model.set_index("metric").value[["scale_0", "scale_mean", "scale_ramp"]]
    low, high = min(sigma.min(), start), max(sigma.max(), start, ramp)
    room = 0.03 * (high - low) or 0.1 * high
    bins = np.linspace(low - room, high + room, BINS + 1).tolist()
    shade: dict[str, Any] = {"linewidth": 0}
    axes.hist(sigma, bins, color=COLOURS[5], label=f"all {len(sigma):,} inputs", **shade)
    share = percent(better.mean(), 0)
    text = f"{FARTHER}: {int(better.sum()):,} ({share}%)"
    axes.hist(sigma[better], bins, color=COLOURS[2], label=text, **shade)
    for x, colour, dash, words in (
        (start, "black", "-", about.start),
        (mean, COLOURS[0], "-.", f"mean {mean:.3f}"),
        (ramp, COLOURS[1], "--", f"ramp {ramp:.3f}"),
    ):
        axes.axvline(x, color=colour, linestyle=dash, linewidth=1.3, label=words)
    axes.set_title(about.title)
    axes.set_xlim(bins[0], bins[-1])
    axes.set_xlabel(f"noise scale {about.symbol}* of the input (pixels in [0, 1])")
    axes.set_ylabel("inputs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
