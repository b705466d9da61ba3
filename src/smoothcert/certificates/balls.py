"""Which of many balls touch, and which of different classes come nearest to it.

For 50,000 inputs of CIFAR-10 size there are more than 10^9 pairs: distances are taken in blocks
by a matrix product, with a proven error, and only what that cannot decide is computed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from smoothcert.compute.geometry import ORDERS, check


@dataclass(frozen=True)
class Neighbours:
    """For each input the others whose raw ball could touch its own, with exact distances.

    The memory only shrinks balls, so pairs that are farther apart than the sum of their raw
    radii never matter. Compressed rows: ``other[ptr[i]:ptr[i+1]]`` for input ``i``, symmetric.
    """

    ptr: NDArray[np.int64]  # [N + 1]
    other: NDArray[np.int64]  # [pairs * 2]
    distance: NDArray[np.float64]  # [pairs * 2]

    def of(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The neighbours of input ``i`` and their distances."""
        part = slice(self.ptr[i], self.ptr[i + 1])
        return self.other[part], self.distance[part]


def neighbours(
    points: NDArray, radius: NDArray[np.float64], norm: str, block: int = 2048
) -> Neighbours:
    """All pairs of ``points`` [N, D] with distance < the sum of their radii.

    One blocked matrix product in float32 gives every squared l2 distance to within a proven
    error; ||v||_1 >= ||v||_2 and ||v||_inf >= ||v||_2 / sqrt(D) turn it into a filter for each
    norm; what passes is computed again exactly, in float64. Memory: a few blocks.
    """
    return survey(points, None, radius, norm, most=0, block=block)[0]


@dataclass(frozen=True)
class Pair:
    """Two inputs (positions) of different predictions: their distance, and that distance as a
    multiple of the sum of their radii; below 1 their balls intersect."""

    left: int
    right: int
    distance: float
    ratio: float


def survey(
    points: NDArray,
    predict: NDArray[np.int64] | None,
    radius: NDArray[np.float64],
    norm: str,
    most: int = 5,
    block: int = 2048,
) -> tuple[Neighbours, list[Pair]]:
    """:func:`neighbours`, and from the same products the ``most`` nearest misses.

    The latter are the pairs of certified inputs with different ``predict`` [N] that have the
    least distance in units of the sum of their radii, in rising order; exact in l2, and empty
    in other norms, for which :func:`nearest_misses` goes through all pairs.
    """
    check(norm)
    n, d = points.shape
    shrink = np.sqrt(d) if norm == "linf" else 1.0
    x = (points - points.mean(0)).astype(np.float32)  # centred: smaller rounding errors
    square = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    # |fl(x.y) - x.y| <= gamma_d ||x|| ||y||, gamma_d = d u / (1 - d u), u = 2^-24; the factor
    # leaves room for the rounding of the centred points themselves.
    gamma = 4 * (d + 8) * 2.0**-24
    lefts, rights = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    misses = _Misses(points, radius, norm, most if predict is not None and norm == "l2" else 0)
    for a in range(0, n, block):
        for b in range(a, n, block):
            one, two = slice(a, a + block), slice(b, b + block)
            norms = square[one, None] + square[None, two]
            least = norms - 2.0 * (x[one] @ x[two].T) - gamma * norms
            reach = radius[one, None] + radius[None, two]
            i, j = np.nonzero((least < (shrink * reach) ** 2) & (reach > 0))
            keep = i + a < j + b
            lefts.append(i[keep] + a)
            rights.append(j[keep] + b)
            if misses.most and predict is not None:
                apart = _differ(predict[one], radius[one], predict[two], radius[two])
                ratio = np.sqrt(np.maximum(least, 0)) / np.where(apart, reach, 1.0)
                misses.offer(np.where(apart, ratio, np.inf), a, b)
    left, right = np.concatenate(lefts), np.concatenate(rights)
    distance = _distances(points, left, right, norm)
    touching = distance < radius[left] + radius[right]
    near = _symmetric(n, left[touching], right[touching], distance[touching])
    return near, misses.pairs


def nearest_misses(
    points: NDArray,
    predict: NDArray[np.int64],
    radius: NDArray[np.float64],
    norm: str,
    most: int = 5,
    block: int = 512,
) -> list[Pair]:
    """The nearest misses of :func:`survey` in any norm, by the distance of every pair: O(N^2 D)."""
    metrics: dict[str, Literal["cityblock", "euclidean", "chebyshev"]] = {
        "l1": "cityblock",
        "l2": "euclidean",
        "linf": "chebyshev",
    }
    misses = _Misses(points, radius, norm, most)
    for a in range(0, len(points), block):
        for b in range(a, len(points), block):
            one, two = slice(a, a + block), slice(b, b + block)
            apart = _differ(predict[one], radius[one], predict[two], radius[two])
            reach = np.where(apart, radius[one, None] + radius[None, two], 1.0)
            distance = cdist(points[one], points[two], metrics[norm]) * (1 - 1e-12)
            misses.offer(np.where(apart, distance / reach, np.inf), a, b)
    return misses.pairs


def _differ(
    predict: NDArray, radius: NDArray, other: NDArray, other_radius: NDArray
) -> NDArray[np.bool_]:
    """Which pairs [n, m] are certified, with a ball each, for different classes."""
    balls = (radius > 0)[:, None] & (other_radius > 0)[None]
    return balls & (predict[:, None] != other[None])


class _Misses:
    """The ``most`` pairs of least ratio among all that were offered, with exact distances."""

    def __init__(self, points: NDArray, radius: NDArray[np.float64], norm: str, most: int) -> None:
        self.most = most
        self.pairs: list[Pair] = []
        self._points, self._radius, self._norm = points, radius, norm

    def offer(self, least: NDArray[np.float64], a: int, b: int) -> None:
        """Lower bounds on the ratios of the pairs (a + i, b + j), [n, m]; inf: no such pair."""
        i, j = np.nonzero(least < self._bound())
        keep = i + a < j + b
        i, j = i[keep], j[keep]
        bounds = least[i, j]
        order = np.argsort(bounds)
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            if bounds[part[0]] >= self._bound():
                return
            left, right = i[part] + a, j[part] + b
            distance = _distances(self._points, left, right, self._norm)
            ratio = distance / (self._radius[left] + self._radius[right])
            found = [
                Pair(int(left[k]), int(right[k]), float(distance[k]), float(ratio[k]))
                for k in range(len(part))
            ]
            self.pairs = sorted([*self.pairs, *found], key=lambda p: p.ratio)[: self.most]

    def _bound(self) -> float:
        return self.pairs[-1].ratio if len(self.pairs) == self.most else np.inf


def _distances(
    points: NDArray, left: NDArray[np.int64], right: NDArray[np.int64], norm: str
) -> NDArray[np.float64]:
    out = np.empty(len(left))
    for s in range(0, len(left), 1024):
        part = slice(s, s + 1024)
        gap = points[left[part]].astype(np.float64) - points[right[part]].astype(np.float64)
        out[part] = np.linalg.norm(gap, ord=ORDERS[norm], axis=1)
    return out


def _symmetric(
    n: int, left: NDArray[np.int64], right: NDArray[np.int64], distance: NDArray[np.float64]
) -> Neighbours:
    source = np.concatenate([left, right])
    order = np.argsort(source, kind="stable")
    counts = np.bincount(source, minlength=n)
    return Neighbours(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([right, left])[order],
        np.concatenate([distance, distance])[order],
    )
