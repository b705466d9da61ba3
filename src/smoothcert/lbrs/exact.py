"""The exact l2 radius of LBRS with a linear base classifier and the 1-NN oracle.

The closed forms are lower bounds; this is what they bound, by one small quadratic programme a
reserved point that could come nearest. For figures and tests, not for large inputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.oracle import Oracle


def least_distance(a: NDArray, b: NDArray, enough: float = np.inf) -> float:
    """min ||z||_2 subject to a z >= b: [m, d], [m] -> float; infinite if infeasible.

    Lawson and Hanson's reduction of least-distance programming to nonnegative least squares, on
    a growing subset of the rows: those that the present answer violates most. The answer for a
    subset is a lower bound, so the search stops once it reaches ``enough``.
    """
    size = np.linalg.norm(a, axis=1)
    if np.any((size == 0) & (b > 0)):
        return np.inf
    a, b = a[size > 0] / size[size > 0, None], b[size > 0] / size[size > 0]
    unit = max(1.0, float(np.abs(b).max(initial=0.0)))
    z = np.zeros(a.shape[1])
    chosen: list[int] = []
    while True:
        violation = b - a @ z
        violation[chosen] = -np.inf
        worst = int(np.argmax(violation)) if len(violation) else 0
        if len(violation) == 0 or violation[worst] <= 1e-12 * unit:
            return float(np.linalg.norm(z))
        chosen.append(worst)
        e = np.vstack([a[chosen].T, b[chosen] / unit])
        f = np.zeros(len(e))
        f[-1] = 1.0
        residual = e @ nnls(e, f)[0] - f
        # In exact arithmetic 1 / (1 + (||z|| / unit)^2), and 0 if infeasible.
        if -residual[-1] <= 1e-9:
            return np.inf
        z = -unit * residual[:-1] / residual[-1]
        if np.linalg.norm(z) >= enough:
            return float(np.linalg.norm(z))


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
        raise SmoothcertError(f"k = {oracle.k}: the exact radius is available only for k = 1")
    x = np.asarray(x, np.float64).reshape(len(np.asarray(x)), -1)
    a = np.asarray(weight, np.float64).ravel()
    size = float(np.linalg.norm(a))
    d2 = oracle.squared_distances(x)
    score = x @ a + intercept
    answer = oracle.labels[np.argmin(d2, axis=1)]
    sign = np.where(score + bias * answer * size >= 0, 1, -1)
    out = np.full(len(x), np.inf)
    if size == 0:
        return out
    for vote in (-1, 1):
        voters = np.flatnonzero(oracle.labels == vote)
        others = np.flatnonzero(oracle.labels == -vote)
        if not len(voters):
            continue
        # Voter j rules where it is nearer than every point of the other label:
        # normal.z >= offset. There the prediction flips where -sign a.z >= margin.
        normals = oracle.points[voters][:, None] - oracle.points[others]  # [V, O, d]
        lengths = np.linalg.norm(normals, axis=-1)
        margin = sign * (score + bias * vote * size)
        # Where the nearest point of the flipped half-space is ruled by this vote, it is nearest.
        floor = np.maximum(margin, 0) / size
        straight = x - (sign * floor)[:, None] * (a / size)
        there = oracle(straight) == vote
        out = np.where(there, np.minimum(out, floor), out)
        for n in range(len(x)):
            offsets = (d2[n, voters][:, None] - d2[n, others]) / 2  # [V, O]
            reach = np.divide(offsets, lengths, out=np.zeros_like(offsets), where=lengths > 0).max(
                axis=1, initial=0.0
            )
            for j in np.argsort(reach, kind="stable"):
                if max(reach[j], floor[n]) >= out[n]:
                    break
                rows = np.vstack([normals[j], -sign[n] * a])
                bounds = np.append(offsets[j], margin[n])
                out[n] = min(out[n], least_distance(rows, bounds, out[n]))
    return out
