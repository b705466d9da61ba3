"""Centripetal linf noise, ||z||_inf^-k exp(-||z||_inf^2 / (2 sigma^2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothcert.compute.lazy import torch
from smoothcert.noise.base import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.gamma_norm import gamma
from smoothcert.noise.quadrature_table import quadrature_table
from smoothcert.noise.radial_quadrature import Law
from smoothcert.noise.radius_table import RadiusTable


@NOISES.member("centripetal-linf")
@dataclass(frozen=True)
class CentripetalLinf(Centripetal):
    """Scale sigma: ||z||_inf is sigma times a chi variable with d - k degrees of freedom; one
    coordinate, chosen at random, is at +-||z||_inf and the others are uniform between.

    The worst linf shift is (r, ..., r): the level sets are cubes, and the overlap of a cube
    with a shifted cube falls in every |delta_i|.
    """

    label = "centripetal ℓ∞"
    norm = "linf"
    reference = "Zhang et al. 2020, eq. 12, Theorem 1"

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        n, d = shape[0], int(np.prod(shape[1:]))
        self.check_dimension(d)
        device = generator.device
        rho = (2 * gamma((d - self.k) / 2, n, generator)).sqrt().float()[:, None]
        z = torch.empty((n, d), device=device).uniform_(-1, 1, generator=generator)
        j = torch.randint(d, (n, 1), generator=generator, device=device)
        sign = torch.randint(2, (n, 1), generator=generator, device=device) * 2.0 - 1.0
        return z.scatter_(1, j, sign).mul_(rho).reshape(shape)

    def log_density(self, z: torch.Tensor) -> torch.Tensor:
        size = z.abs().amax(1)
        return -self.k * size.log() - 0.5 * size.square()

    def energy(self, d: int) -> float:
        return (d - self.k) * (1 + (d - 1) / 3)

    def law(self, d: int) -> Law:
        """The noise as quadrature sees it."""
        return Law(self.k, d, square=True, euclidean=False)

    def build_table(self, d: int, **settings: Any) -> RadiusTable:
        self.check_dimension(d)
        return quadrature_table(self.shape_slug, self.law(d), "exponential", **settings)
