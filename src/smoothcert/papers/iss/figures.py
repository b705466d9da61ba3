"""The figures of ISS. 3, 4a and 6 (upper) depend on no model; the others read votes.

Figure 3 has U = 0.0042 at sigma 0.5 and alpha 0.001, which fit the text (the paper states
neither). The trade-off is drawn against samples, not minutes: the paper's minutes are
proportional to them (960 for 100,000 on ImageNet, 174 on CIFAR-10).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import bdtrik, betaincinv, ndtri

from smoothcert.audits.coverage import Procedure, iss_procedure
from smoothcert.budget.psi import CELLS, Decline, Mapping, psi, table
from smoothcert.certificates.replay import Record, Replay
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.noise import Gaussian
from smoothcert.report.style import COLOURS, DASHES, PANEL, style

Floats = NDArray[np.float64]

ALPHA = 0.001
PIXELS = "(pixels in [0, 1])"  # the unit of radii
_BLUE, _RED, _GREEN, _PINK, _SKY, _AMBER = COLOURS


def radius_at(p: float, n: Floats, scale: float) -> Floats:
    """The paper's R-hat(n, p; sigma): the radius of n votes in the ratio p, below 0 if < 1/2."""
    return np.asarray(scale * ndtri(betaincinv(p * n, n - p * n + 1, ALPHA)), np.float64)


def equal_decline(scale: float = 0.5, bound: float = 0.0042, kbar: int = 100_000) -> Figure:
    """Figure 3: radius against samples for a low and a high class probability."""
    n = np.linspace(5_000, 110_000, 400)
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        for axes, p in zip(figure.subplots(1, 2), (0.51, 0.99), strict=True):
            axes.plot(n, radius_at(p, n, scale), color=_BLUE)
            size = int(psi(p, Decline(ad=bound), Gaussian(1.0), scale, 1, kbar=kbar))
            for k, colour, marker, text in (
                (kbar, "0.35", "s", "desired"),
                (50_000, _RED, "o", "IAS"),
                (size, _GREEN, "D", "ISS"),
            ):  # fmt: skip
                y = float(radius_at(p, np.array([float(k)]), scale)[0])
                axes.plot(
                    [k], [y], marker, color=colour, label=f"{text}: {k:,} samples, radius {y:.4f}"
                )
            axes.set_title(f"$p_A$ = {p:g}")
            axes.set_xlabel("samples k")
            axes.set_ylabel(rf"radius of $p_A k$ votes {PIXELS}")
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.legend(loc="lower right")
        figure.suptitle(f"Equal decline U = {bound:g} from {kbar:,} samples (σ = {scale:g})")
    return figure


def expected_radius(p: float, mapping: Mapping, k0: int, scale: float) -> float:
    """Mean radius of the published rule at class probability p (0 for an abstention)."""
    sizes = mapping.sizes(np.arange(k0 + 1), k0, Gaussian(1.0), scale, 1)
    parts = (np.arange(16) + 0.5) / 16
    x = _quantiles(parts, k0, p).astype(np.int64)
    n = np.maximum(sizes[x], k0)[:, None]
    count = x[:, None] + _quantiles(parts[None], n - k0, p)
    bound = clopper_pearson_lower(np.clip(count, 0, n), n, mapping.alpha)
    radius = scale * Gaussian(1.0).standard_radius(bound, 1)
    return float(np.where(sizes[x][:, None] > 0, radius, 0.0).mean())


def fixed_radius(p: float, n: int, scale: float) -> float:
    """Mean radius of n samples at class probability p."""
    counts = _quantiles((np.arange(200) + 0.5) / 200, n, p)
    return float(
        scale * Gaussian(1.0).standard_radius(clopper_pearson_lower(counts, n, ALPHA), 1).mean()
    )


def _bound(counts: Floats, n: int) -> Floats:
    return np.asarray(clopper_pearson_lower(counts, n, ALPHA), np.float64)


def _quantiles(parts: Floats, n: Any, p: float) -> Floats:
    """Quantiles of Bin(n, p); 0 where n is 0."""
    m = np.asarray(n, np.float64)
    if p >= 1:
        return np.broadcast_to(m, np.broadcast(parts, m).shape)
    with np.errstate(invalid="ignore"):
        value = np.ceil(bdtrik(parts, np.maximum(m, 1), p) - 1e-9)
    return np.where(m > 0, np.clip(np.nan_to_num(value), 0, m), 0.0)


def gain(
    bound: float = 0.05,
    kbar: int = 100_000,
    fixed: int = 30_000,
    scales: Sequence[float] = (0.25, 0.5, 1.0),
    record: Record | None = None,
    name: str = "",
) -> Figure:
    """Figure 4: radius of ISS minus that of IAS against p_A; and where the inputs' p_A are."""
    at = np.concatenate([np.linspace(0.5, 0.99, 50), 1 - np.geomspace(0.0095, 1e-5, 24), [1.0]])
    z = np.minimum(ndtri(np.minimum(at, 1 - 1e-7)), 4.6)
    with style():
        figure = Figure(figsize=(PANEL[0] * (2 if record else 1), PANEL[1]))
        panels = figure.subplots(1, 2 if record else 1, squeeze=False)[0]
        for scale, colour, dash in zip(scales, COLOURS, DASHES, strict=False):
            mapping = Mapping(Decline(ad=bound), kbar, ALPHA)
            y = np.array([
                expected_radius(p, mapping, kbar // 100, scale) - fixed_radius(p, fixed, scale)
                for p in at
            ])  # fmt: skip
            above = np.flatnonzero(y > 0)
            note = f", ahead from {at[above[0]]:.3f}" if len(above) else ""
            panels[0].plot(z, y, color=colour, linestyle=dash, label=f"σ = {scale:g}{note}")
        panels[0].axhline(0, color="0.4", linewidth=0.9)
        _probability_axis(panels[0])
        panels[0].set_ylabel(f"mean radius of ISS minus that of IAS\n{PIXELS}")
        panels[0].set_title(f"ISS ({kbar:,}, U = {bound:g}) against IAS ({fixed:,})")
        panels[0].legend(loc="upper left")
        if record:
            certified = record.predict >= 0
            p = record.low[certified] / record.size
            panels[1].hist(np.minimum(ndtri(np.minimum(p, 1 - 1e-7)), 4.6), bins=40, color=_BLUE)
            _probability_axis(panels[1])
            panels[1].set_ylabel("inputs")
            panels[1].set_xlabel("recorded share of votes for the class (normal scale)")
            panels[1].set_title(
                "\n".join(filter(None, [name, f"{certified.sum()} of {len(record)} inputs"]))
            )
    return figure


def _probability_axis(axes: Any) -> None:
    """An axis in the normal quantile, labelled by probabilities."""
    ticks = np.array([0.5, 0.7, 0.9, 0.99, 0.999, 0.9999])
    axes.set_xticks([*ndtri(ticks), 4.6], [*(f"{t:g}" for t in ticks), "1"])
    axes.set_xlabel("$p_A$ (normal scale)")


def sizes(scale: float = 0.5) -> Figure:
    """Figure 6, upper: samples against p_A, by decline and by desired samples."""
    grid = 0.5 + np.arange(CELLS + 1) / (2 * CELLS)
    choices = {"AD": ((0.02, 0.05, 0.1), "ad"), "RD": ((0.01, 0.05, 0.1), "rd")}
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        for axes, (name, (bounds, key)) in zip(figure.subplots(1, 2), choices.items(), strict=True):
            for kbar, dash in ((100_000, "-"), (50_000, "--")):
                for bound, colour in zip(bounds, COLOURS, strict=False):
                    decline = Decline(**{key: bound}).standard(scale)
                    y = table(decline, Gaussian(1.0), 1, kbar, ALPHA, 1)
                    axes.plot(grid, y, color=colour, linestyle=dash,
                              label=f"{name} = {bound:g}, {kbar:,} desired")  # fmt: skip
            axes.set_xlabel("$p_A$")
            axes.set_ylabel("samples")
            axes.yaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.set_title("absolute decline" if key == "ad" else "relative decline")
            axes.set_ylim(0, 118_000 if key == "ad" else 165_000)
            axes.legend(
                loc="upper left" if key == "ad" else "upper right", ncols=1 if key == "ad" else 2
            )
        figure.suptitle(f"Sample size for a bounded decline (σ = {scale:g}, α = {ALPHA:g})")
    return figure


def failures(scale: float = 0.5, kbar: int = 100_000, points: int = 120) -> Figure:
    """The exact failure probability of the readings of Algorithm 2, in units of alpha."""
    cases = (
        ("AD 0.05", Decline(ad=0.05), scale), ("AD 0.05", Decline(ad=0.05), scale / 2),
        ("RD 0.05", Decline(rd=0.05), scale),
    )  # fmt: skip
    lines = (
        ("reuse", True, _RED, "-", "published, class elected"),
        ("reuse", False, _BLUE, "-", "published, class given"),
        ("first", False, _AMBER, ":", r"first $\hat{k}$ of $k_0$, class given"),
        ("fresh", True, _GREEN, "--", "fresh votes"),
    )
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.5, PANEL[1] * 1.05))
        for axes, (name, decline, s) in zip(figure.subplots(1, 3, sharey=True), cases, strict=True):
            mapping = Mapping(decline, kbar, ALPHA, max(1, kbar // 500))
            p = np.concatenate([np.linspace(0.5, 0.53, 31), np.linspace(0.532, 0.999, points)])
            for reading, rival, colour, dash, label in lines:
                one: Procedure = iss_procedure(
                    mapping, kbar // 100, Gaussian(1.0), s, 1, reading, rival
                )
                y = [one.failure(float(v)) / ALPHA for v in p]
                axes.plot(p, y, color=colour, linestyle=dash, linewidth=1.0, label=label)
            axes.axhline(1, color="0.3", linewidth=0.9)
            axes.set_title(f"{name}, σ = {s:g}")
            axes.set_xlabel("$p_A$")
            axes.set_ylim(0, 2.05)
            if axes.get_subplotspec().colspan.start == 0:
                axes.set_ylabel("failure probability / α")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        figure.suptitle(f"Exact failure probability of ISS ({kbar:,} desired samples)")
    return figure


def trade_off(
    panels: Sequence[tuple[str, Sequence[tuple[str, Sequence[Replay]]]]], title: str | None = None
) -> Figure:
    """Figures 1 and 5: ACR against average samples, a panel a model, a curve a kind of budget."""
    wide = min(len(panels), 3)
    high = -(-len(panels) // wide)
    with style():
        figure = Figure(figsize=(PANEL[0] * (0.1 + 0.95 * wide), PANEL[1] * high + 0.6))
        grid = figure.subplots(high, wide, squeeze=False)
        for axes, (name, groups) in zip(grid.flat, panels, strict=False):
            for i, (label, replays) in enumerate(groups):
                x = np.array([float(one.average_samples().value) for one in replays])
                y = np.array([float(one.acr().value) for one in replays])
                order = np.argsort(x)
                axes.plot(x[order], y[order], "o", linestyle=DASHES[i % len(DASHES)],
                          markersize=3.5, color=COLOURS[i % len(COLOURS)], label=label)  # fmt: skip
            axes.set_xlabel("average samples an input, selection included")
            axes.set_ylabel(f"average certified radius {PIXELS}")
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.set_title(name)
        for axes in list(grid.flat)[len(panels) :]:
            axes.remove()
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5 if wide > 1 else 3)
        if title:
            figure.suptitle(title)
    return figure


def stage_one(
    shares: Sequence[tuple[float, Sequence[tuple[int, Replay]]]], name: str = ""
) -> Figure:
    """Figure 6, lower: ACR and average samples against the desired samples, by k0 / kbar."""
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        left, right = figure.subplots(1, 2)
        for i, (share, replays) in enumerate(shares):
            look: dict[str, Any] = {
                "color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)],
                "marker": "o", "markersize": 3.5, "label": f"$k_0$ = {share:g} of the desired",
            }  # fmt: skip
            kbar = [n for n, _ in replays]
            left.plot(kbar, [float(one.acr().value) for _, one in replays], **look)
            right.plot(kbar, [float(one.average_samples().value) for _, one in replays], **look)
        for axes, what in (
            (left, f"average certified radius {PIXELS}"),
            (right, "average samples"),
        ):
            axes.set_xlabel("desired samples")
            axes.set_ylabel(what)
            axes.set_xticks(kbar)
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        right.yaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        left.legend(loc="lower right")
        what = "How many samples to spend on stage 1 (U = 0.05)"
        figure.suptitle(f"{what}: {name}" if name else what)
    return figure
