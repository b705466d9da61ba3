"""DDRS appendix E: where the scales end up, and for which of them the radius has grown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from smoothcert.certificates.runs import Run
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.papers.ddrs.runs import label, order, own_scale, scaling, steps
from smoothcert.papers.ddrs.series import (
    add_notes,
    groups,
    inputs_note,
    is_fixed,
    memory_note,
    sigma_0,
    start_text,
    with_steps,
)
from smoothcert.report.figure_registry import FIGURES
from smoothcert.report.printing import percent
from smoothcert.report.style import COLOURS, PANEL, style
from smoothcert.report.table import Options
from smoothcert.scaling import Ascent

BINS = 40


@FIGURES.member("ddrs_appendix_sigma")
def appendix_sigma(runs: Sequence[Run], options: Options) -> Figure:
    """A panel for each model: all inputs, and those certified farther than at the fixed scale.

    Of several K the largest is shown. The ramp is the scale of an input whose noisy copies are
    all classified with confidence.
    """
    pairs = _pairs(runs)
    columns = 2 if len(pairs) == 4 else min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    with style():
        wide = max(PANEL[0] * columns, 7.0)
        figure = Figure(figsize=(wide, (PANEL[1] + 0.3) * rows + 0.6))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, fixed, adapted) in zip(panels, pairs, strict=False):
            _panel(axes, fixed, adapted)
            axes.set_title(title)
        for axes in panels[len(pairs) :]:
            axes.set_axis_off()
        everything = [run for _, _, run in pairs]
        add_notes(
            figure,
            inputs_note(everything),
            "Larger radius: correct, and certified farther than at the fixed scale.",
            memory_note(everything),
        )
        figure.suptitle(options.title or "Noise scales that the ascent chose")
    return figure


def _pairs(runs: Sequence[Run]) -> list[tuple[str, Run, Run]]:
    """(title, at the fixed scale, at the ascent's) of each model; of several K the largest."""
    found = []
    for group, members in groups(filter(own_scale, runs), "ddrs_appendix_sigma").items():
        members.sort(key=order)
        models = dict.fromkeys((run.training, run.noise) for run in members)
        for model in models:
            own = [run for run in members if (run.training, run.noise) == model]
            ascent = [run for run in own if isinstance(scaling(run), Ascent)]
            fixed = next((run for run in own if scaling(run).name == "fixed"), None)
            fixed = fixed or next(
                (run for run in members if is_fixed(run) and run.noise == model[1]), None
            )
            if ascent and fixed is not None:
                last = max(ascent, key=lambda run: steps(run) or 0)
                title = f"{group.of},\n{with_steps(label(last), last)}, {start_text(last)}"
                found.append((title, fixed, last))
    if not found:
        raise SmoothcertError(
            "ddrs_appendix_sigma: expected runs of ascent and of fixed smoothing for one model"
        )
    return found


def _panel(axes: Axes, fixed: Run, adapted: Run) -> None:
    sigma = adapted.table.optional("sigma")
    if sigma is None:
        raise SmoothcertError(f"{adapted.path}: lacks the column 'sigma', the scale of each input")
    better = _reach(adapted) > _reach(fixed)
    ramp = _ramp(adapted)
    low, high = min(sigma.min(), sigma_0(adapted)), max(sigma.max(), sigma_0(adapted), ramp)
    room = 0.03 * (high - low) or 0.1 * high
    bins = np.linspace(low - room, high + room, BINS + 1).tolist()
    shade: dict[str, Any] = {"linewidth": 0}
    axes.hist(sigma, bins, color=COLOURS[5], label=f"all {len(sigma):,} inputs", **shade)
    share = percent(better.mean(), 0)
    text = f"larger radius: {int(better.sum()):,} ({share}%)"
    axes.hist(sigma[better], bins, color=COLOURS[2], label=text, **shade)
    start, mean = sigma_0(adapted), float(sigma.mean())
    for x, colour, dash, words in (
        (start, "black", "-", start_text(adapted)),
        (mean, COLOURS[0], "-.", f"mean {mean:.3f}"),
        (ramp, COLOURS[1], "--", f"ramp {ramp:.3f}"),
    ):
        axes.axvline(x, color=colour, linestyle=dash, linewidth=1.3, label=words)
    axes.set_xlim(bins[0], bins[-1])
    symbol = "λ" if adapted.noise_name == "uniform" else "σ"
    axes.set_xlabel(f"noise scale {symbol}* of the input (pixels in [0, 1])")
    axes.set_ylabel("inputs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)


def _reach(run: Run) -> NDArray[np.float64]:
    """The certified radius, 0 where wrong."""
    return np.where(run.table.correct == 1, run.table.radius, 0.0)


def _ramp(run: Run) -> float:
    """sigma_0 + K steps of an input whose class probabilities are clamped throughout."""
    how = scaling(run)
    assert isinstance(how, Ascent)
    assert run.noise is not None
    noise = NOISES.parse(run.noise)
    # Both class probabilities clamped: the derivative is the radius at scale 1 of 1 - clamp.
    speed = float(noise.standard_radius(np.array(1 - how.clamp), 1))
    end = noise.scale + how.K * how.step * speed
    return min(end, how.bound * noise.scale)
