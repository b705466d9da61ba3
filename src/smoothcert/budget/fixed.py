"""The same number of samples for every input (Cohen et al. 2019, CERTIFY)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smoothcert.budget.base import BUDGETS, Bounds, Budget, abstain_unless
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

    def bounds(self, store: VoteStore, noise: Noise, d: int) -> Bounds:
        chosen = store.top_class()
        count = store.count(chosen, self.n)
        p_lower = clopper_pearson_lower(count, self.n, self.alpha)
        predict = abstain_unless(p_lower > 0.5, chosen)
        return Bounds(predict, count, np.full_like(count, self.n), p_lower)
