"""The same number of samples for every input (Cohen et al. 2019, CERTIFY)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothcert.budget.base import BUDGETS, Bounds, Budget
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.noise.base import Noise
from smoothcert.votes import VoteStore


@BUDGETS.member("fixed")
@dataclass(frozen=True)
class Fixed(Budget):
    """Class from n0 selection votes, exact Clopper-Pearson bound from n fresh ones.

    The class is independent of the n estimation votes, so the bound holds with probability
    at least 1 - alpha for each input. Abstains where the bound does not exceed 1/2.
    """

    label = ""

    def wanted(
        self,
        selection: NDArray[np.int64],
        looks: NDArray[np.int64],
        noise: Noise,
        scale: float,
        d: int,
        look: int,
    ) -> int:
        return self.n

    def bounds(self, store: VoteStore, noise: Noise, d: int) -> Bounds:
        chosen = store.top_class()
        count = store.count(chosen, self.n)
        p_lower = clopper_pearson_lower(count, self.n, self.alpha)
        predict = np.where((p_lower > 0.5) & (chosen >= 0), chosen, -1)
        return Bounds(predict, count, np.full_like(count, self.n), p_lower)
