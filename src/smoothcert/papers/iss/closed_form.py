"""Radii of ISS and of a fixed size as functions of the class probability: no model is needed.

ISS is the published rule (budget/iss.py), IAS a fixed number of samples, as the paper calls them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, betaincinv, ndtri

from smoothcert.budget.psi import Decline, Mapping, psi
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.noise import Gaussian

Floats = NDArray[np.float64]

ALPHA = 0.001
KBAR = 100_000  # desired samples of figures 3 and 4
# The noise scale at which figure 3 has the paper's numbers. The paper states its desired samples
# and bound ("AD(k; 100,000, p_A) <= 0.0042"), neither sigma nor alpha.
FITTED_SCALE = 0.5
BOUND = 0.0042  # of figure 3
EXAMPLES = (0.51, 0.99)  # its class probabilities
# The numbers of the paper's text beside figures 3 and 4: samples of ISS by class probability, and
# the class probability above which ISS is said to be ahead.
PRINTED_SIZES = {0.51: 35_000, 0.99: 65_000}
PRINTED_CROSSING = 0.94


def radius_at(p: float, n: Floats, scale: float) -> Floats:
    """The paper's R-hat(n, p; sigma): the radius of n votes in the ratio p, below 0 if < 1/2."""
    return np.asarray(scale * ndtri(betaincinv(p * n, n - p * n + 1, ALPHA)), np.float64)


def size(p: float, bound: float, scale: float = FITTED_SCALE) -> int:
    """Samples for a decline of at most ``bound`` from KBAR samples (equation 5)."""
    return int(psi(p, Decline(ad=bound), Gaussian(1.0), scale, 1, kbar=KBAR, alpha=ALPHA))


def decline(p: float, k: int, whole: int = KBAR, scale: float = FITTED_SCALE) -> float:
    """Radius given up by k samples against ``whole`` samples (equation 3)."""
    desired, less = radius_at(p, np.array([float(whole), float(k)]), scale)
    return float(desired - less)


def expected_radius(p: float, mapping: Mapping, k0: int, scale: float) -> float:
    """Mean radius of the published rule at class probability p (0 for an abstention)."""
    sizes = mapping.sizes(np.arange(k0 + 1), k0, Gaussian(1.0), scale, 1)
    parts = (np.arange(16) + 0.5) / 16
    x = _quantiles(parts, k0, p).astype(np.int64)
    n = np.maximum(sizes[x], k0)[:, None]
    count = x[:, None] + _quantiles(parts[None], n - k0, p)
    bound = clopper_pearson_lower(np.clip(count, 0, n), n, mapping.alpha)
    radius = scale * Gaussian(1.0).standard_radius(bound, 1)
    return float(np.where(sizes[x][:, None] > 0, radius, 0.0).mean())


def fixed_radius(p: float, n: int, scale: float) -> float:
    """Mean radius of n samples at class probability p."""
    counts = _quantiles((np.arange(200) + 0.5) / 200, n, p)
    return float(
        scale * Gaussian(1.0).standard_radius(clopper_pearson_lower(counts, n, ALPHA), 1).mean()
    )


def ahead(p: float, scale: float, bound: float = 0.05, fixed: int = 30_000) -> float:
    """Mean radius of ISS (KBAR desired samples, k0 a hundredth) minus that of ``fixed`` samples."""
    mapping = Mapping(Decline(ad=bound), KBAR, ALPHA)
    return expected_radius(p, mapping, KBAR // 100, scale) - fixed_radius(p, fixed, scale)


@cache
def crossing(scale: float) -> float:
    """The class probability from which :func:`ahead` is positive."""
    low, high = 0.9, 0.9999
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if ahead(middle, scale) > 0 else (middle, high)
    return high


def _quantiles(parts: Floats, n: Any, p: float) -> Floats:
    """Quantiles of Bin(n, p); 0 where n is 0."""
    m = np.asarray(n, np.float64)
    if p >= 1:
        return np.broadcast_to(m, np.broadcast(parts, m).shape)
    with np.errstate(invalid="ignore"):
        value = np.ceil(bdtrik(parts, np.maximum(m, 1), p) - 1e-9)
    return np.where(m > 0, np.clip(np.nan_to_num(value), 0, m), 0.0)
