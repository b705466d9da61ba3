"""The sample-size mapping of input-specific sampling (ISS), by bisection on Beta tails.

Write LB(p, k) for the Clopper-Pearson lower bound at the fixed ratio p = k_A / k, that is the
alpha-quantile of Beta(p k, k - p k + 1), and R for the radius at noise scale 1. For a class of
probability p, psi(p) is the fewest samples whose radius declines at most U from that of
``kbar`` samples:

    AD  scale * R(LB(p, k)) >= scale * R(LB(p, kbar)) - U
    RD          R(LB(p, k)) >= (1 - U) * R(LB(p, kbar))

and 0 where the right-hand side is not positive (Chen, Li, Yan, Li, Sheng 2022, Algorithm 1,
with the second Beta parameter of Definition 1: the printed ``B(alpha; pk, k)`` has no positive
radius at any p). LB(p, k) rises with k, and ``LB(p, k) >= t`` is ``I_t(pk, k - pk + 1) <=
alpha``, so a bisection over k needs one incomplete Beta function a step and no quantile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv

from smoothcert.core.confidence import check_alpha, clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Decline:
    """How much radius may be given up: ``ad`` in units of the radius, or ``rd`` as a fraction.

    Exactly one of the two is positive; ``rd`` < 1. Raises SmoothcertError otherwise.
    """

    ad: float = 0.0
    rd: float = 0.0

    def __post_init__(self) -> None:
        if (self.ad > 0) == (self.rd > 0) or min(self.ad, self.rd) < 0 or self.rd >= 1:
            raise SmoothcertError(
                f"decline ad {self.ad:g}, rd {self.rd:g}: expected either ad > 0 (a radius)"
                " or 0 < rd < 1 (a fraction)"
            )

    def standard(self, scale: float) -> Decline:
        """The same bound for radii in units of the noise scale."""
        return Decline(ad=self.ad / scale) if self.ad else self

    def least(self, radius: NDArray) -> NDArray:
        """The smallest acceptable radius where ``radius`` is desired; may be negative."""
        return radius - self.ad if self.ad else radius * (1.0 - self.rd)


def psi(
    p: ArrayLike,
    decline: Decline,
    noise: Noise,
    scale: float,
    d: int,
    *,
    kbar: int,
    alpha: float = 0.001,
    step: int = 1,
) -> Ints:
    """Samples needed for a class of probability ``p`` (any shape); multiples of ``step``.

    ``kbar`` is the desired sample size, ``decline`` the bound on the radius given up against
    it, ``scale`` the noise scale, ``d`` the input dimension (some noises need it). 0 where the
    desired radius is not above the decline, in particular for p <= 1/2. At most ``kbar``,
    rounded up to a multiple of ``step``.
    """
    check_alpha(alpha)
    p = np.asarray(p, np.float64)
    flat = p.ravel()
    desired = noise.standard_radius(_lower(flat, np.float64(kbar), alpha), d)
    least = decline.standard(scale).least(desired)
    sizes = np.zeros(flat.shape, np.int64)
    positive = (desired > 0) & (least > 0)
    target = noise.standard_p(least[positive], d)
    sizes[positive] = step * _fewest(flat[positive], target, -(-kbar // step), step, alpha)
    return sizes.reshape(p.shape)


def _lower(p: NDArray, k: NDArray | np.float64, alpha: float) -> NDArray:
    """LB(p, k), 0 where p = 0. Fractional counts p k are meant: p is the ratio itself."""
    return np.where(p > 0, betaincinv(np.maximum(p * k, 1e-300), k - p * k + 1.0, alpha), 0.0)


def _fewest(p: NDArray, target: NDArray, most: int, step: int, alpha: float) -> Ints:
    """The smallest m in 1..most with LB(p, m step) >= target, given that ``most`` will do."""
    low, high = np.zeros(p.shape, np.int64), np.full(p.shape, most, np.int64)
    while True:
        open_ = np.flatnonzero(high - low > 1)
        if len(open_) == 0:
            return high
        middle = (low[open_] + high[open_]) // 2
        k = middle * float(step)
        count = p[open_] * k
        enough = betainc(count, k - count + 1.0, target[open_]) <= alpha
        high[open_[enough]] = middle[enough]
        low[open_[~enough]] = middle[~enough]


CELLS = 500  # cells of [1/2, 1]: the grid step 0.001 of the authors' program


@lru_cache(maxsize=64)
def table(
    decline: Decline, noise: Noise, d: int, kbar: int, alpha: float, step: int, cells: int = CELLS
) -> Ints:
    """psi at 1/2, 1/2 + 1/(2 cells), ..., 1 for a decline in units of the noise scale, [cells+1].

    Remembered by its arguments; do not change the array.
    """
    grid = 0.5 + np.arange(cells + 1) / (2 * cells)
    sizes = psi(grid, decline, noise, 1.0, d, kbar=kbar, alpha=alpha, step=step)
    sizes.setflags(write=False)
    return sizes


@dataclass(frozen=True)
class Mapping:
    """From stage-1 votes to a sample size (Algorithm 2, lines 4-5, and equation 6).

    The votes give a two-sided Clopper-Pearson interval at level alpha; the size is the largest
    psi at any grid point of the cells that the interval meets. The paper takes the two ends
    only (``ends_only``), which is the same where psi is monotone or has no peak inside; the
    relative decline has one near p = 1/2, and l1 noises fall throughout.
    """

    decline: Decline
    kbar: int
    alpha: float
    step: int = 1
    cells: int = CELLS
    ends_only: bool = False

    def sizes(self, count: ArrayLike, k0: int, noise: Noise, scale: ArrayLike, d: int) -> Ints:
        """The size for ``count`` [N] votes of ``k0`` at noise scales ``scale`` (broadcast)."""
        count, scale = np.broadcast_arrays(
            np.atleast_1d(np.asarray(count, np.int64)), np.asarray(scale, np.float64)
        )
        first, last = self.interval(count, k0)
        out = np.zeros(count.shape, np.int64)
        scales = np.unique(scale)
        for s in scales:
            here = np.flatnonzero(scale == s)
            begin, end = int(first[here].min()), int(last[here].max())
            if len(scales) > 8:
                # Data-dependent scales: one interval each, not a whole table each.
                grid = 0.5 + np.arange(begin, end + 1) / (2 * self.cells)
                values = psi(
                    grid,
                    self.decline,
                    noise,
                    s,
                    d,
                    kbar=self.kbar,
                    alpha=self.alpha,
                    step=self.step,
                )
            else:
                whole = table(
                    self.decline.standard(float(s)),
                    noise,
                    d,
                    self.kbar,
                    self.alpha,
                    self.step,
                    self.cells,
                )
                values = whole[begin : end + 1]
            out[here] = self._largest(values, first[here] - begin, last[here] - begin)
        return out

    def interval(self, count: NDArray, k0: int) -> tuple[Ints, Ints]:
        """First and last grid point of the cells that the interval for p meets."""
        lo = clopper_pearson_lower(count, k0, self.alpha / 2)
        hi = clopper_pearson_upper(count, k0, self.alpha / 2)
        cell = 2 * self.cells
        first = np.floor((lo - 0.5) * cell).astype(np.int64)
        last = np.ceil((hi - 0.5) * cell).astype(np.int64)
        return np.clip(first, 0, self.cells), np.clip(last, 0, self.cells)

    def _largest(self, values: Ints, first: Ints, last: Ints) -> Ints:
        top = len(values) - 1
        if self.ends_only:
            ends = (first, np.minimum(first + 1, top), np.maximum(last - 1, 0), last)
            return np.max([values[e] for e in ends], axis=0)
        pairs, inverse = np.unique(np.stack([first, last]), axis=1, return_inverse=True)
        largest = np.array([values[a : b + 1].max() for a, b in pairs.T], np.int64)
        return largest[inverse.ravel()]
