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
from smoothcert.certificates import metrics
from smoothcert.certificates.runs import AXES, Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.numbers import RADIUS, Number, Row, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, PANEL, style

_BLUE, _RED, _GREEN, _PURPLE = COLOURS[:4]
_SAME = ("dataset", "arch", "training", "noise")  # of a run and its twin at sigma_0
_OUTCOMES = (
    ("implied", _BLUE, "o", "implied by the certificate"),
    ("beyond", _GREEN, "^", "not implied by the certificate"),
    ("broken", _RED, "X", "broken: predicted differently"),
)


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of memory-soundness; ``fixed``: certificates of the same inputs at sigma_0."""
    twins = {tuple(run.axes[a] for a in _SAME): run for run in read_runs(files["fixed"])}
    rows: list[Row] = []
    for place, path in enumerate(files.some()):
        attacked, axes = read_rows(path, ATTACKED, GAUSSIAN_ONLY), about(path)
        twin = _at_sigma_0(twins.get(tuple(axes.get(a) for a in _SAME)))
        for ball in attacked.to_dict("records"):
            if twin and ball["idx"] not in twin:
                raise SmoothcertError(f"fixed: no certificate for idx {ball['idx']} of {path}")
            rows.append(_row({"table": place, **axes}, ball, twin))
    return Picture(frame("audit_memory", rows))


def _at_sigma_0(run: Run | None) -> dict[int, float]:
    if run is None:
        return {}
    correct = metrics.certified_radius(run.table)
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
    """A row of panels for each table; no panel of scales where no noise has a bound on them."""
    balls = wide(picture.numbers)
    axes = [a for a in AXES if a in balls and a != "noise" and balls[a].nunique() > 1]
    groups = list(balls.groupby("table"))
    shown = [_radii, _margins]
    if "largest_seen" in balls:
        shown.insert(0, _scales)
    with style():
        wide_enough = PANEL[0] * 0.83 * len(shown)
        figure = Figure(figsize=(wide_enough, (PANEL[1] * 0.95 + 0.6) * len(groups) + 0.3))
        panels = figure.subplots(len(groups), len(shown), squeeze=False)
        for row, (_, part) in zip(panels, groups, strict=True):
            name = described(part.iloc[0].to_dict(), tuple(axes) or ("training",))
            part = part.dropna(axis=1, how="all")
            for one, panel in zip(row, shown, strict=True):
                panel(one, part)
            row[0].set_title("\n".join(filter(None, [name, row[0].get_title()])))
    return figure


def _without(axes: Axes, why: str) -> None:
    """No panel, and the reason in its place."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", transform=axes.transAxes)


def _below(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))


def _scales(axes: Axes, balls: pd.DataFrame) -> None:
    axes.set_title("Scale of queries inside a ball")
    if "largest_seen" not in balls:
        _without(axes, "no bound on the scale for this noise")
        return
    axes.set_xlabel(r"$|\ln\,\sigma^*(x_2)/\sigma^*(x_1)|$ allowed at the centre")
    axes.set_ylabel(r"largest $|\ln\,\sigma^*(x_2)/\sigma^*(x_1)|$ seen")
    largest = balls.largest_seen.clip(lower=1e-4)
    for outcome, colour, marker, text in _OUTCOMES:
        which = balls.outcome == outcome
        if which.any():
            axes.plot(
                balls.allowed[which], largest[which], marker, color=colour, markersize=4.5,
                markeredgewidth=0, alpha=0.8, label=f"{text} ({int(which.sum())})",
            )  # fmt: skip
    end = 1.1 * float(balls.allowed.max())
    axes.plot([0, end], [0, end], color="0.3", linewidth=1, label="seen = allowed")
    axes.set_xlim(0, end)
    axes.set_ylim(0, 1.05 * max(float(largest.max()), end))
    _below(axes)


def _radii(axes: Axes, balls: pd.DataFrame) -> None:
    axes.set_title("Radii of attacked correct certificates")
    axes.set_xlabel("radius r (pixels in [0, 1])")
    axes.set_ylabel("correct with radius ≥ r (% of attacked)")
    curves = {"as certified": balls.certified_radius[balls.correct]}
    looks = {"as certified": (_BLUE, "-"), r"at $\sigma_0$ for all": ("0.35", "--"),
             "sound in any order (upper bound)": (_PURPLE, "-.")}  # fmt: skip
    if "radius_at_sigma_0" in balls:
        same = balls.radius_at_sigma_0
        curves[r"at $\sigma_0$ for all"] = same[same > 0]
    if "any_order_radius" in balls:
        curves["sound in any order (upper bound)"] = balls.any_order_radius[balls.correct]
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
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    _below(axes)


def _margins(axes: Axes, balls: pd.DataFrame) -> None:
    axes.set_title("Distance from an overlap")
    margin = np.sort(balls.margin[np.isfinite(balls.margin)])
    if len(margin) == 0:
        _without(axes, "all balls are of one class")
        return
    axes.set_xlabel("smallest margin to a ball of another class\n(pixels in [0, 1])")
    axes.set_ylabel("balls with at most this margin (%)")
    share = 100 * np.arange(len(margin) + 1) / len(margin)
    overlaps = int((margin < 0).sum())
    axes.plot(
        np.concatenate([margin[:1], margin]), share, drawstyle="steps-post", color=_BLUE,
        label=f"{len(margin)} balls, {overlaps} of them overlap",
    )  # fmt: skip
    low = min(-0.05 * float(margin[-1]), 1.1 * float(margin[0]))
    axes.axvspan(low, 0, color=_RED, alpha=0.25, linewidth=0, label="overlap")
    axes.set_xlim(low, 1.02 * float(margin[-1]))
    axes.set_ylim(0, 102)
    axes.set_yticks(range(0, 101, 20))
    _below(axes)
