"""How often a certificate of dual smoothing is wrong: exactly, through the code that certifies.

All pairs of counts of n votes for the level and n for the class are one routed store; certified
once, each pair is weighted by its probability. Two levels of probabilities p and 1 - p stand for
election by n0 selection votes, and so do two classes. A certificate is wrong where its radius
exceeds the smaller of the two true ones (0 where an elected level or class has no majority).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from smoothcert.budget import Fixed
from smoothcert.certificates.certification import certify
from smoothcert.certificates.routed import routed
from smoothcert.noise import NOISES
from smoothcert.votes import Counts, VoteStore

Floats = NDArray[np.float64]

TAU, SIGMA = "gaussian-1.00", "gaussian-0.50"
_SURE = 1 - 1e-12


class Pairs:
    """The certified radius of every pair of counts, ``radius`` [n + 1, n + 1]."""

    def __init__(self, n: int, alpha: float, n0: int) -> None:
        level, votes = (a.ravel() for a in np.mgrid[: n + 1, : n + 1])
        route = _store(level, n, n0, TAU)
        of_class = _store(votes, n, n0, SIGMA)
        table = certify(routed(route, [of_class, of_class]), Fixed(n, alpha, n0))
        self.n, self.n0 = n, n0
        self.radius = table.radius.reshape(n + 1, n + 1)
        both = (table.columns["p_lower"], table.columns["level_p_lower"])
        self.bounds = np.unique(np.concatenate(both))

    def failure(self, p_level: float, p_class: float) -> float:
        """P(a wrong certificate), whichever level and class are elected."""
        total = 0.0
        for level, share in self._elected(p_level):
            for of_class, other in self._elected(p_class):
                true = min(_radius(TAU, level), _radius(SIGMA, of_class))
                weight = np.outer(self._pmf(level), self._pmf(of_class))
                total += share * other * float(weight[self.radius > true * (1 + 1e-12)].sum())
        return total

    def curve(self, p: Floats) -> Floats:
        """For each p the worst of: level p, class p (the other certain), and both radii equal."""
        return np.array([max(self.failure(*pair) for pair in self._worst(v)) for v in p.tolist()])

    def suprema(self) -> Floats:
        """Where it can be largest: 1/2, and just below each bound."""
        return np.concatenate([[0.5], self.bounds[self.bounds > 0.5] * (1 - 1e-12)])

    def _worst(self, p: float) -> list[tuple[float, float]]:
        at = _radius(TAU, p)
        equal = float(NOISES.parse(SIGMA).standard_p(at / NOISES.parse(SIGMA).scale, 1))
        return [(p, _SURE), (_SURE, p), (p, min(equal, _SURE))]

    def _elected(self, p: float) -> list[tuple[float, float]]:
        """The elected one's probability, and how often it is elected; a tie elects the first."""
        first = float(binom.sf(np.ceil(self.n0 / 2) - 1, self.n0, p))
        return [(p, first), (1 - p, 1 - first)]

    def _pmf(self, p: float) -> Floats:
        return np.asarray(binom.pmf(np.arange(self.n + 1), self.n, p))


def _radius(noise: str, p: float) -> float:
    part = NOISES.parse(noise)
    return float(part.radius(p, part.scale, 1))


def _store(votes: NDArray[np.int64], n: int, n0: int, noise: str) -> VoteStore:
    """``votes`` [N] of n for class 0 of two, which n0 selection votes elected."""
    rows = np.arange(len(votes))
    return VoteStore(
        identity={
            "noise": noise, "look": n, "n0": n0, "n_classes": 2, "shape": [1], "scaling": "fixed",
        },
        rows=len(rows),
        row=rows,
        idx=rows,
        label=np.full(len(rows), -1),
        scale=np.full(len(rows), NOISES.parse(noise).scale),
        looks=np.ones(len(rows), np.int64),
        selection=Counts.from_rows({0: n0} for _ in rows),
        estimation=Counts.from_rows({0: int(v), 1: n - int(v)} for v in votes),
    )  # fmt: skip
