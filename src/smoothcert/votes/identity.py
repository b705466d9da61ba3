"""In what two specifications of votes differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smoothcert.core.provenance import ANSWERS
from smoothcert.core.scratch import first_difference


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first thing in which two identities differ, in words; '' if in nothing.

    The answers of a network on fixed inputs are the same up to rounding, which differs from one
    kind of processor to another.
    """
    rest = ({k: v for k, v in identity.items() if k != ANSWERS} for identity in (one, other))
    if said := first_difference(*rest):
        return said
    first, second = one.get(ANSWERS), other.get(ANSWERS)
    if first == second:
        return ""
    if first is None or second is None:
        return "answers: the network's outputs on fixed inputs are known for only one of them"
    a, b = np.asarray(first), np.asarray(second)
    if a.shape == b.shape:
        allowed = 1e-3 * (a.max(0) - a.min(0)).max() + 1e-6 * np.abs(a).max()
        if np.abs(a - b).max() <= allowed:
            return ""
    return (
        "answers: the network's outputs on fixed inputs differ, although its class and its"
        " weights are the same"
    )
