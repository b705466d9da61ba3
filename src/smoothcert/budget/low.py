"""Stop when low: sequential sampling whose Clopper-Pearson bound needs no correction.

Fix look ends n_1 < ... < n_J and thresholds b_1, ..., b_{J-1}; stop at the first look whose
count S_j is at most b_j, or at n_J. Then the plain bound at the full alpha is valid:

    P( CP_alpha(S_N, n_N) > p ) <= alpha   for every p.

*Proof.* Let c_j be the smallest count whose bound at n_j exceeds p, so P(S_j >= c_j) <= alpha
for each j. Let m be the first look with b_m >= c_m - 1 (with b_J = infinity there is one); it
depends on p but not on the votes. If the bound fails, then S_m >= c_m: who stops before m has
S_N <= b_N < c_N - 1, no failure; who stops at m and fails has S_m >= c_m; and who passes m has
S_m > b_m >= c_m - 1. So all failures lie within one event of probability at most alpha. []

The votes need not even be independent between looks. The thresholds must not depend on the
votes they judge; they may depend on the selection votes. The rule that stops for *high* counts
enjoys no such theorem, and stopping there is what breaks ISS with a relative decline.

The thresholds here stop an input once more samples are not worth their price. At the ratio
p = S_j / n_j the radius of n samples is R(LB(p, n)), and look j is worth passing if some later
look n' gains more than ``price`` * (n' - n_j). For Gaussian noise what is worth passing is an
upper set of counts, since more samples are worth more for sure inputs (about p (1-p) /
phi(Phi^-1 p)^2, which rises): nothing is lost by the restriction to such sets. For noises whose
radius is linear in p the rule is valid but samples sure inputs for longer than it should.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri

from smoothcert.budget.psi import Decline, table
from smoothcert.budget.spending import looks
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Ratios at which radii are tabled: even steps of Phi^-1 from 1/2 to 1 - 1e-6, and 1.
_AT = np.append(np.linspace(0.0, 4.75, 286), 5.5)
_RATIOS = np.append(ndtr(_AT[:-1]), 1.0)


@lru_cache(maxsize=32)
def radii(n: int, look: int, alpha: float, noise: Noise, d: int) -> Floats:
    """Radius at scale 1 of each ratio at each look end, [ratios, looks]."""
    ends = looks(n, look).astype(np.float64)
    p = _RATIOS[:, None]
    out = noise.standard_radius(betaincinv(p * ends, ends - p * ends + 1, alpha), d)
    out.setflags(write=False)
    return out


def expected_radii(p: Floats, n: int, look: int, alpha: float, noise: Noise, d: int) -> Floats:
    """Radius at scale 1 of ratios ``p`` [...] at each look end, [..., looks]; interpolated."""
    at = np.clip(ndtri(p), 0.0, _AT[-1])
    right = np.clip(np.searchsorted(_AT, at), 1, len(_AT) - 1)
    weight = ((at - _AT[right - 1]) / (_AT[right] - _AT[right - 1]))[..., None]
    whole = radii(n, look, alpha, noise, d)
    return np.asarray(whole[right - 1] * (1 - weight) + whole[right] * weight)


@lru_cache(maxsize=1024)
def price_thresholds(price: float, n: int, look: int, alpha: float, noise: Noise, d: int) -> Ints:
    """The largest counts at which to stop, [looks]; ``price`` in radius at scale 1 a sample."""
    ends, radius = looks(n, look), radii(n, look, alpha, noise, d)
    least = np.full(len(ends), np.inf)  # smallest ratio at which to go on
    for j in range(len(ends) - 1):
        gain = radius[:, j + 1 :] - radius[:, j, None] - price * (ends[j + 1 :] - ends[j])
        worth = np.flatnonzero((gain > 0).any(1))
        if len(worth):
            least[j] = _RATIOS[worth[0]]
    return _stop_below(least, ends)


@lru_cache(maxsize=1024)
def decline_thresholds(
    decline: Decline, n: int, look: int, alpha: float, noise: Noise, d: int
) -> Ints:
    """Stop once the samples reach the psi of the observed ratio, [looks]: ISS without stage 1.

    ``decline`` is in units of the noise scale. Where psi does not rise with p, the smallest
    ratio that asks for more decides, so some inputs get more samples than psi says.
    """
    ends = looks(n, look)
    cells = 2000
    sizes = table(decline, noise, d, n, alpha, 1, cells)
    ratios = 0.5 + np.arange(cells + 1) / (2 * cells)
    least = np.full(len(ends), np.inf)
    for j, end in enumerate(ends[:-1]):
        more = np.flatnonzero(sizes > end)
        if len(more):
            least[j] = ratios[more[0]]
    return _stop_below(least, ends)


def _stop_below(least: Floats, ends: Ints) -> Ints:
    """Counts at or below which to stop, given the smallest ratios at which to go on."""
    with np.errstate(invalid="ignore"):
        counts = np.ceil(least * ends - 1e-9) - 1
    out = np.where(np.isfinite(least), counts, ends).astype(np.int64)
    out.setflags(write=False)
    return out
