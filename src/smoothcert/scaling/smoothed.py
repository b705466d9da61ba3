"""Noise scales that a smoothed estimator chooses: constant on a ball that is certified too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import arg, main, number
from smoothcert.scaling.base import SCALINGS, ChosenScales, Scaling, SearchCost, check
from smoothcert.scaling.problem import Problem


@SCALINGS.member("dual")
@dataclass(frozen=True)
class DualSmoothing(Scaling):
    """Dual smoothing (Sun, Mao, Vechev 2026): the level that ``n`` votes of an estimator name.

    The levels are ``points`` scales sigma_0, ratio sigma_0, ratio^2 sigma_0, ...; the estimator is
    smoothed with the same kind of noise of scale ``tau``. The model certifies at each level;
    ``experts``: at a level the same training at that level's own noise does. The level is known to
    be constant around x, and the certificate is no larger: certificates/routed.py.
    """

    label = "dual smoothing"

    tau: float = main("tau", title="τ = {}")
    ratio: float = arg("x", 2.0, title="levels × {}")
    points: int = arg("g", 2, int, title="{} levels")
    n: int = arg("n", 1000, int, title="{} votes for the level")
    experts: bool = arg("experts", False, bool)

    def __post_init__(self) -> None:
        check(0 < self.tau < float("inf"), "tau", self.tau, "a positive number")
        check(0 < self.ratio < float("inf") and self.ratio != 1, "x", self.ratio, "positive, not 1")
        check(self.points >= 2, "g", self.points, "at least 2 levels")
        check(self.n >= 1, "n", self.n, "at least 1")

    @property
    def search(self) -> None:
        return None

    @property
    def cost(self) -> SearchCost:
        return SearchCost(forward=self.n)

    @property
    def together(self) -> int:
        return 1

    def levels(self, sigma_0: float) -> tuple[float, ...]:
        return tuple(float(f"{sigma_0 * self.ratio**k:.6g}") for k in range(self.points))

    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        """Raises SmoothcertError: the scales are no search's, they come with votes (route)."""
        raise SmoothcertError(
            f"scaling {self.slug!r}: its scales are chosen by an estimator's votes: train it with"
            f" smoothcert router for the levels"
            f" {', '.join(map(number, self.levels(problem.sigma_0)))}, then combine the votes with"
            " smoothcert route"
        )
