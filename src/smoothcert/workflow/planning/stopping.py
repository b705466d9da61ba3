"""How many samples an input costs: the most, and what an adaptive budget should need.

What an adaptive budget needs depends on the class probabilities under noise, which nobody knows
before sampling. The expectation here runs the budget's own rule on simulated votes with the
probabilities in ``vote_shares.csv``: 20 quantiles each of Phi(radius / sigma) over the inputs of
certificate tables that others published (0.5 for an abstention), for the same data set, noise
scale and training as far as there are such. Other models stop earlier or later; a plan shows the
most beside it.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from smoothcert.budget import BUDGETS
from smoothcert.budget.adaptive import Adaptive
from smoothcert.budget.simulated import BinomialStream
from smoothcert.compute.streams import numpy_generator
from smoothcert.noise import NOISES

_REPEATS = 5  # simulated inputs of each quantile


@dataclass(frozen=True)
class Samples:
    """Samples of one input, selection included; equal unless the budget is adaptive."""

    expected: float
    most: int


@cache
def samples_per_input(
    budget: str, noise: str, dataset: str, d: int, look: int, method: str = "cohen"
) -> Samples:
    """The samples that ``budget`` takes of an input of ``dataset`` (dimension ``d``).

    ``method`` is how the model was trained.
    """
    rule, distribution = BUDGETS.parse(budget), NOISES.parse(noise)
    look = rule.look_of(look)
    most = rule.n0 + math.ceil(rule.n / look) * look
    if not isinstance(rule, Adaptive):
        return Samples(most, most)
    p = np.repeat(vote_shares(dataset, distribution.scale, method), _REPEATS)
    stream = BinomialStream(p, rule.n0, look, numpy_generator(0, "plan"))
    rule = rule.beside(distribution)
    assert isinstance(rule, Adaptive)
    outcome = rule.decide(stream, distribution, np.full(len(p), distribution.scale), d)
    estimation = np.ceil((outcome.samples - rule.n0) / look) * look
    return Samples(float(rule.n0 + estimation.mean()), most)


# By the method of training here, what the published models that come nearest were trained with.
_TRAININGS = {
    "cohen": "gaussian",
    "smoothadv": "smoothadv",
    "macer": "macer consistency",
    "consistency": "consistency",
}


def vote_shares(dataset: str, sigma: float, method: str = "cohen") -> NDArray[np.float64]:
    """20 quantiles of the class probabilities under noise that published certificates tell.

    Between two published noise scales they are interpolated (probits, over log sigma); beyond,
    the nearest scale's are taken.
    """
    rows = _published()
    alike = [row for row in rows if dataset.startswith(row.dataset)] or rows
    trainings = _TRAININGS.get(method, "").split()
    by_scale: dict[float, _Published] = {}
    for row in sorted(alike, key=lambda row: (row.sigma, row.training not in trainings)):
        by_scale.setdefault(row.sigma, row)
    probits = ndtri(np.stack([row.shares for row in by_scale.values()]))
    at = np.log(list(by_scale))
    return ndtr([np.interp(math.log(sigma), at, column) for column in probits.T])


@dataclass(frozen=True)
class _Published:
    dataset: str
    training: str
    sigma: float
    shares: NDArray[np.float64]


@cache
def _published() -> list[_Published]:
    table = resources.files("smoothcert.workflow.planning") / "vote_shares.csv"
    with table.open(encoding="utf-8") as file:
        return [
            _Published(
                row["dataset"],
                row["training"],
                float(row["sigma"]),
                np.array([float(v) for k, v in row.items() if k.startswith("q")]),
            )
            for row in csv.DictReader(file)
        ]
