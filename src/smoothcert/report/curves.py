"""Certified accuracy as a function of the radius: measured into rows, drawn from the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.compute.lazy import pandas as pd
from smoothcert.report.numbers import PERCENT, Key, Label, Metric, Number, Row, share
from smoothcert.report.reference import Row as PaperRow

ACCURACY = "accuracy_percent"


def breakpoints(tables: Sequence[CertificateTable], most: int = 800) -> NDArray[np.float64]:
    """0 and the radii at which an accuracy steps down, rising; thinned to about ``most``.

    Thinning leaves out steps and never the largest radius of a table; the curve through what
    remains lies on or below the true one.
    """
    own = [np.unique(t.radius[(t.correct == 1) & np.isfinite(t.radius)]) for t in tables]
    ends = [radii[-1] for radii in own if len(radii)]
    radii = np.unique(np.concatenate([[0.0], *own]))
    if len(radii) > most:
        chosen = np.linspace(0, len(radii) - 1, most).round().astype(int)
        radii = np.unique(np.concatenate([[0.0], radii[chosen], ends]))
    return radii


def curve(
    tables: Sequence[CertificateTable], strict: bool, also: ArrayLike = ()
) -> dict[Key, Label | Number]:
    """The accuracy of one table, or the envelope of several on the same inputs, at every step.

    ``also``: radii at which its value is wanted beside.
    """
    radii = np.unique(np.concatenate([breakpoints(tables), np.asarray(also, np.float64)]))
    if len(tables) == 1:
        accuracy = metrics.certified_accuracy(tables[0], radii, strict)
    else:
        accuracy = metrics.envelope(tables, radii, strict)
    return {Metric(ACCURACY, float(r)): share(accuracy[i]) for i, r in enumerate(radii)}


def printed(row: PaperRow, **labels: Label) -> Row:
    """A paper's accuracies above 0, to be marked beside a curve."""
    known = [(c.radius, c.value) for c in row.accuracies if c.value and c.radius is not None]
    marks: dict[Key, Label | Number] = dict(labels.items())
    marks["series"] = f"paper: {row.source}"
    marks |= {Metric(ACCURACY, r): Number(v, unit=PERCENT) for r, v in known}
    return marks


def draw(axes: Axes, part: pd.DataFrame, band: bool = True, **line: Any) -> None:
    """One curve of the frame, exact at its radii, in percent, with its interval as a band.

    Accuracy at r counts radius >= r, so it is constant on (previous, r] and falls after r.
    """
    part = part[part.value > 0].sort_values("radius")
    if part.empty:
        axes.plot([], [], **line)
        return
    x = np.append(part.radius, part.radius.iloc[-1])
    axes.plot(x, np.append(part.value, 0.0), drawstyle="steps-pre", **line)
    if band:
        look: dict[str, Any] = {"color": line.get("color"), "alpha": 0.18, "linewidth": 0}
        axes.fill_between(part.radius, part.low, part.high, step="pre", **look)


def value_at(part: pd.DataFrame, radii: ArrayLike) -> NDArray[np.float64]:
    """The value of one curve of the frame at any radii: the next step's, 0 beyond the last."""
    part = part.sort_values("radius")
    values = np.append(part.value.to_numpy(float), 0.0)
    return values[np.searchsorted(part.radius.to_numpy(float), np.asarray(radii), side="left")]


def points(
    axes: Axes, part: pd.DataFrame, radii: Sequence[float], shift: float, **look: Any
) -> None:
    """Values with their intervals at a few of the ``radii``, which stand side by side as places
    (:func:`places`); ``shift``, of a place, keeps two series apart. Nothing is said between."""
    part = part.sort_values("radius")
    x = np.searchsorted(np.asarray(radii), part.radius) + shift
    error = np.array([part.value - part.low, part.high - part.value])
    axes.errorbar(x, part.value, np.nan_to_num(error), linestyle="none", capsize=2, **look)


def places(axes: Axes, radii: Sequence[float]) -> None:
    """An axis of these radii and no others."""
    axes.set_xticks(range(len(radii)), [f"{r:.3g}" for r in radii])
    axes.set_xlim(-0.5, len(radii) - 0.5)


def mark(axes: Axes, part: pd.DataFrame, **marker: Any) -> None:
    """A paper's values, one mark a printed radius."""
    look = {"linestyle": "none", "markersize": 5, "markerfacecolor": "white",
            "markeredgewidth": 1.2, "zorder": 4}  # fmt: skip
    axes.plot(part.radius, part.value, **{**look, **marker})
