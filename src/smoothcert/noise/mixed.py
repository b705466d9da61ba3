"""Mixed-norm noise for linf, ||z||_inf^-k exp(-||z||_2^2 / (2 sigma^2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, ndtr, ndtri

from smoothcert.compute.lazy import torch
from smoothcert.noise.base import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.mixed_sampler import largest_entries, truncated_normal
from smoothcert.noise.mixed_table import DELTA, mixed_table
from smoothcert.noise.radius_table import RadiusTable


@NOISES.member("mixed-linf")
@dataclass(frozen=True)
class MixedLinf(Centripetal):
    """Scale sigma. Gaussian noise reweighted by ||z||_inf^-k.

    Its radius and its direction in any one norm are NOT independent and uniform; drawn as:
    T = ||z||_inf from its own law, one coordinate, chosen at random, at +-T, the others
    normal conditioned on [-T, T]. At k = 0 it is Gaussian, R = sigma Phi^-1(p_A) / sqrt(d).

    The worst linf shift is (r, ..., r): the density falls in every |z_i|, so the overlap of
    the noise with its shifted self falls in every |delta_i|.
    """

    label = "mixed-norm ℓ∞"
    norm = "linf"
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

    def norm_cdf(self, u: ArrayLike, d: int) -> NDArray[np.float64]:
        """P(||z||_2 <= u): a chi variable with d - k degrees of freedom."""
        half = np.asarray(u, np.float64) ** 2 / 2
        return np.asarray(gammainc((d - self.k) / 2, half), np.float64)

    def build_table(self, d: int, **settings: Any) -> RadiusTable:
        """Monte Carlo, valid with probability 1 - 1e-6 for all radii at once."""
        self.check_dimension(d)
        return mixed_table(self.shape_slug, self.k, d, **settings)

    def _closed_radius(self, p: NDArray[np.float64], d: int) -> NDArray[np.float64]:
        return np.maximum(ndtri(p), 0.0) / np.sqrt(d)

    def _closed_p(self, radius: NDArray[np.float64], d: int) -> NDArray[np.float64]:
        return ndtr(radius * np.sqrt(d))
