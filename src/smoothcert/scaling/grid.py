"""The greedy grid search of DDRS appendix B (arXiv version)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smoothcert.compute.lazy import torch
from smoothcert.core.slugs import arg, main
from smoothcert.models.mode import wide
from smoothcert.noise.soft_radius import soft_radius
from smoothcert.scaling.base import SCALINGS, ChosenScales, ScaleRange, Scaling, SearchCost, check
from smoothcert.scaling.problem import GRID, Problem


@SCALINGS.member("grid")
@dataclass(frozen=True)
class Grid(Scaling):
    """The greedy grid search of DDRS appendix B (arXiv version).

    The scale with the largest soft radius of c_A, estimated from ``n`` fresh samples at each of
    2 K / n equally spaced scales: as many evaluations as K steps of ascent with n = 1, a forward
    and a backward pass counted as one each (the paper: K = 100, 200 evaluations). The paper's
    range is lost in its text; here it is that of the ascent, a factor ``bound`` around sigma_0.
    """

    label = "grid"

    n: int = main("n", int)
    K: int = arg("K", 900, int)
    clamp: float = arg("clamp", 0.02)
    bound: float = arg("bound", 4.0)
    n_sel: int = arg("sel", 100, int)

    def __post_init__(self) -> None:
        for name, value in (("n", self.n), ("K", self.K), ("sel", self.n_sel)):
            check(value >= 1, name, value, "at least 1")
        check(self.points >= 2, "n", self.n, f"at most K = {self.K}, for two points")
        check(0 < self.clamp < 0.5, "clamp", self.clamp, "0 < clamp < 0.5")
        check(1 < self.bound < float("inf"), "bound", self.bound, "a factor above 1")

    @property
    def points(self) -> int:
        """Scales that are tried."""
        return 2 * self.K // self.n

    @property
    def search(self) -> str:
        return self.slug

    @property
    def cost(self) -> SearchCost:
        return SearchCost(forward=self.points * self.n)

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        start = time.perf_counter()
        bounds = ScaleRange(problem.sigma_0, self.bound)
        c_a = problem.c_a(self.n_sel)
        scales = np.linspace(bounds.low, bounds.high, self.points)
        radii = problem.x.new_empty((len(problem), self.points), dtype=torch.float64)
        with torch.inference_mode():
            drawn = problem.steps(GRID, self.n, self.points)
            for g, (scale, eps) in enumerate(zip(scales, drawn, strict=True)):
                noisy = torch.add(problem.x[:, None], eps, alpha=scale)
                softmax = wide(problem.engine.logits(noisy.flatten(0, 1))).softmax(1)
                mean = softmax.unflatten(0, (-1, self.n)).mean(1).double()
                at = torch.full_like(mean[:, 0], scale)
                radii[:, g] = soft_radius(mean, at, problem.noise, self.clamp, c_a)
                problem.progress(len(problem) * self.n)
        best = radii.argmax(1).cpu().numpy()
        hit = (best == 0) | (best == self.points - 1)
        found = ChosenScales(scales[best], hit, time.perf_counter() - start)
        return [found for _ in wanted]
