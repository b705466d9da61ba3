"""Grid searches by hard votes: a scale for each input, and one for all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.slugs import arg, main
from smoothcert.scaling.base import SCALINGS, ChosenScales, Scaling, SearchCost, check
from smoothcert.scaling.choice import largest, vote_radii
from smoothcert.scaling.problem import GRID, Problem


@SCALINGS.member("grid-hard")
@dataclass(frozen=True)
class GridHard(Scaling):
    """The scale whose radius from ``n`` hard votes for c_A is largest; sigma_0 where it ties.

    Of ``points`` scales in equal ratios, sigma_0 in the middle, up to a factor ``bound`` away;
    the scales of an input share the noise of its votes. No gradient. ``grid-hard-n200`` spends
    the evaluations of 900 steps of ascent with n = 1.
    """

    label = "grid by votes"

    n: int = main("n", int)
    points: int = arg("g", 9, int)
    bound: float = arg("bound", 3.0)
    n_sel: int = arg("sel", 100, int)

    def __post_init__(self) -> None:
        for name, value in (("n", self.n), ("sel", self.n_sel)):
            check(value >= 1, name, value, "at least 1")
        odd = self.points >= 3 and self.points % 2 == 1
        check(odd, "g", self.points, "an odd number of points, at least 3")
        check(1 < self.bound < float("inf"), "bound", self.bound, "a factor above 1")

    @property
    def search(self) -> str:
        return GridHard(self.n, self.points, self.bound, self.n_sel).slug

    @property
    def cost(self) -> SearchCost:
        return SearchCost(forward=self.points * self.n)

    @property
    def together(self) -> int:
        return 1  # votes are drawn for one input after the other

    def scales(self, sigma_0: float) -> NDArray[np.float64]:
        """The scales that are tried, ascending, [points]."""
        half = self.points // 2
        return sigma_0 * self.bound ** (np.arange(-half, half + 1) / half)

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        start = time.perf_counter()
        scales = self.scales(problem.sigma_0)
        tried = torch.from_numpy(scales).expand(len(problem), -1)
        radii = vote_radii(problem, tried, problem.c_a(self.n_sel), GRID, self.n)
        best = largest(radii, self.points // 2)
        hit = (best == 0) | (best == self.points - 1)
        found = ChosenScales(scales[best], hit, time.perf_counter() - start, radii)
        return [found for _ in wanted]


@SCALINGS.member("grid-one")
@dataclass(frozen=True)
class GridOne(GridHard):
    """Control: ONE scale for all inputs, the best of the grid on average.

    That of the largest mean, over the inputs, of the radii that ``grid-hard`` compares.
    """

    label = "one scale: best of the grid"

    def pooled(self, found: ChosenScales, sigma_0: float) -> ChosenScales:
        assert found.scores is not None
        best = largest(found.scores.mean(0, keepdims=True), self.points // 2)[0]
        at_end = best in (0, self.points - 1)
        return replace(
            found,
            sigma=np.full_like(found.sigma, self.scales(sigma_0)[best]),
            hit_bound=np.full_like(found.hit_bound, at_end),
        )
