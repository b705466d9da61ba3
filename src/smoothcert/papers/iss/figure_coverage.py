"""The exact failure probability of ISS: curves, and the worst case of every way of reading it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.coverage import exact_table, iss_procedure
from smoothcert.budget.psi import Decline, Mapping
from smoothcert.noise import Gaussian
from smoothcert.papers.iss.closed_form import ALPHA
from smoothcert.papers.iss.options import CoverageOptions
from smoothcert.report.numbers import Key, Label, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.style import COLOURS, PANEL, heading, style

_BLUE, _RED, _GREEN, _PINK, _SKY, _AMBER = COLOURS
# Reading, whether the class is elected, colour, words of the legend.
_CURVES = (
    ("reuse", True, _RED, "published, class elected"),
    ("reuse", False, _BLUE, "published, class given"),
    ("first", False, _AMBER, r"first $\hat{k}$ of $k_0$ votes, class given"),
    ("fresh", True, _GREEN, "fresh votes, class elected"),
)
CURVE, WORST = "curve", "worst case"  # the label ``part`` of the rows
_MEASURED = ("worst", "worst_p", "away", "away_p", "undefined")


def measure(files: Files, options: CoverageOptions) -> Picture:
    """Rows of two parts, in units of alpha: ``failure`` at every p of a curve, and the worst p
    of each setting and reading (columns of audits/coverage.py)."""
    rows = [*_curves(options), *_worst(options)]
    return Picture(frame("iss_coverage", rows), {"kbar": options.kbar})


def _curves(options: CoverageOptions) -> list[Row]:
    cases = (
        ("AD 0.05", Decline(ad=0.05), options.scale),
        ("AD 0.05", Decline(ad=0.05), options.scale / 2),
        ("RD 0.05", Decline(rd=0.05), options.scale),
    )
    at = np.concatenate([np.linspace(0.5, 0.53, 31), np.linspace(0.532, 0.999, options.points)])
    rows: list[Row] = []
    for panel, (setting, decline, scale) in enumerate(cases):
        mapping = _mapping(decline, options.kbar)
        for reading, elected, *_ in _CURVES:
            one = iss_procedure(
                mapping, options.kbar // 100, Gaussian(1.0), scale, 1, reading, elected
            )
            labels: dict[Key, Label] = {
                "part": CURVE,
                "panel": panel,
                "setting": setting,
                "scale": scale,
                "reading": reading,
                "classes": "elected" if elected else "given",
            }
            rows += [
                {**labels, "p": float(p), "failure": Number(one.failure(float(p)) / ALPHA)}
                for p in at
            ]
    return rows


def _worst(options: CoverageOptions) -> list[Row]:
    # A relative decline of a Gaussian radius is the same at every scale.
    settings = [
        (f"{kind.upper()} {u:g}", _mapping(Decline(**{kind: u}), options.kbar), scale)
        for kind, u, scales in (
            ("ad", 0.05, (0.25, 0.5, 1.0)),
            ("ad", 0.1, (0.25, 0.5, 1.0)),
            ("rd", 0.01, (0.5,)),
            ("rd", 0.05, (0.5,)),
        )
        for scale in scales
    ]
    points = (max(11, options.points * 2 // 3), max(21, options.points * 10 // 3))
    found = exact_table(settings, Gaussian(1.0), 1, points=points, rounds=options.rounds)
    return [
        {
            name: Number(float(value)) if name in _MEASURED else value
            for name, value in (("part", WORST), *row.items())
        }
        for row in found
    ]


def _mapping(decline: Decline, kbar: int) -> Mapping:
    return Mapping(decline, kbar, ALPHA, max(1, kbar // 500))  # 200 samples of 100,000


def draw(picture: Picture) -> Figure:
    """A column a setting; two readings a line, the first wide and pale behind the second.

    What matters is next to 1/2, which the square root of p_A - 1/2 spreads. The failure
    probability is a sawtooth, finer than any grid: points are exact, lines only lead the eye,
    and triangles are the worst p_A that a search found.
    """
    numbers = picture.numbers
    curves, worst = numbers[numbers.part == CURVE], numbers[numbers.part == WORST]
    with style():
        columns = curves.panel.nunique()
        figure = Figure(figsize=(PANEL[0] * 2.5, PANEL[1] * 1.9))
        grid = figure.subplots(2, columns, sharex=True, sharey=True)
        for column, (_, part) in zip(grid.T, curves.groupby("panel"), strict=True):
            setting, scale = part.setting.iloc[0], part.scale.iloc[0]
            searched = worst[(worst.setting == setting) & (worst.scale == scale)]
            for axes, readings in zip(column, (_CURVES[1::-1], _CURVES[2:]), strict=True):
                for i, (reading, elected, colour, label) in enumerate(readings):
                    _reading(axes, part, searched, reading, elected, i, colour, label)
                axes.axhline(1, color="0.3", linewidth=0.9)
            column[0].set_title(f"{setting}, σ = {scale:g}")
            column[1].set_xlabel("$p_A$ (square-root scale)")
        ticks = [0.5, 0.51, 0.55, 0.6, 0.7, 0.8, 0.9, 1]
        for axes in grid.flat:
            axes.set_xscale("function", functions=(_spread, _gather))
            axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
            axes.set_xlim(0.5 - 1e-4, 1.01)
            axes.set_ylim(0, None)
        for axes in grid[:, 0]:
            axes.set_ylabel("failure probability / α")
            axes.plot([], [], "v", color="0.3", markersize=5, label="worst $p_A$ of a search")
            axes.legend(loc="lower left")
        kbar = picture.more["kbar"]
        heading(figure, f"Exact failure probability of ISS ({kbar:,} desired samples)")
    return figure


def _reading(
    axes: Axes,
    curves: pd.DataFrame,
    worst: pd.DataFrame,
    reading: str,
    elected: bool,
    place: int,
    colour: str,
    label: str,
) -> None:
    classes = "elected" if elected else "given"
    curve = curves[(curves.reading == reading) & (curves.classes == classes)]
    look = ({"linewidth": 4, "alpha": 0.45}, {"linewidth": 0.8, "marker": ".", "markersize": 3})
    axes.plot(curve.p, curve.value, color=colour, label=label, **look[place])
    top = worst[(worst.reading == reading) & (worst.classes == classes)].set_index("metric").value
    if "worst" in top:
        axes.plot(top["worst_p"], top["worst"], "v", color=colour, markersize=5, zorder=3)


def _spread(p: np.ndarray) -> np.ndarray:
    return np.sign(p - 0.5) * np.sqrt(np.abs(p - 0.5))


def _gather(x: np.ndarray) -> np.ndarray:
    return 0.5 + np.sign(x) * x**2
