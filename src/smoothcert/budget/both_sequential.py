"""Sampling that stops by both bounds.

================================= =========================== ===================================
slug                              engines (first: default)    stops an input when
================================= =========================== ===================================
both-sequential_0.05-100000       fresh, spending, mixture    10,000 more samples are not worth
                                                              a radius of 0.05
both-sequential_ad0.05-100000     fresh                       the full size is not worth a radius
                                                              of 0.05 more: ISS's aim
both-sequential_decide0.50-100000 spending, mixture           radius 0.50 is certified, or will
                                                              hardly be
both-sequential_grid0.25-100000   spending, mixture           no further multiple of 0.25 will be
================================= =========================== ===================================

``fresh``: given the selection votes and a pilot, the size is a constant and both bounds count new
votes only. ``spending``: (1 - e) alpha and e alpha are split over the looks, so both bounds hold at
all looks whatever the rule. ``mixture``: two e-processes. Rules and rounding steer cost, never
validity. The engine ``low`` has no like: its theorem asks that whoever stops has few votes for the
class that is bounded, and stopping there favours the rival. Nor has ``group``, which tests one
probability p0 at each radius: of two, no pair of levels is right for all inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

from smoothcert.budget.adaptive import Outcome
from smoothcert.budget.base import BUDGETS
from smoothcert.budget.both import Pair, contest, mixture_pair, pair_bounds, pair_outcome, priors
from smoothcert.budget.sequential import HOPE, PRICE_SAMPLES, UNION_LAST_SHARE, Sequential
from smoothcert.budget.spending import looks, shares
from smoothcert.budget.stream import Stream, strongest
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_QUANTILES = 8


@BUDGETS.member("both-sequential")
@dataclass(frozen=True)
class BothSequential(Sequential, Pair):
    """At most ``n`` samples, fewer where both bounds do not need them; see the module.

    Raises SmoothcertError as :class:`Sequential` and :class:`Pair`.
    """

    label = "sequential, both bounds"

    engines: ClassVar[dict[str, tuple[str, ...]]] = {
        "price": ("fresh", "spending", "mixture"),
        "ad": ("fresh",),
        "decide": ("spending", "mixture"),
        "grid": ("spending", "mixture"),
    }

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        scale = np.broadcast_to(np.asarray(scale, np.float64), stream.first.shape)
        world = _World(self, noise, d)
        if self.chosen_engine == "fresh":
            return self._planned(stream, scale, world)
        return self._looking(stream, scale, world)

    def _planned(self, stream: Stream, scale: Floats, world: _World) -> Outcome:
        """A pilot where it may pay, then a size, then bounds from new votes only."""
        pilot = self.pilot(stream.look)
        every = np.arange(len(stream.first))
        rows = self._promising(stream)
        used = np.zeros_like(stream.first)
        used[rows] = pilot
        before = stream.votes(every, used)
        count, rival = contest(stream.selection[rows] + before[rows], stream.chosen[rows])
        sizes = np.zeros_like(used)
        sizes[rows] = world.sizes(
            count, rival, stream.n0 + pilot, self.n - pilot, stream.look, scale[rows]
        )
        used += sizes
        count, rival = contest(stream.votes(every, used) - before, stream.chosen)
        bounds = pair_bounds(count, rival, np.maximum(sizes, 1), self.alpha, self.e)
        chosen = np.where(sizes > 0, stream.chosen, -1)
        return pair_outcome(chosen, count, sizes, bounds, stream.n0 + used)

    def _promising(self, stream: Stream) -> Ints:
        """Inputs worth sampling: not those whose selection votes speak against the class."""
        second = strongest(stream.selection, stream.chosen)
        return np.flatnonzero((stream.chosen >= 0) & (stream.first >= second))

    def _looking(self, stream: Stream, scale: Floats, world: _World) -> Outcome:
        """Bounds that hold at all looks, and a rule that looks at them."""
        ends = looks(self.n, stream.look)
        parts = shares(ends, UNION_LAST_SHARE)
        count, n = np.zeros_like(stream.first), np.zeros_like(stream.first)
        lower, upper = np.zeros(n.shape), np.ones(n.shape)
        prior = priors(stream)
        alive = self._promising(stream)
        for j, end in enumerate(ends):
            here = np.full(len(alive), end)
            count[alive], rival = self.ballot(stream, alive, here)
            n[alive] = end
            if self.chosen_engine == "spending":
                low, high = pair_bounds(count[alive], rival, end, self.alpha * parts[j], self.e)
            else:
                low, high = mixture_pair(
                    count[alive], rival, here, self.alpha, self.e, prior[..., alive]
                )
            lower[alive] = np.maximum(lower[alive], low)
            upper[alive] = np.minimum(upper[alive], high)
            radius = world.radius(lower[alive], upper[alive])
            go = world.goes_on(count[alive], rival, int(end), radius, scale[alive], ends[j + 1 :])
            alive = alive[go]
            if len(alive) == 0:
                break
        return pair_outcome(stream.chosen, count, n, (lower, upper), stream.n0 + n)


@dataclass(frozen=True)
class _World:
    """The rules that steer, at scale 1."""

    budget: BothSequential
    noise: Noise
    d: int

    def radius(self, lower: Floats, upper: Floats) -> Floats:
        return np.asarray(self.noise.standard_pair_radius(lower, upper, self.d))

    def expected(self, p: Floats, q: Floats, n: ArrayLike) -> Floats:
        """The radius of n samples in the ratios p and q of the class and its rival; broadcast."""
        p, q, m = np.broadcast_arrays(p, q, np.asarray(n, np.float64))
        e, alpha = self.budget.e, self.budget.alpha
        lower = betaincinv(np.maximum(p * m, 1e-12), m - p * m + 1, (1 - e) * alpha)
        upper = 1 - betaincinv(np.maximum(m - q * m, 1e-12), q * m + 1, e * alpha)
        return self.radius(lower, np.minimum(upper, 1 - lower))

    def sizes(self, count: Ints, rival: Ints, seen: int, n: int, look: int, scale: Floats) -> Ints:
        """The size [A] that the mode asks for, at the ratios ``seen`` votes suggest; 0: none.

        p is taken as Beta(count + 1/2, seen - count + 1/2), the rival's part of the rest as seen.
        """
        # Equal votes at an equal scale have equal sizes; a simulation has many.
        keys, which = np.unique(np.stack([count, rival, scale]), axis=1, return_inverse=True)
        return self._sizes(keys[0], keys[1], seen, looks(n, look), keys[2])[which.ravel()]

    def _sizes(self, count: Floats, rival: Floats, seen: int, ends: Ints, scale: Floats) -> Ints:
        quantiles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        p: Floats = np.asarray(
            betaincinv(count[:, None] + 0.5, (seen - count)[:, None] + 0.5, quantiles), np.float64
        )
        part = (rival + 0.5) / (seen - count + 1)
        q = (1 - p) * np.minimum(part, 1.0)[:, None]
        radius = self.expected(p[..., None], q[..., None], ends).mean(1) * scale[:, None]
        if self.budget.mode == "ad":
            enough = radius >= radius[:, -1:] - self.budget.target
            return np.where(radius[:, -1] > 0, ends[enough.argmax(1)], 0)
        value = radius - self.budget.target / PRICE_SAMPLES * ends
        best = value.argmax(1)
        return np.where(value[np.arange(len(best)), best] > 0, ends[best], 0)

    def goes_on(
        self, count: Ints, rival: Ints, n: int, radius: Floats, scale: Floats, later: Ints
    ) -> NDArray[np.bool_]:
        """Whether more samples are worth it, after ``n`` with ``radius`` [A] certified."""
        if len(later) == 0:
            return np.zeros(len(count), np.bool_)
        p, q = (count + 0.5) / (n + 1), (rival + 0.5) / (n + 1)
        if self.budget.mode == "price":
            gain = self.expected(p[:, None], q[:, None], later) - self.expected(p, q, n)[:, None]
            cost = self.budget.target / PRICE_SAMPLES * (later - n)
            return np.asarray((gain * scale[:, None] > cost).any(1))
        target = self.budget.target / scale
        if self.budget.mode == "grid":
            target = np.where(radius > 0, np.floor(radius / target + 1) * target, 0.0)
        else:
            done = radius >= target * (1 + 1e-9)
        # The ratios at the end are about normal around those now; a wrong guess costs power only.
        last = int(later[-1])
        spread = -ndtri(HOPE) * np.sqrt(1 / n - 1 / last)
        high = np.minimum(p + spread * np.sqrt(p * (1 - p)), 1.0)
        low = np.maximum(q - spread * np.sqrt(q * (1 - q)), 0.0)
        best = self.expected(high, np.minimum(low, 1 - high), last)
        hope = best > target
        return np.asarray(hope if self.budget.mode == "grid" else hope & ~done)
