"""Bounds on the distances of blocks of pairs: cheap ones with a proven error, and exact ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.geometry import ORDERS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNIT = 2.0**-24  # rounding of float32
_METRICS: dict[str, Literal["cityblock", "euclidean", "chebyshev"]] = {
    "l1": "cityblock", "l2": "euclidean", "linf": "chebyshev",
}  # fmt: skip


def exact(points: NDArray, left: Ints, right: Ints, norm: str) -> Floats:
    """Distances [P] of pairs of rows of ``points`` [N, D], in float64."""
    out = np.empty(len(left))
    step = max(1, (1 << 22) // max(points.shape[1], 1))
    for s in range(0, len(left), step):
        part = slice(s, s + step)
        gap = points[left[part]].astype(np.float64) - points[right[part]].astype(np.float64)
        out[part] = np.linalg.norm(gap, ord=ORDERS[norm], axis=1)
    return out


class Bounds(Protocol):
    """Distances of blocks of pairs, to within ``fuzz`` after rounding to float32."""

    close: bool  # whether upper bounds are near the lower ones
    reach: float  # no distance is larger

    def lower(self, a: slice, b: slice) -> NDArray[np.float32]:
        """Lower bounds [A, B] on distances, up to float32 rounding of a few units."""

    def upper(self, lower: Floats, one: Ints, two: Ints) -> Floats:
        """Upper bounds [P] on the distances of pairs whose lower bounds these are."""


class Products:
    """From l2 by one matrix product in float32; for l1 and linf by the norms' inequalities.

    The computed product differs from x.y by at most gamma ||x|| ||y||, gamma = D u / (1 - D u),
    u = 2^-24, in every order of summation, and 2 ||x|| ||y|| <= ||x||^2 + ||y||^2. Points are
    centred first, which makes the norms small.
    """

    def __init__(self, points: NDArray, rows: Ints, norm: str) -> None:
        d = points.shape[1]
        self._x = np.empty((len(rows), d), np.float32)
        centre = points.mean(0, dtype=np.float64)
        for s in range(0, len(rows), 1024):
            self._x[s : s + 1024] = points[rows[s : s + 1024]] - centre
        self._square = np.einsum("ij,ij->i", self._x, self._x, dtype=np.float64)
        # Beside gamma: the rounding of the centred points and of the three sums.
        self._slack = 1.01 * (d + 32) * UNIT
        self._low = (self._square * (1 - self._slack)).astype(np.float32)
        self._times, self._most = {
            "l1": (1.0, np.sqrt(d)), "l2": (1.0, 1.0), "linf": (1 / np.sqrt(d), 1.0),
        }[norm]  # fmt: skip
        self.close = norm == "l2"
        self.reach = self._most * 2.01 * float(np.sqrt(self._square.max(initial=0.0)))

    def lower(self, a: slice, b: slice) -> NDArray[np.float32]:
        out = (-2 * self._x[a]) @ self._x[b].T
        out += self._low[a, None]
        out += self._low[None, b]
        np.maximum(out, 0, out=out)
        np.sqrt(out, out=out)
        if self._times != 1:
            out *= np.float32(self._times)
        return out

    def upper(self, lower: Floats, one: Ints, two: Ints) -> Floats:
        gap = 2 * self._slack * (self._square[one] + self._square[two])
        l2 = np.maximum(lower, 0) / self._times
        return np.asarray(self._most * np.sqrt(l2**2 + gap))


class Distances:
    """Every distance, in float64, rounded once: O(N^2 D) without matrix products."""

    close = True

    def __init__(self, points: NDArray, rows: Ints, norm: str) -> None:
        self._points, self._rows, self._metric = points, rows, _METRICS[norm]
        sizes = [
            np.linalg.norm(points[r].astype(np.float64) - points[rows[0]], ord=ORDERS[norm])
            for r in rows
        ]
        self.reach = 2.01 * float(max(sizes))

    def lower(self, a: slice, b: slice) -> NDArray[np.float32]:
        from scipy.spatial.distance import cdist

        one, two = (self._points[self._rows[part]] for part in (a, b))
        return cdist(one, two, self._metric).astype(np.float32)

    def upper(self, lower: Floats, one: Ints, two: Ints) -> Floats:
        return lower


@dataclass
class Found:
    """Pairs from blocks, as they come: positions and the lower bound on something."""

    one: list[Ints]
    two: list[Ints]
    value: list[Floats]

    @classmethod
    def empty(cls) -> Found:
        return cls([np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)])

    def add(self, one: Ints, two: Ints, value: NDArray) -> None:
        self.one.append(one)
        self.two.append(two)
        self.value.append(value.astype(np.float64))

    def __len__(self) -> int:
        return sum(map(len, self.one))

    def arrays(self) -> tuple[Ints, Ints, Floats]:
        """All of them, joined (and kept joined)."""
        self.one, self.two = [np.concatenate(self.one)], [np.concatenate(self.two)]
        self.value = [np.concatenate(self.value)]
        return self.one[0], self.two[0], self.value[0]

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Only those; of the joined arrays."""
        one, two, value = self.arrays()
        self.one, self.two, self.value = [one[which]], [two[which]], [value[which]]
