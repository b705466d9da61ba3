"""The figures of Locally Biased Randomized Smoothing, and what the paper does not show in them.

``regions`` and ``radii`` are figures 1 and 2 (spiral), ``sweep`` figures 3 and 5, ``attack``
figures 4 and 6. The bias is the paper's alpha. Lines of the image experiments are means over
seeds and draws of the reserved points; bands reach from the smallest to the largest. What is not
a classifier is explained in a legend below the panels.
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
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from smoothcert.lbrs.results import read_spiral
from smoothcert.lbrs.spiral import NORMS, averages
from smoothcert.papers.lbrs.accuracies import complete, curve, pick, read_rows, read_task
from smoothcert.report.numbers import RADIUS, Number, Row, each, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.printing import norm as norm_name
from smoothcert.report.style import COLOURS, PANEL, heading, style

_BLUE, _RED, _GREEN, _PINK, _SKY, _AMBER = COLOURS
_MARKERS = ("o", "s")
_CLASSES = ((-1, _RED, "#F6D5BF", "s"), (1, _BLUE, "#BFD9EA", "o"))  # points, regions, marker
_PAPERS_SIGMA = 0.5  # the largest of the paper's figures 3 and 5
_CHANCE = 0.5  # accuracy of a constant answer, for classes are balanced
# A classifier that others often are; the accuracy of a constant; what the paper does not show.
_WIDE: dict[str, Any] = {"linewidth": 4, "alpha": 0.6}
_CHANCE_LINE: dict[str, Any] = {"color": "0.6", "linewidth": 0.9, "zorder": 0}
_BEYOND: dict[str, Any] = {"color": "0.94", "zorder": -1, "linewidth": 0}


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
                axis, axis, predict, cmap=ListedColormap([c[2] for c in _CLASSES]),
                shading="nearest", rasterized=True, vmin=-1, vmax=1,
            )  # fmt: skip
            for label, colour, _, marker in _CLASSES:
                x = out["x"][out["label"] == label]
                axes.plot(*x.T, marker, color=colour, markersize=1.8, markeredgewidth=0)
            a, b, c = out["weight"]
            if abs(b) > abs(a):
                axes.plot(axis, -(a * axis + c) / b, "k", linewidth=1.8)
            else:
                axes.plot(-(b * axis + c) / a, axis, "k", linewidth=1.8)
            axes.set_title(f"bias {number.bias:g}: accuracy {number.value:.3f}")
            axes.set_xlim(axis[0], axis[-1])
            axes.set_ylim(axis[0], axis[-1])
            axes.set_aspect("equal")
            axes.locator_params(nbins=5)
            axes.grid(visible=False)
            axes.set_xlabel("$x_1$")
        for axes in panels[::columns]:
            axes.set_ylabel("$x_2$")
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        points = [
            Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=4,
                   label=f"test points of class {label:+d}")
            for label, colour, _, marker in _CLASSES
        ]  # fmt: skip
        regions = [
            Patch(color=pale, label=f"LBRS predicts {label:+d}") for label, _, pale, _ in _CLASSES
        ]
        svm = Line2D([], [], color="black", linewidth=1.8, label="boundary of the linear SVM")
        figure.legend(handles=[*points, *regions, svm], loc="outside lower center", ncols=5)
        heading(figure, "Spiral: decisions of LBRS as its bias (α in the paper) grows")
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
        axes.set_ylim(min(0.5, points.accuracy.min()), 1.02)
        axes.legend(loc="lower right")
        for axes in panels:
            axes.set_xlabel("bias (α in the paper)")
            axes.set_xlim(lbrs.bias.min(), lbrs.bias.max())
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        heading(figure, "Spiral: certified radii and accuracy of LBRS against its bias")
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
        figure = Figure(figsize=(PANEL[0] * 0.82 * len(levels), PANEL[1] * 2))
        panels = figure.subplots(2, len(levels), squeeze=False, sharey=True)
        for column, radius in enumerate(levels):
            here = pick(numbers, radius=radius)
            top, bottom = panels[:, column]
            for i, (head, colour) in enumerate((("tanh", _BLUE), ("hard", _AMBER))):
                text = {"tanh": "NS, mean probability", "hard": "NS, majority vote"}[head]
                line = pick(here, method="ns", head=head)
                dash = ("-", "--")[i]  # they often agree
                _line(top, line, "parameter", colour, text, marker=_MARKERS[i], linestyle=dash)
            _level(bottom, pick(here, method="1nn"), _PINK, "1-NN", **_WIDE)
            for i, (head, colour) in enumerate((("logit", _RED), ("tanh", _GREEN))):
                line = pick(here, method="lbrs", head=head)
                _line(bottom, line, "parameter", colour, f"LBRS, {head} head", marker=_MARKERS[i])
            for axes in (top, bottom):
                _level(axes, pick(here, method="cnn"), "0.25", "CNN", linestyle="--")
                axes.axhline(_CHANCE, **_CHANCE_LINE)
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
            if sigma[-1] > _PAPERS_SIGMA:
                top.axvspan(_PAPERS_SIGMA, sigma[-1], **_BEYOND)
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
        for row in panels:
            row[0].legend(loc="lower left")
        named: list[Line2D | Patch] = [
            Line2D([], [], label=f"{_CHANCE:g}: a constant answer", **_CHANCE_LINE)
        ]
        if pick(numbers, method="ns").parameter.max() > _PAPERS_SIGMA:
            beyond = f"σ > {_PAPERS_SIGMA:g}: beyond the paper's range"
            named.append(Patch(label=beyond, **_BEYOND))
        _explain(figure, *named)
        heading(figure, picture.more["title"])
    return figure


def _explain(figure: Figure, *more: Line2D | Patch) -> None:
    """A legend of what is not a classifier, below the panels."""
    mean = Line2D([], [], color=_BLUE, marker="o", markersize=3.2,
                  label="mean over seeds and draws")  # fmt: skip
    band = Patch(color=_BLUE, alpha=0.25, linewidth=0, label="their range")
    figure.legend(handles=[mean, band, *more], loc="outside lower center", ncols=4)


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
        ("ns", "tanh", _BLUE, f"NS, σ = {sigma:g}", "-"),
        ("cnn", None, "0.25", "CNN", "--"),
        ("lbrs", "logit", _RED, f"LBRS, bias {bias:g}, logit head", "-"),
        ("lbrs", "tanh", _GREEN, f"LBRS, bias {bias:g}, tanh head", "-."),
    ]
    with style():
        figure = Figure(figsize=(PANEL[0] * 1.05 * len(norms), PANEL[1] * 2.1))
        panels = figure.subplots(2, len(norms), squeeze=False, sharey=True)
        for column, norm in enumerate(norms):
            reach = pick(numbers, norm=norm, attack="transfer").radius.max()
            for axes, kind in zip(panels[:, column], ("transfer", "adaptive"), strict=True):
                here = pick(numbers, norm=norm, attack=kind)
                for method, head, colour, text, dash in lines:
                    chosen = pick(here, method=method, head=head)
                    if len(chosen):
                        # LBRS often is the 1-NN: a wide line stays visible behind it.
                        wide = _WIDE if method == "1nn" else {}
                        look = {"linestyle": dash, "marker": "o", **wide}
                        _line(axes, chosen, "radius", colour, text, **look)
                axes.axhline(_CHANCE, **_CHANCE_LINE)
                axes.set_xlim(-0.01 * reach, 1.01 * reach)
                axes.set_ylim(0, 1.02)
                whom = "the CNN" if kind == "transfer" else "each classifier"
                axes.set_title(f"{norm_name(norm)} attacks made against {whom}{_inputs(here)}")
                axes.set_xlabel(f"attack radius ({norm_name(norm)}, pixels in [0, 1])")
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy")
        panels[0, 0].legend(loc="lower left")
        _explain(figure, Line2D([], [], label=f"{_CHANCE:g}: a constant answer", **_CHANCE_LINE))
        heading(figure, picture.more["title"])
    return figure


def _inputs(numbers: pd.DataFrame) -> str:
    """How many inputs were attacked, and how far: attacks on each classifier take fewer."""
    if numbers.empty:
        return ": none were run"
    least, most = int(numbers.inputs.min()), int(numbers.inputs.max())
    inputs = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"\n({inputs} inputs a seed, radii up to {numbers.radius.max():g})"


def _line(
    axes: Axes, numbers: pd.DataFrame, along: str, colour: str, label: str, **look: Any
) -> None:
    x, y = curve(numbers, along)
    if "marker" in look:
        look = {"markersize": 3.2, **look}
    axes.plot(x, y.mean(axis=1), color=colour, label=label, **look)
    axes.fill_between(x, y.min(axis=1), y.max(axis=1), color=colour, alpha=0.15, linewidth=0)


def _level(axes: Axes, numbers: pd.DataFrame, colour: str, label: str, **look: Any) -> None:
    """One value for all x, with its spread."""
    values = numbers.value
    axes.axhline(values.mean(), color=colour, label=label, **{"zorder": 1, **look})
    axes.axhspan(values.min(), values.max(), color=colour, alpha=0.08, linewidth=0)
