"""Gaussian noise for linf: the l2 radius divided by sqrt(d)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from smoothcert.compute.lazy import torch
from smoothcert.noise.base import NOISES, Noise
from smoothcert.noise.gaussian import Gaussian


@NOISES.member("gaussian-linf")
@dataclass(frozen=True)
class GaussianLinf(Noise):
    """N(0, sigma^2 I) against linf perturbations: R = sigma Phi^-1(p_A) / sqrt(d).

    No better bound exists for this noise: (r, ..., r) has l2 norm sqrt(d) r, and a Gaussian
    certificate depends on the l2 norm of the shift alone.
    """

    label = "Gaussian for ℓ∞"
    norm = "linf"
    lipschitz = True
    cut = 16
    reference = "Zhang et al. 2020, Proposition 4; Cohen et al. 2019, Theorem 1"

    @property
    def drawn_as(self) -> Gaussian:
        """Gaussian noise certifies l2 and linf by the same draws."""
        return Gaussian(self.scale)

    def fill(self, out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return self.drawn_as.fill(out, generator)

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        return np.maximum(ndtri(np.asarray(p_lower, np.float64)), 0.0) / np.sqrt(d)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        return ndtr(np.asarray(radius, np.float64) * np.sqrt(d))
