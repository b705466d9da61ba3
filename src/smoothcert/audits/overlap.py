"""Do certified balls of different predictions intersect, and if none does, how far is it?

Every pair of inputs is looked at, 10^9 of them for 50,000 inputs, and the answer is exact: a
matrix product in float32 gives each distance to within a proven error, and whatever that error
leaves open is computed again in float64 from the inputs themselves. Nothing here is shared with
the memory, so that the one can check the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothcert.audits.pair_bounds import UNIT, Bounds, Distances, Found, Products, exact
from smoothcert.certificates import ABSTAIN
from smoothcert.compute.geometry import check
from smoothcert.core.errors import SmoothcertError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHEAP = 3e11  # coordinate differences that l1 and linf may cost for margins: minutes
_HELD = 4_000_000  # candidates held at once


@dataclass(frozen=True)
class Overlaps:
    """The pairs of certificates of different classes whose open balls intersect, and the rest.

    Positions refer to the rows that were given. A margin is distance - R_i - R_j (negative: the
    balls intersect), in the norm of the certificates.
    """

    balls: int  # certificates with a radius > 0
    pairs: int  # pairs of them with different predictions, all compared
    count: int  # intersecting pairs, exactly
    left: Ints  # [P] the intersecting pairs, deepest first; P = count unless `most` is less
    right: Ints
    distance: Floats  # [P]
    nearest: Ints  # [N] the input that comes nearest to intersecting, -1 where there is none
    margin: Floats  # [N] its margin, inf where there is none
    ratio: float  # least distance / (R_i + R_j): by how much all radii may grow; inf if no pair
    exact: bool  # False: margin and ratio are proven lower bounds (l1, linf, many inputs)

    @property
    def least(self) -> float:
        """The least margin of all pairs; inf where no two predictions differ."""
        return float(self.margin.min(initial=np.inf))


def overlaps(
    points: NDArray,
    predict: Ints,
    radius: Floats,
    norm: str = "l2",
    *,
    most: int = 100_000,
    block: int = 2048,
) -> Overlaps:
    """All pairs of ``points`` [N, ...] with different ``predict`` [N] whose balls intersect.

    Abstentions (-1) and radii of 0 have no ball. l2 is exact in every number at any size. In l1
    and linf the intersecting pairs are exact as well, filtered by ||v||_1 >= ||v||_2 and
    ||v||_inf >= ||v||_2 / sqrt(D); margins come from every distance where that takes minutes, and
    are else the lower bounds of that filter. Memory: the points in float32 once more, and some
    blocks. Raises SmoothcertError for another norm or unequal lengths.
    """
    check(norm)
    if not len(points) == len(predict) == len(radius):
        raise SmoothcertError(
            f"overlaps: {len(points)} inputs, {len(predict)} predictions, {len(radius)} radii"
        )
    flat = np.asarray(points).reshape(len(points), -1)
    rows = np.flatnonzero((predict != ABSTAIN) & (radius > 0))
    rows = rows[np.argsort(predict[rows], kind="stable")]  # one class: side by side, skipped whole
    if len(rows) == 0:
        none, far = np.empty(0, np.int64), np.full(len(flat), np.inf)
        nobody = np.full(len(flat), -1, np.int64)
        return Overlaps(0, 0, 0, none, none, np.empty(0), nobody, far, np.inf, True)
    direct = norm != "l2" and len(rows) ** 2 / 2 * flat.shape[1] <= _CHEAP
    bounds: Bounds = (Distances if direct else Products)(flat, rows, norm)
    scan = _Scan(flat, rows, predict[rows], radius[rows].astype(np.float64), norm, bounds)
    return scan.run(most, min(block, 512) if direct else block)


class _Scan:
    """One pass over all blocks. Positions are in the rows with a ball, sorted by class."""

    def __init__(
        self, points: NDArray, rows: Ints, classes: Ints, radius: Floats, norm: str, bounds: Bounds
    ) -> None:
        self.points, self.rows, self.classes = points, rows, classes
        self.radius, self.norm, self.bounds = radius, norm, bounds
        # A radius beyond every distance (there are infinite ones) is as good as this one.
        self.r32 = np.minimum(radius, 2 * bounds.reach + 1).astype(np.float32)
        # A root and two differences, each rounded by at most a unit of at most this.
        self.fuzz = 8 * UNIT * (bounds.reach + 2 * float(self.r32.max()))
        self.bound = np.full(len(rows), np.inf)  # no input's least margin is above it
        self.best = np.full(len(rows), -1, np.int64)  # whose lower bound was least
        self.near = Found.empty()  # candidates for the least margin of `one`
        self.touching = Found.empty()
        self.pairs = self.certain = 0
        self.ratio = np.inf

    def run(self, most: int, block: int) -> Overlaps:
        for a, b in self._blocks(block):
            lower = self.bounds.lower(a, b)
            lower -= self.r32[a, None]
            lower -= self.r32[None, b]
            self._mask(a, b, lower)
            self._overlaps(a, b, lower)
            self._nearest(a, b, lower)
            self._nearest(b, a, lower.T)
            self._ratio(a, b, lower)
        left, right, distance, count = self._verified(most)
        nearest, margin = self._margins()
        n = len(self.points)
        every, margins = np.full(n, -1, np.int64), np.full(n, np.inf)
        every[self.rows] = np.where(nearest >= 0, self.rows[nearest], -1)
        margins[self.rows] = margin
        one, two = self.rows[left], self.rows[right]
        return Overlaps(
            balls=len(self.rows), pairs=self.pairs, count=count,
            left=np.minimum(one, two), right=np.maximum(one, two), distance=distance,
            nearest=every, margin=margins, ratio=self.ratio, exact=self.bounds.close,
        )  # fmt: skip

    def _blocks(self, width: int) -> Iterator[tuple[slice, slice]]:
        m = len(self.rows)
        for a in range(0, m, width):
            for b in range(a, m, width):
                end = min(b + width, m)
                if self.classes[a] != self.classes[end - 1]:
                    yield slice(a, min(a + width, m)), slice(b, end)

    def _mask(self, a: slice, b: slice, lower: NDArray) -> None:
        """Infinity for pairs of one class, and once for each pair of a block with itself."""
        own, other = self.classes[a], self.classes[b]
        pairs = lower.size
        for c in np.intersect1d(own, other):
            (i, k), (j, m) = (np.searchsorted(v, [c, c + 1]) for v in (own, other))
            lower[i:k, j:m] = np.inf
            pairs -= (k - i) * (m - j)
        if a.start == b.start:
            lower[np.tril_indices(len(own))] = np.inf
            pairs //= 2
        self.pairs += pairs

    def _overlaps(self, a: slice, b: slice, lower: NDArray) -> None:
        i, j = np.nonzero(lower <= self.fuzz)
        one, two, value = i + a.start, j + b.start, lower[i, j].astype(np.float64)
        sure = self._upper(value, one, two) < 0
        self.certain += int(sure.sum())
        self.touching.add(one, two, value)
        if len(self.touching) > _HELD:
            # Certain ones are counted already: keep the deepest, and all that are not certain.
            one, two, value = self.touching.arrays()
            sure = self._upper(value, one, two) < 0
            self.touching.keep(~sure | (value <= np.partition(value, _HELD // 4)[_HELD // 4]))

    def _upper(self, margin: Floats, one: Ints, two: Ints) -> Floats:
        """Upper bounds on margins, from the lower ones."""
        reach = self.r32[one].astype(np.float64) + self.r32[two]
        distance = self.bounds.upper(margin + reach + self.fuzz, one, two)
        return np.asarray(distance - reach + self.fuzz)

    def _nearest(self, a: slice, b: slice, lower: NDArray) -> None:
        """Candidates for the least margin of the inputs of ``a``, among those of ``b``."""
        at = lower.argmin(1)
        least = lower[np.arange(len(at)), at].astype(np.float64)
        mine = np.arange(a.start, a.stop)
        if self.bounds.close:
            some = np.isfinite(least)
            upper = self._upper(np.where(some, least, 0.0), mine, at + b.start)
            self.bound[a] = np.minimum(self.bound[a], np.where(some, upper, np.inf))
            limit = np.where(some, self.bound[a] + self.fuzz, -np.inf)
            rows = np.flatnonzero(least <= limit)
            i, j = np.nonzero(lower[rows] <= limit[rows, None].astype(np.float32))
            self.near.add(rows[i] + a.start, j + b.start, lower[rows[i], j])
            if len(self.near) > _HELD:
                one, _, value = self.near.arrays()
                self.near.keep(value <= self.bound[one] + self.fuzz)
        else:
            better = least < self.bound[a]
            self.best[a] = np.where(better, at + b.start, self.best[a])
            self.bound[a] = np.minimum(self.bound[a], least)

    def _ratio(self, a: slice, b: slice, lower: NDArray) -> None:
        """The least ratio: 1 + margin / (R_i + R_j), where that could be below the least so far."""
        own, other = self.r32[a].astype(np.float64), self.r32[b].astype(np.float64)
        least = lower.min(1).astype(np.float64) - self.fuzz
        rows = np.flatnonzero(
            1 + least / (own + np.where(least > 0, other.max(), other.min())) < self.ratio
        )
        for part in np.array_split(rows, max(1, len(rows) // 256)):
            ratios = 1 + (lower[part] - self.fuzz) / (own[part, None] + other[None])
            while True:  # the most promising ones first: they make the rest needless
                i, j = np.nonzero(ratios < self.ratio)
                if len(i) == 0:
                    break
                first = np.argsort(ratios[i, j])[:64]
                i, j = i[first], j[first]
                self.ratio = min(
                    self.ratio, self._true_ratio(part[i] + a.start, j + b.start, ratios[i, j])
                )
                ratios[i, j] = np.inf

    def _true_ratio(self, one: Ints, two: Ints, lower: Floats) -> float:
        if not self.bounds.close:
            return float(lower.min())
        distance = exact(self.points, self.rows[one], self.rows[two], self.norm)
        return float((distance / (self.radius[one] + self.radius[two])).min())

    def _verified(self, most: int) -> tuple[Ints, Ints, Floats, int]:
        """The intersecting pairs, deepest first, with exact distances; and their number."""
        one, two, value = self.touching.arrays()
        sure = self._upper(value, one, two) < 0
        # Those that are certain need their distance only if they are shown.
        shown = ~sure
        shown[np.flatnonzero(sure)[np.argsort(value[sure])[:most]]] = True
        one, two, sure = one[shown], two[shown], sure[shown]
        distance = exact(self.points, self.rows[one], self.rows[two], self.norm)
        depth = distance - self.radius[one] - self.radius[two]
        true = depth < 0
        count = self.certain + int((true & ~sure).sum())
        order = np.flatnonzero(true)[np.argsort(depth[true], kind="stable")][:most]
        return one[order], two[order], distance[order], count

    def _margins(self) -> tuple[Ints, Floats]:
        if not self.bounds.close:
            return self.best, self.bound - self.fuzz
        one, two, value = self.near.arrays()
        self.near.keep(value <= self.bound[one] + self.fuzz)
        one, two, _ = self.near.arrays()
        distance = exact(self.points, self.rows[one], self.rows[two], self.norm)
        exact_margin = distance - self.radius[one] - self.radius[two]
        order = np.lexsort((exact_margin, one))
        first = order[np.unique(one[order], return_index=True)[1]]
        nearest, margin = np.full(len(self.rows), -1, np.int64), np.full(len(self.rows), np.inf)
        nearest[one[first]], margin[one[first]] = two[first], exact_margin[first]
        return nearest, margin
