"""Failure probabilities of the confidence procedures over p, in units of alpha."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.procedures import Curve
from smoothcert.report.style import COLOURS, DASHES, PANEL, style


def coverage(small: Sequence[Curve], exact: Sequence[Curve], simulated: Sequence[Curve]) -> Figure:
    """Four panels: by every path (one size, then stopping rules), and at full size."""
    looking = [c for c in small if c.name.startswith(("sequential", "anytime"))]
    others = [c for c in small if c not in looking]
    first = small[0]
    listed = f"every path (n = {first.n}, α = {first.alpha:g})"
    full = f"n = {exact[0].n:,}, α = {exact[0].alpha:g}"
    panels: list[tuple[str, Sequence[Curve]]] = [
        (f"{listed}: sizes not chosen by looking", others),
        (f"{listed}: stopping by looking", looking),
        (f"exact, {full}", exact),
        (f"simulated, {full}; bars: 2 standard errors of a rate of α", simulated),
    ]
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.2, PANEL[1] * 2.5))
        grid = figure.subplots(2, 2, sharey=True).ravel()
        for axes, (title, curves) in zip(grid, panels, strict=True):
            _panel(axes, title, curves)
        grid[0].set_ylabel("failure probability / α")
        grid[2].set_ylabel("failure probability / α")
        figure.suptitle("How often a certificate is wrong, at known class probability")
    return figure


def _panel(axes: Axes, title: str, curves: Sequence[Curve]) -> None:
    for i, curve in enumerate(curves):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[(i // len(COLOURS)) % len(DASHES)]
        name = curve.name if curve.ours else f"{curve.name} (no proof)"
        label = f"{name}: {curve.failure[curve.worst]:.2f}"
        if curve.exact:
            axes.plot(curve.p, curve.failure, color=colour, linestyle=dash, linewidth=1.0,
                      label=label)  # fmt: skip
            continue
        beside = curve.p + 0.006 * (i - (len(curves) - 1) / 2)
        axes.errorbar(
            beside, curve.failure, 2 * curve.errors, color=colour, linestyle="none", marker="o",
            markersize=3.5, linewidth=0.8, capsize=2, label=label,
        )  # fmt: skip
    axes.axhline(1, color="0.2", linewidth=1.1)
    axes.annotate("α", (0.998, 1.0), ha="right", va="bottom", fontsize=8,
                  xycoords=("axes fraction", "data"))  # fmt: skip
    axes.set_ylim(0, 2.05)
    axes.set_xlabel("$p_A$ (of two classes, elected by the selection votes)")
    axes.set_title(title, fontsize=9)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=7,
                title="procedure: largest failure probability / α", title_fontsize=7)  # fmt: skip
