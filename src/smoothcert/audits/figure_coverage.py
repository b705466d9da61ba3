"""Failure probabilities of the confidence procedures over p, in units of alpha.

A panel a procedure: what is drawn of it is computed over every path of a small size and, where it
can be, exactly or by simulation at full size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.audits.columns import FAILURES
from smoothcert.audits.rows import read_rows
from smoothcert.report.numbers import Number, Row, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, style

_LOOKS: dict[str, dict[str, Any]] = {
    "every path": {"color": COLOURS[4], "linewidth": 1.0, "zorder": 2},
    "exact": {"color": COLOURS[0], "linewidth": 1.5, "zorder": 3},
    "simulated": {"color": COLOURS[1], "linestyle": "none", "marker": "o", "markersize": 3,
                  "linewidth": 0.9, "capsize": 2, "zorder": 4},
}  # fmt: skip
_ALLOWED = "α (allowed)"
_COLUMNS = 5
_REACH = 2.05  # of the axis; the largest value stands in a panel's title


def measure(files: Files, options: Options) -> Picture:
    """FILE: rows of coverage. Of every path, exact at full size, or simulated; the interval of a
    simulation is two standard errors of a rate of alpha."""
    found = read_rows(files.one(), FAILURES)
    simulated = found[found.how == "simulated"]
    full = set(zip(simulated.n, simulated.alpha, strict=True))
    rows: list[Row] = []
    for at in found.to_dict("records"):
        value, error = at["failure_over_alpha"], 2 * at["error"]
        computed = "exact" if (at["n"], at["alpha"]) in full else "every path"
        labels: Row = {k: at[k] for k in ("procedure", "how", "n", "alpha", "p")}
        ends = (value - error, value + error) if error else (None, None)
        rows.append({
            **labels,
            "curve": "simulated" if at["how"] == "simulated" else computed,
            "proven": bool(at["ours"]),
            "failure_over_alpha": Number(value, *ends),
        })  # fmt: skip
    return Picture(frame("audit_coverage", rows))


def draw(picture: Picture) -> Figure:
    """A panel a procedure, in the order of the rows; a curve means the same in all of them."""
    curves = wide(picture.numbers).join(picture.numbers.set_index("row")[["low", "high"]])
    procedures = list(curves.groupby("procedure", sort=False))
    rows = -(-len(procedures) // _COLUMNS)
    with style():
        figure = Figure(figsize=(2.45 * _COLUMNS, 1.95 * rows + 0.9))
        grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        shown: dict[str, Any] = {}
        for axes, (name, part) in zip(grid.flat, procedures, strict=False):
            shown |= _panel(axes, str(name), part)
        least = 0.5 if curves.p.min() > 0.49 else 0.0
        grid.flat[0].set_xlim(least - 0.01, 1.01)  # of all
        grid.flat[0].set_xticks([least, (1 + least) / 2, 1.0])
        for axes in grid.flat[len(procedures) :]:
            axes.set_axis_off()
        for axes in grid.flat[max(0, len(procedures) - _COLUMNS) : len(procedures)]:
            axes.tick_params(labelbottom=True)  # the lowest of its column
        figure.supylabel("failure probability / α", fontsize="medium")
        figure.supxlabel(
            "$p_A$ (two classes, chosen by the selection votes; with both bounds three classes,"
            " at the worst probabilities of the others)",
            fontsize="medium",
        )
        texts = [_legend(kind, curves[curves.curve == kind]) for kind in shown]
        figure.legend(shown.values(), texts, loc="outside upper center", ncols=len(shown))
    return figure


def _panel(axes: Axes, name: str, curves: pd.DataFrame) -> dict[str, Any]:
    """One procedure; returns the legend's handles by curve."""
    handles: dict[str, Any] = {_ALLOWED: axes.axhline(1, color="0.2", linewidth=1.1)}
    for kind, look in _LOOKS.items():
        part = curves[curves.curve == kind]
        if part.empty:
            continue
        if kind == "simulated":
            error = ((part.high - part.low) / 2).to_numpy()
            handles[kind] = axes.errorbar(part.p, part.failure_over_alpha, error, **look)
        else:
            for _, one in part.groupby(["n", "alpha"]):
                (handles[kind],) = axes.plot(one.p, one.failure_over_alpha, **look)
    proven = bool(curves.proven.iloc[0])
    computed = curves[curves.curve != "simulated"].failure_over_alpha
    most = np.nan if computed.empty else computed.max()
    proof = "" if proven else ", no proof"
    weight = "normal" if proven else "bold"
    axes.set_title(f"{name}{proof}\nat most {most:.2f} α", fontsize=8, fontweight=weight)
    axes.set_ylim(0, _REACH)
    return handles


def _legend(kind: str, curves: pd.DataFrame) -> str:
    if kind == _ALLOWED:
        return kind
    size = " or ".join(f"{n:,}" for n in sorted(curves.n.unique()))
    alpha = " or ".join(f"{a:g}" for a in sorted(curves.alpha.unique()))
    bars = "; bars: two standard errors of a rate of α" if kind == "simulated" else ""
    return f"{kind}, n = {size}, α = {alpha}{bars}"
