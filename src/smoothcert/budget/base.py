"""What a budget must answer: how many samples, and a bound valid for how they were taken."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.confidence import check_alpha, smallest_n
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Family, Part, arg, main
from smoothcert.noise.base import Noise
from smoothcert.votes import VoteStore


@dataclass(frozen=True)
class Bounds:
    """Per input: the class, its votes, and a lower confidence bound on its probability.

    With probability at least 1 - alpha over the noise, for each input by itself, either
    ``predict`` is -1 or the class ``predict`` has probability >= ``p_lower`` under noise, and
    each other one <= ``p_upper``, where that is bounded too.
    """

    predict: NDArray[np.int64]  # [N], -1 for an abstention
    count: NDArray[np.int64]  # [N] votes for the class among n
    n: NDArray[np.int64]  # [N] estimation samples the bound rests on
    p_lower: NDArray[np.float64]  # [N]
    p_upper: NDArray[np.float64] | None = field(default=None, kw_only=True)  # [N]


def abstain_unless(certified: NDArray[np.bool_], chosen: NDArray) -> NDArray[np.int64]:
    """``chosen`` where certified and a class was chosen, else -1."""
    return np.where(certified & (chosen >= 0), chosen, -1)


@dataclass(frozen=True)
class Budget(Part):
    """At most ``n`` estimation samples an input, after ``n0`` selection samples.

    Raises SmoothcertError unless n, n0 >= 1, 0 < alpha < 1 and n votes can certify at alpha.
    """

    # Whether the bound holds at all sizes at once, also one that was chosen after a look.
    anytime_valid: ClassVar[bool] = False
    # Whether its samples are all noisy copies that there are, each once, and not random ones.
    exhaustive: ClassVar[bool] = False
    # Whether it certifies another classifier than the one that votes, by pairs of both's answers.
    paired: ClassVar[bool] = False

    n: int = main(kind=int, title="n = {}")
    alpha: float = arg("a", 0.001, title="α = {}")
    n0: int = arg("s", 100, int, title="n₀ = {}")

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.n0 < 1:
            raise SmoothcertError(f"n0 {self.n0}: expected at least 1 selection sample")
        if self.n < smallest_n(self.alpha):
            raise SmoothcertError(
                f"n {self.n} can never certify at alpha {self.alpha:g}: even if all votes"
                f" agree, the bound stays below 1/2; the smallest n that can is"
                f" {smallest_n(self.alpha)}"
            )

    def beside(self, noise: Noise) -> Budget:
        """This budget with what remains of alpha once the noise's own table has its share.

        The votes fail with probability at most alpha - table_failure_probability, the table
        with its own, so together a certificate is wrong with probability at most alpha.
        Raises SmoothcertError if nothing remains.
        """
        spent = noise.table_failure_probability
        if not spent:
            return self
        if spent >= self.alpha:
            raise SmoothcertError(
                f"alpha {self.alpha:g}: expected more than {spent:g}, the failure probability of"
                f" the radius table of {noise.slug}"
            )
        return replace(self, alpha=self.alpha - spent)

    def look_of(self, look: int) -> int:
        """The samples of a look where ``look`` are asked for."""
        return look

    def wanted(
        self,
        selection: NDArray[np.int64],
        looks: NDArray[np.int64],
        noise: Noise,
        scale: float,
        d: int,
        look: int,
    ) -> int:
        """How many estimation samples this input should have, given the votes so far: by default n.

        ``selection`` [C] are the selection votes, ``looks`` [L, C] the votes of the looks so
        far, ``look`` the samples of one look. Sampling goes on, a look at a time, until the
        input has that many, so the answer may depend on what was seen.
        """
        return self.n

    @abstractmethod
    def bounds(self, store: VoteStore, noise: Noise, d: int) -> Bounds:
        """The bounds for every input of a store that was sampled for this budget or a larger.

        Raises SmoothcertError if an input has fewer samples than the budget needs.
        """


BUDGETS: Family[Budget] = Family("budget")
