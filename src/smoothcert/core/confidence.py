"""Exact bounds on a binomial proportion: plain vectorized functions of (count, n, alpha)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv

from smoothcert.core.errors import SmoothcertError


def check_alpha(alpha: float) -> None:
    """Raise SmoothcertError unless 0 < alpha < 1."""
    if not 0 < alpha < 1:
        raise SmoothcertError(f"alpha {alpha:g}: expected a failure probability in (0, 1)")


def clopper_pearson_lower(count: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> NDArray:
    """One-sided lower confidence bound on p from ``count`` successes of ``n``.

    With probability at least 1 - alpha over the n independent draws, the true p is >= the
    bound. It is the alpha-quantile of Beta(count, n - count + 1), and 0 where count = 0
    (Clopper and Pearson 1934). Raises SmoothcertError unless 0 <= count <= n and 0 < alpha < 1.
    """
    k, m, a = np.broadcast_arrays(
        np.asarray(count, np.float64), np.asarray(n, np.float64), np.asarray(alpha, np.float64)
    )
    _check(k, m, a)
    with np.errstate(invalid="ignore"):
        bound = betaincinv(np.maximum(k, 1.0), m - k + 1.0, a)
    return np.where(k > 0, bound, 0.0)


def clopper_pearson_upper(count: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> NDArray:
    """One-sided upper confidence bound: the (1-alpha)-quantile of Beta(count+1, n-count).

    1 where count = n. Raises as :func:`clopper_pearson_lower`.
    """
    return 1.0 - clopper_pearson_lower(np.asarray(n) - np.asarray(count), n, alpha)


def tie_p_value(first: ArrayLike, second: ArrayLike) -> NDArray:
    """The two-sided exact binomial test of ``first`` against ``second`` votes, the probability of
    each 1/2: P(Bin(first + second, 1/2) >= first), doubled; 1 unless first > second."""
    one, other = np.asarray(first), np.asarray(second)
    return np.where(one > other, 2 * betainc(np.maximum(one, 1), other + 1, 0.5), 1.0)


def smallest_n(alpha: float) -> int:
    """The smallest n for which n agreeing votes give a lower bound above 1/2.

    alpha^(1/n) > 1/2 iff n > ln(1/alpha) / ln 2; 10 at alpha = 0.001.
    """
    check_alpha(alpha)
    n = max(1, math.ceil(math.log(1 / alpha) / math.log(2)))
    return n if alpha ** (1 / n) > 0.5 else n + 1


def _check(k: NDArray, n: NDArray, alpha: NDArray) -> None:
    wrong = ~((k >= 0) & (k <= n) & (n >= 1))
    if wrong.any():
        i = int(np.flatnonzero(wrong.ravel())[0])
        raise SmoothcertError(
            f"count {k.ravel()[i]:g} of n {n.ravel()[i]:g} (entry {i}): expected 0 <= count <= n"
        )
    if not ((alpha > 0) & (alpha < 1)).all():
        bad = alpha.ravel()[~((alpha > 0) & (alpha < 1)).ravel()][0]
        raise SmoothcertError(f"alpha {bad:g}: expected a failure probability in (0, 1)")
