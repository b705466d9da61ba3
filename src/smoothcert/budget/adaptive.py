"""Budgets whose sample size depends on the votes: one rule, read by everything."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.base import Bounds, Budget
from smoothcert.budget.stream import PrefixStream, Short, StoreStream, Stream
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import main
from smoothcert.noise.base import Noise
from smoothcert.votes import VoteStore


@dataclass(frozen=True)
class Outcome(Bounds):
    """Bounds, and what they cost: ``samples`` [N] noise samples drawn, selection included."""

    samples: NDArray[np.int64]


@dataclass(frozen=True)
class Adaptive(Budget):
    """A budget given by one rule, :meth:`decide`, over a stream of votes.

    ``n`` must be a multiple of the look of the votes it is used on. Sample sizes are rounded
    up to whole looks; a size is fixed before the votes it covers, so that is harmless.
    """

    n: int = main(kind=int, title="at most {}")

    @abstractmethod
    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        """Run the rule on every input of ``stream``, whose noise scales are ``scale`` [N]."""

    def wanted(
        self,
        selection: NDArray[np.int64],
        looks: NDArray[np.int64],
        noise: Noise,
        scale: float,
        d: int,
        look: int,
    ) -> int:
        self.check_look(look)
        stream = PrefixStream(selection, np.asarray(looks).reshape(-1, len(selection)), look)
        try:
            outcome = self.decide(stream, noise, np.array([scale]), d)
        except Short as short:
            return short.n
        return int(outcome.samples[0]) - stream.n0

    def bounds(self, store: VoteStore, noise: Noise, d: int) -> Outcome:
        self.check_look(store.look)
        return self.decide(StoreStream(store), noise, store.scale, d)

    def check_look(self, look: int) -> None:
        """Raise SmoothcertError unless ``n`` is a multiple of ``look``."""
        if self.n % look:
            raise SmoothcertError(
                f"budget {self.slug}: n = {self.n} must be a multiple of look = {look};"
                " choose another n or look"
            )


def whole_looks(n: ArrayLike, look: int) -> NDArray[np.int64]:
    """``n`` rounded up to a multiple of ``look``."""
    return -(-np.asarray(n, np.int64) // look) * look
