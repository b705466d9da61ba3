"""Mixed-norm noise for linf, ||z||_inf^-k exp(-||z||_2^2 / (2 sigma^2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from smoothcert.compute.lazy import torch
from smoothcert.noise.base import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.gaussian_linf import GaussianLinf
from smoothcert.noise.mixed_sampler import largest_entries, truncated_normal
from smoothcert.noise.mixed_table import DELTA, mixed_table
from smoothcert.noise.radius_table import RadiusTable


@NOISES.member("mixed-linf")
@dataclass(frozen=True)
class MixedLinf(Centripetal):
    """Scale sigma. Gaussian noise reweighted by ||z||_inf^-k.

    Its radius and its direction in any one norm are NOT independent and uniform; drawn as:
    T = ||z||_inf from its own law, one coordinate, chosen at random, at +-T, the others
    normal conditioned on [-T, T]. At k = 0 it is Gaussian.

    The worst linf shift is (r, ..., r): the density falls in every |z_i|, so the overlap of
    the noise with its shifted self falls in every |delta_i|.
    """

    label = "mixed-norm ℓ∞"
    norm = "linf"
    at_zero = GaussianLinf
    reference = "Zhang et al. 2020, eq. 13, Theorems 1 and 3"
    build_failure_probability: ClassVar[float] = DELTA

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        n, d = shape[0], int(np.prod(shape[1:]))
        self.check_dimension(d)
        device = generator.device
        top = largest_entries(self.k, d, n, generator).float()[:, None]
        z = truncated_normal(top, d, generator)
        j = torch.randint(d, (n, 1), generator=generator, device=device)
        sign = torch.randint(2, (n, 1), generator=generator, device=device) * 2.0 - 1.0
        return z.scatter_(1, j, sign * top).reshape(shape)

    def log_density(self, z: torch.Tensor) -> torch.Tensor:
        return -self.k * z.abs().amax(1).log() - 0.5 * z.square().sum(1)

    def energy(self, d: int) -> float:
        # In l2-polar form radius and direction do separate: ||z||_2 is as in the l2 family.
        return float(d - self.k)

    def build_table(self, d: int, **settings: Any) -> RadiusTable:
        """Monte Carlo, valid with probability 1 - 1e-6 for all radii at once."""
        self.check_dimension(d)
        return mixed_table(self.shape_slug, self.k, d, **settings)
