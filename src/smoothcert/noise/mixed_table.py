"""The radius table of mixed-norm linf noise, by Monte Carlo with a confidence statement.

With Y = min(1, lambda / w), w = pi_delta / pi_0 and any lambda > 0 fixed beforehand,

    1 - p*(r)  >=  (E_{pi_delta} Y - 1/2) / lambda

(Theorem 1 of Zhang et al. 2020 with E_0 min(1, w / lambda) = E_delta min(1 / lambda, 1 / w)).
Y lies in [0, 1], and drawing from pi_delta makes the relative error small also where
1 - p* is tiny, unlike counting rare events under pi_0.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smoothcert.noise.largest_entry import HALF, largest_entry_quantiles
from smoothcert.noise.radius_table import SMALLEST_FAILURE, RadiusTable

Extremes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

# Total probability that any entry of a table is wrong.
DELTA = 1e-6
_BATCH_ENTRIES = 1 << 20
_CHUNK = 20_000


def extremes(k: float, d: int, n: int, rng: np.random.Generator) -> Extremes:
    """Largest entry, smallest entry and sum of n draws of the standard noise: [n] each.

    All that the likelihood ratio of a shift (r, ..., r) depends on.
    """
    cdf, quantile = largest_entry_quantiles(k, d)
    t = np.interp(rng.random(n), cdf, quantile)
    highest, lowest, total = np.empty(n), np.empty(n), np.empty(n)
    size = max(1, _BATCH_ENTRIES // d)
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        z = _truncated_normal(t[part], d - 1, rng)
        sign = rng.choice([-1.0, 1.0], len(z))
        extreme = sign * t[part]
        total[part] = z.sum(1, dtype=np.float64) + extreme
        highest[part] = np.where(sign > 0, extreme, z.max(1, initial=-np.inf))
        lowest[part] = np.where(sign < 0, extreme, z.min(1, initial=np.inf))
    if d == 1:
        highest, lowest = total, total
    return highest, lowest, total


def _truncated_normal(
    top: NDArray[np.float64], d: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """N(0, 1) conditioned on [-top, top] by rejection: [n, d] for top [n]."""
    bound = top.astype(np.float32)
    wide = top >= HALF
    z = rng.standard_normal((len(top), d), dtype=np.float32)
    # Narrow rows are all drawn again, from a uniform proposal.
    pending = np.flatnonzero((np.abs(z) > bound[:, None]) | ~wide[:, None])
    flat = z.reshape(-1)
    while pending.size:
        row = pending // d
        normal = rng.standard_normal(pending.size, dtype=np.float32)
        uniform = (2 * rng.random(pending.size, dtype=np.float32) - 1) * bound[row]
        accept = rng.random(pending.size) < np.exp(-0.5 * uniform.astype(np.float64) ** 2)
        flat[pending] = np.where(wide[row], normal, uniform)
        good = np.where(wide[row], np.abs(normal) <= bound[row], accept)
        pending = pending[~good]
    return z


def log_ratio(k: float, d: int, r: float, draws: Extremes) -> NDArray[np.float64]:
    """ln w at z + (r, ..., r) for draws z of pi_0, that is for draws of pi_delta: [n]."""
    highest, lowest, total = draws
    before = np.maximum(highest, -lowest)
    after = np.maximum(highest + r, -(lowest + r))
    return k * np.log(after / before) + r * total + 0.5 * d * r * r


def _mirrored(draws: Extremes) -> Extremes:
    return -draws[1], -draws[0], -draws[2]


def _log_ratios(k: int, d: int, r: float, draws: Extremes) -> NDArray[np.float64]:
    """log_ratio of each draw and of its mirror image (the noise is symmetric): [2, n]."""
    return np.stack([log_ratio(k, d, r, draws), log_ratio(k, d, r, _mirrored(draws))])


def _slack(variance: float, n: int, delta: float) -> float:
    """Empirical Bernstein (Maurer and Pontil 2009, Theorem 4) for n values in [0, 1].

    With probability 1 - delta the mean is at least the average of n minus this, given their
    unbiased ``variance`` (a pilot's, to plan with).
    """
    log = np.log(2 / delta)
    return float(np.sqrt(2 * variance * log / n) + 7 * log / (3 * (n - 1)))


def _overlaps(k: int, d: int, r: float, tau: float, draws: Extremes) -> NDArray[np.float64]:
    """Y = min(1, lambda / w), averaged over each draw and its mirror image: [n]."""
    return np.exp(np.minimum(tau - _log_ratios(k, d, r, draws), 0.0)).mean(0)


@lru_cache(maxsize=32)
def mixed_table(
    noise: str,
    k: int,
    d: int,
    intervals: int = 512,
    samples: int = 200_000,
    pilot: int = 4000,
    delta: float = DELTA,
    seed: int = 0,
) -> RadiusTable:
    """p*(r) on a grid of radii (scale 1), denser near 0, certified at the grid's radii only.

    With probability at least 1 - ``delta`` over the seed's draws all entries are valid at
    once: each has failure probability delta / intervals, whatever radius is used later. The
    radii and every lambda come from ``pilot`` draws of their own.
    """
    rng = np.random.default_rng([seed, k, d])
    first = extremes(k, d, pilot, rng)
    draws = extremes(k, d, samples, rng)
    each = delta / intervals

    def plan(r: float) -> tuple[float, float]:
        """ln lambda that promises the largest bound, and that bound, from the pilot."""
        t = _log_ratios(k, d, r, first)
        best = (0.0, -np.inf)
        for tau in np.quantile(t, np.linspace(0.3, 0.7, 9)):
            y = np.exp(np.minimum(tau - t, 0.0)).mean(0)
            value = (y.mean() - _slack(y.var(ddof=1), samples, each) - 0.5) * np.exp(-tau)
            best = max(best, (float(tau), float(value)), key=lambda pair: pair[1])
        return best

    low, high = 0.0, 1.0 / np.sqrt(d)
    while plan(high)[1] > SMALLEST_FAILURE:
        low, high = high, 2 * high
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if plan(middle)[1] > SMALLEST_FAILURE else (low, middle)
    radius = high * np.linspace(0, 1, intervals + 1) ** 1.5
    plans = [plan(r)[0] for r in radius[1:]]
    total, squares = np.zeros(intervals), np.zeros(intervals)
    for start in range(0, samples, _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = (draws[0][part], draws[1][part], draws[2][part])
        for j, (r, tau) in enumerate(zip(radius[1:], plans, strict=True)):
            y = _overlaps(k, d, r, tau, chunk)
            total[j] += y.sum()
            squares[j] += np.square(y).sum()
    mean = total / samples
    variance = np.maximum(squares - samples * mean**2, 0.0) / (samples - 1)
    slack = np.asarray([_slack(v, samples, each) for v in variance])
    bound = (mean - slack - 0.5) * np.exp(-np.asarray(plans))
    # A running maximum of p*: the certified radii of an input form an interval.
    failure = np.minimum.accumulate(np.r_[0.5, np.minimum(bound, 0.5)])
    positive = failure > 0
    record = {
        "method": "monte-carlo",
        "samples": samples,
        "pilot": pilot,
        "seed": seed,
        "bound": "empirical Bernstein, union over the radii",
    }
    return RadiusTable(noise, d, radius[positive], failure[positive], "floor", delta, record)
