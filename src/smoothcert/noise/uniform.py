"""Uniform noise: l1 certificates (Yang et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.slugs import arg, main
from smoothcert.noise.base import NOISES, Noise
from smoothcert.noise.box import box_radius


@NOISES.member("uniform")
@dataclass(frozen=True)
class Uniform(Noise):
    """U[-lam, lam] in every coordinate; the scale is lam, the half-width.

    Two cubes whose centres are delta apart overlap in a part >= 1 - ||delta||_1 / (2 lam) of
    their volume, so no class probability moves by more than ||delta||_1 / (2 lam), with equality
    along a coordinate axis: R = lam (p_A - p_B), and with p_B <= 1 - p_A, R = lam (2 p_A - 1).
    No radius exceeds lam. The standard deviation of a coordinate, which Yang et al. call sigma,
    is lam / sqrt(3).

    With ``box`` the same draws certify among inputs in [0, 1] only, further where R exceeds 1
    (:mod:`smoothcert.noise.box`). Every pixel is taken to have the room 1, which needs no image
    and gives away nothing where as many pixels as the radius counts are black or white.
    """

    label = "uniform"
    norm = "l1"
    lipschitz = True
    cut = 1
    reference = "Yang et al. 2020, uniform distribution in l1, with p_B <= 1 - p_A"

    scale: float = main(title="λ = {}")
    box: bool = arg("box", False, bool, title="inputs in [0, 1]")

    @property
    def boxed(self) -> bool:
        return self.box

    @property
    def drawn_as(self) -> Uniform:
        return Uniform(self.scale)

    def fill(self, out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return out.uniform_(-1.0, 1.0, generator=generator)

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        return np.maximum(2.0 * np.asarray(p_lower, np.float64) - 1.0, 0.0)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        return (np.asarray(radius, np.float64) + 1.0) / 2.0

    def radius(
        self, p_lower: ArrayLike, scale: ArrayLike, d: int, p_upper: ArrayLike | None = None
    ) -> NDArray:
        plain = super().radius(p_lower, scale, d, p_upper)
        if not self.box:
            return plain
        scale = np.asarray(scale, np.float64)
        # At most log 2 / -log(1 - 1 / 2 lam) < 2 lam whole pixels halve the overlap.
        room = np.ones(min(d, int(2 * scale.max(initial=0.0)) + 2))
        return box_radius(plain / (2 * scale), scale, room)

    def standard_soft_radius(self, p_a: torch.Tensor, p_b: torch.Tensor) -> torch.Tensor:
        """Yang et al. 2020: a shift by r in l1 moves a probability by at most r / (2 lam)."""
        return p_a - p_b
