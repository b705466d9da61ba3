"""Centripetal l2 noise, ||z||_2^-k exp(-||z||_2^2 / (2 sigma^2)): Gaussian at k = 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothcert.compute.lazy import torch
from smoothcert.noise.base import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.gamma_norm import gamma, scaled
from smoothcert.noise.gaussian import Gaussian
from smoothcert.noise.quadrature_table import quadrature_table
from smoothcert.noise.radial_quadrature import Law
from smoothcert.noise.radius_table import RadiusTable


@NOISES.member("centripetal-l2")
@dataclass(frozen=True)
class CentripetalL2(Centripetal):
    """Scale sigma: ||z||_2 is sigma times a chi variable with d - k degrees of freedom; the
    direction is uniform."""

    label = "centripetal ℓ₂"
    norm = "l2"
    at_zero = Gaussian
    reference = "Zhang et al. 2020, eq. 11, Theorems 1 and 2"

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        d = int(np.prod(shape[1:]))
        self.check_dimension(d)
        z = torch.randn((shape[0], d), generator=generator, device=generator.device)
        rho = (2 * gamma((d - self.k) / 2, shape[0], generator)).sqrt()
        size = torch.linalg.vector_norm(z, dim=1).double()
        return scaled(z, size, rho).reshape(shape)

    def log_density(self, z: torch.Tensor) -> torch.Tensor:
        y = z.square().sum(1)
        return -0.5 * self.k * y.log() - 0.5 * y

    def energy(self, d: int) -> float:
        return float(d - self.k)

    def law(self, d: int) -> Law:
        """The noise as quadrature sees it."""
        return Law(self.k, d, square=True, euclidean=True)

    def build_table(self, d: int, **settings: Any) -> RadiusTable:
        self.check_dimension(d)
        return quadrature_table(self.shape_slug, self.law(d), "normal", **settings)
