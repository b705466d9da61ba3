"""Failure probabilities of the confidence procedures over p, in units of alpha."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.columns import FAILURES
from smoothcert.audits.rows import read_rows
from smoothcert.report.numbers import Number, Row, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, DASHES, PANEL, style


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of coverage. Four panels: by every path (one size, then stopping rules), and at
    full size, exact and simulated; bars are two standard errors of a rate of alpha."""
    found = read_rows(files.one(), FAILURES)
    simulated = found[found.how == "simulated"]
    full = set(zip(simulated.n, simulated.alpha, strict=True))
    rows: list[Row] = []
    for at in found.to_dict("records"):
        value, error = at["failure_over_alpha"], 2 * at["error"]
        if at["how"] == "simulated" or (at["n"], at["alpha"]) in full:
            panel = at["how"]
        else:
            looking = at["procedure"].startswith(("sequential", "anytime"))
            panel = "every path, looking" if looking else "every path"
        labels: Row = {k: at[k] for k in ("procedure", "how", "n", "alpha", "p")}
        ends = (value - error, value + error) if error else (None, None)
        number = Number(value, *ends)
        rows.append(
            {"panel": panel, **labels, "proven": bool(at["ours"]), "failure_over_alpha": number}
        )
    return Picture(frame("audit_coverage", rows))


def draw(picture: Picture) -> Figure:
    """Two by two panels."""
    curves = wide(picture.numbers).join(picture.numbers.set_index("row")[["low", "high"]])
    small = curves[curves.panel == "every path"].iloc[0]
    large = curves[curves.panel == "simulated"].iloc[0]
    listed = f"every path (n = {small.n}, α = {small.alpha:g})"
    full = f"n = {large.n:,}, α = {large.alpha:g}"
    titles = {
        "every path": f"{listed}: sizes not chosen by looking",
        "every path, looking": f"{listed}: stopping by looking",
        "exact": f"exact, {full}",
        "simulated": f"simulated, {full}; bars: 2 standard errors of a rate of α",
    }
    with style():
        figure = Figure(figsize=(PANEL[0] * 2.2, PANEL[1] * 2.5))
        grid = figure.subplots(2, 2, sharey=True).ravel()
        for axes, (panel, title) in zip(grid, titles.items(), strict=True):
            _panel(axes, title, curves[curves.panel == panel])
        grid[0].set_ylabel("failure probability / α")
        grid[2].set_ylabel("failure probability / α")
    return figure


def _panel(axes: Axes, title: str, curves: pd.DataFrame) -> None:
    count = curves.procedure.nunique()
    for i, (name, curve) in enumerate(curves.groupby("procedure", sort=False)):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[(i // len(COLOURS)) % len(DASHES)]
        proof = "" if curve.proven.iloc[0] else " (no proof)"
        label = f"{name}{proof}: {curve.failure_over_alpha.max():.2f}"
        if curve.how.iloc[0] == "exact":
            axes.plot(curve.p, curve.failure_over_alpha, color=colour, linestyle=dash,
                      linewidth=1.0, label=label)  # fmt: skip
            continue
        beside = curve.p + 0.006 * (i - (count - 1) / 2)
        axes.errorbar(
            beside, curve.failure_over_alpha, (curve.high - curve.low) / 2, color=colour,
            linestyle="none", marker="o", markersize=3.5, linewidth=0.8, capsize=2, label=label,
        )  # fmt: skip
    axes.axhline(1, color="0.2", linewidth=1.1)
    axes.annotate("α", (0.998, 1.0), ha="right", va="bottom", fontsize=8,
                  xycoords=("axes fraction", "data"))  # fmt: skip
    axes.set_ylim(0, 2.05)
    axes.set_xlabel("$p_A$ (of two classes, elected by the selection votes)")
    axes.set_title(title, fontsize=9)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=7,
                title="procedure: largest failure probability / α", title_fontsize=7)  # fmt: skip
