"""LBRS in any number of classes, with a closed-form certificate.

With scores g_1, ..., g_C and an oracle that names a class y(x), the smoothed scores are

    S_y(x) = g_y(x),   S_c(x) = g_c(x) - bias ||grad g_y(x) - grad g_c(x)||_*   (c != y),

and the prediction is their argmax: against each rival c the linearized margin of y is pushed as
far as a mean of length ``bias`` can push it. Two classes give Eq. 5 for g_1 - g_0. As the bias
grows the prediction becomes the oracle's. Proof of the certificate: docs/methods/lbrs.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.certificate import root
from smoothcert.lbrs.oracle import Oracle


def pair_slopes(gradients: ArrayLike, norm: str) -> NDArray:
    """||grad g_c - grad g_k||_* for all pairs: [N, C, d] -> [N, C, C] float64."""
    gradients = np.asarray(gradients, np.float64)
    out = np.zeros((*gradients.shape[:2], gradients.shape[1]))
    for c in range(gradients.shape[1]):
        out[:, c] = geometry.dual_length(gradients - gradients[:, c : c + 1], norm)
    return out


def scores(g: ArrayLike, slopes: ArrayLike, answer: ArrayLike, bias: float) -> NDArray:
    """The smoothed scores under the oracle's ``answer``: [N, C], [N, C, C], [N] -> [N, C]."""
    return (
        np.asarray(g, np.float64)
        - bias * np.asarray(slopes)[np.arange(len(np.asarray(g))), np.asarray(answer)]
    )


def predict(g: ArrayLike, slopes: ArrayLike, answer: ArrayLike, bias: float) -> NDArray:
    """The smoothed prediction, ties to the lowest class: [N] int64."""
    return np.argmax(scores(g, slopes, answer, bias), axis=1)


def held_radius(
    g: NDArray, slopes: NDArray, answer: NDArray, top: NDArray, bias: float, lipschitz: NDArray
) -> NDArray:
    """The radius within which class ``top`` wins if the oracle says ``answer`` throughout.

    0 where it does not win at the centre. ``lipschitz`` [C, C] bounds the gradient of each
    difference g_c - g_k. Shapes as in ``certify``; returns [N] float64.
    """
    rows = np.arange(len(g))
    s = scores(g, slopes, answer, bias)
    gap = s[rows, top][:, None] - s  # [N, C], against each rival
    own, said = lipschitz[top], lipschitz[answer]  # [N, C]
    # The two biased terms of the gap move at most this fast; the term of y itself is 0.
    push = said + said[rows, top][:, None]
    rate = slopes[rows, top] + bias * push
    radius = root(gap, rate, own)
    # Where the oracle names the top class its help is never negative: the base margin counts.
    plain = root(g[rows, top][:, None] - g, slopes[rows, top], own)
    radius = np.where((answer == top)[:, None], np.maximum(radius, plain), radius)
    # argmax of equal scores is a coin toss: a gap of 0 certifies nothing.
    radius[rows, top] = np.inf
    return radius.min(axis=1)


def certify(
    g: ArrayLike,
    gradients: ArrayLike,
    oracle: Oracle,
    x: ArrayLike,
    bias: float,
    norm: str,
    lipschitz: ArrayLike = 0.0,
) -> tuple[NDArray, NDArray]:
    """Predictions and certified radii of multiclass LBRS.

    Args:
        g: [N, C] base scores.
        gradients: [N, C, d] their gradients at x.
        oracle: labels 0 .. C-1, k = 1 (any odd k if its labels are of two classes).
        x: [N, d].
        bias: >= 0.
        norm: threat model.
        lipschitz: bounds on the Lipschitz constants of grad(g_c - g_k) in (norm, dual norm):
            a scalar, or [C, C] symmetric with zero diagonal; 0 for linear scores.

    Returns:
        predict [N] int64 and radius [N] float64: the prediction is constant in the open ball.

    Raises:
        SmoothcertError: labels outside 0 .. C-1, or a negative bias or Lipschitz constant.
    """
    g = np.asarray(g, np.float64)
    n, c = g.shape
    known = oracle.classes
    if known.min() < 0 or known.max() >= c:
        raise SmoothcertError(f"reserved points of classes {known.tolist()}: expected 0 to {c - 1}")
    bound = np.broadcast_to(np.asarray(lipschitz, np.float64), (c, c)) * (1 - np.eye(c))
    if not (bias >= 0 and np.isfinite(bias) and np.all(bound >= 0)):
        raise SmoothcertError(f"bias {bias:g} and Lipschitz bounds: expected numbers >= 0")
    slopes = pair_slopes(gradients, norm)
    answer = oracle(x)
    top = predict(g, slopes, answer, bias)
    radius = held_radius(g, slopes, answer, top, bias, bound)
    switches = oracle.radius_to_classes(x, norm)
    for column, other in enumerate(known):
        # Once the oracle could say `other`, only what holds under `other` remains.
        held = held_radius(g, slopes, np.full(n, other), top, bias, bound)
        radius = np.minimum(radius, np.maximum(switches[:, column], held))
    return top, radius
