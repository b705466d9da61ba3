"""Gaussian noise rounded to a grid: l2 certificates for every base classifier in floating point.

float32 noise added in float32 is not real noise: the sum is rounded, and its low bits tell where
the noise was added (Voracek and Hein, ICLR 2023; Jin et al. 2022). Here images are whole multiples
of 1/q, the noise is a Gaussian number rounded to whole multiples, the sum is one of whole numbers,
and the network sees that sum divided by q. Since round(x + G) = x + round(G) on the grid, every
base classifier under this noise is a base classifier of real Gaussian noise that rounds first:
rounding is post-processing, and Cohen's certificate carries over to all grid points of the ball.

Whole numbers are drawn by comparing 62 random bits with tabulated probabilities, so the law is
exact but for :func:`law_error`, which the radius takes off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import NOISES, OnGrid
from smoothcert.noise.gaussian import Gaussian

_BITS = 62
_FIRST = 16  # bits, the sign among them, that decide by a look-up alone, nearly always
_REACH = 9.5  # standard deviations that are tabulated
# Largest error of one tabulated probability (ndtr of a negative argument is good to 1e-15,
# relatively), and of the ceiling of a threshold.
_ENTRY_ERROR = 1e-15
_MOST = 1 << 22  # points of a table


@lru_cache(maxsize=64)
def thresholds(scale: float, q: int) -> NDArray[np.int64]:
    """T_j, falling: a uniform whole number u < 2^62 means |k| > j iff u < T_j.

    k is N(0, (scale q)^2) rounded to whole numbers.
    """
    reach = int(np.ceil(_REACH * scale * q)) + 1
    if reach > _MOST:
        raise SmoothcertError(f"scale {scale:g} on a grid of 1/{q}: too many points to tabulate")
    edges = (np.arange(reach) + 0.5) / (q * scale)
    return np.ceil(2 * ndtr(-edges) * float(1 << _BITS)).astype(np.int64)


def law_error(scale: float, q: int, d: int) -> float:
    """How far the law of d entries is from the exact one, in total variation, at most."""
    cells = len(thresholds(scale, q))
    tail = 2 * float(ndtr(-(cells - 0.5) / (q * scale)))
    return d * (cells * (_ENTRY_ERROR + 2.0**-_BITS) + tail)


@lru_cache(maxsize=64)
def _guide(scale: float, q: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """k by the first bits (float32; NaN where they leave it open), and T rising."""
    rising = thresholds(scale, q)[::-1].copy()
    starts = np.arange(1 << (_FIRST - 1)) << (_BITS - _FIRST + 1)
    ends = starts + ((1 << (_BITS - _FIRST + 1)) - 1)
    largest, least = (
        len(rising) - np.searchsorted(rising, u, side="right") for u in (starts, ends)
    )
    size = np.where(largest == least, least, np.nan).astype(np.float32)
    both = torch.from_numpy(np.concatenate([size, -size]))
    return both.to(device), torch.from_numpy(rising).to(device)


def whole_gaussian(
    shape: tuple[int, ...], scale: float, q: int, generator: torch.Generator
) -> torch.Tensor:
    """N(0, (scale q)^2) rounded to whole numbers, float32 of ``shape``."""
    first, rising = _guide(scale, q, generator.device)
    bits = torch.empty(math.prod(shape), dtype=torch.int64, device=generator.device)
    bits.random_(generator=generator)  # 63 random bits: a sign and 62
    k = first.index_select(0, bits >> (_BITS + 1 - _FIRST))
    (unsure,) = k.isnan().nonzero(as_tuple=True)
    left = bits[unsure]
    size = len(rising) - torch.searchsorted(rising, left & ((1 << _BITS) - 1), right=True)
    k[unsure] = torch.where(left >> _BITS == 1, -size, size).float()
    return k.view(shape)


_NEAR = 1e-3  # in Phi^-1: how far a radius may be shortened for the error of the law


@NOISES.member("gaussian-grid")
@dataclass(frozen=True)
class GaussianGrid(OnGrid):
    """round(N(0, sigma^2 I) q) / q: R = sigma (z(p_A - e) - z(1/2 + e)), e the error of the law.

    For images that are multiples of 1/q (255: of 8 bits), and for these alone. With e taken off
    at the input and put on 1/2 at the perturbed one, the certificate holds for the law that is
    drawn as well as for the exact one; e is below 1e-8, so R is that of Gaussian noise.
    """

    label = "Gaussian on a grid"
    norm = "l2"
    lipschitz = True
    reference = "Voracek and Hein 2023 (ICLR); Cohen et al. 2019, Theorem 1 with p_B <= 1 - p_A"

    def noisy(
        self, x: torch.Tensor, scale: float | torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        k = whole_gaussian(tuple(x.shape), self.one_scale(scale), self.q, generator)
        return k.add_(self.steps(x)).div_(self.q)

    def added(self, x: torch.Tensor, scale: float, generator: torch.Generator) -> torch.Tensor:
        return whole_gaussian(tuple(x.shape), scale, self.q, generator).div_(self.q)

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        return Gaussian(1.0).standard_radius(p_lower, d)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        return Gaussian(1.0).standard_p(radius, d)

    def radius(
        self, p_lower: ArrayLike, scale: ArrayLike, d: int, p_upper: ArrayLike | None = None
    ) -> NDArray:
        p, s = np.broadcast_arrays(np.asarray(p_lower, float), np.asarray(scale, float))
        of = {v: law_error(v, self.q, d) for v in np.unique(s).tolist()}
        error = np.vectorize(of.__getitem__, otypes=[float])(s)
        alone = np.maximum(s * (ndtri(p - error) - ndtri(0.5 + error)), 0.0)
        if p_upper is None:
            return alone
        # Both classes are e off at the input and e off where they meet, at Phi(middle): there they
        # part by 2 e once the radius is shorter by e / phi(middle), at most _NEAR.
        low, high = ndtri(np.maximum(p - error, 0.0)), ndtri(np.minimum(p_upper + error, 1.0))
        middle = np.abs(low + high) / 2
        with np.errstate(invalid="ignore"):
            less = error * np.sqrt(2 * np.pi) * np.exp((middle + _NEAR) ** 2 / 2)
            both = np.where(less < _NEAR, s * ((low - high) / 2 - less), 0.0)
        return np.maximum(np.nan_to_num(both, nan=0.0), alone)
