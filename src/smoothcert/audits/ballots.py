"""Failure probabilities of budgets under both bounds: every ballot of three classes.

With three classes (the one that is certified, its rival, and all else, which may be the strongest
as well) every sequence of votes of a small size is listed and run through the budget's own code;
at full size votes are drawn.
A certificate fails when its radius exceeds the true one of the class that it names, which is 0
for a class that is not the most probable. Three are enough: the bounds see the certified class and
the strongest other one, and more classes only raise the latter's count.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from smoothcert.audits.curve import Curve
from smoothcert.budget import Both, BothAnytime, BothIss, BothSame, BothSequential
from smoothcert.budget.adaptive import Adaptive
from smoothcert.budget.stream import Stream
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST = 2_000_000  # ballots
_NOISE = Gaussian(1.0)
_DELTA = 1e-9  # radii that differ by rounding are one


def splits(n: int) -> Ints:
    """Every way to give n votes to three classes, [K, 3]."""
    return np.array([(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)], np.int64)


class EveryBallot:
    """All votes of three classes: n0 selection votes, then ``looks`` looks of ``look`` votes.

    A :class:`smoothcert.budget.stream.Stream` whose inputs are the ballots. Raises
    SmoothcertError for more than memory bears.
    """

    def __init__(self, n0: int, look: int, looks: int) -> None:
        first, one = splits(n0), splits(look)
        count = len(first) * len(one) ** looks
        if count > _MOST:
            raise SmoothcertError(f"coverage: {count:,} ballots; expected at most {_MOST:,}")
        which = np.array(
            list(itertools.product(range(len(first)), *[range(len(one))] * looks)), np.int64
        )
        self.look, self.n0 = look, n0
        self.selection = first[which[:, 0]]
        self.chosen = self.selection.argmax(1)
        self.first = self.selection.max(1)
        votes = one[which[:, 1:]]  # [P, looks, 3]
        start = np.zeros((count, 1, 3), np.int64)
        self.total = np.concatenate([start, votes.cumsum(1)], 1)
        self.log_many = _log_many(self.selection) + _log_many(votes).sum(1)

    def __len__(self) -> int:
        return len(self.first)

    def count(self, rows: Ints, n: Ints) -> Ints:
        """Votes for the chosen class within the first n (a multiple of the look) samples."""
        return self.votes(rows, n)[np.arange(len(rows)), self.chosen[rows]]

    def votes(self, rows: Ints, n: Ints) -> Ints:
        """Votes of every class, [A, 3], within the same."""
        if (n % self.look).any():
            raise SmoothcertError("coverage: a rule requested part of a look")
        return np.asarray(self.total[rows, n // self.look])


def _log_many(votes: Ints) -> Floats:
    return np.asarray(gammaln(votes.sum(-1) + 1.0) - gammaln(votes + 1.0).sum(-1))


@dataclass(frozen=True)
class Claimed:
    """Ballots alike in votes, class and radius put together: [G, 3], [G], [G], [G]."""

    votes: Ints
    log_many: Floats
    predict: Ints
    radius: Floats

    @classmethod
    def of(cls, ballots: EveryBallot, predict: Ints, radius: Floats) -> Claimed:
        """The certificates that claim something, in their groups."""
        rows = np.flatnonzero((predict >= 0) & (radius > 0))
        votes = ballots.selection[rows] + ballots.total[rows, -1]
        key = np.c_[votes, predict[rows], np.round(radius[rows] / _DELTA)]
        keys, group = np.unique(key, axis=0, return_inverse=True)
        many = np.bincount(group.ravel(), np.exp(ballots.log_many[rows]), minlength=len(keys))
        whole = keys[:, :4].astype(np.int64)
        return cls(whole[:, :3], np.log(many), whole[:, 3], keys[:, 4] * _DELTA)

    def failure(self, p: Floats) -> Floats:
        """P(a wrong certificate) [K] for class probabilities ``p`` [K, 3]."""
        true = true_radii(p)
        out = np.empty(len(p))
        for k, one in enumerate(p):
            wrong = self.radius > true[k][self.predict] + 2 * _DELTA
            log = self.log_many[wrong] + xlogy(self.votes[wrong], one).sum(1)
            out[k] = np.exp(log).sum()
        return out


def true_radii(p: Floats) -> Floats:
    """[K, C]: how far each class of probabilities ``p`` [K, C] is the most probable one."""
    others = np.stack([np.delete(p, c, 1).max(1) for c in range(p.shape[1])], 1)
    return np.asarray(_NOISE.standard_pair_radius(p, others, 1))


def _decided(budget: Adaptive, stream: Stream) -> tuple[Ints, Floats]:
    """The class and the radius [N] that a budget's own code gives each input."""
    out = budget.decide(stream, _NOISE, np.full(len(stream.first), 1.0), 1)
    assert out.p_upper is not None
    return out.predict, np.asarray(_NOISE.standard_pair_radius(out.p_lower, out.p_upper, 1))


def every_ballot(name: str, budget: Adaptive, look: int, looks: int, points: int = 24) -> Curve:
    """The exact failure probability of ``budget``'s own code: at each probability of the first
    class the largest over those of the others."""
    ballots = EveryBallot(budget.n0, look, looks)
    claimed = Claimed.of(ballots, *_decided(budget, ballots))
    p = simplex(points)
    failure = claimed.failure(p) / budget.alpha
    at, which = np.unique(p[:, 0], return_inverse=True)
    worst = np.zeros(len(at))
    np.maximum.at(worst, which.ravel(), failure)
    return Curve(name, True, budget.n, budget.alpha, at, worst, np.zeros_like(worst))


def simplex(points: int) -> Floats:
    """Class probabilities [K, 3]: p_A in even steps, and rivals from none to all of the rest."""
    a = np.linspace(0.02, 0.995, points)
    part = np.r_[0.0, 0.02, np.linspace(0.1, 1.0, 10)]
    grid = np.array([(x, (1 - x) * t) for x in a for t in part])
    ties = np.array([(1 / 3, 1 / 3), (0.5, 0.5), (0.45, 0.45), (0.4, 0.4)])
    both = np.concatenate([grid, ties])
    return np.c_[both, np.maximum(1 - both.sum(1), 0.0)]


def small_pairs(n: int, n0: int, alpha: float) -> list[tuple[str, Adaptive]]:
    """One budget of each kind under both bounds, at a size whose ballots can be listed."""

    def sequential(**mode: Any) -> BothSequential:
        return BothSequential(n, alpha, n0, **mode)

    return [
        ("both bounds", Both(n, alpha, n0)),
        ("both bounds, class from the same votes", BothSame(n, alpha, n0)),
        ("both bounds, anytime, at the end", BothAnytime(n, alpha, n0)),
        ("both bounds, ISS's sizes", BothIss(n, alpha, n0, ad=0.3)),
        ("both bounds, price, fresh", sequential(price=60.0)),
        ("both bounds, price, spending", sequential(price=60.0, engine="spending")),
        ("both bounds, price, mixture", sequential(price=60.0, engine="mixture")),
        ("both bounds, decline", sequential(ad=0.3)),
        ("both bounds, decide", sequential(decide_at=0.25)),
        ("both bounds, decide, mixture", sequential(decide_at=0.25, engine="mixture")),
        ("both bounds, grid", sequential(grid=0.25)),
        ("both bounds, grid, mixture", sequential(grid=0.25, engine="mixture")),
    ]


class DrawnBallots:
    """Votes of ``runs`` inputs whose classes have probabilities ``p`` [C], drawn when asked for."""

    def __init__(self, p: Floats, runs: int, n0: int, look: int, rng: np.random.Generator) -> None:
        self.look, self.n0, self._p, self._rng = look, n0, p, rng
        self.selection = rng.multinomial(n0, p, runs)
        self.chosen, self.first = self.selection.argmax(1), self.selection.max(1)
        self._n = np.zeros(runs, np.int64)
        self._total = np.zeros((runs, len(p)), np.int64)

    def count(self, rows: Ints, n: Ints) -> Ints:
        """Votes for the chosen class within the first n samples."""
        return self.votes(rows, n)[np.arange(len(rows)), self.chosen[rows]]

    def votes(self, rows: Ints, n: Ints) -> Ints:
        """Votes of every class, [A, C], within the same."""
        self._total[rows] += self._rng.multinomial(n - self._n[rows], self._p)
        self._n[rows] = n
        return np.asarray(self._total[rows])


STRICT = (
    "both bounds",
    "both bounds, class from the same votes",
    "both bounds, anytime, at the end",
    "both bounds, ISS's sizes",
    "both bounds, decide",
    "both bounds, grid",
)

# Top class and rival apart, level, and the rest alike; a radius just below one that is asked for.
DRAWN_AT = ((0.45, 0.1), (0.6, 0.25), (0.5, 0.5), (0.2, 0.2), (0.69, 0.31), (0.9, 0.05))


def drawn_ballots(
    name: str, budget: Adaptive, runs: int, look: int, seed: int = 0, classes: int = 6
) -> Curve:
    """The failure rate of ``budget``'s own code on ``runs`` drawn inputs at each of DRAWN_AT."""
    failure = []
    for top, rival in DRAWN_AT:
        rest = (1 - top - rival) / (classes - 2)
        p = np.array([top, rival, *[rest] * (classes - 2)])
        p /= p.sum()
        stream = DrawnBallots(p, runs, budget.n0, look, np.random.default_rng([seed, classes]))
        predict, radius = _decided(budget, stream)
        (true,) = true_radii(p[None])
        wrong = (predict >= 0) & (radius > true[np.maximum(predict, 0)])
        failure.append(float(wrong.mean()) / budget.alpha)
    errors = np.full(len(failure), np.sqrt((1 - budget.alpha) / (budget.alpha * runs)))
    at = np.array([top for top, _ in DRAWN_AT])
    return Curve(name, False, budget.n, budget.alpha, at, np.array(failure), errors)


def pair_curves(
    n: int, alpha: float, runs: int, look: int, looks: int = 4, seed: int = 0
) -> list[Curve]:
    """Every budget under both bounds: by all ballots of a small size (two looks of 2 ``looks``
    votes at most) at alpha 0.05 and 0.001, and as drawn at full size."""
    small = [every_ballot(name, budget, 6, 2) for name, budget in small_pairs(12, 3, 0.05)]
    # More votes, that 0.001 be in reach; of the rules that look one each.
    most = max(6, 2 * looks)
    small += [
        every_ballot(name, budget, most, 2, 12)
        for name, budget in small_pairs(2 * most, 3, 0.001)
        if name in STRICT
    ]
    larger = [
        every_ballot(name, budget, 60, 1)
        for level in (0.05, 0.001)
        for name, budget in small_pairs(60, 3, level)[:2]
    ]
    full = [
        ("both bounds", Both(n, alpha)),
        ("both bounds, class from the same votes", BothSame(n, alpha)),
        ("both bounds, anytime, at the end", BothAnytime(n, alpha)),
        ("both bounds, decide", BothSequential(n, alpha, decide_at=0.25)),
        ("both bounds, price, fresh", BothSequential(n, alpha, price=0.02)),
    ]
    return [
        *small,
        *larger,
        *(drawn_ballots(name, budget, runs, look, seed) for name, budget in full),
    ]
