"""Certificates of one classifier from the votes of a cheaper one (Ugare et al., IRS, ICLR 2024).

Let f be the classifier to certify (float32, say), f' a cheaper one that nearly always agrees with
it (the same network in half precision), and c the class of the selection votes of f'. Then

    P(f = c)  >=  P(f' = c) - P(f' = c, f != c),

the first bounded from below by n votes of f', the second from above by m *pairs*: noisy copies of
their own that both classify. Each bound has alpha / 2, and neither counts the selection votes.

What it costs: m pairs without a difference leave ln(2 / alpha) / m, so that bounds near 1 lose
most. :func:`equal_cost` says whether the same time spent on f alone would certify further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.base import BUDGETS, Bounds, Budget, abstain_unless
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import arg
from smoothcert.noise.base import Noise
from smoothcert.votes import VoteStore

Floats = NDArray[np.float64]

DIFFER, PAIRS = "differ", "pairs"  # of a store: pairs with f' = c and f != c, of how many


def incremental_lower(
    count: ArrayLike, n: ArrayLike, differ: ArrayLike, m: ArrayLike, alpha: float
) -> Floats:
    """A lower bound on P(f = c) from ``count`` of ``n`` votes of f' and ``differ`` of ``m`` pairs.

    Valid at 1 - alpha whether the pairs are of the votes or of others.
    """
    lower = clopper_pearson_lower(count, n, alpha / 2)
    return np.asarray(lower - clopper_pearson_upper(differ, m, alpha / 2), np.float64)


@BUDGETS.member("incremental")
@dataclass(frozen=True)
class Incremental(Budget):
    """``n`` votes of the cheaper classifier and ``m`` pairs, which
    :func:`smoothcert.sampling.pairs.with_pairs` adds to their store."""

    label = "incremental"
    paired: ClassVar[bool] = True

    m: int = arg("m", 10_000, int, title="{} pairs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.m < 1:
            raise SmoothcertError(f"m {self.m}: expected at least 1 pair")

    def bounds(self, store: VoteStore, noise: Noise, d: int) -> Bounds:
        if (store.extra[PAIRS] != self.m).any():
            raise SmoothcertError(
                f"budget {self.slug}: the store has {store.extra[PAIRS].max()} pairs per input"
            )
        chosen = store.top_class()
        count = store.count(chosen, self.n)
        p_lower = incremental_lower(count, self.n, store.extra[DIFFER], self.m, self.alpha)
        predict = abstain_unless(p_lower > 0.5, chosen)
        return Bounds(predict, count, np.full_like(count, self.n), p_lower)


@dataclass(frozen=True)
class EqualCost:
    """``direct`` and ``incremental``: mean radius at scale 1 for the same time; ``n`` votes of f'
    and ``m`` pairs are the best split of it."""

    direct: float
    incremental: float
    n: int
    m: int


def equal_cost(
    p: ArrayLike, zeta: ArrayLike, ratio: float, n: int, alpha: float, noise: Noise, d: int
) -> EqualCost:
    """What the time of ``n`` votes of f certifies, spent on them or on the cheaper way.

    ``p`` [N]: class probabilities under f', ``zeta`` [N]: P(f' = c, f != c), each taken to be met
    exactly; ``ratio``: the time of a vote of f' for one of f.
    """
    p, zeta = np.asarray(p, np.float64), np.asarray(zeta, np.float64)

    def mean(lower: Floats) -> float:
        return float(noise.standard_radius(np.maximum(lower, 0.5), d).mean())

    direct = mean(clopper_pearson_lower(np.floor((p - zeta) * n), n, alpha))
    best = EqualCost(direct, 0.0, 0, 0)
    for share in np.geomspace(0.005, 0.8, 25):
        m = int(share * n / (1 + ratio))
        votes = int((n - m * (1 + ratio)) / ratio)
        if m < 1 or votes < 1:
            continue
        lower = incremental_lower(np.floor(p * votes), votes, np.ceil(zeta * m), m, alpha)
        if (found := mean(lower)) > best.incremental:
            best = EqualCost(direct, found, votes, m)
    return best


def break_even(p: ArrayLike, zeta: ArrayLike, n: int, alpha: float, noise: Noise, d: int) -> float:
    """The largest ratio, of a vote's times, at which the cheaper way pays; 0 where none does."""
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        cost = equal_cost(p, zeta, middle, n, alpha, noise, d)
        low, high = (middle, high) if cost.incremental > cost.direct else (low, middle)
    return low
