"""Figures 3, 4 and 6 (upper) of ISS, in closed form; figure 4 with p_A of one model's inputs."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from smoothcert.budget.psi import CELLS, Decline, table
from smoothcert.noise import Gaussian
from smoothcert.papers.iss.closed_form import (
    ALPHA,
    BOUND,
    EXAMPLES,
    KBAR,
    ahead,
    crossing,
    radius_at,
    size,
)
from smoothcert.papers.iss.options import ReplayOptions, ScaleOptions
from smoothcert.papers.iss.replays import read_recorded
from smoothcert.report.numbers import GAIN, RADIUS, SAMPLES, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.style import COLOURS, DASHES, PANEL, style

_BLUE, _RED, _GREEN, *_ = COLOURS
_PIXELS = "(pixels in [0, 1])"  # the unit of radii
_MARKS = {"desired": ("0.35", "s"), "IAS": (_RED, "o"), "ISS": (_GREEN, "D")}
_IAS = 50_000  # samples of both inputs of figure 3
_FIXED = 30_000  # samples that figure 4 compares with
_SCALES = (0.25, 0.5, 1.0)
_END = 4.6  # where p_A = 1 stands on the normal scale


def figure3(files: Files, options: ScaleOptions) -> Picture:
    """Radius by samples for each class probability: the curve, and three sizes on it."""
    rows: list[Row] = []
    for p in EXAMPLES:
        curve = [("curve", float(k)) for k in np.linspace(5_000, 110_000, 400)]
        ours = size(p, BOUND, options.scale)
        sizes = [("desired", float(KBAR)), ("IAS", float(_IAS)), ("ISS", float(ours))]
        for series, k in (*curve, *sizes):
            radius = float(radius_at(p, np.array([k]), options.scale)[0])
            rows.append({"p": p, "series": series, "k": k, "radius_of_k": _radius(radius)})
    return Picture(frame("iss_fig3", rows), {"scale": options.scale})


def _radius(value: float) -> Number:
    return Number(value, unit=RADIUS)


def draw_figure3(picture: Picture) -> Figure:
    """A panel a class probability."""
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        for axes, (p, part) in zip(
            figure.subplots(1, 2), picture.numbers.groupby("p"), strict=True
        ):
            curve = part[part.series == "curve"]
            axes.plot(curve.k, curve.value, color=_BLUE)
            for mark in part[part.series != "curve"].itertuples():
                colour, shape = _MARKS[str(mark.series)]
                label = f"{mark.series}: {mark.k:,.0f} samples, radius {mark.value:.4f}"
                axes.plot([mark.k], [mark.value], shape, color=colour, label=label)
            axes.set_title(f"$p_A$ = {p:g}")
            axes.set_xlabel("samples k")
            axes.set_ylabel(rf"radius of $p_A k$ votes {_PIXELS}")
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.legend(loc="lower right")
        figure.suptitle(
            f"Equal decline U = {BOUND:g} from {KBAR:,} samples (σ = {picture.more['scale']:g},"
            f" α = {ALPHA:g})"
        )
    return figure


def figure4(files: Files, options: ReplayOptions) -> Picture:
    """By scale and class probability, the mean radius of ISS minus that of IAS; by scale, from
    where it is positive; and by input, the share of its recorded votes for the certified class."""
    at = np.concatenate([np.linspace(0.5, 0.99, 50), 1 - np.geomspace(0.0095, 1e-5, 24), [1.0]])
    rows: list[Row] = []
    for scale in _SCALES:
        rows += [
            {"series": "curve", "scale": scale, "p": float(p),
             "gain": Number(ahead(float(p), scale, fixed=_FIXED), unit=GAIN)}
            for p in at
        ]  # fmt: skip
        rows.append({"series": "crossing", "scale": scale, "ahead_from": Number(crossing(scale))})
    model = read_recorded(files.one(), options)
    votes = model.record
    shares = votes.low / votes.size
    rows += [
        {"series": "input", **model.axes, "idx": int(idx), "share": Number(float(share))}
        for idx, share, predict in zip(votes.idx, shares, votes.predict, strict=True)
        if predict >= 0
    ]
    return Picture(frame("iss_fig4", rows), {"model": model.name, "inputs": len(votes)})


def draw_figure4(picture: Picture) -> Figure:
    """Left what is computed, right where the inputs of a model are."""
    numbers = picture.numbers
    starts = numbers[numbers.series == "crossing"].set_index("scale").value
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        left, right = figure.subplots(1, 2)
        curves = numbers[numbers.series == "curve"].groupby("scale")
        for (scale, curve), colour, dash in zip(curves, COLOURS, DASHES, strict=False):
            label = f"σ = {scale:g}, ahead from {starts[scale]:.3f}"
            left.plot(
                _normal(curve.p.astype(float)),
                curve.value,
                color=colour,
                linestyle=dash,
                label=label,
            )
        left.axhline(0, color="0.4", linewidth=0.9)
        _probability_axis(left, "$p_A$ (normal scale)")
        left.set_ylabel(f"mean radius of ISS minus that of IAS\n{_PIXELS}")
        left.set_title(f"ISS ({KBAR:,}, U = 0.05) against IAS ({_FIXED:,})")
        left.legend(loc="upper left")
        shares = numbers[numbers.series == "input"].value
        right.hist(_normal(shares), bins=40, color=_BLUE)
        _probability_axis(right, "recorded share of votes for the class (normal scale)")
        right.set_ylabel("inputs")
        right.set_title(
            f"{picture.more['model']}\n{len(shares)} of {picture.more['inputs']} inputs"
        )
    return figure


def _normal(p: Any) -> Any:
    """Normal quantiles; probabilities of nearly 1 at the end of the axis."""
    return np.minimum(ndtri(np.minimum(p, 1 - 1e-7)), _END)


def _probability_axis(axes: Axes, label: str) -> None:
    """An axis in the normal quantile, labelled by probabilities."""
    ticks = np.array([0.5, 0.7, 0.9, 0.99, 0.999, 0.9999])
    axes.set_xticks([*ndtri(ticks), _END], [*(f"{t:g}" for t in ticks), "1"])
    axes.set_xlabel(label)


def figure6(files: Files, options: ScaleOptions) -> Picture:
    """Samples by class probability, decline and desired samples."""
    grid = 0.5 + np.arange(CELLS + 1) / (2 * CELLS)
    rows: list[Row] = []
    for kind, bounds in (("ad", (0.02, 0.05, 0.1)), ("rd", (0.01, 0.05, 0.1))):
        for kbar in (100_000, 50_000):
            for bound in bounds:
                decline = Decline(**{kind: bound}).standard(options.scale)
                sizes = table(decline, Gaussian(1.0), 1, kbar, ALPHA, 1)
                rows += [
                    {"kind": kind, "bound": bound, "kbar": kbar, "p": float(p),
                     "samples": Number(int(n), unit=SAMPLES)}
                    for p, n in zip(grid, sizes, strict=True)
                ]  # fmt: skip
    return Picture(frame("iss_fig6", rows), {"scale": options.scale})


def draw_figure6(picture: Picture) -> Figure:
    """A panel a kind of decline; a colour a bound, a dash a desired size."""
    dashes = {100_000: "-", 50_000: "--"}
    looks: dict[str, tuple[str, int, dict[str, Any]]] = {
        "ad": ("absolute decline", 118_000, {"loc": "upper left", "ncols": 1}),
        "rd": ("relative decline", 165_000, {"loc": "upper right", "ncols": 2}),
    }
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        for axes, (kind, (title, top, legend)) in zip(
            figure.subplots(1, 2), looks.items(), strict=True
        ):
            part = picture.numbers[picture.numbers.kind == kind]
            bounds = dict(zip(part.bound.unique(), COLOURS, strict=False))
            for (kbar, dash), (bound, colour) in product(dashes.items(), bounds.items()):
                curve = part[(part.kbar == kbar) & (part.bound == bound)]
                label = f"{kind.upper()} = {bound:g}, {kbar:,} desired"
                axes.plot(curve.p, curve.value, color=colour, linestyle=dash, label=label)
            axes.set_xlabel("$p_A$")
            axes.set_ylabel("samples")
            axes.yaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.set_title(title)
            axes.set_ylim(0, top)
            axes.legend(**legend)
        figure.suptitle(
            f"Sample size for a bounded decline (σ = {picture.more['scale']:g}, α = {ALPHA:g})"
        )
    return figure
