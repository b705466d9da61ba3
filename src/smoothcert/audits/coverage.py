"""How often a certificate is wrong: exactly, by enumeration, and by simulation.

A certificate of an input is wrong when the bound exceeds the true probability of the class it
names. The enumeration sums over the k0 votes of stage 1 (binomial) and, given those, over the
rest (a binomial tail), for every way of reading ISS's Algorithm 2:

=========== =================================================================================
reading     the final bound counts
=========== =================================================================================
fresh       k-hat new votes (``iss-fresh``)
reuse       the k0 votes and k-hat - k0 new ones; all k0 with n = k0 if k-hat < k0 (``iss``)
first       the same, but only the first k-hat of the k0 votes if k-hat < k0
program     the same, but all k0 votes *divided by k-hat* if k-hat < k0: the authors' program
maximum     as ``reuse``, but the larger of the pooled counts of two classes, for the class of
            stage 1 (line 7 as printed)
=========== =================================================================================

and for two worlds: the class is given (``rival=False``), or two classes of probabilities p and
1 - p stand for election by the same k0 votes (``rival=True``, the worst case at p = 1/2).
A bound of NaN is reported apart (:func:`undefined`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammaln, ndtri, xlog1py, xlogy

from smoothcert.budget import Budget
from smoothcert.budget.psi import Mapping
from smoothcert.budget.simulated import BinomialStream, decide
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Noise

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

READINGS = ("fresh", "reuse", "first", "program", "maximum")
_NEGLIGIBLE = 1e-15  # probability of stage-1 counts that are left out, each


@dataclass(frozen=True)
class Procedure:
    """Sizes [k0 + 1] for each stage-1 count, and how the final bound reads the votes."""

    sizes: Ints
    alpha: float
    reading: str
    rival: bool

    def __post_init__(self) -> None:
        if self.reading not in READINGS:
            raise SmoothcertError(f"reading {self.reading!r}: expected {', '.join(READINGS)}")

    @property
    def k0(self) -> int:
        """Stage-1 votes."""
        return len(self.sizes) - 1

    def failure(self, p: float) -> float:
        """Probability that the certificate of an input with class probability p is wrong.

        With a rival, p is one class's probability and 1 - p the other's.
        """
        x = np.arange(self.k0 + 1)
        if not self.rival:
            return self._failure(p, x)
        return self._failure(p, x[2 * x >= self.k0]) + self._failure(1 - p, x[2 * x > self.k0])

    def undefined(self, p: float) -> float:
        """Probability of a NaN bound: more votes than the size that divides them (program)."""
        x = np.arange(self.k0 + 1)
        bad = (self.sizes > 0) & (self.sizes < self.k0) & (x > self.sizes)
        return float(_pmf(x, self.k0, p)[bad].sum())

    def _failure(self, q: float, x: Ints) -> float:
        """P(stage-1 count in x, and the bound exceeds q and 1/2) for the class of probability q."""
        weight = _pmf(x, self.k0, q)
        keep = (weight > _NEGLIGIBLE) & (self.sizes[x] > 0)
        x, weight, size = x[keep], weight[keep], self.sizes[x[keep]]
        if len(x) == 0:
            return 0.0
        level = max(q, 0.5)  # a bound of 1/2 or less abstains
        if self.reading == "fresh":
            return float((weight * _tail(_critical(size, level, self.alpha), size, q)).sum())
        n = np.maximum(size, self.k0)
        critical = _critical(n, level, self.alpha)
        wrong = _tail(critical - x, n - self.k0, q)
        if self.reading == "maximum":
            # n - S >= critical is as bad: the other class's count passes for this one's.
            wrong = np.minimum(wrong + 1 - _tail(n - critical - x + 1, n - self.k0, q), 1.0)
        short = size < self.k0
        if self.reading == "program":
            # NaN where x > size; else x votes "of size".
            critical = _critical(size, level, self.alpha)
            wrong = np.where(short, (x >= critical) & (x <= size), wrong)
        elif self.reading == "first":
            for i in np.flatnonzero(short):
                critical_i = int(_critical(size[i : i + 1], level, self.alpha)[0])
                wrong[i] = _hypergeometric_tail(critical_i, self.k0, int(x[i]), int(size[i]))
        return float((weight * wrong).sum())


def iss_procedure(
    mapping: Mapping, k0: int, noise: Noise, scale: float, d: int, reading: str, rival: bool
) -> Procedure:
    """Algorithm 2 with the sizes of ``mapping`` for every stage-1 count."""
    sizes = mapping.sizes(np.arange(k0 + 1), k0, noise, scale, d)
    return Procedure(sizes, mapping.alpha, reading, rival)


@dataclass(frozen=True)
class Worst:
    """The worst p found, its failure probability, and the curve that led there."""

    p: float
    failure: float
    grid: Floats
    curve: Floats


def worst(
    procedure: Procedure, low: float = 0.5, high: float = 0.9995, points: int = 401, rounds: int = 2
) -> Worst:
    """The largest failure probability over [low, high].

    The failure probability is smooth in p between the values that a bound can take and drops
    at each; ``points`` grid points, then around the ten worst of them 21 points each, and
    again ``rounds`` - 1 times with a tenth of the distance.
    """
    grid = np.linspace(low, high, points)
    curve = np.array([procedure.failure(float(p)) for p in grid])
    at, values, width = grid, curve, grid[1] - grid[0] if points > 1 else 0.0
    for _ in range(rounds):
        peaks = at[np.argsort(values)[-10:]]
        more = np.unique(np.clip(peaks[:, None] + np.linspace(-1, 1, 21) * width, low, high))
        values = np.concatenate([values, [procedure.failure(float(p)) for p in more]])
        at, width = np.concatenate([at, more]), width / 10
    best = int(values.argmax())
    return Worst(float(at[best]), float(values[best]), grid, curve)


@dataclass(frozen=True)
class Rate:
    """Failures among ``runs`` simulated certifications of inputs of probability ``p``."""

    p: float
    runs: int
    failures: int
    certified: int
    samples: float  # mean

    @property
    def rate(self) -> float:
        """Share of wrong certificates."""
        return self.failures / self.runs

    def exceeds(self, alpha: float, deviations: float = 4.0) -> bool:
        """Whether the rate is above alpha by more than the simulation's error allows."""
        return self.rate > alpha + deviations * float(np.sqrt(alpha * (1 - alpha) / self.runs))


def simulate(
    budget: Budget,
    noise: Noise,
    scale: float,
    d: int,
    p: float,
    *,
    runs: int = 1_000_000,
    look: int = 1000,
    seed: int = 0,
    rival: bool = False,
    batch: int = 100_000,
) -> Rate:
    """Certify ``runs`` inputs of class probability p and count the wrong certificates."""
    failures = certified = 0
    samples = 0.0
    for start in range(0, runs, batch):
        m = min(batch, runs - start)
        rng = np.random.default_rng([seed, start])
        stream = BinomialStream(np.full(m, p), budget.n0, look, rng, rival)
        out = decide(budget, stream, noise, np.full(m, scale), d)
        sure = out.predict >= 0
        failures += int((sure & (out.p_lower > stream.true)).sum())
        certified += int(sure.sum())
        samples += float(out.samples.sum())
    return Rate(p, runs, failures, certified, samples / runs)


def _pmf(k: Ints, n: int, p: float) -> Floats:
    log = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, p) + xlog1py(n - k, -p)
    return np.asarray(np.exp(log))


def _tail(count: ArrayLike, n: ArrayLike, p: float) -> Floats:
    """P(Bin(n, p) >= count), also for n = 0 and counts outside 0..n."""
    k, m = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(n, np.float64))
    inside = (k >= 1) & (k <= m)
    value = betainc(np.where(inside, k, 1.0), np.where(inside, m - k + 1, 1.0), p)
    return np.where(inside, value, (k < 1).astype(np.float64))


def _critical(n: Ints, q: float, alpha: float) -> Ints:
    """The smallest count [A] whose Clopper-Pearson bound at n [A] exceeds q; n + 1 if none.

    The bound exceeds q iff P(Bin(n, q) >= count) < alpha.
    """
    distinct, which = np.unique(n, return_inverse=True)
    # Bracket by the normal approximation, then bisect; widened until it holds the answer.
    centre = distinct * q - ndtri(alpha) * np.sqrt(distinct * q * (1 - q))
    reach = 8
    while True:
        low = np.clip(np.floor(centre - reach), -1, distinct).astype(np.int64)
        high = np.clip(np.ceil(centre + reach), 0, distinct + 1).astype(np.int64)
        fine_low = (low < 0) | (_tail(low, distinct, q) >= alpha)
        if (fine_low & (_tail(high, distinct, q) < alpha)).all():
            break
        reach *= 4
    while (high - low > 1).any():
        middle = (low + high) // 2
        small = _tail(middle, distinct, q) < alpha
        open_ = high - low > 1
        high, low = np.where(open_ & small, middle, high), np.where(open_ & ~small, middle, low)
    return np.asarray(high[which.ravel()])


def _hypergeometric_tail(count: int, population: int, successes: int, draws: int) -> float:
    """P(at least ``count`` of ``draws`` without replacement are successes)."""
    k = np.arange(max(count, draws - (population - successes), 0), min(draws, successes) + 1)
    return float(np.exp(
        _log_choose(successes, k) + _log_choose(population - successes, draws - k)
        - _log_choose(population, draws)
    ).sum())  # fmt: skip


def _log_choose(n: int, k: ArrayLike) -> Floats:
    k = np.asarray(k, np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def exact_table(
    settings: Iterable[tuple[str, Mapping, float]],
    noise: Noise,
    d: int,
    readings: Iterable[tuple[str, bool]] = (
        ("reuse", True), ("reuse", False), ("first", False), ("maximum", True), ("fresh", True),
        ("program", False),
    ),
    points: tuple[int, int] = (81, 401),
    rounds: int = 2,
) -> list[dict[str, str | float]]:  # fmt: skip
    """One row a setting and reading: the worst p, there and away from the tie, in units of alpha.

    ``settings`` are (name, mapping, noise scale); k0 = 0.01 kbar. "Away" is p >= 0.52.
    ``points`` grid points near the tie and away from it are searched, then refined
    ``rounds`` times.
    """
    rows: list[dict[str, str | float]] = []
    readings = list(readings)
    for name, mapping, scale in settings:
        for reading, rival in readings:
            k0 = mapping.kbar // 100
            procedure = iss_procedure(mapping, k0, noise, scale, d, reading, rival)
            near = worst(procedure, 0.5, 0.52, points[0], rounds)
            away = worst(procedure, 0.52, 0.9995, points[1], rounds)
            top = max((near, away), key=lambda w: w.failure)
            nan = max(procedure.undefined(float(p)) for p in away.grid)
            rows.append({
                "setting": name, "scale": scale, "step": mapping.step, "kbar": mapping.kbar,
                "k0": k0, "reading": reading, "classes": "elected" if rival else "given",
                "worst_p": top.p, "worst": top.failure / mapping.alpha,
                "away_p": away.p, "away": away.failure / mapping.alpha,
                "undefined": nan if reading == "program" else 0.0,
            })  # fmt: skip
    return rows
