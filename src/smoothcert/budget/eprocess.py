"""An anytime-valid lower bound: the Beta-mixture e-process in closed form.

For S votes among n and F = n - S, and a prior Beta(a, b) restricted to p > p0,

    ln M_n(p0) = ln B(S+a, F+b) - ln B(a, b) - S ln p0 - F ln(1 - p0)
                 + ln P(Beta(S+a, F+b) > p0) - ln P(Beta(a, b) > p0)

is the logarithm of a nonnegative supermartingale of mean at most 1 for every true p <= p0: for
q > p0 >= p one vote multiplies its likelihood ratio by p q/p0 + (1-p) (1-q)/(1-p0) <= 1. By
Ville's inequality P(M_n(p0) >= 1/alpha for any n) <= alpha, so

    L_n = inf { p0 : M_n(p0) < 1/alpha }

is a lower confidence bound at all n at once (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon
2021, with the one-sided restriction that drops the upper half of the mixture). One may stop,
resume, top up, or change the plan after looking. The prior must be fixed before the votes it is
used on: 1/2 a class, plus the selection votes, which are independent of the estimation votes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc, betaln, xlog1py, xlogy

Floats = NDArray[np.float64]


def log_wealth(p0: ArrayLike, count: ArrayLike, n: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """ln M_n(p0) for 0 < p0 < 1; all arguments broadcast."""
    p0, s, n, a, b = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (p0, count, n, a, b)))
    f = n - s
    return (
        betaln(s + a, f + b)
        - betaln(a, b)
        - xlogy(s, p0)
        - xlog1py(f, -p0)
        + _log_tail(s + a, f + b, p0, -np.inf)
        - _log_tail(a, b, p0, 0.0)
    )


def _log_tail(a: Floats, b: Floats, x: Floats, underflow: float) -> Floats:
    """ln P(Beta(a, b) > x); ``underflow`` where doubles cannot hold it.

    The posterior's tail is then taken as 0 and the prior's as 1: both lower M, and the bound.
    """
    tail = betaincc(a, b, x)
    return np.where(tail > 1e-290, np.log(np.maximum(tail, 1e-300)), underflow)


def mixture_lower(
    count: ArrayLike, n: ArrayLike, alpha: float, a: ArrayLike = 0.5, b: ArrayLike = 0.5
) -> Floats:
    """The bound L_n, shape of the broadcast arguments; 0 where no votes are in favour.

    With probability at least 1 - alpha the true p is >= L_n for all n at once. M_n falls with
    p0 up to about S/n and is at most 1 there, so a bisection finds the end of the rejected
    range; its lower end is returned, so that rounding never raises the bound. A sweep below it
    guards against priors that contradict the votes, for which M_n might not fall everywhere.
    """
    arrays = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (count, n, a, b)))
    # Equal votes have equal bounds; a simulation has many.
    distinct, which = np.unique(np.stack([v.ravel() for v in arrays]), axis=1, return_inverse=True)
    bounds = _mixture_lower(*distinct, target=-np.log(alpha))
    return bounds[which.ravel()].reshape(arrays[0].shape)


def _mixture_lower(s: Floats, n: Floats, a: Floats, b: Floats, *, target: float) -> Floats:
    low, high = np.zeros(s.shape), np.clip(s / np.maximum(n, 1), 1e-12, 1 - 1e-15)
    for _ in range(44):
        middle = (low + high) / 2
        reject = log_wealth(np.maximum(middle, 1e-300), s, n, a, b) >= target
        low, high = np.where(reject, middle, low), np.where(reject, high, middle)
    for part in np.linspace(0.98, 0.02, 17):
        kept = log_wealth(np.maximum(part * low, 1e-300), s, n, a, b) < target
        low = np.where(kept, part * low, low)
    return np.where(s > 0, low, 0.0)
