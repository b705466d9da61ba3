"""Certified accuracy as a function of the radius: a step curve with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smoothcert import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from smoothcert.certificates import CertificateTable
    from smoothcert.metrics import Estimate
    from smoothcert.reference import Row


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


def draw(axes: Axes, radii: NDArray, accuracy: Estimate, band: bool = True, **line: Any) -> None:
    """A curve that is exact at ``radii``, in percent, with its interval as a band.

    Accuracy at r counts radius >= r, so it is constant on (previous, r] and falls after r.
    """
    reached = accuracy.value > 0
    count = int(reached.sum())
    if count == 0:
        axes.plot([], [], **line)
        return
    x = np.append(radii[:count], radii[count - 1])
    y = 100 * np.append(accuracy.value[:count], 0.0)
    axes.plot(x, y, drawstyle="steps-pre", **line)
    if band:
        low, high = (100 * end[:count] for end in (accuracy.low, accuracy.high))
        axes.fill_between(
            radii[:count],
            low,
            high,
            step="pre",
            color=line.get("color"),
            alpha=0.18,
            linewidth=0,
        )


def marks(row: Row) -> list[tuple[float, float]]:
    """(radius, percent) of the paper's accuracies above 0."""
    return [(c.radius, c.value) for c in row.accuracies if c.value and c.radius is not None]


def mark(axes: Axes, row: Row, **marker: Any) -> None:
    """The paper's values, one mark a printed radius at which it certifies anything."""
    points = np.array(marks(row)).reshape(-1, 2)
    axes.plot(
        points[:, 0],
        points[:, 1],
        linestyle="none",
        markersize=5,
        markerfacecolor="white",
        markeredgewidth=1.2,
        zorder=4,
        **marker,
    )


def curve(tables: Sequence[CertificateTable], strict: bool) -> tuple[NDArray, Estimate]:
    """Radii and the accuracy of one table, or the envelope of several on the same inputs."""
    radii = breakpoints(tables)
    if len(tables) == 1:
        return radii, metrics.certified_accuracy(tables[0], radii, strict)
    return radii, metrics.envelope(tables, radii, strict)
