"""Figure 3 of Zhang et al. 2020: accuracy against robustness for 1{||x||_2 <= 0.65}, d = 5.

At the centre, the accuracy term of equation 9 is P(||z||_2 <= 0.65), the robustness term
-D(lambda) for the worst linf shift (r, ..., r). For equations 11 and 13 the law of ||z||_2 is
the same, so that at equal (k, sigma) only the robustness differs. Equations 11 and 12 are
computed by quadrature; for equation 13 D is a quasi-Monte Carlo mean with a standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, erfinv, gammainc, gammaincinv

from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.largest_entry import largest_entry_quantiles
from smoothcert.noise.mixed_table import log_ratio
from smoothcert.noise.radial_quadrature import GammaCells, Law, enclose, failure_bound
from smoothcert.papers.nongaussian.study.ablation import solve

DIMENSION, BALL = 5, 0.65
FAMILIES = {"eq11": "centripetal-l2", "eq12": "centripetal-linf", "eq13": "mixed-linf"}
_REPLICATES, _POINTS = 16, 1 << 13


@dataclass(frozen=True)
class ToyPoint:
    """One (family, k, sigma), with sigma set so that the accuracy term is ``accuracy``.

    ``robustness`` is -D(lambda = 1) at linf radius ``attack``; ``radius`` the certified linf
    radius of the classifier at its centre. The errors are standard errors, 0 for quadrature.
    """

    family: str
    attack: float
    k: float
    accuracy: float
    sigma: float
    robustness: float
    robustness_error: float
    radius: float
    radius_error: float


def toy(
    attacks: Sequence[float], accuracies: Sequence[float], ks: Sequence[float], seed: int = 0
) -> list[ToyPoint]:
    """Every family at every attack radius, accuracy and k (real, 0 <= k < 5)."""
    if not all(0 <= k < DIMENSION for k in ks) or not all(0 < a < 1 for a in accuracies):
        raise SmoothcertError("toy: expected 0 <= k < 5 and accuracies in (0, 1)")
    points = []
    for family in FAMILIES:
        for k in ks:
            for accuracy in accuracies:
                sigma = _sigma(family, k, accuracy)
                if family == "eq13":
                    certified = _mixed_radius(k, accuracy, seed)
                else:
                    certified = (_radius(family, k, accuracy), 0.0)
                for attack in attacks:
                    if family == "eq13":
                        term, error = _mixed_robustness(k, attack / sigma, seed)
                    else:
                        term, error = _robustness(family, k, attack / sigma), 0.0
                    radius, radius_error = (sigma * value for value in certified)
                    points.append(
                        ToyPoint(
                            family, attack, k, accuracy, sigma, term, error, radius, radius_error
                        )
                    )
    return points


def frontier(points: Sequence[ToyPoint], family: str, attack: float) -> list[ToyPoint]:
    """The points of a family that no other one of it beats in both terms, by accuracy."""
    best: dict[float, ToyPoint] = {}
    for point in points:
        if point.family == family and point.attack == attack:
            held = best.get(point.accuracy)
            if held is None or point.robustness > held.robustness:
                best[point.accuracy] = point
    out: list[ToyPoint] = []
    for accuracy in sorted(best, reverse=True):
        if not out or best[accuracy].robustness > out[-1].robustness:
            out.append(best[accuracy])
    return out[::-1]


def _sigma(family: str, k: float, accuracy: float) -> float:
    if family != "eq12":
        return float(BALL / np.sqrt(2 * gammaincinv((DIMENSION - k) / 2, accuracy)))
    # ||z||_2 = sigma rho ||u||_2 with u on the surface of the cube
    length = _cube_lengths()
    low, high = 1e-3, 1e3
    while high / low > 1 + 1e-9:
        middle = float(np.sqrt(low * high))
        half = (BALL / (middle * length)) ** 2 / 2
        inside = float(gammainc((DIMENSION - k) / 2, half).mean())
        low, high = (middle, high) if inside > accuracy else (low, middle)
    return low


@lru_cache(maxsize=1)
def _cube_lengths() -> NDArray[np.float64]:
    """||u||_2 of points (1, v), v on a midpoint grid of [0, 1]^4: the rest is symmetry."""
    v = (np.arange(12) + 0.5) / 12
    squares = np.add.outer(np.add.outer(v**2, v**2), np.add.outer(v**2, v**2))
    return np.asarray(np.sqrt(1 + squares.ravel()), np.float64)


def _law(family: str, k: float) -> Law:
    return Law(k, DIMENSION, square=True, euclidean=family == "eq11")


def _robustness(family: str, k: float, r: float) -> float:
    """-D(1) at linf shift r of the standard noise; within the quadrature's enclosure, below."""
    law = _law(family, k)
    shift = r * np.sqrt(DIMENSION) if law.euclidean else r
    low, _ = enclose(law, GammaCells.cut(law.shape, 1000), 0.0, shift)
    return low - 0.5


def _radius(family: str, k: float, p: float) -> float:
    """Certified linf radius of the standard noise; 0 at p <= 1/2."""
    if p <= 0.5:
        return 0.0
    law = _law(family, k)
    radius = solve(lambda r: failure_bound(law, r, 1e-3)[0], 1 - p, 0.3)
    return radius / float(np.sqrt(DIMENSION)) if law.euclidean else radius


@lru_cache(maxsize=64)
def _mixed_draws(k: float, seed: int) -> tuple[NDArray[np.float64], ...]:
    """Largest, smallest entry and sum of scrambled Sobol draws: [replicates * points] each.

    The coordinate at +-T is put last: the others are exchangeable.
    """
    from scipy.stats import qmc

    cdf, quantile = largest_entry_quantiles(k, DIMENSION)
    parts = []
    for i in range(_REPLICATES):
        u = qmc.Sobol(DIMENSION + 1, seed=np.random.default_rng([seed, i])).random(_POINTS)
        top = np.interp(u[:, 0], cdf, quantile)
        scale = erf(top / np.sqrt(2))[:, None]
        z = np.sqrt(2) * erfinv((2 * u[:, 2:] - 1) * scale)
        extreme = np.where(u[:, 1] < 0.5, -top, top)
        z = np.column_stack([z, extreme])
        parts.append((z.max(1), z.min(1), z.sum(1)))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _mixed_ratio(k: float, r: float, seed: int) -> NDArray[np.float64]:
    """ln w at draws of pi_delta: [replicates, 2 * points], mirrored draws included."""
    highest, lowest, total = _mixed_draws(k, seed)
    both = [
        log_ratio(k, DIMENSION, r, draws)
        for draws in ((highest, lowest, total), (-lowest, -highest, -total))
    ]
    return np.concatenate([t.reshape(_REPLICATES, _POINTS) for t in both], axis=1)


def _mixed_robustness(k: float, r: float, seed: int) -> tuple[float, float]:
    """-D(1) = E_delta min(1, 1 / w) - 1, and its standard error over the replicates."""
    each = np.exp(np.minimum(-_mixed_ratio(k, r, seed), 0)).mean(1) - 1
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(_REPLICATES))


def _mixed_radius(k: float, p: float, seed: int) -> tuple[float, float]:
    """The radius of the standard noise at p, and its standard error, from draws."""
    if p <= 0.5:
        return 0.0, 0.0

    def left(r: float) -> NDArray[np.float64]:
        t = _mixed_ratio(k, r, seed)
        tau = float(np.median(t))
        return (np.exp(np.minimum(tau - t, 0)).mean(1) - 0.5) * np.exp(-tau)

    radius = solve(lambda r: float(left(r).mean()), 1 - p, 0.3)
    error = float(left(radius).std(ddof=1) / np.sqrt(_REPLICATES))
    step = 0.02 * radius
    slope = (left(radius + step).mean() - left(radius - step).mean()) / (2 * step)
    return radius, abs(error / float(slope))
