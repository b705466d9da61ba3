"""How far a paper's number and ours may lie apart by their test inputs alone (95%).

The paper's inputs (papers/inputs.csv) and ours are taken as independent samples of one
distribution, though they overlap where both are the same test set: the allowance is then too
wide, never too narrow. What differs between two trainings is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from smoothcert.certificates import metrics


def accuracy_ends(percent: float, inputs: int) -> tuple[float, float]:
    """How far the Wilson interval of a printed accuracy reaches below and above it, in points."""
    hits = min(inputs, max(0, round(percent / 100 * inputs)))
    share = metrics.proportion(hits, inputs)
    value = 100 * float(share.value)
    return value - 100 * float(share.low), 100 * float(share.high) - value


def accuracy_half_width(percent: float, inputs: int) -> float:
    """Half of that interval."""
    return sum(accuracy_ends(percent, inputs)) / 2


def mean_half_width(ours: float, inputs: int, theirs: int) -> float:
    """Half-width of the paper's mean from ours: the same spread over ``theirs`` inputs."""
    return ours * math.sqrt(inputs / theirs)


def together(half_widths: Iterable[float]) -> float:
    """Of a sum or difference of independent numbers."""
    return math.sqrt(sum(half**2 for half in half_widths))
