"""The exact l2 radius of LBRS with a linear base classifier and the 1-NN oracle.

The closed forms are lower bounds; this is what they bound, by one small quadratic programme a
reserved point that could come nearest. For figures and tests, not for large inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from smoothcert.errors import SmoothcertError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from smoothcert.lbrs.oracle import Oracle


def least_distance(a: NDArray, b: NDArray) -> float:
    """min ||z||_2 subject to a z >= b: [m, d], [m] -> float; infinite if infeasible.

    Lawson and Hanson's reduction of least-distance programming to nonnegative least squares.
    """
    e = np.vstack([a.T, b])
    f = np.zeros(len(e))
    f[-1] = 1.0
    u, _ = nnls(e, f)
    residual = e @ u - f
    if -residual[-1] <= 1e-12:
        return np.inf
    return float(np.linalg.norm(residual[:-1] / residual[-1]))


def exact_radius(
    weight: ArrayLike, intercept: float, oracle: Oracle, x: ArrayLike, bias: float
) -> NDArray:
    """The l2 distance from each input to the nearest point that is classified otherwise.

    For g(x) = weight.x + intercept and g_mu of Eq. 4; ``oracle`` has k = 1 and labels -1, +1.

    Args:
        x: [N, d].
        bias: the bias, >= 0.

    Returns:
        [N] float64, infinite where every point of the space is classified alike.

    Raises:
        SmoothcertError: the oracle has k > 1.
    """
    if oracle.k != 1:
        raise SmoothcertError(f"k = {oracle.k}: the exact radius is computed for k = 1")
    x = np.asarray(x, np.float64).reshape(len(np.asarray(x)), -1)
    a = np.asarray(weight, np.float64).ravel()
    size = float(np.linalg.norm(a))
    d2 = oracle.squared_distances(x)
    out = np.empty(len(x))
    for n, point in enumerate(x):
        y = int(oracle.labels[np.argmin(d2[n])])
        score = float(a @ point) + intercept
        sign = 1 if score + bias * y * size >= 0 else -1
        best = np.inf
        # A flip happens where the oracle says `vote` and sign * (a.(x+z) + c) <= -bias vote sign.
        for vote in (-1, 1):
            margin = sign * score + bias * sign * vote * size
            voters = np.flatnonzero(oracle.labels == vote)
            others = np.flatnonzero(oracle.labels == -vote)
            # Each voter j owns the z for which it is nearer than every other-label point.
            normals = oracle.points[voters][:, None] - oracle.points[others]  # [V, O, d]
            offsets = (d2[n, voters][:, None] - d2[n, others]) / 2  # normal.z >= offset
            if len(others):
                lengths = np.linalg.norm(normals, axis=-1)
                reach = np.divide(
                    offsets, lengths, out=np.zeros_like(offsets), where=lengths > 0
                ).max(axis=1)
            else:
                reach = np.zeros(len(voters))
            for j in np.argsort(reach):
                if reach[j] >= best:
                    break
                rows = np.vstack([normals[j], -sign * a])
                bounds = np.append(offsets[j], margin)
                best = min(best, least_distance(rows, bounds))
        out[n] = best
    return out
