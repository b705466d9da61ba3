"""The bound of Zhang et al. 2020 as published: Monte Carlo with a Hoeffding term.

An independent computation to test the radius tables against. The published interval is for
one lambda and one radius fixed beforehand; the procedure optimizes lambda and searches the
radius on the same draws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.mixed_table import extremes, log_ratio

LogRatio = Callable[[float], NDArray[np.float64]]


def log_ratio_sampler(noise: Centripetal, d: int, n: int, rng: np.random.Generator) -> LogRatio:
    """A function r -> ln(pi_delta / pi_0) [n] at n fixed draws of pi_0, delta the worst shift.

    At scale 1. The draws are of the few numbers that the ratio depends on, never of vectors
    (but for the mixed noise, whose sums have no simple law).
    """
    k, name = noise.k, noise.name
    noise.check_dimension(d)
    if name == "mixed-linf":
        draws = extremes(k, d, n, rng)
        # At z of pi_0 the ratio is that of the shift -delta at z + (-delta), inverted.
        return lambda r: -log_ratio(k, d, -r, draws)
    if name == "centripetal-l2":
        rho = np.sqrt(2 * rng.gamma((d - k) / 2, size=n))
        cosine = 2 * rng.beta((d - 1) / 2, (d - 1) / 2, n) - 1

        def l2(r: float) -> NDArray[np.float64]:
            less = r * r - 2 * r * rho * cosine  # ||z - delta||^2 - ||z||^2
            return -0.5 * k * np.log1p(less / rho**2) - 0.5 * less

        return l2
    sign = rng.choice([-1.0, 1.0], n)
    if name == "centripetal-l1":
        rho = rng.gamma(d - k, size=n)
        first = sign * rho * rng.beta(1, d - 1, n)

        def l1(r: float) -> NDArray[np.float64]:
            more = np.abs(first - r) - np.abs(first)
            return -k * np.log1p(more / rho) - more

        return l1
    if name == "centripetal-linf":
        rho = np.sqrt(2 * rng.gamma((d - k) / 2, size=n))
        # The entry furthest from the one at +-rho, on the other side.
        other = sign * rho * (2 * rng.beta(1, d - 1, n) - 1)

        def linf(r: float) -> NDArray[np.float64]:
            after = np.maximum(np.abs(sign * rho - r), np.abs(other - r))
            return -k * np.log(after / rho) - 0.5 * (after**2 - rho**2)

        return linf
    raise SmoothcertError(f"noise {noise.slug}: expected a centripetal or mixed noise")


def dual_bound(
    log_w: NDArray[np.float64], p: float, delta: float | None = None
) -> tuple[float, float]:
    """max over lambda of lambda p - Dhat(lambda) - lambda sqrt(ln(2/delta) / 2n); and lambda.

    Dhat is the mean of (lambda - w)_+ over draws of pi_0 (equation 6 and section 4.2 of the
    paper); ``delta`` None leaves the Hoeffding term out. Concave and piecewise linear in
    lambda, so the maximum is at one of the sorted w: no search is needed.
    """
    n = len(log_w)
    w = np.exp(np.sort(log_w))
    slope = p - (0.0 if delta is None else np.sqrt(np.log(2 / delta) / (2 * n)))
    # lambda * slope - (j lambda - sum of the j smallest w) / n at lambda = w[j]
    total = np.cumsum(w)
    value = w * slope - (np.arange(1, n + 1) * w - total) / n
    best = int(np.argmax(value))
    return (float(value[best]), float(w[best])) if value[best] > 0 else (0.0, 0.0)
