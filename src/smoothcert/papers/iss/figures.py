"""Figures 3, 4 and 6 (upper) of ISS, in closed form; figure 4 with p_A of models' inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri

from smoothcert.budget.psi import Decline, psi
from smoothcert.noise import Gaussian
from smoothcert.papers.iss.closed_form import (
    ALPHA,
    BOUND,
    EXAMPLES,
    FITTED_SCALE,
    KBAR,
    PRINTED_CROSSING,
    PRINTED_SIZES,
    ahead,
    crossing,
    radius_at,
    size,
)
from smoothcert.papers.iss.options import ReplayOptions, ScaleOptions
from smoothcert.papers.iss.published import read_recorded as read_published
from smoothcert.papers.iss.replays import Recorded, read_recorded
from smoothcert.report.numbers import GAIN, PERCENT, RADIUS, SAMPLES, Number, Row, frame
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, DASHES, PANEL, heading, style

_BLUE, _RED, _GREEN, *_ = COLOURS
_PIXELS = "(pixels in [0, 1])"  # the unit of radii
_HOLLOW: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.2}
# Colour, marker, words of a mark of figure 3.
_MARKS: dict[str, tuple[str, str, str]] = {
    "desired": ("0.35", "s", "desired"),
    "IAS": (_RED, "o", "IAS, as in the paper"),
    "ISS": (_GREEN, "D", "ISS"),
    "paper": ("black", "D", "ISS in the paper"),
}
_IAS = 50_000  # samples of both inputs of figure 3
_FIXED = 30_000  # samples that figure 4 compares with
_SCALES = (0.25, 0.5, 1.0)
_END = 4.6  # where p_A = 1 stands on the normal scale


def figure3(files: Files, options: ScaleOptions) -> Picture:
    """Radius by samples for each class probability: the curve, and sizes on it.

    ``paper`` are the sizes of the paper's text for ISS; its size for IAS is ours.
    """
    rows: list[Row] = []
    for p in EXAMPLES:
        curve = [("curve", float(k)) for k in np.linspace(5_000, 110_000, 400)]
        ours = size(p, BOUND, options.scale)
        sizes = [("desired", float(KBAR)), ("IAS", float(_IAS)), ("ISS", float(ours))]
        sizes.append(("paper", float(PRINTED_SIZES[p])))
        for series, k in (*curve, *sizes):
            radius = float(radius_at(p, np.array([k]), options.scale)[0])
            rows.append({"p": p, "series": series, "k": k, "radius_of_k": _radius(radius)})
    return Picture(frame("iss_fig3", rows), {"scale": options.scale})


def _radius(value: float) -> Number:
    return Number(value, unit=RADIUS)


def draw_figure3(picture: Picture) -> Figure:
    """A panel a class probability; where the bound is below 1/2, no class is certified."""
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1] * 1.15))
        for axes, (p, part) in zip(
            figure.subplots(1, 2), picture.numbers.groupby("p"), strict=True
        ):
            curve = part[part.series == "curve"]
            certified = curve[curve.value >= 0]
            axes.plot(certified.k, certified.value, color=_BLUE)
            _abstentions(axes, curve[curve.value < 0], certified.value.max())
            for mark in part[part.series != "curve"].itertuples():
                colour, shape, name = _MARKS[str(mark.series)]
                label = f"{name}: {mark.k:,.0f} samples, radius {mark.value:.4f}"
                look = _HOLLOW if mark.series == "paper" else {}
                axes.plot(
                    [mark.k], [mark.value], shape, color=colour, label=label, zorder=3, **look
                )
            axes.set_title(f"$p_A$ = {p:g}")
            axes.set_xlabel("samples k")
            axes.set_ylabel(rf"radius of $p_A k$ votes {_PIXELS}")
            axes.set_xlim(0, 1.02 * curve.k.max())
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=1)
        heading(
            figure,
            f"Equal decline U = {BOUND:g} from {KBAR:,} samples (σ = {picture.more['scale']:g},"
            f" α = {ALPHA:g})",
        )
    return figure


def _abstentions(axes: Axes, curve: pd.DataFrame, top: float) -> None:
    """The sizes that certify nothing: the curve there, and what it means, below radius 0."""
    if curve.empty:
        return
    bottom = -0.45 * top
    axes.plot(curve.k, curve.value, color=_BLUE, linestyle=":")
    axes.axhspan(bottom, 0, color="0.93", linewidth=0, zorder=0)
    axes.axhline(0, color="0.5", linewidth=0.8)
    words = f"below about {round(curve.k.max(), -3):,.0f} samples:\nISS and IAS abstain, radius 0"
    axes.text(0.97, 0.03, words, transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
    axes.set_ylim(bottom, 1.15 * top)


def figure4(files: Files, options: ReplayOptions) -> Picture:
    """Where ISS is ahead, and p_A of a model of ours."""
    return _figure4("iss_fig4", [read_recorded(files.one(), options)])


def published4(files: Files, options: Options) -> Picture:
    """The same with p_A of the published certificates of the paper's models."""
    return _figure4("iss_fig4_published", [read_published(file) for file in files.some()])


def _figure4(output: str, models: Sequence[Recorded]) -> Picture:
    """By scale and class probability, the mean radius of ISS minus that of IAS; by scale, from
    where it is positive; by input, the share of its recorded votes for the certified class; and
    by model, the share of its inputs from the paper's probability on, and from ours."""
    at = np.concatenate([np.linspace(0.5, 0.99, 50), 1 - np.geomspace(0.0095, 1e-5, 24), [1.0]])
    rows: list[Row] = []
    for scale in _SCALES:
        rows += [
            {"series": "curve", "scale": scale, "p": float(p),
             "gain": Number(ahead(float(p), scale, fixed=_FIXED), unit=GAIN)}
            for p in at
        ]  # fmt: skip
        rows.append({"series": "crossing", "scale": scale, "ahead_from": Number(crossing(scale))})
    for model in models:
        votes = model.record
        shares = votes.low / votes.size
        labels: Row = {**model.axes, "model": model.name}
        rows += [
            {"series": "input", **labels, "idx": int(idx), "share": Number(float(share))}
            for idx, share, predict in zip(votes.idx, shares, votes.predict, strict=True)
            if predict >= 0
        ]
        for series, p in (
            ("from the paper's", PRINTED_CROSSING),
            ("from the crossing", crossing(float(votes.scale[0]))),
        ):
            reached = float(((votes.predict >= 0) & (shares >= p)).mean())
            inputs = Number(100 * reached, inputs=len(votes), unit=PERCENT)
            rows.append({"series": series, **labels, "inputs_from": inputs})
    return Picture(frame(output, rows))


def draw_figure4(picture: Picture) -> Figure:
    """Left what is computed, right where the inputs of the models are."""
    numbers = picture.numbers
    starts = numbers[numbers.series == "crossing"].set_index("scale").value
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1] * 1.08))
        left, right = figure.subplots(1, 2)
        curves = numbers[numbers.series == "curve"].groupby("scale")
        for (scale, curve), colour, dash in zip(curves, COLOURS, DASHES, strict=False):
            label = f"σ = {scale:g}: better from {starts[scale]:.3f}"
            left.plot(
                _normal(curve.p.astype(float)),
                curve.value,
                color=colour,
                linestyle=dash,
                label=label,
            )
            left.plot(_normal(starts[scale]), 0, "o", color=colour, markersize=4)
        left.axhline(0, color="0.4", linewidth=0.9)
        text = f"the paper: better from {PRINTED_CROSSING:g}"
        left.axvline(_normal(PRINTED_CROSSING), color="black", linestyle=":", label=text)
        left.set_ylabel(f"mean radius of ISS minus that of IAS\n{_PIXELS}")
        left.set_title(f"ISS ({KBAR:,} desired, U = 0.05) against IAS ({_FIXED:,})")
        left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
        _inputs(right, numbers)
        # One range for both, so that the inputs stand below the gains they have.
        start = min(axes.get_xlim()[0] for axes in (left, right))
        for axes, what in ((left, "$p_A$"), (right, "recorded share of votes for the class")):
            _probability_axis(axes, f"{what} (normal scale)")
            axes.set_xlim(start, _END + 0.15)
    return figure


def _inputs(axes: Axes, numbers: pd.DataFrame) -> None:
    """A histogram a model, in the colour of its scale at the left."""
    colours = dict(zip(_SCALES, COLOURS, strict=False))
    found, looks, labels = [], [], []
    for model, part in numbers.dropna(subset=["model"]).groupby("model", sort=False):
        shares = part[part.series == "input"].value
        above = part[part.metric == "inputs_from"].set_index("series")
        every = int(above.inputs.iloc[0])
        known = f"{every}" if len(shares) == every else f"{len(shares)} of {every}"
        printed, ours = above.value[["from the paper's", "from the crossing"]]
        found.append(_normal(shares))
        looks.append(colours.get(float(part.sigma.iloc[0]), _BLUE))
        labels.append(
            f"{model}: {known} inputs;\n{printed:.0f}% of all from {PRINTED_CROSSING:g} on,"
            f" {ours:.0f}% where ISS is better"
        )
    axes.hist(found, bins=40, color=looks, label=labels)
    axes.axvline(_normal(PRINTED_CROSSING), color="black", linestyle=":")
    axes.set_ylabel("inputs")
    axes.set_title("Distribution of the inputs")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=1)


def _normal(p: Any) -> Any:
    """Normal quantiles; probabilities of nearly 1 at the end of the axis."""
    return np.minimum(ndtri(np.minimum(p, 1 - 1e-7)), _END)


def _probability_axis(axes: Axes, label: str) -> None:
    """An axis in the normal quantile, labelled by probabilities."""
    ticks = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999])
    axes.set_xticks([*ndtri(ticks), _END], [*(f"{t:g}" for t in ticks), "1"])
    axes.set_xlabel(label)


def figure6(files: Files, options: ScaleOptions) -> Picture:
    """Samples by class probability, decline and desired samples; and the paper's sizes.

    The paper's text gives no value of this figure. Its two sizes are those of figure 3, whose
    bound is drawn too at the scale that they fit.
    """
    grid = np.append(ndtr(np.linspace(0, 4.2, 421)), 1.0)
    curves = [
        (kind, bound, kbar)
        for kind, bounds in (("ad", (0.02, 0.05, 0.1)), ("rd", (0.01, 0.05, 0.1)))
        for kbar in (KBAR, 50_000)
        for bound in bounds
    ]
    rows: list[Row] = []
    if options.scale == FITTED_SCALE:
        curves.append(("ad", BOUND, KBAR))
        rows += [
            {"kind": "ad", "series": "paper", "bound": BOUND, "kbar": KBAR, "p": p,
             "samples": Number(k, unit=SAMPLES)}
            for p, k in PRINTED_SIZES.items()
        ]  # fmt: skip
    for kind, bound, kbar in curves:
        decline = Decline(**{kind: bound})
        sizes = psi(grid, decline, Gaussian(1.0), options.scale, 1, kbar=kbar, alpha=ALPHA)
        rows += [
            {"kind": kind, "series": "curve", "bound": bound, "kbar": kbar, "p": float(p),
             "samples": Number(int(n), unit=SAMPLES)}
            for p, n in zip(grid, sizes, strict=True)
        ]  # fmt: skip
    return Picture(frame("iss_fig6", rows), {"scale": options.scale})


def draw_figure6(picture: Picture) -> Figure:
    """A panel a kind of decline; a colour a bound, a dash a desired size."""
    numbers = picture.numbers
    looks = {"ad": ("absolute decline", (0.02, 0.05, 0.1)),
             "rd": ("relative decline", (0.01, 0.05, 0.1))}  # fmt: skip
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1] * 1.3))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (kind, (title, bounds)) in zip(panels, looks.items(), strict=True):
            part = numbers[numbers.kind == kind]
            for (kbar, dash), (bound, colour) in product(
                ((KBAR, "-"), (50_000, "--")), zip(bounds, COLOURS, strict=False)
            ):
                label = f"U = {bound:g}, {kbar:,} desired"
                _sizes(axes, part, bound, kbar, color=colour, linestyle=dash, label=label)
            _sizes(axes, part, BOUND, KBAR, color="0.4", linestyle="-.",
                   label=f"U = {BOUND:g}, {KBAR:,} desired")  # fmt: skip
            printed = part[part.series == "paper"]
            if len(printed):
                axes.plot(_normal(printed.p.astype(float)), printed.value, "D", color="black",
                          label="the paper's sizes (figure 3)", **_HOLLOW)  # fmt: skip
            _probability_axis(axes, "$p_A$ (normal scale)")
            axes.set_xlim(-0.1, _END + 0.15)
            axes.set_title(title)
            axes.set_ylim(0, 1.05 * KBAR)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
        panels[0].set_ylabel("samples")
        panels[0].yaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        heading(
            figure,
            f"Samples for a decline of at most U (σ = {picture.more['scale']:g}, α = {ALPHA:g});"
            " none where U exceeds the radius",
        )
    return figure


def _sizes(axes: Axes, numbers: pd.DataFrame, bound: float, kbar: int, **look: Any) -> None:
    """A curve of sizes, from where one is needed: the decline to radius 0 is within U before."""
    curve = numbers[(numbers.series == "curve") & (numbers.kbar == kbar) & (numbers.bound == bound)]
    if curve.empty:
        return
    needed = curve[curve.value > 0]
    x = _normal(needed.p.astype(float)).to_numpy()
    axes.plot([-0.1, x[0], *x], [0, 0, *needed.value], **look)
