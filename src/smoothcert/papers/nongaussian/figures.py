"""Figures of Zhang et al. 2020 that need no classifier (1, 2, 3), and the ablation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.special import gammaln

from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.nongaussian.outputs import AblationOptions
from smoothcert.papers.nongaussian.study.ablation import Point
from smoothcert.papers.nongaussian.study.results import read_points
from smoothcert.papers.nongaussian.study.toy import BALL, DIMENSION, ToyPoint, frontier
from smoothcert.report.numbers import RADIUS, Number, Row, each, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, DASHES, PANEL, heading, style

EQUATIONS = {
    "eq11": r"eq. 11: $\|z\|_2^{-k}\,e^{-\|z\|_2^2/2\sigma^2}$",
    "eq12": r"eq. 12: $\|z\|_\infty^{-k}\,e^{-\|z\|_\infty^2/2\sigma^2}$",
    "eq13": r"eq. 13: $\|z\|_\infty^{-k}\,e^{-\|z\|_2^2/2\sigma^2}$",
}


def norm_moments(d: int, k: NDArray, sigma: NDArray) -> tuple[NDArray, NDArray]:
    """Mean and variance of ||z||_2 under equation 11: sigma times chi with d - k degrees."""
    m = d - np.asarray(k, np.float64)
    mean = np.sqrt(2) * np.exp(gammaln((m + 1) / 2) - gammaln(m / 2))
    return sigma * mean, sigma**2 * (m - mean**2)


def measure_fig1(files: Files, options: Options) -> Picture:
    """Mean and variance of the norm of the noise: growing k against falling sigma."""
    d = 100
    curves: list[tuple[str, NDArray, NDArray]] = [
        ("k", np.arange(0, d), np.ones(d)),
        ("sigma", np.zeros(200), np.linspace(1, 0.02, 200)),
        ("marked", np.array([0, 50, 90, 98, 0, 0, 0]), np.array([1, 1, 1, 1, 0.75, 0.5, 0.25])),
    ]
    rows: list[Row] = []
    for curve, ks, sigmas in curves:
        points = zip(ks, sigmas, *norm_moments(d, ks, sigmas), strict=True)
        rows += [
            {"curve": curve, "d": d, "k": int(k), "sigma": float(sigma),
             "norm_mean": Number(float(mean)), "norm_variance": Number(float(variance))}
            for k, sigma, mean, variance in points
        ]  # fmt: skip
    return Picture(frame("nongaussian_fig1", rows))


def draw_fig1(picture: Picture) -> Figure:
    points = wide(picture.numbers)
    d = points.d.iloc[0]
    with style():
        figure = Figure(figsize=PANEL)
        axes = figure.subplots()
        for curve, colour, dash, label in (
            ("k", COLOURS[2], "-", r"k grows, $\sigma = 1$"),
            ("sigma", COLOURS[1], "--", r"$\sigma$ falls, k = 0"),
        ):
            part = points[points.curve == curve]
            axes.plot(part.norm_mean, part.norm_variance, color=colour, linestyle=dash, label=label)
        start, *marks = each(points[points.curve == "marked"])
        for mark in marks:
            x, y = mark.norm_mean, mark.norm_variance
            axes.plot(x, y, marker="o", markersize=4, color=COLOURS[2] if mark.k else COLOURS[1])
            text = f"k = {mark.k}" if mark.k else rf"$\sigma$ = {mark.sigma:g}"
            offset = (4, -12) if mark.k else (6, -9)
            axes.annotate(text, (x, y), offset, textcoords="offset points", fontsize=8)
        x, y = start.norm_mean, start.norm_variance
        axes.plot(x, y, marker="s", markersize=6, color="black", zorder=4)
        text = f"start: k = 0, $\\sigma$ = 1\n(Gaussian, d = {d})"
        axes.annotate(text, (x, y), (-6, 8), textcoords="offset points", ha="right", fontsize=8)
        axes.set_xlim(0, 1.08 * x)
        axes.set_ylim(0, 1.3 * y)
        axes.set_xlabel(r"mean of $\|z\|_2$")
        axes.set_ylabel(r"variance of $\|z\|_2$")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    return figure


def plane_density(family: str, k: float, x: NDArray, y: NDArray, cell: float) -> NDArray:
    """The density of equations 11 to 13 in the plane, up to a constant, sigma = 1.

    Constant within half a ``cell`` of the pole at 0, where a grid cannot resolve it.
    """
    euclid, top = np.hypot(x, y), np.maximum(np.abs(x), np.abs(y))
    inner = euclid if family == "eq11" else top
    outer = top if family == "eq12" else euclid
    inner = np.maximum(inner, cell / 2)
    return np.asarray(inner**-k * np.exp(-(outer**2) / 2), np.float64)


def overlap(family: str, k: float, r: float, size: int = 800) -> tuple[NDArray, ...]:
    """Grid [n], density before and after the shift (r, r) [n, n], and their overlap.

    The plane is scaled to E ||z||_2^2 = 2, so that families are compared at equal energy.
    """
    wide = np.linspace(-9, 9, 2 * size)
    cell = wide[1] - wide[0]
    a, b = np.meshgrid(wide, wide)
    f = plane_density(family, k, a, b, cell)
    unit = np.sqrt((f * (a**2 + b**2)).sum() / f.sum() / 2)
    x = np.linspace(-4.5, 4.5 + r, size)
    a, b = np.meshgrid(x, x)
    cell = (x[1] - x[0]) * unit
    before = plane_density(family, k, a * unit, b * unit, cell)
    after = plane_density(family, k, (a - r) * unit, (b - r) * unit, cell)
    area = (x[1] - x[0]) ** 2
    before, after = before / (before.sum() * area), after / (after.sum() * area)
    return x, before, after, np.asarray(np.minimum(before, after).sum() * area)


def measure_fig2(files: Files, options: Options) -> Picture:
    """The noise, its shift by (r, r) and their overlap in the plane, at equal energy."""
    k, r = 1.0, 0.8
    densities = {family: overlap(family, k, r) for family in EQUATIONS}
    rows: list[Row] = [
        {"family": family, "k": k, "shift": r, "overlap": Number(float(common))}
        for family, (_, _, _, common) in densities.items()
    ]
    return Picture(frame("nongaussian_fig2", rows), {"densities": densities})


def draw_fig2(picture: Picture) -> Figure:
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.1, PANEL[1] * 0.95))
        panels = figure.subplots(1, 3)
        for axes, panel in zip(panels, each(picture.numbers), strict=True):
            k, r = panel.k, panel.shift
            x, before, after, _ = picture.more["densities"][panel.family]
            inside = np.sort(before.ravel())[::-1]
            mass = np.cumsum(inside) * (x[1] - x[0]) ** 2
            levels = [inside[np.searchsorted(mass, share)] for share in (0.9, 0.6, 0.3)]
            shade = np.minimum(before, after)
            extent = (x[0], x[-1], x[0], x[-1])
            grey: dict[str, Any] = {"cmap": "Greys", "vmin": 0, "vmax": 2.5 * levels[1]}
            axes.imshow(shade, origin="lower", extent=extent, interpolation="bilinear", **grey)
            for density, colour, dash in (
                (before, COLOURS[0], "solid"),
                (after, COLOURS[1], "dashed"),
            ):
                look: dict[str, Any] = {"colors": colour, "linestyles": dash, "linewidths": 1.2}
                axes.contour(x, x, density, levels, **look)
            axes.plot([0, r], [0, r], color="black", linewidth=1, marker="o", markersize=3)
            axes.set_title(f"{EQUATIONS[panel.family]}\noverlap {panel.value:.3f}", fontsize=9)
            axes.set_aspect("equal")
            axes.set_xlim(-2.6, 2.6 + r)
            axes.set_ylim(-2.6, 2.6 + r)
            axes.set_xlabel(r"$z_1$")
            axes.set_ylabel(r"$z_2$")
            axes.grid(visible=False)
        handles = [
            Line2D([], [], color=COLOURS[0], label="noise (30, 60, 90% of its mass)"),
            Line2D([], [], color=COLOURS[1], linestyle="--", label=f"shifted by ({r:g}, {r:g})"),
            Line2D([], [], color="0.6", linewidth=6, label="overlap"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        energy = r"$\mathbb{E}\|z\|_2^2 = 2$"
        sketch = "the paper's sketch, without numbers, gives eq. 13 a larger overlap than eq. 11"
        heading(figure, f"k = {k:g} and {energy} in all panels; {sketch}")
    return figure


def measure_fig3(files: Files, options: Options) -> Picture:
    """Accuracy and robustness of every point of the toy; ``best``: on its family's frontier.

    Equation 13's are means of draws: ``robustness_error`` is the standard error.
    """
    points = read_points(files.one(), ToyPoint)
    best = {
        (family, attack): set(frontier(points, family, attack))
        for family, attack in {(p.family, p.attack) for p in points}
    }
    rows: list[Row] = [
        {
            "family": p.family,
            "attack": p.attack,
            "k": p.k,
            "accuracy": p.accuracy,
            "sigma": p.sigma,
            "best": p in best[p.family, p.attack],
            "robustness": Number(p.robustness),
            "robustness_error": Number(p.robustness_error),
            "certified_radius": Number(p.radius, unit=RADIUS),
        }
        for p in points
    ]
    return Picture(frame("nongaussian_fig3", rows))


def draw_fig3(picture: Picture) -> Figure:
    """Frontiers of accuracy and robustness on the toy, one panel an attack radius.

    Below, the difference to the frontier of equation 11 with three standard errors. Where the best
    k is 0, equations 11 and 13 are the same Gaussian noise.
    """
    points = wide(picture.numbers).sort_values("accuracy", kind="stable")
    attacks = sorted(points.attack.unique())
    with style():
        figure = Figure(figsize=(PANEL[0] * len(attacks), PANEL[1] * 1.45))
        panels = figure.subplots(2, len(attacks), squeeze=False, height_ratios=(3, 1.3))
        for column, attack in enumerate(attacks):
            axes, below = panels[0, column], panels[1, column]
            here = points[points.attack == attack]
            base = here[(here.family == "eq11") & here.best].set_index("accuracy").robustness
            for i, family in enumerate(EQUATIONS):
                best = here[(here.family == family) & here.best]
                look: dict[str, Any] = {"color": COLOURS[i], "linestyle": DASHES[i]}
                if family == "eq11":
                    look.update(linewidth=3.5, alpha=0.5)
                label = f"{EQUATIONS[family]}, best k: {_best_k(points, family)}"
                axes.plot(best.accuracy, best.robustness, label=label, **look)
                if family == "eq13":
                    _difference(below, best[best.accuracy.isin(base.index)], base, look)
                    _fixed_k(axes, here)
            axes.set_title(rf"$\ell_\infty$ attack radius {attack:g}")
            axes.set_ylabel(r"robustness: $-D(\lambda = 1)$")
            below.axhline(0, color="0.5", linewidth=0.8)
            below.set_ylabel("eq. 13 − eq. 11\n(3 standard errors)")
            below.set_xlabel(rf"accuracy: $P(\|z\|_2 \leq {BALL})$, d = {DIMENSION}")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(2, len(attacks)))
        tried = ", ".join(f"{k:g}" for k in sorted(points.k.unique()))
        text = f"The best of k = {tried} at each accuracy"
        if {_best_k(points, "eq11"), _best_k(points, "eq13")} == {"0"}:
            text += ": with k = 0, eq. 11 and 13 are one Gaussian noise and coincide"
        heading(figure, text)
    return figure


def _best_k(points: pd.DataFrame, family: str) -> str:
    """The k on a family's frontiers: "0", or "0, 1"."""
    best = points[(points.family == family) & points.best]
    return ", ".join(f"{k:g}" for k in sorted(best.k.unique()))


def _fixed_k(axes: Axes, points: pd.DataFrame) -> None:
    """Thin curves of equations 11 and 13 at one k > 0, to show what k does."""
    k = next((k for k in (2.0, 3.0, 1.0, 4.0) if (points.k == k).any()), None)
    for i, family in ((0, "eq11"), (2, "eq13")):
        chosen = points[(points.family == family) & (points.k == k)]
        if len(chosen):
            axes.plot(
                chosen.accuracy,
                chosen.robustness,
                color=COLOURS[i],
                linewidth=0.9,
                linestyle=(0, (1, 1)) if i else (0, (4, 2)),
                label=f"eq. {family[2:]} with k = {k:g}",
            )


def _difference(axes: Axes, best: pd.DataFrame, base: pd.Series, look: dict[str, Any]) -> None:
    accuracy = best.accuracy.to_numpy()
    value = best.robustness.to_numpy() - base[accuracy].to_numpy()
    error = 3 * best.robustness_error.to_numpy()
    axes.plot(accuracy, value, **look)
    axes.fill_between(
        accuracy, value - error, value + error, color=look["color"], alpha=0.2, linewidth=0
    )
    reach = max(1e-4, float((np.abs(value) + error).max()))
    axes.set_ylim(-1.3 * reach, 1.3 * reach)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def measure_ablation(files: Files, options: AblationOptions) -> Picture:
    """Certified radius over the baseline's at equal noise energy, for every k and d.

    ``ratio_error``: the standard error of a sampled ratio. Raises SmoothcertError where no point
    has the probability ``options.p``.
    """
    points = read_points(files.one(), Point)
    chosen = [point for point in points if point.p == options.p]
    if not chosen:
        known = ", ".join(f"{v:g}" for v in sorted({point.p for point in points}))
        raise SmoothcertError(f"ablation: no points at p = {options.p:g}; expected one of {known}")
    rows: list[Row] = [
        {"noise": q.noise, "d": q.d, "k": q.k, "p": q.p, "ratio": Number(q.ratio),
         "ratio_error": Number(q.error)}
        for q in chosen
    ]  # fmt: skip
    return Picture(frame("nongaussian_ablation", rows))


def draw_ablation(picture: Picture) -> Figure:
    """Against k / d, one panel a norm."""
    chosen = wide(picture.numbers).sort_values("k", kind="stable")
    panels = (
        (r"$\ell_1$, against Laplace", ("centripetal-l1",)),
        (r"$\ell_2$, against Gaussian", ("centripetal-l2",)),
        (r"$\ell_\infty$, against Gaussian", ("mixed-linf", "centripetal-linf")),
    )
    dimensions = sorted(chosen.d.unique())
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.1, PANEL[1] * 0.95))
        for axes, (title, names) in zip(figure.subplots(1, 3), panels, strict=True):
            axes.axhline(1, color="0.5", linewidth=0.8)
            for name in names:
                for i, d in enumerate(dimensions):
                    part = chosen[(chosen.noise == name) & (chosen.d == d)]
                    if len(part):
                        _curve(axes, part, i, hollow=name == "centripetal-linf")
            axes.set_title(title)
            axes.set_xlabel("k / d")
            axes.set_xlim(-0.02, 1.02)
        low = chosen[chosen.noise.isin(("centripetal-l1", "centripetal-l2"))].ratio.min()
        for axes in figure.axes[:2]:
            axes.set_ylim(min(0.9, low - 0.02), 1.02)
        _logarithmic(figure.axes[2], chosen[chosen.noise.str.endswith("linf")].ratio)
        figure.axes[0].set_ylabel(f"certified radius / baseline's, p = {chosen.p.iloc[0]:g}")
        handles = [
            Line2D([], [], color=COLOURS[i], linestyle=DASHES[i], marker="o", markersize=3,
                   label=f"d = {d:,}")
            for i, d in enumerate(dimensions)
        ]  # fmt: skip
        handles.append(
            Line2D([], [], color="0.4", marker="o", markersize=4, markerfacecolor="white",
                   label="eq. 12 (right panel; filled: eq. 13)")
        )  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
        heading(figure, "The certificate alone, at equal noise energy")
    return figure


def _logarithmic(axes: Axes, ratios: pd.Series) -> None:
    """From 1 down to the least ratio: in high dimension it falls by orders of magnitude."""
    axes.set_yscale("log")
    ticks = [t for t in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0) if t >= 0.5 * ratios.min()]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_ylim(0.7 * ratios.min(), 1.4)
    axes.set_ylabel("(logarithmic scale)")


def _curve(axes: Axes, points: pd.DataFrame, i: int, hollow: bool) -> None:
    axes.errorbar(
        points.k / points.d,
        points.ratio,
        yerr=3 * points.ratio_error if points.ratio_error.any() else None,
        color=COLOURS[i],
        linestyle=DASHES[i],
        marker="o",
        markersize=4 if hollow else 3,
        markerfacecolor="white" if hollow else COLOURS[i],
        linewidth=1.2,
        capsize=2,
    )
