"""The direction oracle: a vote of reserved training points, and how far it is from changing.

The radii say for how large a perturbation, in the threat model's norm, the oracle's answer
provably stays. Which point is near is always measured in l2 (the paper's rho), whatever the
threat model is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError

_CHUNK = 4_000_000  # entries of the largest temporary array


@dataclass(frozen=True)
class Oracle:
    """A k-nearest-neighbour vote of reserved labelled points.

    Attributes:
        points: [K, d] float64, the reserved points (flat).
        labels: [K] int64, any class numbers; the binary classifier uses -1 and +1.
        k: odd number of voting neighbours; 1 is the paper's oracle. More than one needs two
            classes, so that an odd vote has no tie.

    Raises SmoothcertError for sizes that do not fit, even k, k > K, or k > 1 with more than two
    classes.
    """

    points: NDArray
    labels: NDArray
    k: int = 1

    def __post_init__(self) -> None:
        points = np.asarray(self.points, np.float64)
        points = points.reshape(len(points), -1)
        labels = np.asarray(self.labels, np.int64)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "labels", labels)
        if labels.shape != (len(points),) or not len(points):
            raise SmoothcertError(
                f"reserved points: expected one label a point, found {len(points)} points "
                f"and labels of shape {labels.shape}"
            )
        if self.k < 1 or self.k % 2 == 0 or self.k > len(points):
            raise SmoothcertError(
                f"k = {self.k}: expected an odd number from 1 to {len(points)}, the number of "
                "reserved points"
            )
        if self.k > 1 and len(self.classes) > 2:
            raise SmoothcertError(
                f"k = {self.k} neighbours vote on {len(self.classes)} classes: expected k = 1 "
                "when there are more than two"
            )

    @property
    def classes(self) -> NDArray:
        """The classes among the reserved points, ascending."""
        return np.unique(self.labels)

    def squared_distances(self, x: ArrayLike) -> NDArray:
        """l2 distances squared to the reserved points: [N, d] -> [N, K] float64."""
        x = _flat(x, self.points.shape[1])
        out = np.empty((len(x), len(self.points)))
        for rows in _chunks(len(x), self.points.size):
            # By differences: the expanded square cancels near a reserved point.
            out[rows] = np.sum((x[rows, None, :] - self.points) ** 2, axis=-1)
        return out

    def __call__(self, x: ArrayLike) -> NDArray:
        """The oracle's class: [N, d] -> [N] int64. Ties go to the earlier point."""
        d2 = self.squared_distances(x)
        nearest = np.argsort(d2, axis=1, kind="stable")[:, : self.k]
        votes = self.labels[nearest]
        if self.k == 1:
            return votes[:, 0]
        classes = self.classes
        counts = np.stack([(votes == c).sum(1) for c in classes], axis=1)
        return classes[np.argmax(counts, axis=1)]

    def published_radius(self, x: ArrayLike, norm: str) -> NDArray:
        """r_nghbr of Theorems 6 and 8 (1-NN only): [N, d] -> [N] float64.

        min over j with another label than the nearest point i of
        (d_j^2 - d_i^2) / (2 ||x_i - x_j||_*). Infinite if all reserved points have one label.
        """
        if self.k != 1:
            raise SmoothcertError(f"k = {self.k}: the published neighbour term is for k = 1 only")
        d2 = self.squared_distances(x)
        i = np.argmin(d2, axis=1)
        gaps = geometry.dual_length(self.points[:, None] - self.points, norm)  # [K, K]
        other = self.labels[i][:, None] != self.labels
        ratio = _ratio(d2 - d2[np.arange(len(d2)), i][:, None], gaps[i])
        return np.where(other, ratio, np.inf).min(axis=1, initial=np.inf)

    def radius(self, x: ArrayLike, norm: str) -> NDArray:
        """The largest radius that pairwise comparisons prove: [N, d] -> [N] float64.

        With m = (k + 1) / 2, the m-th smallest over points j of another label of the m-th
        largest over points i of the oracle's label of t_ij = (d_j^2 - d_i^2) /
        (2 ||x_i - x_j||_*), the radius within which i stays nearer than j. For k = 1 it is never
        below ``published_radius``: any point of the same label may protect, not only the
        nearest. Infinite where the oracle cannot change.
        """
        return self.radius_to_classes(x, norm).min(axis=1, initial=np.inf)

    def radius_to_classes(self, x: ArrayLike, norm: str) -> NDArray:
        """The same for each class the oracle could change to: [N, d] -> [N, C] float64.

        Columns follow ``classes``; infinite in the column of the present answer.
        """
        x = _flat(x, self.points.shape[1])
        d2, answer, classes = self.squared_distances(x), self(x), self.classes
        gaps = geometry.dual_length(self.points[:, None] - self.points, norm)
        out = np.full((len(x), len(classes)), np.inf)
        m = (self.k + 1) // 2
        for own in classes:
            same = np.flatnonzero(self.labels == own)
            rows = np.flatnonzero(answer == own)
            for column, other in enumerate(classes):
                opposite = np.flatnonzero(self.labels == other)
                if other == own or len(opposite) < m:
                    continue
                gap = gaps[np.ix_(same, opposite)]
                for part in _chunks(len(rows), gap.size):
                    near = d2[rows[part]]
                    t = _ratio(near[:, None, opposite] - near[:, same, None], gap)
                    guarded = -np.partition(-t, m - 1, axis=1)[:, m - 1]  # [n, opposite]
                    out[rows[part], column] = np.partition(guarded, m - 1, axis=1)[:, m - 1]
        return out


def _ratio(numerator: NDArray, gap: NDArray) -> NDArray:
    """numerator / (2 gap); two points at one place never protect or threaten beyond 0."""
    wide = np.broadcast_to(gap, numerator.shape)
    return np.divide(numerator, 2 * wide, out=np.zeros_like(numerator), where=wide > 0)


def _flat(x: ArrayLike, d: int) -> NDArray:
    x = np.asarray(x, np.float64)
    x = x.reshape(len(x), -1)
    if x.shape[1] != d:
        raise SmoothcertError(f"inputs of dimension {x.shape[1]}: expected {d}, as reserved")
    return x


def _chunks(n: int, size: int) -> list[slice]:
    step = max(1, _CHUNK // max(1, size))
    return [slice(start, min(n, start + step)) for start in range(0, n, step)]
