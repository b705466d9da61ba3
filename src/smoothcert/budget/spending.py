"""Looks, and bounds that stay valid over a fixed list of looks.

Three ways, from the plainest to the sharpest, all exact for finite samples:

*Union.* Split alpha over the looks; the largest of the Clopper-Pearson bounds at the split
levels fails with probability at most alpha whatever the stopping rule
(:func:`spending_lower`). No assumption on the rule; pays for looks that agree.

*One level p0.* To certify a radius one need only reject p <= p0, and the probability of ever
crossing a boundary at p0 can be computed exactly, look by look (:func:`crossing_boundary`):
the looks' dependence is used instead of bounded. Stopping early for want of success ("futility")
only lowers the crossing probability, so any such rule is free. For a list of radii each gets
its own boundary at the full alpha; a radius counts when all smaller ones do, so a false claim
implies that the first false one was crossed, and no division by the number of radii is needed.

*Stop when low.* See :mod:`smoothcert.budget.low`: no correction at all.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlog1py, xlogy

from smoothcert.core.confidence import clopper_pearson_lower

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LAST_SHARE = 0.5  # of alpha for the last look; 0.8 for the union, which wastes the rest
_LOST = 1e-9  # of alpha: more than what rounding and the cut tails below can hide


@lru_cache(maxsize=32)
def looks(n: int, look: int, ratio: float = 1.15) -> Ints:
    """Look ends: multiples of ``look`` that grow about geometrically, from ``look`` to ``n``."""
    ends = [min(look, n)]
    while ends[-1] < n:
        step = math.ceil(ends[-1] * (ratio - 1) / look) * look
        ends.append(min(n, ends[-1] + max(look, step)))
    out = np.array(ends, np.int64)
    out.setflags(write=False)
    return out


def shares(ends: Ints, last: float) -> Floats:
    """Parts of alpha for the looks, summing to 1: ``last`` for the last, the rest alike."""
    if len(ends) == 1:
        return np.ones(1)
    out = np.full(len(ends), (1 - last) / (len(ends) - 1))
    out[-1] = last
    return out


def spending_lower(
    counts: ArrayLike, ends: ArrayLike, alpha: float, parts: ArrayLike
) -> NDArray[np.float64]:
    """Largest of the Clopper-Pearson bounds of the looks at levels alpha * parts, [...].

    ``counts`` [..., L] votes within the first ``ends`` [L] samples. With probability at least
    1 - alpha the true p is >= all L bounds (union bound), so any rule may choose where to
    stop, and unseen looks may be left out of ``counts``, ``ends`` and ``parts`` alike.
    """
    levels = alpha * np.asarray(parts, np.float64)
    return clopper_pearson_lower(counts, ends, levels).max(-1)


@lru_cache(maxsize=4096)
def crossing_boundary(p0: float, ends: tuple[int, ...], alpha: float, last: float) -> Ints:
    """Counts u_j [L] with P(S_j >= u_j at some look j) <= alpha for every p <= p0.

    ``ends`` are the look ends; the probability that the first crossing is at or before look j
    is at most the cumulated part of alpha (:func:`shares`), used up as far as whole counts
    allow. Computed exactly by carrying the distribution of the count among the paths that
    have not crossed from look to look; u_j = ends_j + 1 where a look cannot reject. The
    crossing probability rises with p, so p0 is the worst case.
    """
    n = np.asarray(ends, np.int64)
    budget = alpha * (1 - _LOST) * np.cumsum(shares(n, last))
    boundary = np.empty(len(n), np.int64)
    spent, start, mass = 0.0, 0, np.ones(1)  # mass[i] = P(not crossed, count = start + i)
    before = 0
    for j, end in enumerate(n):
        first, steps, tail = _binomial(int(end - before), p0)
        start, mass, before = start + first, np.convolve(mass, steps), int(end)
        spent += tail  # a step outside the window counts as a crossing
        above = np.cumsum(mass[::-1])
        reject = int(np.searchsorted(above, budget[j] - spent, "right"))
        # Empty cells above the window cost nothing, but a count of end + 1 does not exist.
        boundary[j] = min(start + len(mass) - reject, end + 1)
        spent += above[reject - 1] if reject else 0.0
        mass = mass[: len(mass) - reject]
        keep = np.flatnonzero(np.cumsum(mass) > alpha * _LOST / (8 * len(n)))
        if len(keep) == 0:
            boundary[j + 1 :] = n[j + 1 :] + 1
            break
        # Low counts dropped here never cross later, but for their mass, which is charged.
        spent += mass[: keep[0]].sum()
        start, mass = start + int(keep[0]), mass[keep[0] :]
    boundary.setflags(write=False)
    return boundary


def _binomial(m: int, p: float) -> tuple[int, Floats, float]:
    """Bin(m, p) on a window: its first count, probabilities, and an upper bound of the rest."""
    spread = 9 * math.sqrt(m * p * (1 - p)) + 40
    first, last = max(0, math.floor(m * p - spread)), min(m, math.ceil(m * p + spread))
    k = np.arange(first, last + 1)
    log = gammaln(m + 1) - gammaln(k + 1) - gammaln(m - k + 1) + xlogy(k, p) + xlog1py(m - k, -p)
    mass = np.exp(log)
    # Bernstein's inequality at 9 deviations + 40: each tail is below exp(-40) < 5e-18.
    cut = (first > 0) + (last < m)
    return first, mass, 1e-15 * cut
