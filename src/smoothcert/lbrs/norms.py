"""lp norms and their duals, for p in 1, 2, infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.core.errors import SmoothcertError

DUAL = {"l1": "linf", "l2": "l2", "linf": "l1"}
_ORDER: dict[str, Any] = {"l1": 1, "l2": 2, "linf": np.inf}


def check(norm: str) -> str:
    """``norm`` itself; raises SmoothcertError unless it is l1, l2 or linf."""
    if norm not in DUAL:
        raise SmoothcertError(f"norm {norm!r}: expected one of {', '.join(DUAL)}")
    return norm


def length(vectors: ArrayLike, norm: str) -> NDArray:
    """The norm along the last axis, float64: [..., d] -> [...]."""
    return np.linalg.norm(np.asarray(vectors, np.float64), _ORDER[check(norm)], axis=-1)


def dual_length(vectors: ArrayLike, norm: str) -> NDArray:
    """The norm dual to ``norm`` along the last axis: sup of v.u over ||u|| <= 1."""
    return length(vectors, DUAL[check(norm)])


def steepest(vectors: ArrayLike, norm: str) -> NDArray:
    """Unit steps u of ``norm`` that maximize v.u, so that v.u = ||v||_*: [..., d] -> [..., d].

    A zero vector gives a zero step.
    """
    v = np.asarray(vectors, np.float64)
    if check(norm) == "linf":
        return np.sign(v)
    if norm == "l2":
        size = np.linalg.norm(v, axis=-1, keepdims=True)
        return np.divide(v, size, out=np.zeros_like(v), where=size > 0)
    step = np.zeros_like(v)
    largest = np.argmax(np.abs(v), axis=-1)[..., None]
    np.put_along_axis(step, largest, np.sign(np.take_along_axis(v, largest, -1)), -1)
    return step
