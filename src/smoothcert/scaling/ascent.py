"""DDRS Algorithm 1: gradient ascent on the soft radius, and the controls that go with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from smoothcert.compute.lazy import torch
from smoothcert.core.slugs import arg, main
from smoothcert.scaling.base import (
    SCALINGS,
    ChosenScales,
    ScaleRange,
    Scaling,
    SearchCost,
    check,
    check_ascent,
)
from smoothcert.scaling.objective import Objective
from smoothcert.scaling.problem import ASCENT, Problem


@dataclass(frozen=True)
class _Steps(Scaling):
    """K steps of size ``step`` with the class probabilities clamped to [clamp, 1 - clamp].

    Each step estimates the soft radius from ``n`` fresh samples; c_A is the class of most of
    ``n_sel`` votes under sigma_0.
    """

    K: int = main("K", int, title="K = {}")
    n: int = arg("n", 1, int, title="n = {}")
    step: float = arg("lr", 1e-4, title="step {}")
    clamp: float = arg("clamp", 0.02)
    bound: float = arg("bound", 4.0)
    n_sel: int = arg("sel", 100, int)
    released: bool = arg("released", False, bool, title="classes recomputed at each step")

    def __post_init__(self) -> None:
        check_ascent(self.K, self.step, self.clamp, self.bound)
        check(self.n >= 1, "n", self.n, "at least 1")
        check(self.n_sel >= 1, "sel", self.n_sel, "at least 1")

    @property
    def ascent(self) -> Ascent:
        """The ascent with these settings."""
        return Ascent(self.K, self.n, self.step, self.clamp, self.bound, self.n_sel, self.released)

    @property
    def search(self) -> str:
        return self.ascent.slug.removesuffix(f"-K{self.K}")

    @property
    def cost(self) -> SearchCost:
        return SearchCost(forward=self.K * self.n, backward=self.K * self.n)

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        at = sorted({cast("_Steps", w).K for w in wanted})
        snapshots = dict(zip(at, _climb(problem, self, at), strict=True))
        return [snapshots[cast("_Steps", w).K] for w in wanted]


@SCALINGS.member("ascent")
@dataclass(frozen=True)
class Ascent(_Steps):
    """Plain stochastic gradient ascent on each input's scale (DDRS Algorithm 1).

    sigma <- sigma + step * dR/dsigma, K times from sigma_0, R the radius formula with the mean
    softmax outputs of n fresh noisy copies (Gaussian: equation 3; uniform: equation 4). c_A is
    held fixed as in equations 2 and 3; ``released`` takes the two largest classes anew at each
    step, as Algorithm 1 and the released code do. The clamp [0.02, 0.98] is the released code's:
    with n = 1 the Gaussian quantile of a softmax output is infinite in floating point.

    Neither paper nor code bounds sigma; here it stays within a factor ``bound`` of sigma_0, the
    least round one that the drift of a confident input (see :class:`Ramp`) does not reach in
    the paper's longest sweep (0.12 + 1500 steps: a factor 3.57). A gradient that is not finite
    moves nothing.
    """

    label = "DS"


@SCALINGS.member("ascent-mean")
@dataclass(frozen=True)
class AscentMean(_Steps):
    """Control: ONE scale for all inputs, the mean of what ``ascent`` gives them.

    What ``ascent`` gains over this is due to adapting the scale to the input; the rest is a
    shift of the scale.
    """

    label = "one scale: mean of DS's"

    def pooled(self, found: ChosenScales, sigma_0: float) -> ChosenScales:
        return replace(found, sigma=np.full_like(found.sigma, found.sigma.mean()))


def _climb(problem: Problem, how: _Steps, at: Sequence[int]) -> list[ChosenScales]:
    """The scales after each number of steps in ``at`` (ascending), from one ascent."""
    start = time.perf_counter()
    bounds = ScaleRange(problem.sigma_0, how.bound)
    c_a = None if how.released else problem.c_a(how.n_sel)
    objective = Objective(problem.engine, problem.noise, how.clamp, c_a)
    device = problem.x.device
    sigma = torch.full((len(problem),), problem.sigma_0, dtype=torch.float64, device=device)
    hit = torch.zeros(len(problem), dtype=torch.bool, device=device)
    found = []
    with torch.no_grad():
        for k, eps in enumerate(problem.steps(ASCENT, how.n, at[-1])):
            _, gradient = objective(problem.x, sigma, eps)
            moved = sigma + (how.step * gradient).nan_to_num(0.0, 0.0, 0.0)
            sigma = moved.clamp(bounds.low, bounds.high)
            hit |= sigma != moved
            problem.progress(len(problem) * how.n)
            if k + 1 in at:
                now = sigma.cpu().numpy(), hit.cpu().numpy().copy()
                found.append(ChosenScales(*now, time.perf_counter() - start))
    return found
