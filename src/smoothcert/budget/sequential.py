"""Sequential budgets: sampling that stops by looking, with bounds that stay valid.

What to stop for (the mode, in the slug), and how it is kept valid (the engine, ``_by...``):

============================== ===================================== ==========================
slug                           stops an input when                   engines (first: default)
============================== ===================================== ==========================
sequential_0.05-100000         10,000 more samples are not worth a   low, fresh, spending, mixture
                               radius of 0.05: best mean radius for
                               a mean number of samples
sequential_ad0.05-100000       the samples reach ISS's psi at the    low
                               observed ratio: ISS's aim without
                               its stage 1
sequential_decide0.50-100000   radius 0.50 is certified, or will     group, spending, mixture
                               hardly be
sequential_grid0.25-100000     no further multiple of 0.25 will be   group, spending, mixture
                               certified: certified accuracy of a
                               whole table
anytime-100000                 the caller likes: the bound holds at  (mixture)
                               all sample sizes at once
============================== ===================================== ==========================

Engines, each with its proof in its module:

- ``low``: stop when the count is low; plain Clopper-Pearson, no correction (``budget.low``).
- ``group``: exact crossing probabilities at the radii in question (``budget.spending``).
- ``spending``: alpha split over the looks (``budget.spending``); no assumption on the rule.
- ``mixture``: the Beta-mixture e-process (``budget.eprocess``), prior from the selection votes.
- ``fresh``: selection votes, then a pilot, plan the size; the bound counts new votes only, so
  its coverage is that of Clopper-Pearson. The size maximizes expected radius minus price: in
  the normal approximation k ~ [scale z sqrt(p (1-p)) / (2 phi(Phi^-1 p) price)]^(2/3).

All failure probabilities are at most alpha for each input, over the noise, whatever the class
probabilities are: the class is chosen by the selection votes, which no bound counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri

from smoothcert.budget.adaptive import Adaptive, Outcome, whole_looks
from smoothcert.budget.base import BUDGETS, abstain_unless
from smoothcert.budget.eprocess import log_wealth, mixture_lower
from smoothcert.budget.low import decline_thresholds, expected_radii, price_thresholds
from smoothcert.budget.psi import Decline
from smoothcert.budget.spending import LAST_SHARE, crossing_boundary, looks, shares, spending_lower
from smoothcert.budget.stream import Stream, up_to
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import arg
from smoothcert.noise.base import Noise

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PRICE_SAMPLES = 10_000  # the samples that must earn ``price``
HOPE = 0.01  # a radius is given up when its chance falls below this
UNION_LAST_SHARE = 0.8


@BUDGETS.member("sequential")
@dataclass(frozen=True)
class Sequential(Adaptive):
    """At most ``n`` samples, fewer where they are not needed; see the module for the modes.

    Give exactly one of ``price`` (radius a 10,000 samples), ``ad`` (radius), ``decide``
    (radius) and ``grid`` (step of radii). Raises SmoothcertError otherwise, or for an engine
    that the mode does not have.
    """

    engines: ClassVar[dict[str, tuple[str, ...]]] = {
        "price": ("low", "fresh", "spending", "mixture"),
        "ad": ("low",),
        "decide": ("group", "spending", "mixture"),
        "grid": ("group", "spending", "mixture"),
    }

    price: float | None = arg("", None, title="{} a 10,000 samples")
    ad: float | None = arg("ad", None, title="absolute decline {}")
    decide_at: float | None = arg("decide", None, title="decides radius {}")
    grid: float | None = arg("grid", None, title="radii every {}")
    engine: str = arg("by", "", str, title="by {}")

    def __post_init__(self) -> None:
        given = [mode for mode in self.engines if self._value(mode) is not None]
        if len(given) != 1:
            raise SmoothcertError(
                "sequential: expected exactly one of a price (_0.05), _ad, _decide and _grid;"
                f" found {', '.join(given) or 'none'}"
            )
        mode = given[0]
        if self.target < 0 or (mode != "decide" and self.target == 0):
            raise SmoothcertError(f"sequential: {mode} {self.target:g}: expected > 0")
        if self.engine and self.engine not in self.engines[mode]:
            raise SmoothcertError(
                f"sequential: engine {self.engine!r}: expected"
                f" {' or '.join(self.engines[mode])} for {mode}"
            )
        if self.engine == self.engines[mode][0]:
            raise SmoothcertError(f"sequential: leave out _by{self.engine}, the default for {mode}")
        super().__post_init__()

    def _value(self, mode: str) -> float | None:
        value: float | None = getattr(self, "decide_at" if mode == "decide" else mode)
        return value

    @property
    def target(self) -> float:
        """The value of the mode: a price, a decline, a radius, or a step of radii."""
        value = self._value(self.mode)
        assert value is not None
        return value

    @property
    def mode(self) -> str:
        """price, ad, decide or grid."""
        return next(mode for mode in self.engines if self._value(mode) is not None)

    @property
    def chosen_engine(self) -> str:
        """The engine, the mode's default if none is named."""
        return self.engine or self.engines[self.mode][0]

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        scale = np.broadcast_to(np.asarray(scale, np.float64), stream.first.shape)
        engine = self.chosen_engine
        if engine == "fresh":
            return self._fresh(stream, noise, scale, d)
        if self.mode in ("decide", "grid"):
            return self._radii(stream, noise, scale, d, engine)
        if engine == "low":
            return self._low(stream, noise, scale, d)
        return self._priced(stream, noise, scale, d, engine)

    # --- best mean radius ------------------------------------------------------------------

    def _thresholds(self, look: int, noise: Noise, scale: float, d: int) -> Ints:
        if self.mode == "ad":
            # The size is for the mapping's own noise scale; a coarse step spares tables.
            return decline_thresholds(
                Decline(ad=_coarse(self.target / scale)), self.n, look, self.alpha, noise, d
            )
        price = _coarse(self.target / PRICE_SAMPLES / scale)
        return price_thresholds(price, self.n, look, self.alpha, noise, d)

    def _low(self, stream: Stream, noise: Noise, scale: Floats, d: int) -> Outcome:
        """Stop at the first look whose count is at or below its threshold."""
        stop = _by_scale(scale, lambda s: self._thresholds(stream.look, noise, s, d))
        count, n = np.zeros_like(stream.first), np.zeros_like(stream.first)
        alive = self._promising(stream)
        for j, end in enumerate(looks(self.n, stream.look)):
            count[alive] = stream.count(alive, np.full(len(alive), end))
            n[alive] = end
            alive = alive[count[alive] > stop[alive, j]]
            if len(alive) == 0:
                break
        p_lower = clopper_pearson_lower(count, np.maximum(n, 1), self.alpha)
        return _outcome(stream, count, n, p_lower)

    def _promising(self, stream: Stream) -> Ints:
        """Inputs worth sampling at all: not those whose selection votes speak against 1/2."""
        hopeless = stream.first + 2.33 * np.sqrt(stream.n0) / 2 < stream.n0 / 2
        return np.flatnonzero(~hopeless)

    def _priced(self, stream: Stream, noise: Noise, scale: Floats, d: int, engine: str) -> Outcome:
        """The same stopping rule under a bound that would allow any other."""
        ends = looks(self.n, stream.look)
        parts = shares(ends, UNION_LAST_SHARE)
        count, n = np.zeros_like(stream.first), np.zeros_like(stream.first)
        p_lower = np.zeros(n.shape)
        stop = _by_scale(scale, lambda s: self._thresholds(stream.look, noise, s, d))
        alive = self._promising(stream)
        for j, end in enumerate(ends):
            count[alive] = stream.count(alive, np.full(len(alive), end))
            n[alive] = end
            if engine == "spending":
                now = spending_lower(count[alive, None], ends[[j]], self.alpha, parts[[j]])
                p_lower[alive] = np.maximum(p_lower[alive], now)
            alive = alive[count[alive] > stop[alive, j]]
            if len(alive) == 0:
                break
        if engine == "mixture":
            p_lower = mixture_lower(count, n, self.alpha, *_prior(stream))
        return _outcome(stream, count, n, p_lower)

    def _fresh(self, stream: Stream, noise: Noise, scale: Floats, d: int) -> Outcome:
        """Selection votes, a pilot where it may pay, then a bound from new votes only."""
        pilot = self.pilot(stream.look)
        price = self.target / PRICE_SAMPLES / scale
        count, n = np.zeros_like(stream.first), np.zeros_like(stream.first)
        used = np.zeros_like(n)
        rows = self._promising(stream)
        seen, votes = np.full(len(rows), stream.n0), stream.first[rows]
        used[rows] = pilot
        more = stream.count(rows, used[rows])
        sizes = _planned(
            votes + more,
            seen + pilot,
            price[rows],
            self.n - pilot,
            stream.look,
            self.alpha,
            noise,
            d,
        )
        n[rows] = sizes
        used[rows] += n[rows]
        count[rows] = stream.count(rows, used[rows]) - more
        p_lower = clopper_pearson_lower(count, np.maximum(n, 1), self.alpha)
        predict = abstain_unless(p_lower > 0.5, stream.chosen)
        return Outcome(predict, count, n, p_lower, stream.n0 + used)

    def pilot(self, look: int) -> int:
        """The samples that plan a size, where they leave any for the bound; else 0."""
        size = int(whole_looks(max(self.n // 200, 1), look))
        return size if size < self.n else 0

    # --- radii in question ------------------------------------------------------------------

    def _levels(self, scale: float, noise: Noise, d: int) -> Floats:
        """The probabilities to be rejected, rising, one a radius in question."""
        top = float(noise.standard_radius(self.alpha ** (1 / self.n), d))
        if self.mode == "decide":
            radii = np.array([self.target / scale])
        else:
            radii = np.arange(0, int(top * scale / self.target + 1e-9) + 1) * self.target / scale
        # A hair above the radius, so that the certificate reaches it in floating point; and a
        # certificate at radius 0 needs more than 1/2.
        return np.asarray(noise.standard_p(np.maximum(radii * (1 + 1e-9), 1e-6), d))

    def _radii(self, stream: Stream, noise: Noise, scale: Floats, d: int, engine: str) -> Outcome:
        """Climb the radii: certify the next one, or give it up."""
        ends = looks(self.n, stream.look)
        levels = _padded(_by_scale_list(scale, lambda s: self._levels(s, noise, d)))
        plans = _Plans(ends, self.alpha, len(np.unique(scale)) > 8)
        count, n = np.zeros_like(stream.first), np.zeros_like(stream.first)
        reached = np.zeros(n.shape, np.int64)  # levels rejected
        union = np.zeros(n.shape)
        a, b = _prior(stream)
        alive = np.arange(len(n))
        for j, end in enumerate(ends):
            count[alive] = stream.count(alive, np.full(len(alive), end))
            n[alive] = end
            if engine == "spending":
                part = shares(ends, UNION_LAST_SHARE)[[j]]
                now = spending_lower(count[alive, None], ends[[j]], self.alpha, part)
                union[alive] = np.maximum(union[alive], now)
            climbing = alive
            while len(climbing):
                p0 = levels[climbing, reached[climbing]]
                if engine == "group":
                    up = plans.crossed(p0, j, count[climbing])
                elif engine == "spending":
                    up = union[climbing] >= p0
                else:
                    inside = np.minimum(p0, 1 - 1e-15)
                    wealth = log_wealth(inside, count[climbing], end, a[climbing], b[climbing])
                    up = (wealth >= -np.log(self.alpha)) & (p0 < 1)
                climbing = climbing[up]
                reached[climbing] += 1
            alive = alive[self._hope(levels[alive, reached[alive]], count[alive], int(end))]
            if len(alive) == 0:
                break
        p_lower = np.where(reached > 0, levels[np.arange(len(n)), np.maximum(reached - 1, 0)], 0.0)
        return _outcome(stream, count, n, p_lower)

    def _hope(self, p0: Floats, count: Ints, n: int) -> NDArray[np.bool_]:
        """Whether rejecting p0 by n samples more is likely enough to go on.

        The ratio at the end is about normal around the ratio now, with variance p0 (1 - p0)
        (1/n - 1/N), and must exceed the fixed-size threshold. A wrong guess costs power only.
        """
        if n >= self.n:
            return np.zeros(len(count), np.bool_)
        p0 = np.minimum(p0, 1.0)
        spread = np.sqrt(p0 * (1 - p0))
        need = np.minimum(p0 - ndtri(self.alpha) * spread / np.sqrt(self.n), 1.0)
        # With few samples a ratio of 1 may hide anything; the rule of three keeps it alive.
        now = (count + 1.0) / (n + 1.0)
        chance = now - ndtri(HOPE) * spread * np.sqrt(1 / n - 1 / self.n)
        return (chance >= need) & (p0 < self.alpha ** (1 / self.n))


@BUDGETS.member("anytime")
@dataclass(frozen=True)
class Anytime(Adaptive):
    """A bound that holds at all sample sizes at once: stop, resume, top up, look, as you like.

    With probability at least 1 - alpha for each input, the bound is right at every number of
    samples, so a store that was stopped anywhere, for whatever reason, can be certified with
    what it has: the rule takes all samples there are, up to ``n``.
    """

    anytime_valid = True

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        n = up_to(stream, self.n)
        count = stream.count(rows, n)
        return _outcome(stream, count, n, mixture_lower(count, n, self.alpha, *_prior(stream)))


def _prior(stream: Stream) -> tuple[Floats, Floats]:
    """The mixture's Beta parameters: 1/2 each, plus the selection votes."""
    first = stream.first.astype(np.float64)
    return 0.5 + first, 0.5 + stream.n0 - first


def _outcome(stream: Stream, count: Ints, n: Ints, p_lower: Floats) -> Outcome:
    predict = abstain_unless(p_lower > 0.5, stream.chosen)
    return Outcome(predict, count, n, p_lower, stream.n0 + n)


def _coarse(value: float) -> float:
    """Rounded to one percent on a logarithmic scale, so that near scales share tables.

    Prices steer the stopping rule; rounding them moves no guarantee.
    """
    return float(np.exp(np.round(np.log(value) * 100) / 100))


def _by_scale(scale: Floats, make: Any) -> NDArray:
    """Rows [N, ...] of ``make(s)``, computed once a distinct scale."""
    distinct, which = np.unique(scale, return_inverse=True)
    return np.stack([make(float(s)) for s in distinct])[which]


def _by_scale_list(scale: Floats, make: Any) -> list[NDArray]:
    distinct, which = np.unique(scale, return_inverse=True)
    made = [make(float(s)) for s in distinct]
    return [made[i] for i in which]


def _padded(rows: list[NDArray]) -> Floats:
    """Rows of different lengths as one array, 2.0 (never reached) behind each."""
    width = max((len(r) for r in rows), default=0) + 1
    out = np.full((len(rows), width), 2.0)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


class _Plans:
    """The boundaries of the levels of one run, each computed when first needed."""

    def __init__(self, ends: Ints, alpha: float, share: bool) -> None:
        self._ends, self._alpha, self._share = tuple(int(e) for e in ends), alpha, share

    def crossed(self, p0: Floats, j: int, count: Ints) -> NDArray[np.bool_]:
        """Whether ``count`` [A] at look j is at or above the boundary of its level."""
        out = np.zeros(len(p0), np.bool_)
        for level in np.unique(p0):
            if level < 1:
                here = p0 == level
                out[here] = count[here] >= self._boundary(float(level))[j]
        return out

    def _boundary(self, level: float) -> Ints:
        if self._share:
            # Many noise scales: a slightly larger level (rejecting it rejects the level) is
            # shared by the inputs near it.
            level = float(ndtr(np.ceil(float(ndtri(level)) * 200) / 200))
        if level >= 1:
            return np.asarray(self._ends) + 1
        return crossing_boundary(level, self._ends, self._alpha, LAST_SHARE)


def _planned(
    votes: Ints, seen: Ints, price: Floats, n: int, look: int, alpha: float, noise: Noise, d: int
) -> Ints:
    """The size [A] that maximizes expected radius minus ``price`` a sample; 0 if none pays.

    p is taken as Beta(votes + 1/2, seen - votes + 1/2), and new votes at their mean.
    """
    ends = looks(n, look)
    pairs, which = np.unique(np.stack([votes, seen]), axis=1, return_inverse=True)
    quantiles = (np.arange(16) + 0.5) / 16
    p = np.asarray(
        betaincinv(pairs[0, :, None] + 0.5, (pairs[1] - pairs[0])[:, None] + 0.5, quantiles),
        np.float64,
    )
    expected = expected_radii(p, n, look, alpha, noise, d).mean(1)  # [pairs, looks]
    value = expected[which.ravel()] - price[:, None] * ends
    best = value.argmax(1)
    return np.where(value[np.arange(len(best)), best] > 0, ends[best], 0)
