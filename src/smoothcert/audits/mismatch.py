"""How much a scale may vary inside a certified ball, and how much it does.

x1 is certified under N(0, s1^2 I); the query x2 at distance a is answered under N(0, s2^2 I). By
Neyman and Pearson, the class of x1 is still that of x2 for EVERY base classifier iff the worst
set does not reach 1/2 at x2. For s1 != s2 that set is a ball or its complement, and its
probabilities are noncentral chi-square (Sukenik et al. 2022; no bound is used here):

    center c = x1 + (x2 - x1) s1^2 / (s1^2 - s2^2),   ||x - c||^2 / s^2 ~ chi2'(d, lambda),
    lambda_i = s_j^2 a^2 / (s2^2 - s1^2)^2 up to the roles of s1 and s2.

To first order: certified iff (a / s1)^2 + 2 d ln(s2 / s1)^2 < Phi^-1(p_A)^2. So the scale may
differ by Phi^-1(p_A) / sqrt(2 d) at most: 20% at d = 64 and p_A = 0.99, 3% on CIFAR-10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats import ncx2

from smoothcert.audits.pair_bounds import Floats, Ints

# Below this |ln(s2 / s1)| the noncentrality is beyond what chi-square series resolve. Equal scales
# are Gaussian; in between, the line from there (to first order the square of it, thus above).
_LEAST = 1e-3


def other_mass(p_lower: ArrayLike, distance: ArrayLike, log_ratio: ArrayLike, d: int) -> Floats:
    """The most that all other classes together can have at x2, for any base classifier.

    ``p_lower`` bounds p_A at x1; ``distance`` ||x2 - x1|| in units of s1; ``log_ratio``
    ln(s2 / s1); dimension ``d``. Broadcast. The class of x1 is implied at x2 iff it is < 1/2.
    """
    p, a, t = np.broadcast_arrays(
        np.asarray(p_lower, np.float64), np.asarray(distance, np.float64),
        np.asarray(log_ratio, np.float64),
    )  # fmt: skip
    equal = ndtr(a - ndtri(p))
    between = np.minimum(np.abs(t) / _LEAST, 1.0)
    t = np.where(t < 0, -1.0, 1.0) * np.maximum(np.abs(t), _LEAST)
    s2 = np.exp(2 * t)  # of s2 / s1, squared
    l1, l2 = a**2 / (s2 - 1) ** 2, s2 * a**2 / (s2 - 1) ** 2
    up = t > 0
    # What is least likely at x1 for its likelihood at x2: far away from the centre if s2 is the
    # larger scale, near it if the smaller. Thresholds are in units of the respective scale.
    far = ncx2.sf(ncx2.isf(1 - p, d, l1) / s2, d, l2)
    near = ncx2.cdf(ncx2.ppf(1 - p, d, l1) / s2, d, l2)
    return np.asarray(equal + between * (np.where(up, far, near) - equal))


def implied(p_lower: ArrayLike, distance: ArrayLike, log_ratio: ArrayLike, d: int) -> np.ndarray:
    """Whether the certificate at x1 says anything of x2: arguments of :func:`other_mass`."""
    return other_mass(p_lower, distance, log_ratio, d) < 0.5


def allowed(p_lower: float, distance: float, d: int) -> tuple[float, float]:
    """The interval of ln(s2 / s1) in which the class is implied at ``distance`` (units of s1).

    (0, 0) where nothing is implied even for equal scales.
    """
    if not ndtr(distance - ndtri(p_lower)) < 0.5:
        return 0.0, 0.0
    ends = []
    for sign in (-1, 1):
        low, high = 0.0, 4.0
        for _ in range(40):
            middle = (low + high) / 2
            good = bool(implied(p_lower, distance, sign * middle, d))
            low, high = (middle, high) if good else (low, middle)
        ends.append(float(sign * low))
    return ends[0], ends[1]


def fallback_radius(p_lower: float, sigma: float, d: int, kappa: float) -> float:
    """The radius that holds in any order of queries if |ln(sigma*(x2) / sigma)| <= kappa a.

    ``kappa`` per pixel unit. Without variation, sigma Phi^-1(p_lower). 0 for p_lower <= 1/2.
    """
    if p_lower <= 0.5:
        return 0.0
    low, high = 0.0, float(sigma * ndtri(p_lower))
    if kappa == 0:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        ends = np.array([-kappa, kappa]) * middle
        good = bool(implied(p_lower, middle / sigma, ends, d).all())
        low, high = (middle, high) if good else (low, middle)
    return low


@dataclass(frozen=True)
class Variation:
    """What was seen of the scale inside T certified balls.

    ``kappa`` is the largest |ln(sigma*(x2) / sigma*(x1))| / ||x2 - x1|| of all proposals, so the
    true one may be larger and ``fallback`` is an upper bound on a radius that is sound.
    """

    largest: Floats  # [T] largest |ln(sigma*(x2) / sigma*(x1))| seen inside
    kappa: Floats  # [T] a pixel unit
    unimplied: np.ndarray  # [T] a proposal inside is not covered by the certificate
    fallback: Floats  # [T]
    limit: Floats  # [T] |ln ratio| that the certificate allows at the centre, to first order


def variation(
    ball: Ints, distance: Floats, sigma: Floats, sigma_1: Floats, radius: Floats,
    p_lower: Floats, d: int,
) -> Variation:  # fmt: skip
    """The variation in T balls, from proposals: ball [P], distance and own scale of each.

    Gaussian noise. Proposals nearer than a tenth of the radius say more of the noise of the
    search than of the ball, and are left out.
    """
    t = len(sigma_1)
    use = (distance >= 0.1 * radius[ball]) & (distance < radius[ball])
    ball, distance = ball[use], distance[use]
    log = np.log(sigma[use] / sigma_1[ball])
    largest, kappa, unimplied = np.zeros(t), np.zeros(t), np.zeros(t, bool)
    np.maximum.at(largest, ball, np.abs(log))
    np.maximum.at(kappa, ball, np.abs(log) / distance)
    if len(ball):
        hidden = ~implied(p_lower[ball], distance / sigma_1[ball], log, d)
        np.logical_or.at(unimplied, ball, hidden)
    fallback = [
        fallback_radius(float(p_lower[i]), float(sigma_1[i]), d, float(kappa[i])) for i in range(t)
    ]
    limit = ndtri(p_lower) / np.sqrt(2 * d)
    return Variation(largest, kappa, unimplied, np.array(fallback), np.asarray(limit))
