"""The figures of Locally Biased Randomized Smoothing, and what the paper does not show in them.

``regions`` and ``radii`` are figures 1 and 2 (spiral), ``sweep`` figures 3 and 5, ``attack``
figures 4 and 6. The bias is the paper's alpha. Lines of the image experiments are means over
seeds and draws of the reserved points; bands reach from the smallest to the largest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoothcert.lbrs.results import curve, pick
from smoothcert.lbrs.spiral import averages
from smoothcert.report.printing import norm as norm_name
from smoothcert.report.style import COLOURS, PANEL, style

Rows = list[dict[str, Any]]

_BLUE, _RED, _GREEN, _PINK, _SKY, _AMBER = COLOURS
_MARKERS = ("o", "s")


def regions(out: dict[str, NDArray], title: str | None = None) -> Figure:
    """Figure 1: test points, the SVM's boundary, and the decision regions of LBRS."""
    shown, axis, region = out["shown"], out["axis"], out["region"]
    side = 2.9
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    with style():
        figure = Figure(figsize=(side * columns, (side + 0.35) * rows + 0.3))
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, bias, predict in zip(panels, shown, region, strict=False):
            axes.pcolormesh(
                axis, axis, predict, cmap=ListedColormap(["#F6D5BF", "#BFD9EA"]),
                shading="nearest", rasterized=True, vmin=-1, vmax=1,
            )  # fmt: skip
            for label, colour, marker in ((-1, _RED, "s"), (1, _BLUE, "o")):
                x = out["x"][out["label"] == label]
                axes.plot(*x.T, marker, color=colour, markersize=1.6, markeredgewidth=0)
            a, b, c = out["weight"]
            if abs(b) > abs(a):
                axes.plot(axis, -(a * axis + c) / b, "k", linewidth=1.8)
            else:
                axes.plot(-(b * axis + c) / a, axis, "k", linewidth=1.8)
            accuracy = (_at(out, "predict_l2", bias) == out["label"]).mean()
            axes.set_title(f"bias {bias:g}: accuracy {accuracy:.3f}")
            axes.set_xlim(axis[0], axis[-1])
            axes.set_ylim(axis[0], axis[-1])
            axes.set_aspect("equal")
            axes.grid(visible=False)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        figure.suptitle(
            title or "Spiral: test points, boundary of the linear SVM, decision regions of LBRS"
        )
    return figure


def _at(out: dict[str, NDArray], name: str, bias: float) -> NDArray:
    """The row of an array [A, ...] that belongs to ``bias``; the nearest bias of the sweep."""
    return out[name][int(np.argmin(np.abs(out["bias"] - bias)))]


def radii(out: dict[str, NDArray], title: str | None = None) -> Figure:
    """Figure 2, with the baseline that the paper leaves out: the base classifier's own radius."""
    bias, correct = out["bias"], out["base_predict"] == out["label"]
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.55, PANEL[1] * 1.12))
        panels = figure.subplots(1, 3)
        for axes, norm in zip(panels, ("l2", "linf"), strict=False):
            own = out[f"base_{norm}"]
            for form, colour, text in (
                ("tight", _GREEN, "tighter form"),
                ("published", _BLUE, "Theorem 6"),
            ):
                if f"{form}_{norm}" not in out:
                    continue
                average, true = averages(out, form, norm)
                axes.plot(bias, average, color=colour, linestyle="--", label=f"{text}: average")
                axes.plot(bias, true, color=colour, label=f"{text}: true average")
            look = {"color": "0.35", "linewidth": 1.1}
            axes.axhline(own.mean(), linestyle="--", label="SVM alone: average", **look)
            axes.axhline((own * correct).mean(), label="SVM alone: true average", **look)
            axes.set_title(f"certified {norm_name(norm)} radius")
            axes.set_ylabel("average over the test points")
            axes.set_ylim(bottom=0)
        axes = panels[2]
        accuracy = (out["predict_l2"] == out["label"]).mean(axis=1)
        axes.plot(bias, accuracy, color=_BLUE, label=f"LBRS, {norm_name('l2')}")
        accuracy = (out["predict_linf"] == out["label"]).mean(axis=1)
        axes.plot(bias, accuracy, color=_AMBER, linestyle="-.", label=f"LBRS, {norm_name('linf')}")
        nearest = (out["oracle_predict"] == out["label"]).mean()
        axes.axhline(nearest, color=_PINK, linestyle=":", label="1-NN", linewidth=2)
        axes.axhline(correct.mean(), color="0.35", linewidth=1.1, label="SVM alone")
        axes.set_title("clean accuracy")
        axes.set_ylabel("fraction of the test points")
        axes.set_ylim(0.5, 1.02)
        axes.legend(loc="lower right")
        for axes in panels:
            axes.set_xlabel("bias (α in the paper)")
            axes.set_xlim(bias[0], bias[-1])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.suptitle(title or "Spiral: certified radii and accuracy of LBRS against its bias")
    return figure


def sweep(rows: Rows, title: str | None = None) -> Figure:
    """Figures 3 and 5: accuracy against sigma and against the bias, under the transfer attack."""
    rows = pick(rows, norm="l2", attack="transfer")
    levels = sorted({r["radius"] for r in rows if r["method"] == "lbrs" and r["parameter"] == 0})
    with style():
        figure = Figure(figsize=(PANEL[0] * 0.82 * len(levels), PANEL[1] * 1.85))
        panels = figure.subplots(2, len(levels), squeeze=False, sharey=True)
        for column, radius in enumerate(levels):
            here = pick(rows, radius=radius)
            top, bottom = panels[:, column]
            for i, (head, colour) in enumerate((("tanh", _BLUE), ("hard", _AMBER))):
                text = {"tanh": "NS, mean probability", "hard": "NS, majority vote"}[head]
                line = pick(here, method="ns", head=head)
                _line(top, line, "parameter", colour, text, marker=_MARKERS[i])
            for i, (head, colour) in enumerate((("logit", _RED), ("tanh", _GREEN))):
                line = pick(here, method="lbrs", head=head)
                _line(bottom, line, "parameter", colour, f"LBRS, {head} head", marker=_MARKERS[i])
            _level(bottom, pick(here, method="1nn"), _PINK, "1-NN", ":")
            for axes in (top, bottom):
                _level(axes, pick(here, method="cnn"), "0.25", "CNN", "--")
                axes.axhline(0.5, color="0.7", linewidth=0.9, zorder=0)
                axes.set_ylim(0, 1.02)
            top.set_title(
                "clean" if radius == 0 else f"PGD on the CNN, {norm_name('l2')} ≤ {radius:g}"
            )
            sigma = sorted({r["parameter"] for r in pick(here, method="ns")})
            # The paper's range is linear; what we add beyond it is logarithmic.
            top.set_xscale("symlog", linthresh=0.5, linscale=1.6)
            ticks = [s for s in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 1, 2, 5, 10) if s <= sigma[-1]]
            top.set_xticks(ticks, [f"{s:g}" for s in ticks])
            top.minorticks_off()
            top.set_xlim(0, sigma[-1])
            if sigma[-1] > 0.5:
                top.axvspan(0.5, sigma[-1], color="0.94", zorder=-1, linewidth=0)
            biases = sorted({r["parameter"] for r in pick(here, method="lbrs")})
            smallest = min(b for b in biases if b > 0)
            bottom.set_xscale("symlog", linthresh=smallest, linscale=0.5)
            decades = [0, *(10.0**k for k in range(-3, 5) if smallest <= 10.0**k <= biases[-1])]
            bottom.set_xticks(decades, [f"{b:g}" for b in decades])
            bottom.minorticks_off()
            bottom.set_xlim(0, biases[-1])
            top.set_xlabel("σ of normal smoothing (NS)")
            bottom.set_xlabel("bias of LBRS (α in the paper)")
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy")
        panels[0, 0].legend(loc="lower left")
        panels[1, 0].legend(loc="lower left")
        figure.suptitle(title or "Accuracy against the smoothing parameter")
    return figure


def attack(rows: Rows, title: str | None = None) -> Figure:
    """Figures 4 and 6: accuracy against the attack radius; below, attacks on each classifier."""
    norms = [n for n in ("l2", "linf") if pick(rows, norm=n)]
    fixed = _fixed(rows)
    with style():
        figure = Figure(figsize=(PANEL[0] * 1.05 * len(norms), PANEL[1] * 1.95))
        panels = figure.subplots(2, len(norms), squeeze=False, sharey=True)
        for column, norm in enumerate(norms):
            reach = max(r["radius"] for r in pick(rows, norm=norm, attack="transfer"))
            for axes, kind in zip(panels[:, column], ("transfer", "adaptive"), strict=True):
                here = pick(rows, norm=norm, attack=kind)
                lines = [
                    ("1nn", {}, _PINK, "1-NN", "-"),
                    ("cnn", {}, "0.25", "CNN", "--"),
                    ("ns", {"head": "tanh", "parameter": fixed["sigma"]}, _BLUE,
                     f"NS, σ = {fixed['sigma']:g}", "-"),
                    ("lbrs", {"head": "logit", "parameter": fixed["bias"]}, _RED,
                     f"LBRS, bias {fixed['bias']:g}, logit head", "-"),
                    ("lbrs", {"head": "tanh", "parameter": fixed["bias"]}, _GREEN,
                     f"LBRS, bias {fixed['bias']:g}, tanh head", "-."),
                ]  # fmt: skip
                for method, key, colour, text, dash in lines:
                    chosen = pick(here, method=method, **key)
                    if chosen:
                        # LBRS often is the 1-NN: a wide line stays visible behind it.
                        wide = {"linewidth": 4, "alpha": 0.6} if method == "1nn" else {}
                        look = {"linestyle": dash, "marker": ".", **wide}
                        _line(axes, chosen, "radius", colour, text, **look)
                axes.set_xlim(0, reach)
                axes.set_ylim(0, 1.02)
                what = (
                    "made against the CNN" if kind == "transfer" else "made against each classifier"
                )
                axes.set_title(f"{norm_name(norm)} attacks {what}")
                axes.set_xlabel(f"attack radius ({norm_name(norm)}, pixels in [0, 1])")
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.suptitle(title or "Accuracy against the attack radius")
    return figure


def _fixed(rows: Rows) -> dict[str, float]:
    """The sigma and bias of figure 4: those that were measured at every radius."""
    out = {}
    for method, name, head in (("ns", "sigma", "tanh"), ("lbrs", "bias", "logit")):
        chosen = pick(rows, method=method, head=head, attack="transfer", norm="l2")
        values = {r["parameter"] for r in chosen}
        everywhere = len({r["radius"] for r in chosen})
        full = [
            v for v in values if len({r["radius"] for r in pick(chosen, parameter=v)}) == everywhere
        ]
        out[name] = min(full)
    return out


def _line(axes: Axes, rows: Rows, along: str, colour: str, label: str, **look: Any) -> None:
    x, y = curve(rows, along)
    if "marker" in look:
        look = {"markersize": 3.2, **look}
    axes.plot(x, y.mean(axis=1), color=colour, label=label, **look)
    axes.fill_between(x, y.min(axis=1), y.max(axis=1), color=colour, alpha=0.15, linewidth=0)


def _level(axes: Axes, rows: Rows, colour: str, label: str, dash: str) -> None:
    """One value for all x, with its spread."""
    values = np.array([r["correct"] / r["inputs"] for r in rows])
    axes.axhline(values.mean(), color=colour, linestyle=dash, label=label, zorder=1)
    axes.axhspan(values.min(), values.max(), color=colour, alpha=0.08, linewidth=0)
