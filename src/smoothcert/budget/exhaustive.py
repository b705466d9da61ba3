"""Every noisy copy of an input once: exact class probabilities, without alpha."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from smoothcert.budget.base import BUDGETS, Bounds, Budget
from smoothcert.budget.stream import strongest
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import main
from smoothcert.noise.base import Noise
from smoothcert.votes import VoteStore


@BUDGETS.member("exhaustive")
@dataclass(frozen=True)
class Exhaustive(Budget):
    """All ``n`` noisy copies of a noise that has so many and no more (splitting noise).

    The class is the one with most votes; its probability and the largest of another class are
    exact, so that nothing is selected and nothing can fail.
    """

    label = ""
    exhaustive: ClassVar[bool] = True

    n: int = main(kind=int, title="all {} copies")
    alpha: float = field(default=0.0, init=False)
    n0: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.n < 1:
            raise SmoothcertError(f"n {self.n}: expected at least 1 copy")

    def look_of(self, look: int) -> int:
        return self.n

    def check(self, noise: Noise, scale: float) -> None:
        """Raise SmoothcertError unless ``noise`` has ``n`` copies at ``scale``."""
        if noise.outcomes(scale) != self.n:
            has = noise.outcomes(scale) or "infinitely many"
            raise SmoothcertError(
                f"budget {self.slug}: noise {noise.shape_slug} has {has} noisy copies at scale"
                f" {scale:g}"
            )

    def wanted(
        self,
        selection: NDArray[np.int64],
        looks: NDArray[np.int64],
        noise: Noise,
        scale: float,
        d: int,
        look: int,
    ) -> int:
        self.check(noise, scale)
        return self.n

    def bounds(self, store: VoteStore, noise: Noise, d: int) -> Bounds:
        for scale in np.unique(store.scale).tolist():
            self.check(noise, scale)
        votes = store.estimation.dense(store.n_classes)  # one look an input
        top, rows = votes.argmax(1), np.arange(len(votes))
        return Bounds(
            top, votes[rows, top], np.full(len(votes), self.n), votes[rows, top] / self.n,
            p_upper=strongest(votes, top) / self.n,
        )  # fmt: skip
