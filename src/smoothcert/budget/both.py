"""Both bounds from the votes at hand: the top class from below, every other one from above.

The papers bound the top class alone and take p_B <= 1 - p_A. The votes hold all classes, and
Cohen's Theorem 1 (and its like for other noise, :meth:`Noise.standard_pair_radius`) takes both.

========================= ===================================================================
slug                      what it is
========================= ===================================================================
both-100000               the class from the selection votes, both bounds from n fresh ones
both-same-100000          class and both bounds from the same n votes, no selection votes
both-anytime-100000       e-processes (``budget.eprocess``): both hold at all sizes at once
both-iss_ad0.05-100000    ISS's class and size from k0 votes, both bounds from new ones
both-sequential_...       sampling that stops by them (``budget.both_sequential``)
========================= ===================================================================

*No division by the number of classes.* Given the class A, its strongest rival B is one fixed
class, whatever the votes say. Let U_j be an upper bound of p_j at level e alpha, for each j by
itself. Then max_j U_j >= U_B >= p_B with probability 1 - e alpha, and with a lower bound of p_A at
level (1 - e) alpha the certificate fails with probability at most alpha. So the largest count of
another class, bounded at e alpha, is enough: neither Bonferroni's (C - 1) is needed nor a
partition of the other classes (Delattre et al. 2025), whose parts are no smaller than their
largest class and pay for their number.

*The share e.* For large n the width of Phi^-1(p_A) - Phi^-1(p_B) is a z((1-e) alpha) + b z(e
alpha), z the normal quantile, a and b the standard errors of the two. Where one class has all
other votes p_B = 1 - p_A is the better bound, and only (1 - e) is lost; in the middle a = b, and
e = 1/2 is best. :func:`fair_share` loses the same part of the width in both, about 2% (e = 0.2 at
alpha = 0.001).

*The class from the same votes* (``both-same``). The winner of all votes is accepted if the
two-sided binomial test of the top two counts rejects equality at level w alpha: then a class that
is not the most probable one is accepted with probability at most w alpha (Hung and Fithian 2019,
as in Cohen's PREDICT). The rest of alpha is for the bounds, which are those of one fixed class,
the most probable. Bounds for all C classes at once would need alpha / C each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from smoothcert.budget.adaptive import Adaptive, Outcome, whole_looks
from smoothcert.budget.base import BUDGETS, abstain_unless
from smoothcert.budget.eprocess import mixture_lower
from smoothcert.budget.iss import IssFresh
from smoothcert.budget.stream import Stream, strongest, up_to
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper, tie_p_value
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import arg
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@lru_cache(maxsize=64)
def fair_share(alpha: float) -> float:
    """The part e of alpha for the other classes that loses as much of the width where it is not
    needed as in the middle, two digits."""

    low, high = 0.0, 0.5
    while high - low > 1e-4:
        e = (low + high) / 2
        one, other = ndtri((1 - e) * alpha), ndtri(e * alpha)
        more = one / ndtri(alpha) > (one + other) / (2 * ndtri(alpha / 2))
        low, high = (low, e) if more else (e, high)
    return round(high, 2)


def pair_bounds(
    count: ArrayLike, rival: ArrayLike, n: ArrayLike, alpha: ArrayLike, share: float
) -> tuple[Floats, Floats]:
    """Lower bound of the class with ``count`` votes of ``n`` and upper bound of every other one,
    of which the strongest has ``rival``, with probability 1 - alpha together."""
    lower = clopper_pearson_lower(count, n, (1 - share) * np.asarray(alpha))
    upper = clopper_pearson_upper(rival, n, share * np.asarray(alpha))
    return lower, np.minimum(upper, 1 - lower)


def mixture_pair(
    count: ArrayLike, rival: ArrayLike, n: ArrayLike, alpha: float, share: float, prior: Floats
) -> tuple[Floats, Floats]:
    """The same at all n at once; every class but the first has the prior of the runner-up."""
    n = np.asarray(n)
    lower = mixture_lower(count, n, (1 - share) * alpha, *prior[0])
    upper = 1 - mixture_lower(n - np.asarray(rival), n, share * alpha, *prior[1])
    return lower, np.minimum(upper, 1 - lower)


def priors(stream: Stream) -> Floats:
    """Beta parameters [2, 2, N] for the class, and for all that is not the runner-up, from the
    selection votes and 1/2 each."""
    first, second = stream.first, strongest(stream.selection, stream.chosen)
    n0 = stream.n0
    return 0.5 + np.array([[first, n0 - first], [n0 - second, second]], np.float64)


def contest(votes: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    """Of votes [A, C] those for ``chosen`` [A] and for its strongest rival; 0 for no class."""
    count = votes[np.arange(len(votes)), np.maximum(chosen, 0)]
    return np.where(chosen >= 0, count, 0), strongest(votes, chosen)


@dataclass(frozen=True)
class Pair(Adaptive):
    """What budgets under both bounds share: ``share`` is e, by default :func:`fair_share`.

    Raises SmoothcertError unless 0 < e < 1.
    """

    share: float | None = arg("e", None, title="e = {}")

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share < 1:
            raise SmoothcertError(f"e {self.share:g}: expected a fraction of alpha in (0, 1)")
        super().__post_init__()

    @property
    def e(self) -> float:
        """The part of alpha for the other classes."""
        return fair_share(self.alpha) if self.share is None else self.share

    def ballot(self, stream: Stream, rows: Ints, n: Ints) -> tuple[Ints, Ints]:
        """Votes within the first ``n`` [A] samples for the class and its strongest rival."""
        return contest(stream.votes(rows, n), stream.chosen[rows])


def pair_outcome(
    chosen: Ints, count: Ints, n: Ints, bounds: tuple[Floats, Floats], drawn: Ints
) -> Outcome:
    """What both bounds say; an abstention unless they part the classes."""
    lower, upper = bounds
    return Outcome(abstain_unless(lower > upper, chosen), count, n, lower, drawn, p_upper=upper)


@BUDGETS.member("both")
@dataclass(frozen=True)
class Both(Pair):
    """The same number of samples for every input, and both bounds."""

    label = "both bounds"

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        n = np.full(len(rows), self.n)
        count, rival = self.ballot(stream, rows, n)
        bounds = pair_bounds(count, rival, n, self.alpha, self.e)
        return pair_outcome(stream.chosen, count, n, bounds, stream.n0 + n)


@BUDGETS.member("both-same")
@dataclass(frozen=True)
class BothSame(Pair):
    """The class from the votes that bound it; ``test`` is the part w of alpha for its choice. It
    needs no selection votes, and counts none.

    Raises SmoothcertError unless 0 < w < 1.
    """

    label = "both bounds, class from the same votes"

    test: float = arg("w", 0.05, title="w = {}")

    def __post_init__(self) -> None:
        if not 0 < self.test < 1:
            raise SmoothcertError(f"w {self.test:g}: expected a fraction of alpha in (0, 1)")
        super().__post_init__()

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        n = np.full(len(rows), self.n)
        votes = stream.votes(rows, n)
        chosen, count = votes.argmax(1), votes.max(1)
        rival = strongest(votes, chosen)
        sure = tie_p_value(count, rival) <= self.test * self.alpha
        bounds = pair_bounds(count, rival, n, (1 - self.test) * self.alpha, self.e)
        return pair_outcome(np.where(sure, chosen, -1), count, n, bounds, stream.n0 + n)


@BUDGETS.member("both-anytime")
@dataclass(frozen=True)
class BothAnytime(Pair):
    """Both bounds at all sample sizes at once: as ``anytime``, with an e-process a class."""

    label = "anytime, both bounds"
    anytime_valid = True

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        n = up_to(stream, self.n)
        count, rival = self.ballot(stream, rows, n)
        bounds = mixture_pair(count, rival, n, self.alpha, self.e, priors(stream))
        return pair_outcome(stream.chosen, count, n, bounds, stream.n0 + n)


@BUDGETS.member("both-iss")
@dataclass(frozen=True)
class BothIss(IssFresh):
    """ISS's sizes under both bounds: class and size from the k0 votes (the size by the radius of
    the top class alone), both bounds from k-hat new ones."""

    label = "ISS, both bounds"

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        votes, k0, extra = self._stage_one(stream)
        size = self.mapping.sizes(votes, k0, noise, scale, d)
        n = np.minimum(whole_looks(size, stream.look), self.n - extra)
        rows = np.arange(len(votes))
        before = stream.votes(rows, np.full(len(rows), extra))
        count, rival = contest(stream.votes(rows, extra + n) - before, stream.chosen)
        bounds = pair_bounds(count, rival, np.maximum(n, 1), self.alpha, fair_share(self.alpha))
        chosen = np.where(size > 0, stream.chosen, -1)
        return pair_outcome(chosen, count, n, bounds, stream.n0 + extra + n)
