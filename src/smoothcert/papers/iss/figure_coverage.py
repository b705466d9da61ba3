"""The exact failure probability of ISS: curves, and the worst case of every way of reading it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from smoothcert.audits.coverage import exact_table, iss_procedure
from smoothcert.budget.psi import Decline, Mapping
from smoothcert.noise import Gaussian
from smoothcert.papers.iss.closed_form import ALPHA
from smoothcert.papers.iss.options import CoverageOptions
from smoothcert.report.numbers import Key, Label, Number, Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.style import COLOURS, PANEL, style

_BLUE, _RED, _GREEN, _PINK, _SKY, _AMBER = COLOURS
# Reading, whether the class is elected, look of the curve, words of the legend.
_CURVES = (
    ("reuse", True, _RED, "-", "published, class elected"),
    ("reuse", False, _BLUE, "-", "published, class given"),
    ("first", False, _AMBER, ":", r"first $\hat{k}$ of $k_0$, class given"),
    ("fresh", True, _GREEN, "--", "fresh votes"),
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
    """A panel a setting, a curve a reading."""
    curves = picture.numbers[picture.numbers.part == CURVE]
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.5, PANEL[1] * 1.05))
        each = figure.subplots(1, curves.panel.nunique(), sharey=True)
        for axes, (_, panel) in zip(each, curves.groupby("panel"), strict=True):
            for reading, elected, colour, dash, label in _CURVES:
                classes = "elected" if elected else "given"
                curve = panel[(panel.reading == reading) & (panel.classes == classes)]
                look = {"color": colour, "linestyle": dash, "linewidth": 1.0}
                axes.plot(curve.p, curve.value, label=label, **look)
            axes.axhline(1, color="0.3", linewidth=0.9)
            axes.set_title(f"{panel.setting.iloc[0]}, σ = {panel.scale.iloc[0]:g}")
            axes.set_xlabel("$p_A$")
            axes.set_ylim(0, 2.05)
        each[0].set_ylabel("failure probability / α")
        handles, labels = each[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        figure.suptitle(
            f"Exact failure probability of ISS ({picture.more['kbar']:,} desired samples)"
        )
    return figure
