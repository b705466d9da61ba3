"""p*(r) for noise whose density depends on one norm: enclosed quadrature, no sampling.

Let w(z) = pi_delta(z) / pi_0(z). By Neyman-Pearson duality (Zhang et al. 2020, Theorem 1),
every classifier with E_{pi_0} f >= p keeps E_{pi_delta} f > 1/2 as soon as, for one lambda > 0,

    1 - p  <  q(r) = P_0(w > lambda) - (1/2 - P_delta(w <= lambda)) / lambda,

and q(r) = 1 - p*(r) is largest at lambda = the median of w under pi_delta. Any other lambda
gives a smaller, still valid value, so the search for lambda needs no error bound of its own.

Both probabilities are expectations over the norm rho of the noise, whose law is known (a
gamma variable), of a conditional probability in closed form. :class:`GammaCells` cuts the law
into cells of exactly known mass and mean; on a cell where the integrand is convex or concave,
Jensen's inequality encloses its integral between the value at the mean and the chord.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import (
    betainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammaln,
    ndtr,
    ndtri,
    wrightomega,
)
from scipy.special import gammainc as gammainc_lower

# Absolute error granted to the special functions, per probability. The incomplete beta and
# gamma functions used here are good to about 1e-13; tests compare them with mpmath.
ROUNDING = 1e-12

# Cells end this many standard deviations out; the mass beyond is below 2e-17.
_SPAN = 8.5


@dataclass(frozen=True)
class GammaCells:
    """A Gamma(shape, 1) law cut into n cells: edges [n+1], masses [n], means [n]."""

    shape: float
    edges: NDArray[np.float64]
    mass: NDArray[np.float64]
    mean: NDArray[np.float64]

    @classmethod
    def cut(cls, shape: float, n: int) -> GammaCells:
        """Cells of equal width in the normal quantile of the law's own quantile."""
        x = np.linspace(-_SPAN, _SPAN, n + 1)
        edges = np.where(
            x <= 0,
            gammaincinv(shape, ndtr(np.minimum(x, 0))),
            gammainccinv(shape, ndtr(-np.abs(x))),
        )
        return cls.between(shape, edges)

    @classmethod
    def between(cls, shape: float, edges: NDArray[np.float64]) -> GammaCells:
        """Cells with the given ascending edges."""
        below, above = gammainc_lower(shape, edges), gammaincc(shape, edges)
        mass = np.where(edges[1:] < shape, np.diff(below), -np.diff(above))
        mass = np.maximum(mass, 0.0)
        # E[g; a < g < b] = shape * mass - [x^shape e^-x / Gamma(shape)]_a^b
        with np.errstate(divide="ignore", invalid="ignore"):
            flux = np.exp(shape * np.log(edges) - edges - gammaln(shape))
            mean = shape - np.diff(flux) / mass
        middle = 0.5 * (edges[1:] + edges[:-1])
        mean = np.where(np.isfinite(mean), mean, middle)
        return cls(shape, edges, mass, np.clip(mean, edges[:-1], edges[1:]))


def shift(a: float, c: float, y: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    """Solve a ln(1 + D/y) + c D = tau for D > -y, elementwise (a >= 0, c > 0, y > 0).

    The change of a norm (or of its square) that changes the log-density by tau. In closed
    form by the Wright omega function, then two Newton steps in D/y: relative precision stays
    near rounding also where D is far smaller than y.
    """
    if a == 0:
        return np.maximum(np.full_like(y, tau / c), -y)
    s = c * y / a
    v = wrightomega(tau / a + s + np.log(s)).real / s
    x = v - 1.0
    good = v > 1e-3
    for _ in range(2):
        error = np.log1p(np.where(good, x, 0.0)) + s * x - tau / a
        step = error / (1.0 / np.where(good, v, 1.0) + s)
        x = np.where(good, np.maximum(x - step, -1 + 1e-9), x)
        v = 1.0 + x
    return x * y


@dataclass(frozen=True)
class Law:
    """A noise whose density depends on one norm, at scale 1.

    g ~ Gamma(shape, 1) is the norm (``square`` False) or half its square (True); k is the
    exponent of the density, d the dimension. ``euclidean`` says which direction and worst
    shift: l2 with shift (r, 0, ..., 0); or l1 with (r, 0, ..., 0) and linf with (r, ..., r),
    which share one formula.
    """

    k: float
    d: int
    square: bool
    euclidean: bool

    @property
    def shape(self) -> float:
        return (self.d - self.k) / 2 if self.square else float(self.d - self.k)

    @property
    def steep(self) -> bool:
        """Whether p*(r) has an infinite slope at r = 0: for k = d - 1 > 0.

        The slope is E |d/dr ln pi|, up to a constant, cut off where ||z|| < r; near 0 that is
        the integral of (k / rho) rho^(d-1-k) over rho > r. It converges for k <= d - 2 and is
        like ln(1/r) at k = d - 1, so that p*(r) - 1/2 is like r ln(1/r).
        """
        return self.k > 0 and self.d - self.k < 2

    def inside(
        self, g: NDArray[np.float64], tau: float, r: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """P(-log density at z + delta exceeds that at z by at most ``tau`` | g), per entry of g.

        Also the branch (-1, 0 or 1): between branches the value jumps or has no slope.
        """
        if self.euclidean:
            # ||z + delta||^2 = 2g + 2 r rho cos + r^2 stays below the level iff cos <= c
            y = 2 * g
            c = (shift(self.k / 2, 0.5, y, tau) - r * r) / (2 * r * np.sqrt(y))
            half = (self.d - 1) / 2
            value = betainc(half, half, np.clip(0.5 + 0.5 * c, 0.0, 1.0))
            return value, (c >= 1).astype(np.int8) - (c <= -1)
        if self.square:
            y = 2 * g
            rho = np.sqrt(y)
            more = shift(self.k / 2, 0.5, y, tau)
            change = more / (np.sqrt(np.maximum(y + more, 0.0)) + rho)
        else:
            rho, change = g, shift(self.k, 1.0, g, tau)
        # The norm changes by at most r either way, and by r for half of the directions:
        # l1 where z_1 has the sign of the shift, linf where the largest entry has.
        x = np.clip((r - change) / (2 * rho), 0.0, 1.0)
        with np.errstate(divide="ignore"):
            value = 0.5 * np.exp((self.d - 1) * np.log1p(-x))
        value = np.where(change >= r, 1.0, np.where(change <= -r, 0.0, value))
        return value, (change >= r).astype(np.int8) - (change <= -r)


def _integrand(
    law: Law, g: NDArray[np.float64], tau: float, r: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """P_0(w > lambda | g) + (P_delta(w <= lambda | g) - 1/2) / lambda, and its branch."""
    above, b0 = law.inside(g, -tau, r)
    below, b1 = law.inside(g, tau, r)
    return above + (below - 0.5) * np.exp(-tau), 3 * b0.astype(np.int64) + b1


def _split_at_branches(
    law: Law, cells: GammaCells, tau: float, r: float, halvings: int
) -> tuple[GammaCells, NDArray[np.float64], NDArray[np.int64]]:
    """Further edges where the branch changes, found by bisection, and graded towards there.

    Returns the cells with the integrand and its branch at their edges. The grading is for
    d = 2, where the slope is infinite at the change.
    """
    value, branch = _integrand(law, cells.edges, tau, r)
    for _ in range(3):  # two changes may share a cell
        width = np.diff(cells.edges)
        j = np.flatnonzero((branch[1:] != branch[:-1]) & (width > 1e-12 * cells.edges[1:]))
        if not j.size:
            break
        low, high, left = cells.edges[j], cells.edges[j + 1], branch[j]
        for _ in range(halvings):
            middle = 0.5 * (low + high)
            same = _integrand(law, middle, tau, r)[1] == left
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        near = width[j] * 0.5 ** np.arange(1, min(40, halvings), 2)[:, None]
        more = np.r_[[low], [high], low - near, high + near]
        more = more[(more > cells.edges[j]) & (more < cells.edges[j + 1])]
        cells = GammaCells.between(cells.shape, np.union1d(cells.edges, more))
        value, branch = _integrand(law, cells.edges, tau, r)
    return cells, value, branch


def enclose(
    law: Law, cells: GammaCells, tau: float, r: float, halvings: int = 60
) -> tuple[float, float]:
    """Lower and upper bound on the integral of the integrand at lambda = exp(tau).

    On a cell where the integrand is convex its mean lies between the value at the cell's mean
    and the chord there; where it is concave, the other way round. Where that changes from one
    cell to the next, the cell may hold an inflection and both sides are widened by the largest
    gap of the three cells about it. A cell across two branches is bounded by its end values, and
    made narrow by so many ``halvings``.
    """
    cells, at_edges, branch = _split_at_branches(law, cells, tau, r, halvings)
    at_mean = _integrand(law, cells.mean, tau, r)[0]
    left, right = at_edges[:-1], at_edges[1:]
    width = np.diff(cells.edges)
    weight = np.where(width > 0, (cells.mean - cells.edges[:-1]) / np.where(width > 0, width, 1), 0)
    chord = left + weight * (right - left)
    gap = np.abs(chord - at_mean)
    sign = np.sign(chord - at_mean)
    padded_sign, padded_gap = np.pad(sign, 1, mode="edge"), np.pad(gap, 1, mode="edge")
    turning = (padded_sign[:-2] != sign) | (padded_sign[2:] != sign)
    around = np.maximum(np.maximum(padded_gap[:-2], padded_gap[2:]), gap)
    slack = np.where(turning, around, 0.0)
    low = np.minimum(at_mean, chord) - slack
    high = np.maximum(at_mean, chord) + slack
    crossing = branch[1:] != branch[:-1]
    low = np.where(crossing, np.minimum(left, right), low)
    high = np.where(crossing, np.maximum(left, right), high)
    return float(np.sum(cells.mass * low)), float(np.sum(cells.mass * high))


def median_log_ratio(law: Law, cells: GammaCells, r: float, guess: float) -> float:
    """About the median of ln w under pi_delta; any value is valid, the median is best."""
    low, high = guess, guess
    step = max(0.5 * abs(guess), 1e-3)

    def excess(tau: float) -> float:
        return float(np.sum(cells.mass * law.inside(cells.mean, tau, r)[0])) - 0.5

    while excess(low) > 0:
        low -= step
        step *= 2
    while excess(high) < 0:
        high += step
        step *= 2
    # The l1 and linf noises have (nearly) an atom at the median: there the loss is of first order.
    tolerance = 1e-6 if law.euclidean else 1e-10
    while high - low > tolerance * (1e-3 + abs(high)):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return 0.5 * (low + high)


_COARSE = 200
_CELLS = (500, 2000, 8000)
# A distance between p* and its bound that no number of votes would notice, in Phi^-1(p).
WIDTH = 5e-7


@lru_cache(maxsize=16)
def _cells(shape: float, n: int) -> GammaCells:
    return GammaCells.cut(shape, n)


def failure_bound(law: Law, r: float, width: float = WIDTH) -> tuple[float, float]:
    """A lower bound on 1 - p*(r) at scale 1, and how far it may be below the true value.

    A class with probability above 1 - bound keeps more than 1/2 within radius ``r``. Cells
    are added until bound and true value are within ``width`` in the unit of Phi^-1(p), or
    there are 8000; the bound holds in either case.
    """
    guess = 0.5 * r * r if law.square else r
    tau = median_log_ratio(law, _cells(law.shape, _COARSE), r, guess)
    low = high = 0.0
    for n in _CELLS:
        low, high = enclose(law, _cells(law.shape, n), tau, r)
        z = ndtri(np.clip(low, 1e-300, 0.5))
        if high - low < width * np.exp(-z * z / 2) / np.sqrt(2 * np.pi):
            break
    rounding = ROUNDING * (1 + np.exp(-tau))
    return low - rounding, high - low + 2 * rounding


def largest_radius(law: Law, failure: float) -> float:
    """About the radius at which 1 - p*(r) = ``failure`` (coarsely; the end of a table)."""
    cells = _cells(law.shape, _COARSE)

    def left(r: float) -> float:
        tau = median_log_ratio(law, cells, r, 0.5 * r * r if law.square else r)
        return float(np.sum(cells.mass * _integrand(law, cells.mean, tau, r)[0]))

    low, high = 0.0, 1.0
    while left(high) > failure:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if left(middle) > failure else (low, middle)
    return low
