"""Published certificates replayed under other budgets, at full size and without a network.

A published radius gives back the votes that made it: K of N = 100,000 for the certified class
(:mod:`smoothcert.certificates.published`). Recorded votes are exchangeable, so any smaller
experiment on the same input is a draw without replacement from them: a budget's selection votes
and looks are hypergeometric, and N samples are exactly the record.

What a replay is: what the budget would have given on this model and these inputs, up to the
draw of the noise; sample sizes, radii and accuracies are averaged over ``repeats`` draws.

What it is not:

- a new certificate: the noise of the published run is used again;
- a test of the choice of class: votes for other classes were not published, so the certified
  class is taken as chosen, and errors of n0 selection votes do not occur;
- complete for abstentions: their class and votes were not published. They count as wrong with
  radius 0, as in the record, and cost the samples of a class of probability ``abstained``
  (0.5 by default, the dearest case; a lower value shows how much hangs on it);
- exact where radii were printed with three digits: several counts then print alike. The lowest
  is used, or a random one of them (``counts="random"``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from smoothcert.budget import Budget
from smoothcert.budget.simulated import PoolStream, decide
from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.votes import VoteStore

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Record:
    """What was published for N inputs: ``low``..``high`` votes of ``size`` for ``predict``."""

    idx: Ints
    label: Ints
    predict: Ints  # -1 for an abstention
    low: Ints
    high: Ints
    size: int
    scale: Floats
    noise: Noise
    d: int

    def __len__(self) -> int:
        return len(self.idx)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Certified as the true class."""
        return (self.predict == self.label) & (self.predict >= 0)


def record(store: VoteStore, every: int = 1) -> Record:
    """Every ``every``-th input of a store with one size for all: published, or our own.

    Raises SmoothcertError for a store whose inputs have different numbers of samples.
    """
    sizes = np.unique(store.samples())
    if len(sizes) != 1:
        raise SmoothcertError(
            f"replay: the inputs have between {sizes.min()} and {sizes.max()} samples;"
            " expected the same number for all"
        )
    size = int(sizes[0])
    chosen = store.top_class()
    votes = store.count(chosen, size)
    low = store.extra.get("count_low", votes)
    high = store.extra.get("count_high", votes)
    part = slice(None, None, every)
    return Record(
        store.idx[part],
        store.label[part],
        chosen[part],
        low[part],
        high[part],
        size,
        store.scale[part],
        NOISES.parse(store.identity["noise"]),
        store.d,
    )


@dataclass(frozen=True)
class Replay:
    """One budget on one record: arrays [repeats, N]."""

    budget: Budget
    radius: Floats  # certified radius where correct, else 0
    samples: Ints  # drawn, selection included
    decline: Floats  # Definition 1: what the final size gives up at the recorded ratio
    beyond: float  # share of the votes drawn beyond the record's end (binomial there)

    def average_samples(self, level: float = metrics.LEVEL) -> Estimate:
        """Mean samples an input, with its interval over inputs."""
        return metrics.mean(self.samples.mean(0), level)

    def acr(self, level: float = metrics.LEVEL) -> Estimate:
        """Average certified radius, with its interval over inputs."""
        return metrics.mean(self.radius.mean(0), level, least=0.0)

    def mad(self) -> float:
        """Largest decline against the whole record, noise aside (the paper's MAD)."""
        return float(self.decline.max(initial=0.0))

    def certified_accuracy(
        self, radii: metrics.Radii, strict: bool = False, level: float = metrics.LEVEL
    ) -> Estimate:
        """Share of inputs with radius >= r (``strict``: > r), [R], averaged over the repeats.

        The interval is over inputs, from each input's share of the repeats.
        """
        shares = self._shares(radii, strict)
        parts = [metrics.mean(row, level, least=0.0, most=1.0) for row in shares]
        return metrics.Estimate(
            np.array([e.value for e in parts]),
            np.array([e.low for e in parts]),
            np.array([e.high for e in parts]),
            shares.shape[1],
        )

    def _shares(self, radii: metrics.Radii, strict: bool) -> Floats:
        at = metrics.parse_radii(radii)
        # Correct with radius 0 does not occur: a certificate's radius is positive.
        reach = [(self.radius > r) if strict or r == 0 else (self.radius >= r) for r in at]
        return np.stack([r.mean(0) for r in reach])

    def against(self, other: Replay, level: float = metrics.LEVEL) -> tuple[Estimate, Estimate]:
        """Samples and ACR of this minus those of ``other``, paired over inputs."""
        samples = self.samples.mean(0) - other.samples.mean(0)
        radius = metrics.mean_difference(self.radius.mean(0), other.radius.mean(0), level)
        return metrics.mean(samples, level), radius


def replay(
    published: Record,
    budget: Budget,
    *,
    repeats: int = 10,
    seed: int = 0,
    look: int = 200,
    abstained: float = 0.5,
    counts: str = "lowest",
) -> Replay:
    """Run ``budget`` on the record ``repeats`` times.

    ``look`` is the granularity of sample sizes (200: the ISS program's batch). Raises
    SmoothcertError for an unknown ``counts`` or a probability outside [0, 1/2].
    """
    if counts not in ("lowest", "random"):
        raise SmoothcertError(f"counts {counts!r}: expected lowest or random")
    if not 0 <= abstained <= 0.5:
        raise SmoothcertError(f"abstained {abstained:g}: expected a probability in [0, 1/2]")
    certified = published.predict >= 0
    radius, samples, decline, beyond = [], [], [], 0
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        votes = published.low
        if counts == "random":
            votes = rng.integers(published.low, published.high, endpoint=True)
        votes = np.where(certified, votes, round(abstained * published.size))
        stream = PoolStream(votes, published.size, budget.n0, look, rng)
        out = decide(budget, stream, published.noise, published.scale, published.d)
        found = published.noise.radius(out.p_lower, published.scale, published.d, out.p_upper)
        keep = (out.predict >= 0) & certified
        radius.append(np.where(keep & published.correct, found, 0.0))
        samples.append(out.samples)
        # A bound of 0 marks an input that was given no samples for its bound (k-hat = 0).
        used = np.where(out.p_lower > 0, out.n, 0)
        decline.append(_decline(published, votes, used, budget.alpha))
        beyond += int(stream.beyond.sum())
    drawn = np.stack(samples)
    return Replay(budget, np.stack(radius), drawn, np.stack(decline), beyond / drawn.sum())


def _decline(published: Record, votes: Ints, n: Ints, alpha: float) -> Floats:
    """Radius of the whole record minus that of n votes in the same ratio, >= 0."""
    whole = clopper_pearson_lower(votes, published.size, alpha)
    size = np.maximum(n, 1).astype(np.float64)
    count = np.maximum(size * votes / published.size, 1e-300)
    part = np.where(n > 0, betaincinv(count, size - count + 1, alpha), 0.0)
    radii = [published.noise.radius(p, published.scale, published.d) for p in (whole, part)]
    return np.where(published.predict >= 0, np.maximum(radii[0] - radii[1], 0.0), 0.0)


def replay_all(published: Record, budgets: Sequence[Budget], **settings: Any) -> list[Replay]:
    """:func:`replay` for each budget, with the same seed: the repeats are paired."""
    return [replay(published, budget, **settings) for budget in budgets]


def default_radii(replays: Sequence[Replay]) -> Floats:
    """0, 0.25, ... (from 2 on 0.5, ...) up to the largest radius of the replays, [R]."""
    top = max(float(one.radius.max(initial=0.0)) for one in replays)
    step = 0.25 if top < 2 else 0.5
    return metrics.radius_grid(0, step * int(top / step), step)
