"""Input-specific sampling (Chen, Li, Yan, Li, Sheng 2022, Algorithm 2), published and sound.

Both members spend ``n0`` = 0.01 kbar selection votes (the paper's k0) on the class c, on a
two-sided interval for p_c, and through :mod:`smoothcert.budget.psi` on the size k-hat. They
differ in which votes the final bound counts.

========== ==================================== =============================================
slug       the bound counts                     failure probability
========== ==================================== =============================================
iss        the k0 votes and k-hat - k0 new ones the paper's; can exceed alpha (audits.coverage)
iss-fresh  k-hat new votes                      at most alpha: given the k0 votes, class and
                                                size are constants and the new votes binomial
========== ==================================== =============================================

The paper's k0 votes are our selection votes, and its further samples the estimation stream,
so both members read one store. Where a store has fewer selection votes than ``n0``, the first
whole looks of the estimation stream fill stage 1 up (the class stays that of the selection
votes); where it has more, all are used.

Open in the paper, and done here: k-hat = 0 abstains, as in the authors' program. For 0 < k-hat
< k0 Algorithm 2 counts k0 votes and divides by k-hat (their program then reports a NaN radius
as certified); ``iss`` uses all k0 votes with n = k0, the only choice that discards nothing and
claims nothing. Line 7 takes the most frequent class of all votes, which need not be the class
of line 2; we count the class of line 2, as the program does. Sizes are rounded up to looks.
"""

from __future__ import annotations

from dataclasses import Field, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.adaptive import Adaptive, Outcome, whole_looks
from smoothcert.budget.base import BUDGETS, abstain_unless
from smoothcert.budget.psi import Decline, Mapping
from smoothcert.budget.stream import Stream
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.slugs import arg
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]


@BUDGETS.member("iss")
@dataclass(frozen=True)
class Iss(Adaptive):
    """ISS as published: the k0 votes choose class and size and are counted in the bound.

    ``n`` is kbar; give one of ``ad`` (units of the radius) and ``rd`` (fraction). The stated
    1 - alpha does not follow from the paper's argument and is not always met: see
    ``smoothcert.audits.coverage``. Use ``iss-fresh`` for a certificate that must hold.
    """

    label = "ISS"

    n0: int = arg("s", 0, int, title="n₀ = {}")  # 0 stands for 0.01 n
    ad: float = arg("ad", 0.0, title="absolute decline {}")
    rd: float = arg("rd", 0.0, title="relative decline {}")

    def __post_init__(self) -> None:
        if self.n0 == 0:
            object.__setattr__(self, "n0", self._paper_k0())
        Decline(self.ad, self.rd)
        super().__post_init__()

    def _paper_k0(self) -> int:
        return max(1, self.n // 100)

    def _said(self) -> list[tuple[Field[Any], Any]]:
        paper = self.n0 == self._paper_k0()
        return [(f, v) for f, v in super()._said() if not (paper and f.name == "n0")]

    @property
    def mapping(self) -> Mapping:
        """From stage-1 votes to k-hat."""
        return Mapping(Decline(self.ad, self.rd), self.n, self.alpha)

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        votes, k0, extra = self._stage_one(stream)
        size = self.mapping.sizes(votes, k0, noise, scale, d)
        total = extra + whole_looks(np.maximum(size - k0, 0), stream.look)
        count = stream.first + stream.count(np.arange(len(votes)), total)
        return self._outcome(stream, size, count, stream.n0 + total, stream.n0 + total)

    def _stage_one(self, stream: Stream) -> tuple[Ints, int, int]:
        """Votes [N] for the class among k0; k0; how many of them are estimation samples."""
        extra = int(whole_looks(max(self.n0 - stream.n0, 0), stream.look))
        rows = np.arange(len(stream.first))
        more = stream.count(rows, np.full(len(rows), extra)) if extra else 0
        return stream.first + more, stream.n0 + extra, extra

    def _outcome(self, stream: Stream, size: Ints, count: Ints, n: Ints, drawn: Ints) -> Outcome:
        bound = clopper_pearson_lower(count, np.maximum(n, 1), self.alpha)
        p_lower = np.where(size > 0, bound, 0.0)
        return Outcome(abstain_unless(p_lower > 0.5, stream.chosen), count, n, p_lower, drawn)


@BUDGETS.member("iss-fresh")
@dataclass(frozen=True)
class IssFresh(Iss):
    """ISS made sound: class and size from k0 votes, the bound from k-hat new ones.

    Given the k0 votes, class and size are constants, and the votes that are counted are
    independent of them: with probability at least 1 - alpha for each input, the class has
    probability at least ``p_lower``. Costs k0 samples more than the published rule.
    """

    label = "ISS with fresh votes"

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        votes, k0, extra = self._stage_one(stream)
        size = self.mapping.sizes(votes, k0, noise, scale, d)
        fresh = np.minimum(whole_looks(size, stream.look), self.n - extra)
        rows = np.arange(len(votes))
        before = votes - stream.first
        count = stream.count(rows, extra + fresh) - before
        return self._outcome(stream, size, count, fresh, stream.n0 + extra + fresh)
