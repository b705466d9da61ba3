"""Radii for bounds on both classes under noise whose density depends on one norm.

Let S be a set of probability p at x, and w = pi_delta / pi_0. By Neyman and Pearson, in the dual
form of Zhang et al. 2020 (Theorem 1), for every lambda > 0 and every shift of norm at most r

    P_delta(S)  >=  L(p, r)  =  lambda (q - (1 - p)) + 1/2,

with q = P_0(w > lambda) - (1/2 - P_delta(w <= lambda)) / lambda the integral that
:mod:`smoothcert.noise.radial_quadrature` encloses for the worst shift, which is the same for all
lambda: for l1 and l2 their Theorem 2; for linf the overlap of two cubes, whatever their sizes,
falls in every |delta_i|. The complement of a class is such a set too. So a class of probability
>= p_A keeps more than every one of probability <= p_B as soon as

    L(p_A, r) + L(1 - p_B, r) > 1.

Between the radii of the grid no smoothness is assumed: whoever moves by r and then by s has
L(L(p, r), s), so a grid of 10 radii, one 10 times and one 100 times as fine end up within 1/1000
of the largest radius. Each L is the largest of as many straight lines in p as TOUCHING has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from smoothcert.noise.radial_quadrature import ROUNDING, GammaCells, Law, enclose, largest_radius
from smoothcert.noise.radius_table import SMALLEST_FAILURE

Floats = NDArray[np.float64]

_STEPS, _FINER = 10, 10
_CELLS, _HALVINGS = 200, 14
# What is kept where a line touches L, as Phi^-1: a class of 0.5% to one of 99.5%.
TOUCHING = np.linspace(-2.6, 2.6, 23)


@dataclass(frozen=True, eq=False)
class PairTable:
    """Radii at scale 1, level by level [3][m], and the lines [3][m, t] of L at each.

    A level's radii are multiples of its first, from 0 on; the next level's are below it.
    """

    radius: tuple[Floats, ...]
    slope: tuple[Floats, ...]  # lambda
    failure: tuple[Floats, ...]  # q: L(p) = lambda (q - (1 - p)) + 1/2

    def radius_at(self, p_lower: ArrayLike, p_upper: ArrayLike) -> Floats:
        """The certified radius at scale 1 for p_A >= ``p_lower`` and p_B <= ``p_upper``, of one
        shape; 0 unless p_lower > p_upper."""
        ours, other = np.broadcast_arrays(
            1.0 - np.asarray(p_lower, np.float64), np.asarray(p_upper, np.float64)
        )
        shape, ours, other = ours.shape, ours.ravel(), other.ravel()
        total = np.zeros(len(ours))
        for level, grid in enumerate(self.radius):
            alive = np.flatnonzero(ours + other < 1)
            reached = np.zeros(len(total))
            ends = np.stack([ours, other])
            for step in range(1, len(grid)):
                # 1 - L, of the class and of all that is not the other class
                lost = [1 - self._kept(side[alive], level, step) for side in (ours, other)]
                held = lost[0] + lost[1] < 1
                alive = alive[held]
                reached[alive] = grid[step]
                ends[:, alive] = [side[held] for side in lost]
            total += reached
            ours, other = ends
        return total.reshape(shape)

    def _kept(self, failure: Floats, level: int, step: int) -> Floats:
        lines = self.slope[level][step] * (self.failure[level][step] - failure[:, None]) + 0.5
        return np.clip(lines.max(1), 0.0, 1.0)


@lru_cache(maxsize=8)
def pair_table(law: Law) -> PairTable:
    """The table of a noise; deterministic, and kept for the process."""
    cells = GammaCells.cut(law.shape, _CELLS)
    step = largest_radius(law, SMALLEST_FAILURE) / _STEPS
    radii: list[Floats] = []
    slopes: list[Floats] = []
    failures: list[Floats] = []
    for level in range(3):
        grid: Floats = np.arange((_STEPS if level == 0 else _FINER - 1) + 1.0) * step
        lines = [_lines(law, cells, float(r)) for r in grid[1:]]
        nothing = (np.ones(len(TOUCHING)), np.full(len(TOUCHING), 0.5))  # L(p, 0) = p
        radii.append(grid)
        slopes.append(np.stack([nothing[0], *(line[0] for line in lines)]))
        failures.append(np.stack([nothing[1], *(line[1] for line in lines)]))
        step /= _FINER
    return PairTable(tuple(radii), tuple(slopes), tuple(failures))


def _lines(law: Law, cells: GammaCells, r: float) -> tuple[Floats, Floats]:
    """lambda and a lower bound of q, [t]: about where P_delta(w <= lambda) is as TOUCHING."""
    spread = (r * r if law.square else r) + 12 * r
    kept = np.full(2, np.nan)
    tau = np.linspace(-spread, spread, 161)
    while not (kept[0] < ndtr(TOUCHING[0]) and kept[-1] > ndtr(TOUCHING[-1])):
        tau = 2 * tau if np.isfinite(kept[0]) else tau
        kept = np.array([np.sum(cells.mass * law.inside(cells.mean, t, r)[0]) for t in tau])
        if np.abs(tau).max() > 1e4:
            break
    level = ndtri(np.clip(np.maximum.accumulate(kept), 1e-12, 1 - 1e-12))
    level += np.arange(len(tau)) * 1e-12  # an atom has one level and many lambdas
    chosen = np.interp(TOUCHING, level, tau)
    low = np.array([enclose(law, cells, float(t), r, _HALVINGS)[0] for t in chosen])
    return np.exp(chosen), low - ROUNDING * (1 + np.exp(-chosen))
