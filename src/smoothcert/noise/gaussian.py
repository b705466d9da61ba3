"""Gaussian noise: l2 certificates (Cohen, Rosenfeld, Kolter 2019, Theorem 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from smoothcert.compute.lazy import torch
from smoothcert.noise.base import NOISES, Noise


@NOISES.member("gaussian")
@dataclass(frozen=True)
class Gaussian(Noise):
    """N(0, sigma^2 I): R = sigma (Phi^-1(p_A) - Phi^-1(p_B)) / 2, so sigma Phi^-1(p_A) with p_B
    bounded by 1 - p_A: Phi^-1(P(f = c)) is 1/sigma-Lipschitz (Salman et al. 2019, Lemma 1)."""

    label = "Gaussian"
    norm = "l2"
    lipschitz = True
    cut = 16
    reference = "Cohen et al. 2019, Theorem 1 with p_B <= 1 - p_A"

    def fill(self, out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return out.normal_(generator=generator)

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        return np.maximum(ndtri(np.asarray(p_lower, np.float64)), 0.0)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        return ndtr(np.asarray(radius, np.float64))

    def standard_soft_radius(self, p_a: torch.Tensor, p_b: torch.Tensor) -> torch.Tensor:
        """Cohen et al. 2019, Theorem 1."""
        return (torch.special.ndtri(p_a) - torch.special.ndtri(p_b)) / 2
