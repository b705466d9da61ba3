"""Failure rates of every confidence procedure of the project, at known class probabilities.

*Every path.* With few looks all sequences of vote counts can be listed, run through the budget's
own code at once, and weighted: the failure probability is then exact for any rule, however it
stops, and for every p from one run. Sizes are small (n of some tens), the code is that which
certifies.

*At full size.* One size (``fixed``) and ISS are sums of binomial tails and exact; rules that stop
by looking are simulated by their own code.

A certificate fails when its class is named and its bound exceeds that class's probability. Two
classes of probability p and 1 - p stand for election by the selection votes, so a wrong election
counts as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

from smoothcert.audits.ballots import pair_curves
from smoothcert.audits.base import Audit, Result, Subject
from smoothcert.audits.columns import FAILURES
from smoothcert.audits.coverage import Procedure, iss_procedure, simulate
from smoothcert.audits.curve import Curve
from smoothcert.audits.dual_coverage import Pairs
from smoothcert.audits.settings import CoverageSettings
from smoothcert.budget import Anytime, Fixed, Iss, IssFresh, Sequential
from smoothcert.budget.base import Budget
from smoothcert.budget.eprocess import mixture_lower
from smoothcert.budget.simulated import decide
from smoothcert.budget.stream import Stream, TwoClasses
from smoothcert.certificates.certification import predict
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian
from smoothcert.noise.base import Noise
from smoothcert.report.verdict import BROKEN, HOLDS, Verdict

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST = 3_000_000  # paths


class EveryPath(TwoClasses):
    """All votes an elected class can get: ``looks`` looks of ``look`` votes after n0 votes.

    A :class:`smoothcert.budget.stream.Stream` whose inputs are the paths. ``first`` is at least
    n0 / 2: the election of two classes. Raises SmoothcertError for more paths than memory bears.
    """

    def __init__(self, n0: int, look: int, looks: int) -> None:
        firsts = np.arange(-(-n0 // 2), n0 + 1)
        count = len(firsts) * (look + 1) ** looks
        if count > _MOST:
            raise SmoothcertError(f"coverage: {count:,} paths; expected at most {_MOST:,}")
        grids = np.meshgrid(firsts, *[np.arange(look + 1)] * looks, indexing="ij")
        self.look, self.n0 = look, n0
        self.first = grids[0].ravel()
        votes = np.stack([g.ravel() for g in grids[1:]], 1)  # [P, looks]
        self.chosen = np.zeros(count, np.int64)
        start = np.zeros((count, 1), np.int64)
        self.total = np.concatenate([start, votes.cumsum(1)], 1)  # [P, looks + 1]
        self._choices = _log_choose(n0, self.first) + _log_choose(look, votes).sum(1)

    def __len__(self) -> int:
        return len(self.first)

    def count(self, rows: Ints, n: Ints) -> Ints:
        """Votes within the first n (a multiple of the look) samples."""
        if (n % self.look).any():
            raise SmoothcertError("coverage: a rule requested part of a look")
        return np.asarray(self.total[rows, n // self.look])

    def certificates(self, named: NDArray[np.bool_], bound: Floats) -> Certificates:
        """The bounds of all paths with a prediction, those alike put together."""
        rows = np.flatnonzero(named & (bound > 0.5))
        values, which = np.unique(bound[rows], return_inverse=True)
        first, total = self.first[rows], self.total[rows, -1]
        n = self.look * (self.total.shape[1] - 1)
        # One number for (first, total, bound): paths alike in all three have one probability.
        key = (first * (n + 1) + total) * max(len(values), 1) + which.ravel()
        keys, group = np.unique(key, return_inverse=True)
        many = np.bincount(group.ravel(), np.exp(self._choices[rows]), minlength=len(keys))
        keys, of_bound = np.divmod(keys, max(len(values), 1))
        firsts, totals = np.divmod(keys, n + 1)
        bounds = values[of_bound] if len(values) else np.zeros(0)
        return Certificates(self.n0, n, firsts, totals, np.log(many), bounds)


@dataclass(frozen=True)
class Certificates:
    """Groups [G] of paths: selection votes, votes among n, log of their number, the bound."""

    n0: int
    n: int
    first: Ints
    total: Ints
    log_many: Floats
    bound: Floats

    def failure(self, p: float) -> float:
        """P(a wrong certificate) where two classes have probabilities p and 1 - p.

        A tie of the selection votes elects the first class.
        """
        first = self._failure(p, self.first * 2 >= self.n0)
        return first + self._failure(1 - p, self.first * 2 > self.n0)

    def _failure(self, q: float, elected: NDArray[np.bool_]) -> float:
        wrong = elected & (self.bound > q)
        votes = (self.first + self.total)[wrong]
        log = self.log_many[wrong] + xlogy(votes, q) + xlog1py(self.n0 + self.n - votes, -q)
        return float(np.exp(log).sum())

    def suprema(self) -> Floats:
        """Where the failure probability can be largest: 1/2, and just below each bound.

        Between two bounds the wrong certificates are the same, and the probability of many votes
        rises with p.
        """
        return np.concatenate([[0.5], np.unique(self.bound) * (1 - 1e-12)])


def _log_choose(n: int, k: Ints) -> Floats:
    k = np.asarray(k, np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def every_path(
    name: str, budget: Budget, look: int, looks: int, p: Floats, noise: Noise | None = None,
    *, ours: bool = True,
) -> Curve:  # fmt: skip
    """The exact failure probability of ``budget``'s own code over the grid ``p``."""
    noise = Gaussian(1.0) if noise is None else noise
    paths = EveryPath(budget.n0, look, looks)
    stream: Stream = paths
    out = decide(budget, stream, noise, np.full(len(paths), 1.0), 1)
    return _curve(name, paths.certificates(out.predict >= 0, out.p_lower), budget, p, ours)


def anytime_everywhere(budget: Anytime, look: int, looks: int, p: Floats) -> Curve:
    """The probability that the anytime bound is wrong at *any* look, exactly.

    What it promises: one may stop at whatever look one likes, after having seen them all.
    """
    paths = EveryPath(budget.n0, look, looks)
    a, b = 0.5 + paths.first, 0.5 + budget.n0 - paths.first
    best = np.max(
        [mixture_lower(paths.total[:, j], j * look, budget.alpha, a, b)
         for j in range(1, looks + 1)], axis=0,
    )  # fmt: skip
    found = paths.certificates(best > 0.5, best)
    return _curve("anytime: the best of all looks", found, budget, p, True)


def _curve(name: str, found: Certificates, budget: Budget, p: Floats, ours: bool) -> Curve:
    at = np.unique(np.concatenate([p, found.suprema()]))
    failure = np.array([found.failure(float(v)) for v in at]) / budget.alpha
    return Curve(name, True, budget.n, budget.alpha, at, failure, np.zeros_like(failure), ours)


def small_budgets(n: int = 40, n0: int = 10, alpha: float = 0.05) -> list[tuple[str, Budget, bool]]:
    """One budget of each kind at a size whose paths can be listed: (name, budget, ours)."""

    def sequential(**mode: Any) -> Sequential:
        return Sequential(n, alpha, n0, **mode)

    return [
        ("fixed", Fixed(n, alpha, n0), True),
        ("ISS, as published", Iss(n, alpha, n0, ad=0.3), False),
        ("ISS, fresh votes", IssFresh(n, alpha, n0, ad=0.3), True),
        ("sequential, price (stop when low)", sequential(price=60.0), True),
        ("sequential, price, fresh", sequential(price=60.0, engine="fresh"), True),
        ("sequential, price, spending", sequential(price=60.0, engine="spending"), True),
        ("sequential, price, mixture", sequential(price=60.0, engine="mixture"), True),
        ("sequential, decline (stop when low)", sequential(ad=0.3), True),
        ("sequential, decide", sequential(decide_at=0.5), True),
        ("sequential, decide, spending", sequential(decide_at=0.5, engine="spending"), True),
        ("sequential, decide, mixture", sequential(decide_at=0.5, engine="mixture"), True),
        ("sequential, grid", sequential(grid=0.25), True),
        ("sequential, grid, spending", sequential(grid=0.25, engine="spending"), True),
        ("sequential, grid, mixture", sequential(grid=0.25, engine="mixture"), True),
        ("anytime, at the end", Anytime(n, alpha, n0), True),
    ]


def small_curves(points: int = 200, look: int = 10, looks: int = 4) -> list[Curve]:
    """Every procedure by all its paths, over ``points`` class probabilities from 1/2 on."""
    p = np.concatenate([[0.5], np.linspace(0.5, 0.995, points)[1:]])
    curves = [
        every_path(name, budget, look, looks, p, ours=ours)
        for name, budget, ours in small_budgets(look * looks)
    ]
    curves.append(anytime_everywhere(Anytime(look * looks, 0.05, 10), look, looks, p))
    dual = [dual_smoothing(look * looks, 0.05, p[::8]), dual_smoothing(100, 0.001, p[::8])]
    return [*curves, *dual, prediction(60, 0.05, p)]


def dual_smoothing(n: int, alpha: float, p: Floats) -> Curve:
    """The smaller of a level's and a class's radius, each at the whole alpha, exactly."""
    pairs = Pairs(n, alpha, 10)
    at = np.unique(np.concatenate([p, pairs.suprema()]))
    failure = pairs.curve(at) / alpha
    return Curve("dual smoothing", True, n, alpha, at, failure, np.zeros_like(failure))


def prediction(n: int, alpha: float, p: Floats) -> Curve:
    """P(PREDICT names a class that is not the most probable), exactly, for three classes.

    The classes have probabilities in the ratio p : 1 - p between the top two, and 0.1 for the
    third; the ratio may be a tie, and then naming either is right: the failures at a tie are the
    limit, naming the one that is infinitesimally less probable.
    """
    counts = np.array([(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)])
    named = predict(counts, alpha)
    choices = gammaln(n + 1) - gammaln(counts + 1.0).sum(1)
    failure = []
    for v in p:
        q = np.array([0.9 * v, 0.9 * (1 - v), 0.1])
        log = choices + xlogy(counts, q).sum(1)
        best = int(q.argmax())
        failure.append(float(np.exp(log)[(named >= 0) & (named != best)].sum()) / alpha)
    return Curve("PREDICT (three classes)", True, n, alpha, p, np.array(failure),
                 np.zeros(len(p)))  # fmt: skip


# --- at full size ----------------------------------------------------------------------------


def full_exact(n: int, alpha: float, scale: float, p: Floats) -> list[Curve]:
    """fixed and ISS at full size: sums of binomial tails, no simulation."""
    noise = Gaussian(1.0)
    one = Procedure(np.full(101, n), alpha, "fresh", True)
    published = Iss(n, alpha, ad=0.05)
    out = [_exact("fixed", one, n, alpha, p, True)]
    for name, reading, ours in (
        ("ISS, as published", "reuse", False), ("ISS, fresh votes", "fresh", True),
    ):  # fmt: skip
        procedure = iss_procedure(published.mapping, published.n0, noise, scale, 1, reading, True)
        out.append(_exact(name, procedure, n, alpha, p, ours))
    return out


def _exact(name: str, one: Procedure, n: int, alpha: float, p: Floats, ours: bool) -> Curve:
    failure = np.array([one.failure(float(v)) for v in p]) / alpha
    return Curve(name, True, n, alpha, p, failure, np.zeros_like(failure), ours)


def full_budgets(n: int, alpha: float) -> list[tuple[str, Budget]]:
    """The rules that stop by looking, at full size."""
    return [
        ("sequential, price (stop when low)", Sequential(n, alpha, price=0.02)),
        ("sequential, price, spending", Sequential(n, alpha, price=0.02, engine="spending")),
        ("sequential, price, mixture", Sequential(n, alpha, price=0.02, engine="mixture")),
        ("sequential, decide", Sequential(n, alpha, decide_at=0.5)),
        ("sequential, grid", Sequential(n, alpha, grid=0.25)),
        ("anytime, at the end", Anytime(n, alpha)),
    ]


def full_simulated(
    n: int, alpha: float, scale: float, p: Sequence[float], runs: int, look: int, seed: int = 0
) -> list[Curve]:
    """The sequential rules' own code on ``runs`` simulated inputs at each p."""
    noise, out = Gaussian(1.0), []
    for name, budget in full_budgets(n, alpha):
        rates = [
            simulate(budget, noise, scale, 1, v, runs=runs, look=look, seed=seed, rival=True)
            for v in p
        ]
        failure = np.array([rate.rate for rate in rates]) / alpha
        # The error that a rate of exactly alpha would have.
        errors = np.full(len(p), np.sqrt((1 - alpha) / (alpha * runs)))
        out.append(Curve(name, False, n, alpha, np.array(p), failure, errors))
    return out


# --- the audit --------------------------------------------------------------------------------

# Just below Phi(1/2) and Phi(1), where the rules that decide at a radius are at their worst.
SIMULATED_AT = (0.5, 0.6, 0.6914, 0.8413, 0.9, 0.99)


class Coverage(Audit[CoverageSettings]):
    """Of no files: the procedures themselves. A row a class probability of a procedure."""

    def run(self, subject: Subject, settings: CoverageSettings) -> Result:
        """Every procedure at a small size by all paths, and at full size."""
        n, alpha, scale, points = settings.n, settings.alpha, settings.scale, settings.points
        near = np.linspace(0.5, 0.53, points // 4 + 2)[:-1]
        grid = np.concatenate([near, np.linspace(0.53, 0.9995, points)])
        curves = [
            *small_curves(points, looks=settings.looks),
            *full_exact(n, alpha, scale, grid),
            *full_simulated(
                n, alpha, scale, SIMULATED_AT, settings.runs, settings.look, settings.seed
            ),
            *pair_curves(n, alpha, settings.runs, settings.look, settings.looks, settings.seed),
        ]
        rows = [
            (c.name, "exact" if c.exact else "simulated", c.n, c.alpha, int(c.ours), *at)
            for c in curves
            for at in zip(c.p, c.failure, c.errors, strict=True)
        ]
        frame = pd.DataFrame(rows, columns=list(FAILURES))
        return Result(_verdicts(curves, settings.runs), frame)


def _verdicts(curves: list[Curve], runs: int) -> list[Verdict]:
    """One a procedure, from all that was computed of it."""
    out = []
    for name, group in groupby(sorted(curves, key=lambda c: c.name), key=lambda c: c.name):
        members = list(group)
        parts = [
            f"largest failure probability {c.failure[c.worst]:.3f} alpha at p = {c.p[c.worst]:.4f}"
            f" ({_how(c, runs)}, n = {c.n:,}, alpha = {c.alpha:g})"
            for c in members
        ]
        what = "prediction" if name.startswith("PREDICT") else "certificate"
        out.append(
            Verdict(
                f"a {what} is wrong with probability at most alpha",
                name,
                BROKEN if any(c.broken for c in members) else HOLDS,
                "; ".join(parts),
                members[0].ours,
                {"rows": [c.row() for c in members]},
                procedure=name,
            )
        )
    return out


def _how(curve: Curve, runs: int) -> str:
    if curve.exact:
        return "exact"
    return f"{runs:,} runs per point, +-{curve.errors[curve.worst]:.2f}"
