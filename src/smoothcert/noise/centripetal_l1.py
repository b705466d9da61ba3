"""Centripetal l1 noise, ||z||_1^-k exp(-||z||_1 / b): Laplace noise at k = 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc

from smoothcert.compute.lazy import torch
from smoothcert.core.slugs import main
from smoothcert.noise.base import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.gamma_norm import gamma, scaled
from smoothcert.noise.laplace import Laplace, signed_exponential
from smoothcert.noise.quadrature_table import quadrature_table
from smoothcert.noise.radial_quadrature import Law
from smoothcert.noise.radius_table import RadiusTable


@NOISES.member("centripetal-l1")
@dataclass(frozen=True)
class CentripetalL1(Centripetal):
    """Scale b: ||z||_1 is a Gamma(d - k) variable times b; the direction is uniform on the
    l1 sphere."""

    label = "centripetal ℓ₁"
    norm = "l1"
    at_zero = Laplace
    reference = "Zhang et al. 2020, eq. 10, Theorems 1 and 2"

    scale: float = main(title="b = {}")

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        d = int(np.prod(shape[1:]))
        self.check_dimension(d)
        z = signed_exponential((shape[0], d), generator)
        rho = gamma(d - self.k, shape[0], generator)
        return scaled(z, z.abs().sum(1, dtype=torch.float64), rho).reshape(shape)

    def log_density(self, z: torch.Tensor) -> torch.Tensor:
        size = z.abs().sum(1)
        return -self.k * size.log() - size

    def energy(self, d: int) -> float:
        # E rho^2 times E ||u||_2^2 = 2 / (d + 1) for u uniform on the l1 sphere
        return 2.0 * (d - self.k) * (d - self.k + 1) / (d + 1)

    def norm_cdf(self, u: ArrayLike, d: int) -> NDArray[np.float64]:
        return gammainc(d - self.k, np.asarray(u, np.float64))

    def law(self, d: int) -> Law:
        """The noise as quadrature sees it."""
        return Law(self.k, d, square=False, euclidean=False)

    def build_table(self, d: int, **settings: Any) -> RadiusTable:
        self.check_dimension(d)
        return quadrature_table(self.shape_slug, self.law(d), "exponential", **settings)
