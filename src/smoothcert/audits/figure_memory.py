"""What attacks on certificates of input-dependent scales saw: scales, radii, margins.

A row of three panels for each table of attacked balls. Scales: how far the scale of a query
inside a ball was pushed, against what the certificate allows. Radii: certified accuracy of the
certificates, of the radius that would hold in any order (an upper bound), and, where there are
such certificates, of the same inputs at sigma_0. Margins: how far the balls are from the nearest
of another class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.columns import ATTACKED, GAUSSIAN_ONLY
from smoothcert.audits.described import about, described
from smoothcert.audits.rows import read_rows
from smoothcert.certificates.runs import AXES, Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.numbers import RADIUS, Number, Row, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, PANEL, style

_BLUE, _RED, _GREEN = COLOURS[:3]
_SAME = ("dataset", "arch", "training", "noise")  # of a run and its twin at sigma_0
_OUTCOMES = (
    ("implied", _BLUE, "o", "implied by the certificate"),
    ("beyond", _GREEN, "^", "not implied by it"),
    ("broken", _RED, "X", "broken: predicted otherwise"),
)


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of memory-soundness; ``fixed``: certificates of the same inputs at sigma_0."""
    twins = {tuple(run.axes[a] for a in _SAME): run for run in read_runs(files["fixed"])}
    rows: list[Row] = []
    for path in files.some():
        attacked, axes = read_rows(path, ATTACKED, GAUSSIAN_ONLY), about(path)
        twin = _at_sigma_0(twins.get(tuple(axes.get(a) for a in _SAME)))
        for ball in attacked.to_dict("records"):
            if twin and ball["idx"] not in twin:
                raise SmoothcertError(f"fixed: no certificate of idx {ball['idx']} of {path}")
            rows.append(_row(axes, ball, twin))
    return Picture(frame("audit_memory", rows))


def _at_sigma_0(run: Run | None) -> dict[int, float]:
    if run is None:
        return {}
    correct = np.where(run.table.correct == 1, run.table.radius, 0.0)
    return dict(zip(run.table.idx.tolist(), correct.tolist(), strict=True))


def _row(axes: dict[Any, Any], ball: dict[Any, Any], twin: dict[int, float]) -> Row:
    names = {"radius": "certified_radius", "fallback": "any_order_radius", "margin": "margin",
             "largest": "largest_seen", "allowed": "allowed"}  # fmt: skip
    outcome = "broken" if ball["broken"] else "beyond" if ball.get("beyond") else "implied"
    numbers: dict[Any, Any] = {
        new: Number(float(ball[old]), unit=RADIUS) for old, new in names.items() if old in ball
    }
    if twin:
        numbers["radius_at_sigma_0"] = Number(twin[int(ball["idx"])], unit=RADIUS)
    correct = bool(ball["predict"] == ball["label"])
    return {**axes, "idx": int(ball["idx"]), "correct": correct, "outcome": outcome, **numbers}


def draw(picture: Picture) -> Figure:
    """A row of panels for each table."""
    balls = wide(picture.numbers)
    axes = [a for a in AXES if a in balls and a != "noise" and balls[a].nunique() > 1]
    groups = list(balls.groupby([a for a in AXES if a in balls], sort=False))
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.5, PANEL[1] * 0.95 * len(groups) + 0.3))
        panels = figure.subplots(len(groups), 3, squeeze=False)
        for row, (_, part) in zip(panels, groups, strict=True):
            name = described(part.iloc[0].to_dict(), tuple(axes) or ("training",))
            part = part.dropna(axis=1, how="all")
            _scales(row[0], part)
            _radii(row[1], part)
            _margins(row[2], part)
            row[0].set_ylabel(f"{name}\n{row[0].get_ylabel()}")
    return figure


def _scales(axes: Axes, balls: pd.DataFrame) -> None:
    axes.set_title("Scale of a query inside a ball")
    axes.set_xlabel(r"$|\ln\,\sigma^*(x_2)/\sigma^*(x_1)|$ allowed at the centre")
    axes.set_ylabel(r"largest $|\ln\,\sigma^*(x_2)/\sigma^*(x_1)|$ seen")
    if "largest_seen" not in balls:
        axes.text(0.5, 0.5, "no Gaussian certificate", ha="center", transform=axes.transAxes)
        return
    largest = balls.largest_seen.clip(lower=1e-4)
    for outcome, colour, marker, text in _OUTCOMES:
        which = balls.outcome == outcome
        if which.any():
            axes.plot(
                balls.allowed[which], largest[which], marker, color=colour, markersize=4.5,
                markeredgewidth=0, alpha=0.8, label=f"{text} ({int(which.sum())})",
            )  # fmt: skip
    end = 1.1 * float(balls.allowed.max())
    axes.plot([0, end], [0, end], color="0.3", linewidth=1, label="equal")
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1.35 * max(float(largest.max()), float(balls.allowed.max())))
    axes.legend(loc="upper left")


def _radii(axes: Axes, balls: pd.DataFrame) -> None:
    axes.set_title("Radii of the attacked, correct certificates")
    axes.set_xlabel("radius (pixels in [0,1])")
    axes.set_ylabel("certified accuracy (% of attacked)")
    curves = {"as certified": balls.certified_radius[balls.correct]}
    looks = {"as certified": (_BLUE, "-"), r"at $\sigma_0$ for all": ("0.35", "--"),
             "sound in any order, at most": (_RED, "-")}  # fmt: skip
    if "radius_at_sigma_0" in balls:
        same = balls.radius_at_sigma_0
        curves[r"at $\sigma_0$ for all"] = same[same > 0]
    if "any_order_radius" in balls:
        curves["sound in any order, at most"] = balls.any_order_radius[balls.correct]
    for text, radii in curves.items():
        reach = np.sort(radii)
        share = 100 * np.arange(len(reach), 0, -1) / max(len(balls), 1)
        mean = reach.sum() / max(len(balls), 1)
        x, y = np.concatenate([[0], reach, reach[-1:]]), np.concatenate([share[:1], share, [0]])
        axes.plot(
            x, y, drawstyle="steps-pre", color=looks[text][0], linestyle=looks[text][1],
            label=f"{text} (mean {mean:.3f})",
        )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(0, 138)  # room for the legend above the curves
    axes.set_yticks(range(0, 101, 20))
    axes.legend(loc="upper right")


def _margins(axes: Axes, balls: pd.DataFrame) -> None:
    axes.set_title("Distance from an overlap")
    axes.set_xlabel("least margin to a ball of another class (pixels)")
    axes.set_ylabel("balls (%)")
    margin = np.sort(balls.margin[np.isfinite(balls.margin)])
    if len(margin) == 0:
        axes.text(0.5, 0.5, "one class only", ha="center", transform=axes.transAxes)
        return
    share = 100 * np.arange(1, len(margin) + 1) / len(margin)
    axes.plot(margin, share, drawstyle="steps-post", color=_BLUE)
    axes.axvline(0, color=_RED, linewidth=1.2, label="overlap: left of this")
    axes.set_xlim(min(-0.05, 1.1 * float(margin[0])), 1.02 * float(margin[-1]))
    axes.set_ylim(0, 103)
    axes.legend(loc="lower right")
