"""Memory-based certification (DDRS Section 3.5, Algorithm 3): certificates that never clash.

With a noise scale of its own, each input is certified for another smoothed classifier, so two
certified balls of different classes may intersect. The memory keeps the balls it has certified
and changes the prediction and the radius of a later input so that they do not. What results is
a stateful classifier: the promise holds for queries that come after an input is stored, and
depends on the order in which inputs arrive, which is therefore an argument.

Balls are open, in the l1, l2 or linf norm of the certificates; both closed forms below need
only the triangle inequality and points on the line through the centres, so they hold in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.certificates import ABSTAIN, CertificateTable, is_correct
from smoothcert.certificates.balls import Neighbours, neighbours
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.errors import SmoothcertError

NONE, SAME, INSIDE, TRIMMED = "none", "same-class overlap", "inside", "trimmed"


def largest_in_subset(radius: ArrayLike, stored: ArrayLike, distance: ArrayLike) -> NDArray:
    """Largest r <= ``radius`` with B(x, r) inside B(x_i, ``stored``), x being inside it.

    B(x, r) lies in B(x_i, R_i) iff d + r <= R_i.
    """
    return np.minimum(radius, np.asarray(stored) - np.asarray(distance))


def largest_out_subset(radius: ArrayLike, stored: ArrayLike, distance: ArrayLike) -> NDArray:
    """Largest r <= ``radius`` with B(x, r) disjoint from B(x_i, ``stored``), x being outside.

    The open balls are disjoint iff r + R_i <= d.
    """
    return np.minimum(radius, np.asarray(distance) - np.asarray(stored))


@dataclass(frozen=True)
class Adjusted:
    """What the memory answered: class and radius of each input, and what happened."""

    predict: NDArray[np.int64]  # [N]
    radius: NDArray[np.float64]  # [N]
    event: NDArray[np.str_]  # [N] none, same-class overlap, inside, trimmed


def remember(
    predict: NDArray[np.int64],
    radius: NDArray[np.float64],
    near: Neighbours,
    order: ArrayLike | None = None,
    debug: bool = False,
) -> Adjusted:
    """Present the inputs to an empty memory in ``order`` (a permutation; default as given).

    For an input x with class c and radius R, among the balls stored so far: if x is inside
    balls, they share one class c' (else they would intersect). If c' != c, x gets c' and the
    largest subset of its ball inside one of them. Otherwise its ball is cut to be disjoint
    from all balls of other classes. Abstentions are not stored, but one inside a ball gets
    its class (with radius 0). ``debug`` checks after every insertion that no two stored balls
    of different classes intersect (AssertionError: a bug).
    """
    n = len(predict)
    sequence = np.arange(n) if order is None else np.asarray(order)
    if len(sequence) != n or not np.array_equal(np.sort(sequence), np.arange(n)):
        raise SmoothcertError(f"order: expected a permutation of 0..{n - 1}")
    c, r = predict.astype(np.int64).copy(), radius.astype(np.float64).copy()
    event = np.full(n, NONE, dtype=object)
    stored = np.zeros(n, bool)
    for i in sequence.tolist():
        other, distance = near.of(i)
        seen = stored[other]
        other, distance = other[seen], distance[seen]
        within = distance < r[other]
        if within.any() and c[other[within]][0] != c[i]:
            inside = largest_in_subset(r[i], r[other[within]], distance[within])
            c[i], r[i], event[i] = c[other[within]][0], inside.max(), INSIDE
        elif c[i] != ABSTAIN:
            enemies = c[other] != c[i]
            cut = largest_out_subset(r[i], r[other[enemies]], distance[enemies])
            if len(cut) and cut.min() < r[i]:
                r[i], event[i] = max(cut.min(), 0.0), TRIMMED
            elif (distance[~enemies] < r[other[~enemies]] + r[i]).any():
                event[i] = SAME
        stored[i] = c[i] != ABSTAIN and r[i] > 0
        if debug and stored[i]:
            clash = (c[other] != c[i]) & (distance < (r[other] + r[i]) * (1 - 1e-12))
            assert not clash.any(), f"balls {i} and {other[clash][0]} intersect"
    return Adjusted(c, r, event.astype(str))


def apply(
    table: CertificateTable,
    points: NDArray,
    order: ArrayLike | None = None,
    near: Neighbours | None = None,
    debug: bool = False,
) -> CertificateTable:
    """The certificates after the memory, the raw ones kept beside them.

    ``points`` [N, ...] are the inputs of the table's rows, in pixels of [0,1]; ``near`` may be
    given to try several orders. Adds predict_raw, radius_raw and memory_event.
    """
    if len(points) != len(table):
        raise SmoothcertError(f"memory: {len(table)} certificates, {len(points)} inputs")
    if near is None:
        flat = np.asarray(points).reshape(len(points), -1)
        near = neighbours(flat, table.radius, table.single("norm") or "l2")
    after = remember(table.predict, table.radius, near, order, debug)
    columns = dict(table.columns)
    columns.update(
        predict=after.predict,
        radius=after.radius,
        correct=is_correct(after.predict, table.label),
        predict_raw=table.predict,
        radius_raw=table.radius,
        memory_event=after.event,
    )
    return CertificateTable(columns)


def random_orders(n: int, repeats: int, seed: int) -> list[NDArray[np.int64]]:
    """Named random orders of ``n`` inputs, to measure how much the memory depends on them."""
    return [numpy_generator(seed, "memory-order", k).permutation(n) for k in range(repeats)]
