"""Certified radii of LBRS in closed form: Theorems 6 and 8, and a tighter form.

Arrays broadcast: the inputs' quantities have shape [N], a sweep of the bias shape [A, 1], the
results [A, N]. Radii are in the threat model's norm, in the inputs' units, and hold with
certainty: the prediction is constant within the open ball.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.core.errors import SmoothcertError

Form = Literal["published", "tight"]


@dataclass(frozen=True)
class Radii:
    """Scores and radii, all of one shape (that of bias broadcast with the inputs).

    Attributes:
        score: g_mu(x).
        predict: int64, the sign of the score: 1, or -1 below zero.
        radius: certified radius; 0 where the score is 0.
        boundary: the boundary term, with the oracle held at its answer.
        switch: the neighbour term, broadcast.
    """

    score: NDArray
    predict: NDArray
    radius: NDArray
    boundary: NDArray
    switch: NDArray


def root(gap: ArrayLike, slope: ArrayLike, curvature: ArrayLike) -> NDArray:
    """The r >= 0 at which gap - slope r - curvature r^2 / 2 reaches 0, shapes broadcast.

    Written so that curvature -> 0 needs no case: 2 gap / (slope + sqrt(slope^2 + 2 curvature
    gap)). 0 where gap <= 0; infinite where gap > 0 and slope = curvature = 0.
    """
    gap, slope, curvature = np.broadcast_arrays(
        np.maximum(np.asarray(gap, np.float64), 0.0),
        np.asarray(slope, np.float64),
        np.asarray(curvature, np.float64),
    )
    # hypot: slope^2 alone can overflow.
    denominator = slope + np.hypot(slope, np.sqrt(2 * curvature * gap))
    out = np.where(gap > 0, np.inf, 0.0)
    return np.divide(2 * gap, denominator, out=out, where=denominator > 0)


def published(
    g: ArrayLike,
    slope: ArrayLike,
    oracle: ArrayLike,
    switch: ArrayLike,
    bias: ArrayLike,
    lipschitz: ArrayLike = 0.0,
) -> Radii:
    """Theorem 8 as printed; at ``lipschitz`` = 0 its limit, Theorem 6.

    Args:
        g: [N] scores of the base classifier.
        slope: [N] ||grad g(x)||_*, in the norm dual to the threat model's.
        oracle: [N] -1 or +1.
        switch: [N] ``Oracle.published_radius``.
        bias: [A] or scalar, >= 0 (the paper's alpha), in the inputs' units.
        lipschitz: L: ||grad g(x) - grad g(x')||_* <= L ||x - x'||. Scalar or [N].

    Returns:
        Radii of shape [A, N] ([N] for a scalar bias).
    """
    g, slope, oracle, switch, bias, curvature = _arrays(g, slope, oracle, switch, bias, lipschitz)
    score = g + bias * oracle * slope
    # The printed remainder is L r^2, twice the one of Taylor's theorem: curvature 2 L.
    boundary = root(np.abs(score), slope + bias * curvature, 2 * curvature)
    switch = np.broadcast_to(switch, score.shape)
    return _radii(score, np.minimum(boundary, switch), boundary, switch)


def tight(
    g: ArrayLike,
    slope: ArrayLike,
    oracle: ArrayLike,
    switch: ArrayLike,
    bias: ArrayLike,
    lipschitz: ArrayLike = 0.0,
) -> Radii:
    """A larger valid radius from the same quantities; arguments as for ``published``.

    Three differences, proved in docs/methods/lbrs.md: the remainder is L r^2 / 2; the base
    classifier's own margin protects where the oracle agrees with the prediction; and a switch of
    the oracle counts only where it could change the prediction, so that the radius is never
    below the one that holds whatever the oracle says. At bias 0 it is the base classifier's own
    radius. ``switch`` is best ``Oracle.radius``.
    """
    g, slope, oracle, switch, bias, curvature = _arrays(g, slope, oracle, switch, bias, lipschitz)
    score = g + bias * oracle * slope
    sign = np.where(score >= 0, 1.0, -1.0)
    rate = slope + bias * curvature
    agrees = oracle == sign
    # Margin if the oracle opposes the prediction, everywhere in the ball.
    opposed = root(sign * g - bias * slope, rate, curvature)
    # With the oracle's help, which vanishes at worst where the gradient does.
    helped = np.maximum(
        root(sign * g + bias * slope, rate, curvature), root(sign * g, slope, curvature)
    )
    boundary = np.where(agrees, helped, opposed)
    switch = np.broadcast_to(switch, score.shape)
    radius = np.where(agrees, np.minimum(helped, np.maximum(switch, opposed)), opposed)
    return _radii(score, radius, boundary, switch)


def base_radius(g: ArrayLike, slope: ArrayLike, lipschitz: ArrayLike = 0.0) -> NDArray:
    """The base classifier's own certified radius: |g| / ||a||_* if linear. [N] float64."""
    return root(np.abs(np.asarray(g, np.float64)), slope, lipschitz)


FORMS: dict[Form, Callable[..., Radii]] = {"published": published, "tight": tight}


def _arrays(
    g: ArrayLike,
    slope: ArrayLike,
    oracle: ArrayLike,
    switch: ArrayLike,
    bias: ArrayLike,
    lipschitz: ArrayLike,
) -> tuple[NDArray, ...]:
    values = [np.asarray(v, np.float64) for v in (g, slope, oracle, switch, bias, lipschitz)]
    for name, value in (("bias", values[4]), ("lipschitz", values[5]), ("slope", values[1])):
        if not (np.all(value >= 0) and np.all(np.isfinite(value))):
            raise SmoothcertError(f"{name}: expected finite numbers >= 0")
    if not np.all(np.abs(values[2]) == 1):
        raise SmoothcertError("oracle: expected -1 or +1 for every input")
    if values[4].ndim == 1:
        values[4] = values[4][:, None]
    return tuple(values)


def _radii(score: NDArray, radius: NDArray, boundary: NDArray, switch: NDArray) -> Radii:
    predict = np.where(score >= 0, 1, -1).astype(np.int64)
    return Radii(score, predict, np.where(score == 0, 0.0, radius), boundary, switch)
