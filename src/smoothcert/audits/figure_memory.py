"""What attacks on certificates of input-dependent scales saw: scales, radii, margins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoothcert.certificates import CertificateTable
from smoothcert.report.style import COLOURS, PANEL, style

Columns = Mapping[str, NDArray[Any]]

_BLUE, _RED, _GREEN = COLOURS[:3]


def memory_figure(
    audits: Mapping[str, Columns],
    fixed: Mapping[str, CertificateTable] | None = None,
    title: str | None = None,
) -> Figure:
    """A row of three panels for each audit (name -> columns of its table of attacked balls).

    Scales: how far the scale of a query inside a ball was pushed, against what the certificate
    allows. Radii: certified accuracy of the certificates, of the radius that would hold in any
    order (an upper bound), and, for names in ``fixed``, of the same inputs at sigma_0.
    Margins: how far the balls are from the nearest of another class.
    """
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.5, PANEL[1] * 0.95 * len(audits) + 0.3))
        panels = figure.subplots(len(audits), 3, squeeze=False)
        for row, (name, columns) in zip(panels, audits.items(), strict=True):
            _scales(row[0], columns)
            _radii(row[1], columns, (fixed or {}).get(name))
            _margins(row[2], columns)
            row[0].set_ylabel(f"{name}\n{row[0].get_ylabel()}")
        figure.suptitle(title or "Certificates at input-dependent noise scales, attacked")
    return figure


def _scales(axes: Axes, columns: Columns) -> None:
    axes.set_title("Scale of a query inside a ball")
    axes.set_xlabel(r"$|\ln\,\sigma^*(x_2)/\sigma^*(x_1)|$ allowed at the centre")
    axes.set_ylabel(r"largest $|\ln\,\sigma^*(x_2)/\sigma^*(x_1)|$ seen")
    if "largest" not in columns or len(columns["largest"]) == 0:
        axes.text(0.5, 0.5, "no Gaussian certificate", ha="center", transform=axes.transAxes)
        return
    broken = columns["broken"] == 1
    beyond = (columns["beyond"] == 1) & ~broken
    allowed, largest = columns["allowed"], np.maximum(columns["largest"], 1e-4)
    for which, colour, marker, text in (
        (~broken & ~beyond, _BLUE, "o", "implied by the certificate"),
        (beyond, _GREEN, "^", "not implied by it"),
        (broken, _RED, "X", "broken: predicted otherwise"),
    ):
        if which.any():
            axes.plot(
                allowed[which], largest[which], marker, color=colour, markersize=4.5,
                markeredgewidth=0, alpha=0.8, label=f"{text} ({int(which.sum())})",
            )  # fmt: skip
    end = 1.1 * float(allowed.max())
    axes.plot([0, end], [0, end], color="0.3", linewidth=1, label="equal")
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1.35 * max(float(largest.max()), float(allowed.max())))
    axes.legend(loc="upper left")


def _radii(axes: Axes, columns: Columns, fixed: CertificateTable | None) -> None:
    axes.set_title("Radii of the attacked, correct certificates")
    axes.set_xlabel("radius (pixels in [0,1])")
    axes.set_ylabel("certified accuracy (% of attacked)")
    correct = columns["predict"] == columns["label"]
    curves = [("as certified", columns["radius"], _BLUE, "-")]
    if fixed is not None:
        at = {int(i): k for k, i in enumerate(fixed.idx)}
        rows = np.array([at[int(i)] for i in columns["idx"]], np.int64)
        same = fixed.radius[rows] * (fixed.correct[rows] == 1)
        curves.append((r"at $\sigma_0$ for all", np.where(same > 0, same, -1), "0.35", "--"))
    if "fallback" in columns:
        text = "sound in any order, at most"
        curves.append((text, columns["fallback"], _RED, "-"))
    for text, radius, colour, dash in curves:
        valid = radius >= 0 if text.startswith("at ") else correct
        reach = np.sort(radius[valid])
        share = 100 * np.arange(len(reach), 0, -1) / max(len(correct), 1)
        mean = reach.sum() / max(len(correct), 1)
        x, y = np.concatenate([[0], reach, reach[-1:]]), np.concatenate([share[:1], share, [0]])
        axes.plot(
            x, y, drawstyle="steps-pre", color=colour, linestyle=dash,
            label=f"{text} (mean {mean:.3f})",
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(0, 138)  # room for the legend above the curves
    axes.set_yticks(range(0, 101, 20))
    axes.legend(loc="upper right")


def _margins(axes: Axes, columns: Columns) -> None:
    axes.set_title("Distance from an overlap")
    axes.set_xlabel("least margin to a ball of another class (pixels)")
    axes.set_ylabel("balls (%)")
    margin = np.sort(columns["margin"][np.isfinite(columns["margin"])])
    if len(margin) == 0:
        axes.text(0.5, 0.5, "one class only", ha="center", transform=axes.transAxes)
        return
    share = 100 * np.arange(1, len(margin) + 1) / len(margin)
    axes.plot(margin, share, drawstyle="steps-post", color=_BLUE)
    axes.axvline(0, color=_RED, linewidth=1.2, label="overlap: left of this")
    axes.set_xlim(min(-0.05, 1.1 * float(margin[0])), 1.02 * float(margin[-1]))
    axes.set_ylim(0, 103)
    axes.legend(loc="lower right")
