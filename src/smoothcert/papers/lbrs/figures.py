"""The figures of Locally Biased Randomized Smoothing, and what the paper does not show in them.

``regions`` and ``radii`` are figures 1 and 2 (spiral), ``sweep`` figures 3 and 5, ``attack``
figures 4 and 6. The bias is the paper's alpha. Lines of the image experiments are means over
seeds and draws of the reserved points; bands reach from the smallest to the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from smoothcert.lbrs.results import read_spiral
from smoothcert.lbrs.spiral import NORMS, averages
from smoothcert.papers.lbrs.accuracies import complete, curve, pick, read_rows, read_task
from smoothcert.report.numbers import RADIUS, Number, Row, each, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.printing import norm as norm_name
from smoothcert.report.style import COLOURS, PANEL, style

_BLUE, _RED, _GREEN, _PINK, _SKY, _AMBER = COLOURS
_MARKERS = ("o", "s")


def measure_regions(files: Files, options: Options) -> Picture:
    """Figure 1: accuracy at each shown bias; decision regions and test points as arrays."""
    out = read_spiral(files.one())
    rows: list[Row] = []
    for bias in out["shown"]:
        nearest = int(np.argmin(np.abs(out["bias"] - bias)))
        correct = out["predict_l2"][nearest] == out["label"]
        accuracy = Number(float(correct.mean()), inputs=len(correct))
        rows.append({"norm": "l2", "bias": float(bias), "accuracy": accuracy})
    return Picture(frame("lbrs_fig1", rows), {"arrays": out})


def draw_regions(picture: Picture) -> Figure:
    """Test points, the SVM's boundary, and the decision regions of LBRS."""
    out = picture.more["arrays"]
    axis, shown = out["axis"], each(picture.numbers)
    side = 2.9
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    with style():
        figure = Figure(figsize=(side * columns, (side + 0.35) * rows + 0.3))
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes, number, predict in zip(panels, shown, out["region"], strict=False):
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
            axes.set_title(f"bias {number.bias:g}: accuracy {number.value:.3f}")
            axes.set_xlim(axis[0], axis[-1])
            axes.set_ylim(axis[0], axis[-1])
            axes.set_aspect("equal")
            axes.grid(visible=False)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        figure.suptitle("Spiral: test points, boundary of the linear SVM, decision regions of LBRS")
    return figure


def measure_radii(files: Files, options: Options) -> Picture:
    """Figure 2, with the baseline that the paper leaves out: the base classifier's own radius.

    Rows by ``classifier`` (lbrs, svm, 1nn), ``norm``, ``form`` of the certificate and ``bias``.
    """
    out = read_spiral(files.one())
    correct = out["base_predict"] == out["label"]
    rows: list[Row] = []
    for norm in NORMS:
        for form in ("tight", "published"):
            if f"{form}_{norm}" in out:
                values = zip(out["bias"], *averages(out, form, norm), strict=True)
                rows += [
                    {"classifier": "lbrs", "norm": norm, "form": form, "bias": float(bias),
                     **_averages(average, true)}
                    for bias, average, true in values
                ]  # fmt: skip
        alone = out[f"base_{norm}"]
        svm = _averages(alone.mean(), (alone * correct).mean())
        rows.append({"classifier": "svm", "norm": norm, **svm})
        accuracies = (out[f"predict_{norm}"] == out["label"]).mean(axis=1)
        rows += [
            {"classifier": "lbrs", "norm": norm, "bias": float(bias), "accuracy": Number(float(v))}
            for bias, v in zip(out["bias"], accuracies, strict=True)
        ]
    nearest = float((out["oracle_predict"] == out["label"]).mean())
    rows.append({"classifier": "1nn", "accuracy": Number(nearest)})
    rows.append({"classifier": "svm", "accuracy": Number(float(correct.mean()))})
    return Picture(frame("lbrs_fig2", rows))


def _averages(average: float, true: float) -> Row:
    """``true``: radius 0 where the prediction is wrong."""
    return {
        "average_radius": Number(float(average), unit=RADIUS),
        "true_average_radius": Number(float(true), unit=RADIUS),
    }


def draw_radii(picture: Picture) -> Figure:
    points = wide(picture.numbers)
    svm = points[points.classifier == "svm"]
    lbrs = points[points.classifier == "lbrs"]
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.55, PANEL[1] * 1.12))
        panels = figure.subplots(1, 3)
        for axes, norm in zip(panels, NORMS, strict=False):
            for form, colour, text in (
                ("tight", _GREEN, "tighter form"),
                ("published", _BLUE, "Theorem 6"),
            ):
                line = lbrs[(lbrs.norm == norm) & (lbrs.form == form)]
                if len(line):
                    look = {"color": colour}
                    average, true = line.average_radius, line.true_average_radius
                    axes.plot(line.bias, average, linestyle="--", label=f"{text}: average", **look)
                    axes.plot(line.bias, true, label=f"{text}: true average", **look)
            alone = each(svm[svm.norm == norm])[0]
            grey: dict[str, Any] = {"color": "0.35", "linewidth": 1.1}
            axes.axhline(alone.average_radius, linestyle="--", label="SVM alone: average", **grey)
            axes.axhline(alone.true_average_radius, label="SVM alone: true average", **grey)
            axes.set_title(f"certified {norm_name(norm)} radius")
            axes.set_ylabel("average over the test points")
            axes.set_ylim(bottom=0)
        axes = panels[2]
        for norm, colour, dash in (("l2", _BLUE, "-"), ("linf", _AMBER, "-.")):
            line = lbrs[(lbrs.norm == norm) & lbrs.accuracy.notna()]
            label = f"LBRS, {norm_name(norm)}"
            axes.plot(line.bias, line.accuracy, color=colour, linestyle=dash, label=label)
        nearest = points[points.classifier == "1nn"].accuracy.iloc[0]
        axes.axhline(nearest, color=_PINK, linestyle=":", label="1-NN", linewidth=2)
        alone = svm.accuracy.dropna().iloc[0]
        axes.axhline(alone, color="0.35", linewidth=1.1, label="SVM alone")
        axes.set_title("clean accuracy")
        axes.set_ylabel("fraction of the test points")
        axes.set_ylim(0.5, 1.02)
        axes.legend(loc="lower right")
        for axes in panels:
            axes.set_xlabel("bias (α in the paper)")
            axes.set_xlim(lbrs.bias.min(), lbrs.bias.max())
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.suptitle("Spiral: certified radii and accuracy of LBRS against its bias")
    return figure


def measure_sweep(files: Files, options: Options) -> Picture:
    """Figures 3 and 5: accuracy against sigma and the bias under attacks made against the CNN."""
    numbers = pick(_accuracies(files.some()), norm="l2", attack="transfer")
    swept = pick(numbers, method="lbrs", parameter=0.0).radius
    return Picture(numbers[numbers.radius.isin(swept)], {"title": _title(files.some())})


def _accuracies(paths: Sequence[Path]) -> pd.DataFrame:
    return frame("accuracies", read_rows(paths)).infer_objects()


def _title(paths: Sequence[Path]) -> str:
    """What accuracies are of."""
    task, seeds = read_task(paths), len(paths)
    return (
        f"{task.dataset}, {task.positive} against the rest, {task.reserved} reserved points: "
        f"{seeds} seed{'s' * (seeds > 1)}, {task.draws} draw{'s' * (task.draws > 1)} each"
    )


def draw_sweep(picture: Picture) -> Figure:
    numbers = picture.numbers
    levels = sorted(numbers.radius.unique())
    with style():
        figure = Figure(figsize=(PANEL[0] * 0.82 * len(levels), PANEL[1] * 1.85))
        panels = figure.subplots(2, len(levels), squeeze=False, sharey=True)
        for column, radius in enumerate(levels):
            here = pick(numbers, radius=radius)
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
            sigma = sorted(pick(here, method="ns").parameter.unique())
            # The paper's range is linear; what we add beyond it is logarithmic.
            top.set_xscale("symlog", linthresh=0.5, linscale=1.6)
            ticks = [s for s in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 1, 2, 5, 10) if s <= sigma[-1]]
            top.set_xticks(ticks, [f"{s:g}" for s in ticks])
            top.minorticks_off()
            top.set_xlim(0, sigma[-1])
            if sigma[-1] > 0.5:
                top.axvspan(0.5, sigma[-1], color="0.94", zorder=-1, linewidth=0)
            biases = sorted(pick(here, method="lbrs").parameter.unique())
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
        figure.suptitle(picture.more["title"])
    return figure


def measure_attack(files: Files, options: Options) -> Picture:
    """Figures 4 and 6: accuracy against the attack radius, at the fixed sigma and bias."""
    numbers = _accuracies(files.some())
    fixed = {
        method: min(complete(pick(numbers, method=method, head=head, attack="transfer", norm="l2")))
        for method, head in (("ns", "tanh"), ("lbrs", "logit"))
    }
    lines = [
        ("1nn", {}), ("cnn", {}), ("ns", {"head": "tanh"}),
        ("lbrs", {"head": "logit"}), ("lbrs", {"head": "tanh"}),
    ]  # fmt: skip
    chosen = [
        pick(numbers, method=method, **key, **({"parameter": fixed[method]} if key else {}))
        for method, key in lines
    ]
    return Picture(pd.concat(chosen), {"title": _title(files.some())})


def draw_attack(picture: Picture) -> Figure:
    """Below, attacks on each classifier."""
    numbers = picture.numbers
    norms = [n for n in ("l2", "linf") if len(pick(numbers, norm=n))]
    sigma, bias = (pick(numbers, method=m).parameter.iloc[0] for m in ("ns", "lbrs"))
    lines = [
        ("1nn", None, _PINK, "1-NN", "-"),
        ("cnn", None, "0.25", "CNN", "--"),
        ("ns", "tanh", _BLUE, f"NS, σ = {sigma:g}", "-"),
        ("lbrs", "logit", _RED, f"LBRS, bias {bias:g}, logit head", "-"),
        ("lbrs", "tanh", _GREEN, f"LBRS, bias {bias:g}, tanh head", "-."),
    ]
    with style():
        figure = Figure(figsize=(PANEL[0] * 1.05 * len(norms), PANEL[1] * 1.95))
        panels = figure.subplots(2, len(norms), squeeze=False, sharey=True)
        for column, norm in enumerate(norms):
            reach = pick(numbers, norm=norm, attack="transfer").radius.max()
            for axes, kind in zip(panels[:, column], ("transfer", "adaptive"), strict=True):
                here = pick(numbers, norm=norm, attack=kind)
                for method, head, colour, text, dash in lines:
                    chosen = pick(here, method=method, head=head)
                    if len(chosen):
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
        figure.suptitle(picture.more["title"])
    return figure


def _line(
    axes: Axes, numbers: pd.DataFrame, along: str, colour: str, label: str, **look: Any
) -> None:
    x, y = curve(numbers, along)
    if "marker" in look:
        look = {"markersize": 3.2, **look}
    axes.plot(x, y.mean(axis=1), color=colour, label=label, **look)
    axes.fill_between(x, y.min(axis=1), y.max(axis=1), color=colour, alpha=0.15, linewidth=0)


def _level(axes: Axes, numbers: pd.DataFrame, colour: str, label: str, dash: str) -> None:
    """One value for all x, with its spread."""
    values = numbers.value
    axes.axhline(values.mean(), color=colour, linestyle=dash, label=label, zorder=1)
    axes.axhspan(values.min(), values.max(), color=colour, alpha=0.08, linewidth=0)
