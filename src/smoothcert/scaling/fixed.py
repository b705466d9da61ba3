"""The noise's own scale at every input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smoothcert.scaling.base import SCALINGS, Cost, Found, Scaling
from smoothcert.scaling.problem import Problem


@SCALINGS.member("fixed")
@dataclass(frozen=True)
class Fixed(Scaling):
    """The noise's own scale at every input (Cohen et al. 2019): nothing is searched."""

    @property
    def search(self) -> None:
        return None

    @property
    def cost(self) -> Cost:
        return Cost()

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[Found]:
        n = len(problem)
        return [Found(np.full(n, problem.sigma_0), np.zeros(n, bool)) for _ in wanted]
