"""Streams of made votes: for replays of published counts and for audits of coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.adaptive import Adaptive, Outcome
from smoothcert.budget.base import Budget, abstain_unless
from smoothcert.budget.fixed import Fixed
from smoothcert.budget.stream import Stream, TwoClasses
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]


class BinomialStream(TwoClasses):
    """Independent votes of probability ``p`` [N] for the chosen class.

    The class is fixed (``chosen`` is 0 everywhere) unless ``rival`` is set: then two classes
    of probability p and 1 - p stand for election by the selection votes, ties go to class 0,
    and class 1 may win; ``true`` [N] is the chosen class's own probability.
    """

    def __init__(
        self, p: ArrayLike, n0: int, look: int, rng: np.random.Generator, rival: bool = False
    ) -> None:
        p = np.asarray(p, np.float64)
        self.look, self.n0, self._rng = look, n0, rng
        votes = rng.binomial(n0, p)
        self.chosen = (2 * votes < n0).astype(np.int64) if rival else np.zeros(len(p), np.int64)
        self.first = np.where(self.chosen == 0, votes, n0 - votes)
        self.true = np.where(self.chosen == 0, p, 1 - p)
        self._n, self._total = np.zeros(len(p), np.int64), np.zeros(len(p), np.int64)

    def count(self, rows: Ints, n: Ints) -> Ints:
        self._total[rows] += self._rng.binomial(n - self._n[rows], self.true[rows])
        self._n[rows] = n
        return self._total[rows]


class PoolStream(TwoClasses):
    """Votes drawn without replacement from ``size`` recorded ones, ``count`` [N] for the class.

    Recorded votes are exchangeable, so the first m of a random order are hypergeometric, and
    ``size`` of them are exactly the record. The selection votes come out of the same pool. Which
    class the other votes were for is not known: they are taken as one class's, the worst case.
    Beyond the pool's end votes are binomial with the recorded share (``beyond`` [N] says how
    many were).
    """

    def __init__(
        self, count: ArrayLike, size: int, n0: int, look: int, rng: np.random.Generator
    ) -> None:
        self._for = np.array(count, np.int64)
        self._against = size - self._for
        self._share = self._for / size
        self.look, self.n0, self._rng = look, n0, rng
        self._n, self._total = np.zeros_like(self._for), np.zeros_like(self._for)
        self.beyond, self.chosen = np.zeros_like(self._for), np.zeros_like(self._for)
        self.first = self._draw(np.arange(len(self._for)), np.full(len(self._for), n0))

    def count(self, rows: Ints, n: Ints) -> Ints:
        self._total[rows] += self._draw(rows, n - self._n[rows])
        self._n[rows] = n
        return self._total[rows]

    def _draw(self, rows: Ints, m: Ints) -> Ints:
        good, bad = self._for[rows], self._against[rows]
        inside = np.minimum(m, good + bad)
        votes = self._rng.hypergeometric(good, bad, inside)
        self._for[rows] -= votes
        self._against[rows] -= inside - votes
        self.beyond[rows] += m - inside
        return votes + self._rng.binomial(m - inside, self._share[rows])


def decide(budget: Budget, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
    """Run any budget on a stream. Raises SmoothcertError for a budget that cannot be."""
    if isinstance(budget, Adaptive):
        return budget.decide(stream, noise, scale, d)
    if not isinstance(budget, Fixed):
        raise SmoothcertError(f"budget {budget.slug}: cannot be run on simulated votes")
    rows = np.arange(len(stream.first))
    n = np.full(len(rows), budget.n)
    # No stop in between, so the look need not divide n.
    count = stream.count(rows, n)
    p_lower = clopper_pearson_lower(count, n, budget.alpha)
    predict = abstain_unless(p_lower > 0.5, stream.chosen)
    return Outcome(predict, count, n, p_lower, n + stream.n0)
