"""Laplace noise: l1 certificates (Teng, Lee, Yuan 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smoothcert.noise.base import NOISES, Noise

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray


@NOISES.member("laplace")
@dataclass(frozen=True)
class Laplace(Noise):
    """Density ~ exp(-||z||_1 / b); the scale is b, the mean of |z_i|.

    R = -b log(2 (1 - p_A)), with p_B <= 1 - p_A: p_A certifies the radius r iff it exceeds
    1 - exp(-r / b) / 2 (a shift by delta changes the density by a factor of at most
    exp(||delta||_1 / b)). The standard deviation of a coordinate is b * sqrt(2).
    """

    norm = "l1"
    reference = "Teng et al. 2020, with p_B <= 1 - p_A; Zhang et al. 2020, Corollary 1"

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        import torch

        # An exponential length and a sign. torch's exponential_ is positive and finite; half
        # the lengths are negated by the sign of a centred uniform draw.
        length = torch.empty(shape, device=generator.device).exponential_(generator=generator)
        sign = torch.rand(shape, generator=generator, device=generator.device)
        return torch.where(sign < 0.5, length, -length)

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        p = np.asarray(p_lower, np.float64)
        with np.errstate(divide="ignore"):
            return np.maximum(-np.log(2.0 * (1.0 - p)), 0.0)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        return 1.0 - np.exp(-np.asarray(radius, np.float64)) / 2.0
