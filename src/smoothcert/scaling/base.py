"""What a scaling must answer: the noise scale at each input, found before certification.

A scale is found with noise of its own (:mod:`smoothcert.scaling.problem`), so a certificate
from fresh votes at the scale is as valid as one at a scale that was given.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.slugs import Family, Part
from smoothcert.scaling.problem import Problem


@dataclass(frozen=True)
class ChosenScales:
    """The scales [N] that one scaling chose for N inputs.

    ``hit_bound`` [N]: a bound on the scale has cut the search at least once. ``seconds`` of
    search for all of them, as if this were the only scaling wanted. ``scores`` [N, G] is what
    a choice for all inputs at once needs to know of each, if anything.
    """

    sigma: NDArray[np.float64]
    hit_bound: NDArray[np.bool_]
    seconds: float = 0.0
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class SearchCost:
    """What a scaling spends on an input, in passes of one noisy sample through the network.

    ``forward`` counts passes, ``backward`` derivatives (one each, however they are taken).
    """

    forward: int = 0
    backward: int = 0

    @property
    def evaluations(self) -> int:
        """As DDRS appendix B counts, where a forward and a backward pass are one each."""
        return self.forward + self.backward


@dataclass(frozen=True)
class Scaling(Part):
    """How the noise scale at an input is chosen. Raises ValueError for values out of range."""

    @property
    @abstractmethod
    def search(self) -> str | None:
        """The name of the search that finds it: scalings of one search come from one run.

        It is the slug without what one run gives for free. None if nothing is searched.
        """

    @property
    @abstractmethod
    def cost(self) -> SearchCost:
        """What it spends on an input, the votes for c_A left out."""

    @property
    def together(self) -> int:
        """Samples of an input that go through the network in one pass."""
        return getattr(self, "n", 1)

    @abstractmethod
    def find(self, problem: Problem, wanted: Sequence[Scaling]) -> list[ChosenScales]:
        """The scales of ``wanted``, which are all of this search, from one run.

        What it finds for one scaling does not depend on which others are wanted.
        """

    experts = False  # whether the levels have networks of their own, trained at their scale

    def levels(self, sigma_0: float) -> tuple[float, ...]:
        """The scales between which an estimator chooses, whose votes are put together; none of a
        scaling that finds its scales by itself."""
        return ()

    def pooled(self, found: ChosenScales, sigma_0: float) -> ChosenScales:
        """The choice for all inputs of the run at once, given what :meth:`find` says of each."""
        return found

    @property
    def pools(self) -> bool:
        """True if the scale at an input depends on the other inputs of the run."""
        return type(self).pooled is not Scaling.pooled


SCALINGS: Family[Scaling] = Family("scaling")


@dataclass(frozen=True)
class ScaleRange:
    """Scales stay within [sigma_0 / factor, factor * sigma_0]."""

    sigma_0: float
    factor: float

    @property
    def low(self) -> float:
        return self.sigma_0 / self.factor

    @property
    def high(self) -> float:
        return self.sigma_0 * self.factor


def check(ok: bool, what: str, value: float, expected: str) -> None:
    """Raise ValueError for a value out of its range."""
    if not ok:
        raise ValueError(f"{what} {value:g}: expected {expected}")


def check_ascent(K: int, step: float, clamp: float, bound: float) -> None:
    """Raise ValueError for settings out of range of K steps of gradient ascent."""
    check(K >= 1, "K", K, "at least 1")
    check(step > 0, "lr", step, "a positive number")
    check(0 < clamp < 0.5, "clamp", clamp, "0 < clamp < 0.5")
    check(1 < bound < float("inf"), "bound", bound, "a factor above 1")
