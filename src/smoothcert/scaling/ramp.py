"""A control: the constant shift of the scale that gradient ascent gives a confident input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from smoothcert.core.slugs import arg, main
from smoothcert.scaling.base import (
    SCALINGS,
    ChosenScales,
    ScaleRange,
    Scaling,
    SearchCost,
    check_ascent,
)
from smoothcert.scaling.objective import saturated
from smoothcert.scaling.problem import Problem


@SCALINGS.member("ramp")
@dataclass(frozen=True)
class Ramp(Scaling):
    """Control: a constant shift, sigma_0 + K * step * (standard radius at the clamp).

    That is what ``ascent`` gives an input whose noisy copies are all classified as c_A with a
    probability above 1 - clamp. Gaussian: sigma_0 + K * step * Phi^-1(1 - clamp).
    """

    label = "constant shift"

    K: int = main("K", int)
    step: float = arg("lr", 1e-4, title="step {}")
    clamp: float = arg("clamp", 0.02)
    bound: float = arg("bound", 4.0)

    def __post_init__(self) -> None:
        check_ascent(self.K, self.step, self.clamp, self.bound)

    @property
    def search(self) -> str:
        return self.slug.removesuffix(f"-K{self.K}")

    @property
    def cost(self) -> SearchCost:
        return SearchCost()

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        speed = saturated(problem.noise, self.clamp)
        bounds = ScaleRange(problem.sigma_0, self.bound)
        found = []
        for ramp in wanted:
            end = problem.sigma_0 + cast("Ramp", ramp).K * self.step * speed
            hit = np.full(len(problem), end > bounds.high)
            found.append(ChosenScales(np.full(len(problem), min(end, bounds.high)), hit))
        return found
