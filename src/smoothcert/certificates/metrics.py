"""What a table of certificates says: certified accuracy, ACR, abstentions, envelopes.

An input is certified at radius r when its prediction is correct and its certified radius is at
least r (Cohen et al. 2019; ``strict=True`` asks for more than r, as the ISS paper does). An
abstention is wrong and has radius 0. Where labels are unknown, what rests on them is refused.

Ties. Published logs print radii with three significant digits, so that many inputs share one
radius (0.953 at sigma 0.25). Radii are compared as the doubles nearest to their decimals, which
is the exact comparison of the decimals as long as both have at most 15 significant digits. A
radius that arithmetic made (``0.001 * 953``) is another double than 0.953 and falls beside the
tie: write radii as text ("0.953"), or make grids with :func:`radius_grid`.

Intervals are about the number of inputs: they say how far the same classifier could be from its
value on the whole population of inputs, not how certificates vary when sampled again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr, ndtri, stdtrit

from smoothcert.certificates import ABSTAIN, CertificateTable
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES

Radius = str | float | Decimal
Radii = str | Sequence[Radius] | NDArray[np.float64]

LEVEL = 0.95
# So many radii tell how large one can be, for an interval of their mean.
_ENOUGH = 10


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided interval; ``value``, ``low``, ``high`` are float64, shape [R]
    for R radii or [] for one number; ``inputs`` is how many inputs it rests on."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    inputs: int

    def __getitem__(self, i: int) -> Estimate:
        return Estimate(self.value[i], self.low[i], self.high[i], self.inputs)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {k: np.asarray(v).tolist() for k, v in ends.items()} | {"inputs": self.inputs}


# --- radii ---------------------------------------------------------------------------------


def parse_radius(radius: Radius) -> float:
    """The double nearest to a radius given as text, Decimal or number; text may be ``2/255``.

    Raises SmoothcertError unless it is a finite number >= 0.
    """
    try:
        if isinstance(radius, str) and "/" in radius:
            above, below = radius.split("/")
            value = float(Decimal(above) / Decimal(below))
        else:
            value = float(Decimal(radius) if isinstance(radius, str) else radius)
    except (InvalidOperation, ValueError, ZeroDivisionError, TypeError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise SmoothcertError(f"radius {radius!r}: expected a finite number >= 0")
    return value


def parse_radii(radii: Radii) -> NDArray[np.float64]:
    """Radii, float64 [R], from a sequence, ``"0,0.25,0.5"`` or ``"START:STOP:STEP"`` (inclusive).

    Raises SmoothcertError for no radius, a negative one, or a list that does not rise.
    """
    if isinstance(radii, str):
        if ":" in radii:
            return radius_grid(*_three(radii))
        radii = [part.strip() for part in radii.split(",") if part.strip()]
    values = np.array([parse_radius(r) for r in radii], dtype=np.float64)
    if len(values) == 0:
        raise SmoothcertError("radii: expected at least one, found none")
    if (np.diff(values) <= 0).any():
        raise SmoothcertError(f"radii: expected an increasing list, found {_texts(radii)}")
    return values


def radius_grid(start: Radius, stop: Radius, step: Radius) -> NDArray[np.float64]:
    """start, start + step, ..., up to and with stop: each the double nearest its decimal."""
    for part in (start, stop, step):
        parse_radius(part)
    first, last, width = (Decimal(str(v)) for v in (start, stop, step))
    if width <= 0 or last < first:
        raise SmoothcertError(
            f"radii {start}:{stop}:{step}: expected START <= STOP and a positive STEP"
        )
    return np.array([float(first + i * width) for i in range(int((last - first) / width) + 1)])


def default_radii(
    tables: Sequence[CertificateTable], most: int | None = None
) -> NDArray[np.float64]:
    """0, 0.25, 0.5, ... up to the largest certified radius of the tables.

    At most ``most`` radii if given, the step doubled until they are few enough.
    """
    reach = [t.radius[np.isfinite(t.radius)].max(initial=0.0) for t in tables]
    largest, step = Decimal(float(max(reach, default=0.0))), Decimal("0.25")
    while most is not None and largest // step + 1 > most:
        step *= 2
    return radius_grid(0, step * (largest // step), step)


def _three(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) != 3:
        raise SmoothcertError(f"radii {text!r}: expected START:STOP:STEP")
    return parts[0], parts[1], parts[2]


def _texts(radii: Sequence[Radius] | NDArray[np.float64]) -> str:
    return ", ".join(str(r) for r in radii)


# --- one table -----------------------------------------------------------------------------


def certified(table: CertificateTable, radii: Radii, strict: bool = False) -> NDArray[np.bool_]:
    """Which inputs are certified at which radius: bool [R, N].

    Correct, and radius >= r (``strict``: > r). ``radii`` as :func:`parse_radii` takes them.
    """
    at = parse_radii(radii)[:, None]
    reaches = table.radius[None] > at if strict else table.radius[None] >= at
    return reaches & is_right(table)[None]


def certified_accuracy(
    table: CertificateTable, radii: Radii, strict: bool = False, level: float = LEVEL
) -> Estimate:
    """The share of inputs certified at each radius, [R] in [0, 1], with Wilson intervals.

    ``radii`` as :func:`parse_radii` takes them (``"0,0.25,0.5"``). Raises SmoothcertError for an
    empty table, unknown labels or bad radii. Source: Cohen et al. 2019, section 4.
    """
    return proportion(_counts(table, parse_radii(radii), strict), inputs(table), level)


def _counts(table: CertificateTable, radii: NDArray[np.float64], strict: bool) -> NDArray[np.int64]:
    """How many inputs are certified at each radius: int64 [R], by one sort."""
    reached = np.sort(table.radius[is_right(table)])
    missed = np.searchsorted(reached, radii, side="right" if strict else "left")
    return np.asarray(len(reached) - missed, np.int64)


def average_certified_radius(table: CertificateTable, level: float = LEVEL) -> Estimate:
    """ACR of one classifier: the mean of radius where correct, else 0 (Zhai et al. 2020).

    In pixels of [0,1] images, in the norm of the certificates. Raises SmoothcertError for an
    empty table or unknown labels.

    Its interval is that of :func:`mean` for numbers between 0 and the largest radius in the
    table, right or wrong. This is the ACR that DDRS and ISS define; see :func:`envelope_area` and
    :func:`per_input_maximum` for what else goes by the name.
    """
    return mean(certified_radius(table), level, least=0.0, most=largest_radius([table]))


def largest_radius(tables: Sequence[CertificateTable]) -> float:
    """How large a radius can be: the range of an ACR's interval (:func:`mean`).

    The largest in the tables, of right and wrong predictions alike, where at least ten tell;
    else that of n agreeing votes if the tables say noise, sigma, n and alpha, else infinity.
    """
    radii = np.concatenate([table.radius for table in tables])
    if np.count_nonzero(radii) >= _ENOUGH:
        return float(radii.max())
    return max(_largest_possible(table) for table in tables)


def _largest_possible(table: CertificateTable) -> float:
    """The radius of agreeing votes, by the noise's own formula; infinity where unknown."""
    name, sigma, n, alpha = (table.optional(key) for key in ("noise", "sigma", "n", "alpha"))
    if name is None or sigma is None or n is None or alpha is None or len(set(name)) != 1:
        return math.inf
    noise = NOISES.parse(str(name[0]))
    if noise.tabulated or noise.norm == "linf":  # depends on the dimension, which is not known
        return math.inf
    p_lower = float(alpha.max()) ** (1 / max(int(n.max()), 1))  # no valid bound is above it
    return float(noise.radius(p_lower, sigma.max(), 1))


def abstention_rate(table: CertificateTable, level: float = LEVEL) -> Estimate:
    """The share of inputs without a prediction, with a Wilson interval."""
    return proportion(int((table.predict == ABSTAIN).sum()), inputs(table), level)


def clean_accuracy(table: CertificateTable, level: float = LEVEL) -> Estimate:
    """The share of inputs that the smoothed classifier gets right, with a Wilson interval.

    Equal to certified accuracy at 0 with >=; a correct prediction whose radius was printed as
    0.0000 counts here and not in certified accuracy at 0 with >.
    """
    return proportion(int(is_right(table).sum()), inputs(table), level)


def is_right(table: CertificateTable) -> NDArray[np.bool_]:
    """Which predictions are correct: bool [N]. All that rests on the true classes starts here.

    Raises SmoothcertError where labels are unknown (-1): then there is no accuracy.
    """
    unknown = int((table.label < 0).sum())
    if unknown:
        raise SmoothcertError(
            f"certificate table: {unknown} of {len(table)} labels are unknown (-1); accuracy"
            " and ACR need the true classes"
        )
    return table.correct == 1


def inputs(table: CertificateTable) -> int:
    """The number of inputs; raises SmoothcertError for a table without rows."""
    if len(table) == 0:
        raise SmoothcertError("certificate table: expected at least one row, found none")
    return len(table)


def certified_radius(table: CertificateTable) -> NDArray[np.float64]:
    """The radius where correct, else 0: float64 [N]; raises as :func:`is_right`."""
    return np.where(is_right(table), table.radius, 0.0)


# --- several tables on the same inputs -----------------------------------------------------


def common_inputs(tables: Sequence[CertificateTable]) -> list[CertificateTable]:
    """The tables restricted to the inputs that all of them have, in one order (rising idx).

    Raises SmoothcertError if no input is common, an idx is twice in a table, or two tables
    disagree about the label of an input (they are of different data).
    """
    shared = tables[0].idx
    for table in tables:
        if len(np.unique(table.idx)) != len(table):
            raise SmoothcertError("certificate table: expected each idx once, found a duplicate")
        shared = np.intersect1d(shared, table.idx)
    if len(shared) == 0:
        raise SmoothcertError("certificate tables: expected inputs in common, found none")
    chosen = []
    for table in tables:
        order = np.argsort(table.idx)
        rows = order[np.searchsorted(table.idx, shared, sorter=order)]
        chosen.append(CertificateTable({k: v[rows] for k, v in table.columns.items()}))
    for table in chosen[1:]:
        wrong = np.flatnonzero(table.label != chosen[0].label)
        if len(wrong):
            i = wrong[0]
            raise SmoothcertError(
                f"certificate tables: idx {shared[i]} has label {chosen[0].label[i]} in one and"
                f" {table.label[i]} in another; expected tables of the same data"
            )
    return chosen


def _aligned(tables: Sequence[CertificateTable]) -> list[CertificateTable]:
    """The tables in one order of inputs; raises unless all have the same inputs."""
    if not tables:
        raise SmoothcertError("certificate tables: expected at least one, found none")
    for table in tables:
        inputs(table)
    aligned = common_inputs(tables)
    for table in tables:
        if len(table) != len(aligned[0]):
            raise SmoothcertError(
                f"certificate tables: expected the same inputs, found {len(table)} in one and"
                f" {len(aligned[0])} in common (common_inputs restricts them)"
            )
    return aligned


def envelope(
    tables: Sequence[CertificateTable], radii: Radii, strict: bool = False, level: float = LEVEL
) -> Estimate:
    """The best certified accuracy of several classifiers at each radius, [R].

    The choice is made on the inputs that also measure it, as the papers do. The interval holds
    all the same: the largest of the upper Wilson ends, and the largest of the lower ends at a
    level that is split over the tables (Bonferroni), bound the largest true accuracy.
    Raises SmoothcertError unless the tables have the same inputs.
    """
    tables, at = _aligned(tables), parse_radii(radii)
    counts = np.stack([_counts(table, at, strict) for table in tables])
    split = 1 - (1 - level) / len(tables)
    return Estimate(
        counts.max(0) / len(tables[0]),
        proportion(counts, len(tables[0]), split).low.max(0),
        proportion(counts, len(tables[0]), level).high.max(0),
        len(tables[0]),
    )


def envelope_area(tables: Sequence[CertificateTable], level: float = LEVEL) -> Estimate:
    """The area under the envelope: what choosing the best classifier for each radius gives.

    Not the ACR of any classifier; at least the ACR of each. The mean over inputs of the length
    of radii at which the classifier that is best there certifies the input.

    The choice is made on the inputs that measure it, so that the value is too high, the more the
    more classifiers are equally good. Hence the interval of the true area (that under the largest
    of the true curves) has two sources. *Above*: the choice that is truly best measures no more
    here than the one that was made, so the upper end of the mean of the latter bounds it too.
    *Below*: no choice has more than the true area, so that of one that was made on other inputs
    (:func:`held_out_lengths`) bounds it from below. With few inputs the value may lie above what
    the held-out choice supports, and the interval is wide. Raises as :func:`envelope`.
    """
    tables = _aligned(tables)
    radius = np.stack([certified_radius(table) for table in tables])  # [M, N]
    most = largest_radius(tables)
    if not np.isfinite(radius).all():
        return mean(radius.max(0), level, least=0.0)
    ends = np.unique(radius)
    ends = ends[ends > 0]
    # Counts are constant on each (previous end, end]: choose the best table there.
    counts = np.stack([len(r) - np.searchsorted(np.sort(r), ends) for r in radius])
    best = counts.argmax(0)
    width = np.diff(ends, prepend=0.0)
    lengths = np.zeros(radius.shape[1])
    for m, r in enumerate(radius):
        reach = np.concatenate([[0.0], np.cumsum(np.where(best == m, width, 0.0))])
        lengths += reach[np.searchsorted(ends, r, side="right")]
    chosen_here = mean(lengths, level, least=0.0, most=most)
    if len(tables) == 1 or len(lengths) < 2:
        return chosen_here
    elsewhere = mean(held_out_lengths(radius), level, least=0.0, most=most)
    low = np.minimum(chosen_here.low, elsewhere.low)
    return Estimate(chosen_here.value, low, chosen_here.high, chosen_here.inputs)


def held_out_lengths(reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """The radii at which an input is certified by the classifier chosen on the other half: [N].

    reach: [M, N] finite, the radius where correct, else 0. The halves are the inputs of even
    and of odd position; of classifiers that are equally good there the one of larger ACR counts.
    """
    lengths = np.zeros(reach.shape[1])
    half = np.arange(reach.shape[1]) % 2
    for own in (0, 1):
        other = reach[:, half != own]
        order = np.argsort(-other.mean(1), kind="stable")
        ends = np.unique(np.append(other[other > 0], reach.max()))
        # Counts of the other half are constant on each (previous end, end].
        counts = np.stack([len(r) - np.searchsorted(np.sort(r), ends) for r in other[order]])
        best = order[counts.argmax(0)]
        width = np.diff(ends, prepend=0.0)
        for m, own_reach in enumerate(reach[:, half == own]):
            length = np.append(0.0, np.cumsum(np.where(best == m, width, 0.0)))
            lengths[half == own] += np.interp(own_reach, np.append(0.0, ends), length)
    return lengths


def per_input_maximum(tables: Sequence[CertificateTable], level: float = LEVEL) -> Estimate:
    """The mean over inputs of the largest radius at which any classifier is correct.

    An oracle that knows the label chooses the classifier for each input, so it is no
    certificate of any classifier; the ACR printed in DDRS tables 1-3 fits this reading only.
    At least :func:`envelope_area`. Raises as :func:`envelope`.
    """
    tables = _aligned(tables)
    radius = np.stack([certified_radius(table) for table in tables])
    return mean(radius.max(0), level, least=0.0, most=largest_radius(tables))


# --- paired differences --------------------------------------------------------------------


def accuracy_difference(
    a: CertificateTable,
    b: CertificateTable,
    radii: Radii,
    strict: bool = False,
    level: float = LEVEL,
) -> Estimate:
    """Certified accuracy of ``a`` minus that of ``b`` on the same inputs, [R].

    The adjusted Wald interval for paired proportions (Bonett and Price 2012): only inputs that
    one of the two certifies count, so it is far narrower than two separate intervals suggest.
    Raises SmoothcertError unless both have the same inputs.
    """
    first, second = (certified(t, parse_radii(radii), strict) for t in _aligned([a, b]))
    return paired_difference(first, second, level)


def paired_difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], level: float = LEVEL
) -> Estimate:
    """The share of ``first`` minus that of ``second``, bool [..., N] of the same inputs, paired:
    the adjusted Wald interval of Bonett and Price (2012)."""
    n = first.shape[-1]
    only_a, only_b = (first & ~second).sum(-1), (second & ~first).sum(-1)
    pa, pb = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = _z(level) * np.sqrt(np.maximum(pa + pb - (pa - pb) ** 2, 0) / (n + 2))
    low, high = np.maximum(pa - pb - half, -1.0), np.minimum(pa - pb + half, 1.0)
    return Estimate((only_a - only_b) / n, low, high, n)


def acr_difference(a: CertificateTable, b: CertificateTable, level: float = LEVEL) -> Estimate:
    """ACR of ``a`` minus ACR of ``b`` on the same inputs, with the paired interval.

    That of a table and itself is 0, exactly. Raises SmoothcertError unless both have the same
    inputs.
    """
    tables = _aligned([a, b])
    first, second = (certified_radius(t) for t in tables)
    if a is b:
        zero = np.asarray(0.0)
        return Estimate(zero, zero, zero, len(a))
    return mean_difference(first, second, level, most=largest_radius(tables))


# --- the failure probability, over a data set ----------------------------------------------


def correction(inputs: int, alpha: float, rho: float = 0.001) -> float:
    """How much certified accuracy to give up for the certificates that may be wrong.

    With probability at least 1 - rho the share of inputs whose certificate is wrong is at most the
    returned value, for all radii at once: :func:`most_wrong` over ``inputs``. Raises as that does.
    """
    return most_wrong(inputs, alpha, rho) / inputs


def most_wrong(inputs: int, alpha: float, rho: float = 0.001) -> int:
    """How many certificates of ``inputs`` are wrong at most, with probability at least 1 - rho.

    Each certificate fails with probability at most ``alpha``, independently of the others (each
    input has its own noise), so that the failures are stochastically at most Binomial(inputs,
    alpha), of which this is the exact (1 - rho)-quantile; Cohen et al. 2019 (section 4) bound it
    by Bernstein's inequality. 0 at alpha 0, of certificates that cannot be wrong. Raises
    SmoothcertError unless 0 <= alpha < 1, 0 < rho < 1, inputs >= 1.
    """
    if inputs < 1:
        raise SmoothcertError(f"inputs {inputs}: expected at least 1")
    if alpha == 0:
        return 0
    for name, value in (("alpha", alpha), ("rho", rho)):
        if not 0 < value < 1:
            raise SmoothcertError(f"{name} {value:g}: expected a probability in (0, 1)")
    low, high = 0, inputs  # the quantile is in [low, high]
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtr(middle, inputs, alpha) >= 1 - rho else (middle + 1, high)
    return low


def corrected_accuracy(
    table: CertificateTable,
    radii: Radii,
    alpha: float | None = None,
    rho: float = 0.001,
    strict: bool = False,
) -> NDArray[np.float64]:
    """A bound on the accuracy on these very inputs under any attack of norm r: float64 [R].

    With probability at least 1 - rho over the noise of certification, at least this share of
    the inputs is classified correctly everywhere within r. ``alpha`` is read from the table
    (the largest, if rows differ); raises SmoothcertError if neither has one.
    """
    if alpha is None:
        column = table.optional("alpha")
        if column is None:
            raise SmoothcertError("certificate table: has no column alpha; give alpha")
        alpha = float(column.max())
    value = certified_accuracy(table, radii, strict).value
    return np.maximum(value - correction(inputs(table), alpha, rho), 0.0)


# --- intervals -----------------------------------------------------------------------------


def proportion(count: Any, n: int, level: float = LEVEL) -> Estimate:
    """``count`` of ``n``, with the score interval of Wilson (1927); shapes follow ``count``."""
    k, z2 = np.asarray(count, np.float64), _z(level) ** 2
    p = k / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At 0 of n and n of n the end is the value itself; rounding must not cross it.
    low = np.where(k == 0, 0.0, np.clip(centre - half, 0.0, p))
    high = np.where(k == n, 1.0, np.clip(centre + half, p, 1.0))
    return Estimate(p, low, high, n)


def mean(
    values: NDArray[np.float64],
    level: float = LEVEL,
    least: float = -np.inf,
    most: float | None = None,
) -> Estimate:
    """The mean of ``values`` [N] with its interval, cut off at ``least``.

    Student's t where the mean is near to normal: N >= 25 g^2, g the skewness of the values
    (Cochran 1977, section 2.15: a 95% statement is then wrong no more than 6% of the time). Where
    they have a finite ``least``, as radii have, and are more skewed (few inputs are certified, or
    few are not) or all equal, the interval of :func:`bounded_mean`, which needs no such theorem.
    ``most`` is the largest value that the population has: by default the largest seen of at
    least ten positive ones; else nothing is known of it, and the upper end is infinite. With one
    input, or an infinite value, the interval says nothing (least, inf).
    """
    n = len(values)
    value = np.asarray(values.mean(), np.float64)
    if n < 2 or not np.isfinite(values).all():
        return Estimate(value, np.asarray(least), np.asarray(np.inf), n)
    if np.isfinite(least) and _skewed(values):
        low, high = bounded_mean(values, least, _seen(values) if most is None else most, level)
        return Estimate(value, np.asarray(low), np.asarray(high), n)
    half = stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(n)
    return Estimate(value, np.asarray(np.maximum(value - half, least)), value + half, n)


def mean_difference(
    a: NDArray[np.float64], b: NDArray[np.float64], level: float = LEVEL, most: float | None = None
) -> Estimate:
    """The mean of a - b, numbers between 0 and ``most`` of the same inputs [N], paired.

    As :func:`mean` for differences in either direction: up to the largest seen where at least
    ten are not 0, else up to ``most`` (by default as in :func:`mean`). So two that are equal for
    every input here have an interval that says how far they could differ on others.
    """
    most = _seen(np.append(a, b)) if most is None else most
    with np.errstate(invalid="ignore"):
        difference = a - b
    if np.count_nonzero(difference) >= _ENOUGH:
        most = float(np.abs(difference).max())
    if not np.isfinite(most) and np.isfinite(difference).all() and _skewed(difference):
        return Estimate(difference.mean(), np.asarray(-np.inf), np.asarray(np.inf), len(a))
    return mean(difference, level, -most, most)


def _seen(values: NDArray[np.float64]) -> float:
    """The largest of the values, infinity where fewer than ten are positive."""
    return float(values.max()) if np.count_nonzero(values > 0) >= _ENOUGH else np.inf


def _skewed(values: NDArray[np.float64]) -> bool:
    """Whether Cochran's rule forbids the normal approximation: N < 25 g^2, or no spread."""
    off = values - values.mean()
    variance = np.mean(off**2)
    return bool(values.min() == values.max() or len(off) * variance**3 < 25 * np.mean(off**3) ** 2)


def bounded_mean(
    values: NDArray[np.float64], least: float, most: float, level: float = LEVEL
) -> tuple[float, float]:
    """Both ends for the mean of a law on [least, most], from independent ``values`` [N].

    Gaffke's (2005) bound: the upper end is the quantile, at (1 + level) / 2, of the mean of the
    values and ``most`` under uniformly random (Dirichlet) weights; the lower end likewise with
    ``least``. For values that are least or most it is the interval of Clopper and Pearson. No
    law is known for which it fails, and none is proved not to exist (Learned-Miller and Thomas
    2019); the tests measure its coverage. Infinite ends where ``least`` or ``most`` are.
    """
    tail = (1 - level) / 2
    high = _gaffke(values, most, tail) if np.isfinite(most) else np.inf
    low = -_gaffke(-values, -least, tail) if np.isfinite(least) else -np.inf
    return low, high


def _gaffke(values: NDArray[np.float64], most: float, tail: float) -> float:
    """The (1 - tail)-quantile m of sum w_i x_i, w uniform on the simplex, x the values and most.

    With exponential E_i it is P(sum E_i (x_i - m) >= 0) = tail, here by the saddlepoint formula
    of Lugannani and Rice, which errs by less than 1% of the interval's width (a test). A tilt k
    gives m, saddlepoint and tail in closed form, and is found by bisection.
    """
    x, count = np.unique(np.append(values, max(most, values.max())), return_counts=True)
    least, span = x[0], x[-1] - x[0]
    if span == 0:
        return float(x[-1])
    x = (x - least) / span

    def quantile(y: float) -> tuple[float, float]:
        k = -math.expm1(-y)
        weight = count / (1 - k * x)
        m = float(weight @ x / weight.sum())
        saddle = k / (1 - k * m)
        rest = 1 - saddle * (x - m)
        root = math.sqrt(2 * max(float(count @ np.log(rest)), 1e-30))
        slope = saddle * math.sqrt(float(count @ ((x - m) / rest) ** 2))
        normal = math.exp(-root * root / 2) / math.sqrt(2 * math.pi)
        return m, float(ndtr(-root)) + normal * (1 / slope - 1 / root)

    low, high = 0.0, 30.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if quantile(middle)[1] > tail else (low, middle)
    return float(least + span * quantile(high)[0])


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise SmoothcertError(f"level {level:g}: expected a probability in (0, 1)")
    return float(ndtri((1 + level) / 2))
