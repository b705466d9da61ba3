"""How far a paper's number and ours may lie apart by their test inputs alone (95%).

The paper's inputs and ours are taken as independent samples of one distribution, though they
overlap where both are the same test set: the allowance is then too wide, never too narrow. What
differs between two trainings is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from scipy.special import ndtri

from smoothcert.certificates import metrics

# Test inputs behind a paper's numbers. DDRS does not state them: its CIFAR-10 accuracies step by
# 0.01 percent, its ImageNet ones by 0.2. ISS states 500 of each. Zhang et al. certify with the
# released code of Cohen et al., whose logs have 500.
PAPER_INPUTS: dict[str, dict[str, int]] = {
    "ddrs": {"cifar10": 10_000, "imagenet": 500},
    "iss": {"cifar10": 500, "imagenet": 500},
    "zhang": {"cifar10": 500, "imagenet": 500},
}
# The paper behind the number beside ours, by the beginning of a table's name. The reference of
# Cohen's own training is the row "Cohen" of DDRS (reference.py).
PAPER_OF = {
    "ddrs": "ddrs", "cohen": "ddrs", "training": "ddrs", "iss": "iss", "nongaussian": "zhang",
}  # fmt: skip


def accuracy_ends(percent: float, inputs: int) -> tuple[float, float]:
    """How far the Wilson interval of a printed accuracy reaches below and above it, in points."""
    hits = min(inputs, max(0, round(percent / 100 * inputs)))
    found = metrics.proportion(hits, inputs)
    value = 100 * float(found.value)
    return value - 100 * float(found.low), 100 * float(found.high) - value


def accuracy_half_width(percent: float, inputs: int) -> float:
    """Half of that interval."""
    return sum(accuracy_ends(percent, inputs)) / 2


def rounding(table: str, column: str, printed: str) -> float:
    """Half a unit of the paper's last digit. Its l1 tables and those of Zhang et al. print whole
    percents; elsewhere the digits of the number tell."""
    whole = table.startswith("nongaussian") or table == "ddrs_table4"
    if whole and column.startswith("accuracy"):
        return 0.5
    _, _, decimals = printed.partition(".")
    return 0.5 * 10.0 ** -len(decimals)


def mean_half_width(ours: float, inputs: int, theirs: int) -> float:
    """Half-width of the paper's mean from ours: the same spread over ``theirs`` inputs."""
    return ours * math.sqrt(inputs / theirs)


def together(half_widths: Iterable[float]) -> float:
    """Of a sum or difference of independent numbers."""
    return math.sqrt(sum(half**2 for half in half_widths))


def inputs_of_interval(percent: float, low: float, high: float) -> int | None:
    """The number of inputs behind an accuracy's Wilson interval; None if no number fits.

    From the product of the two ends of 1 - p or p: (1 - p)^2 / ((1 - low)(1 - high)) = 1 + z^2/n.
    """
    p, a, b = percent / 100, low / 100, high / 100
    if not 0 <= p <= 1:  # a difference
        return None
    if p < 0.5:
        p, a, b = 1 - p, 1 - b, 1 - a
    if not 0 < a <= p <= b:
        return None
    excess = p * p / (a * b) - 1
    if excess <= 0:
        return None
    n = round(float(ndtri((1 + metrics.LEVEL) / 2)) ** 2 / excess)
    if n < 1:
        return None
    again = metrics.proportion(round(p * n), n)
    fits = abs(float(again.low) - a) < 1e-6 and abs(float(again.high) - b) < 1e-6
    return n if fits else None


def inputs_of_row(row: Mapping[str, str]) -> int | None:
    """Our inputs behind a table's row: its column ``inputs``, else what its accuracies'
    intervals agree on; None where they do not (an envelope's intervals are wider)."""
    text = (row.get("inputs") or "").replace(",", "")
    if text.isdigit() and int(text) > 0:
        return int(text)
    found = set()
    for key, value in row.items():
        ends = row.get(f"{key}_low"), row.get(f"{key}_high")
        if not key.startswith(("accuracy_percent_", "certified_")) or not (value and all(ends)):
            continue
        found.add(inputs_of_interval(float(value), float(ends[0] or 0), float(ends[1] or 0)))
    return found.pop() if len(found) == 1 else None
