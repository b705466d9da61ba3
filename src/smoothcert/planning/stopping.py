"""How many samples an input costs: the most, and what an adaptive budget should need.

What an adaptive budget needs depends on the class probabilities under noise, which nobody knows
before sampling. The expectation here runs the budget's own rule on simulated votes with the
probabilities in ``vote_shares.csv``: 20 quantiles each of Phi(radius / sigma) over the inputs of
certificate tables that others published (0.5 for an abstention), for the same data set and the
nearest noise scale. Other models stop earlier or later; a plan shows the most beside it.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from smoothcert.budget import BUDGETS
from smoothcert.budget.adaptive import Adaptive
from smoothcert.budget.simulated import BinomialStream
from smoothcert.noise import NOISES
from smoothcert.streams import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REPEATS = 5  # simulated inputs of each quantile


@dataclass(frozen=True)
class Samples:
    """Samples of one input, selection included; equal unless the budget is adaptive."""

    expected: float
    most: int


@cache
def samples_per_input(budget: str, noise: str, dataset: str, d: int, look: int) -> Samples:
    """The samples that ``budget`` takes of an input of ``dataset`` (dimension ``d``)."""
    rule, distribution = BUDGETS.parse(budget), NOISES.parse(noise)
    most = rule.n0 + math.ceil(rule.n / look) * look
    if not isinstance(rule, Adaptive):
        return Samples(most, most)
    p = np.repeat(vote_shares(dataset, distribution.scale), _REPEATS)
    stream = BinomialStream(p, rule.n0, look, numpy_generator(0, "plan"))
    rule = rule.beside(distribution)
    assert isinstance(rule, Adaptive)
    outcome = rule.decide(stream, distribution, np.full(len(p), distribution.scale), d)
    estimation = np.ceil((outcome.samples - rule.n0) / look) * look
    return Samples(float(rule.n0 + estimation.mean()), most)


def vote_shares(dataset: str, sigma: float) -> NDArray[np.float64]:
    """20 quantiles of the class probabilities under noise that published certificates tell."""
    rows = _published()
    alike = [row for row in rows if dataset.startswith(row[0])] or rows
    return min(alike, key=lambda row: abs(math.log(row[1] / sigma)))[2]


@cache
def _published() -> list[tuple[str, float, NDArray[np.float64]]]:
    table = resources.files("smoothcert.planning") / "vote_shares.csv"
    with table.open(encoding="utf-8") as file:
        return [
            (
                row["dataset"],
                float(row["sigma"]),
                np.array([float(v) for k, v in row.items() if k.startswith("q")]),
            )
            for row in csv.DictReader(file)
        ]
