"""The noise's own scale at every input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smoothcert.scaling.base import SCALINGS, ChosenScales, Scaling, SearchCost
from smoothcert.scaling.problem import Problem


@SCALINGS.member("fixed")
@dataclass(frozen=True)
class NominalScale(Scaling):
    """The noise's own scale at every input (Cohen et al. 2019): nothing is searched."""

    @property
    def search(self) -> None:
        return None

    @property
    def cost(self) -> SearchCost:
        return SearchCost()

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        n = len(problem)
        return [ChosenScales(np.full(n, problem.sigma_0), np.zeros(n, bool)) for _ in wanted]
