"""Does k help at equal noise energy? The certificate alone, without any classifier.

Raising k shrinks the noise: for the l2 family E ||z||^2 = (d - k) sigma^2. Here the scale is
raised along, so that E ||z||_2^2 stays that of the noise at k = 0 (Laplace or Gaussian), and
the radius certified at a class probability p is divided by that noise's radius.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.centripetal_l1 import CentripetalL1
from smoothcert.noise.centripetal_l2 import CentripetalL2
from smoothcert.noise.centripetal_linf import CentripetalLinf
from smoothcert.noise.mixed_table import extremes, log_ratio
from smoothcert.noise.radial_quadrature import failure_bound

FAMILIES = ("centripetal-l1", "centripetal-l2", "centripetal-linf", "mixed-linf")

_DRAWS = 100_000  # of the mixed noise, at most
_BATCHES = 8


@dataclass(frozen=True)
class Point:
    """``ratio``: certified radius over that of Laplace (l1) or Gaussian noise, at p.

    ``error`` is the standard error of a sampled ratio (the mixed noise), 0 for quadrature.
    """

    noise: str
    d: int
    k: int
    p: float
    ratio: float
    error: float


def baseline_radius(norm: str, p: float, d: int) -> float:
    """Radius of Laplace (l1), Gaussian (l2, linf) noise with E ||z||_2^2 = d at p."""
    if norm == "l1":
        return float(-np.log(2 * (1 - p)) / np.sqrt(2))
    return float(ndtri(p)) / (1.0 if norm == "l2" else float(np.sqrt(d)))


def ablation(
    dimensions: Sequence[int],
    shares: Sequence[float],
    p: Sequence[float],
    seed: int = 0,
    numbers: int = 300_000_000,
) -> list[Point]:
    """All families, at k = share * d rounded down, in the order of the arguments.

    A point of the mixed noise rests on at most ``numbers`` drawn numbers (but on 400 draws).
    Raises SmoothcertError unless 0 <= share < 1 and 1/2 < p < 1.
    """
    if not all(0 <= s < 1 for s in shares) or not all(0.5 < x < 1 for x in p):
        raise SmoothcertError("ablation: expected shares of d in [0, 1) and p in (1/2, 1)")
    points = []
    for name in FAMILIES:
        for d in dimensions:
            for k in dict.fromkeys(int(s * d) for s in shares):
                points += _points(name, d, k, p, seed, numbers)
    return points


def _points(name: str, d: int, k: int, p: Sequence[float], seed: int, numbers: int) -> list[Point]:
    noise = NOISES[name](1.0, k)  # type: ignore[call-arg]
    assert isinstance(noise, Centripetal)
    unit = float(np.sqrt(d / noise.energy(d)))  # the scale at which E ||z||^2 = d
    points = []
    if isinstance(noise, CentripetalL1 | CentripetalL2 | CentripetalLinf):
        law = noise.law(d)
        for x in p:
            guess = baseline_radius(noise.norm, x, d) / unit
            ratio = unit * solve(lambda r: failure_bound(law, r, 1e-4)[0], 1 - x, guess)
            points.append(Point(name, d, k, x, ratio / baseline_radius(noise.norm, x, d), 0.0))
        return points
    rng = np.random.default_rng([seed, d, k])
    n = max(_BATCHES * 50, min(_DRAWS, numbers // d))
    draws = extremes(k, d, n - n % _BATCHES, rng)
    for x in p:
        base = baseline_radius(noise.norm, x, d)

        def radius(part: slice, x: float = x, base: float = base) -> float:
            chosen = (draws[0][part], draws[1][part], draws[2][part])
            mirrored = (-chosen[1], -chosen[0], -chosen[2])

            def left(r: float) -> float:
                t = np.concatenate([log_ratio(k, d, r, chosen), log_ratio(k, d, r, mirrored)])
                tau = float(np.median(t))
                return float((np.exp(np.minimum(tau - t, 0)).mean() - 0.5) * np.exp(-tau))

            return unit * solve(left, 1 - x, 0.7 * base / unit) / base

        size = len(draws[0]) // _BATCHES
        parts = [radius(slice(i * size, (i + 1) * size)) for i in range(_BATCHES)]
        error = float(np.std(parts, ddof=1) / np.sqrt(_BATCHES))
        points.append(Point(name, d, k, x, radius(slice(None)), error))
    return points


def solve(failure: Callable[[float], float], target: float, guess: float) -> float:
    """The radius at which a descending ``failure`` equals ``target``, to 1e-7 of it.

    Secant steps in Phi^-1, in which the curves are nearly straight, kept within a bracket.
    """

    def level(r: float) -> float:
        return float(-ndtri(min(max(failure(r), 1e-300), 0.5))) + float(ndtri(target))

    low, at_low = 0.0, float(ndtri(target))
    high = guess
    at_high = level(high)
    while at_high < 0:
        low, at_low = high, at_high
        high *= 1.5
        at_high = level(high)
    side = 0
    for _ in range(60):
        middle = low - at_low * (high - low) / (at_high - at_low)
        value = level(middle)
        if abs(value) < 1e-8 or high - low < 1e-7 * high:
            break
        # Illinois: an end that stays put twice counts half.
        if value < 0:
            low, at_low = middle, value
            at_high *= 0.5 if side < 0 else 1.0
            side = -1
        else:
            high, at_high = middle, value
            at_low *= 0.5 if side > 0 else 1.0
            side = 1
    return middle
