"""Splitting noise, derandomized: l1 certificates without sampling error (Levine and Feizi 2021).

Each pixel is cut at split points 2 lam apart, and the network sees the middle of the part of
[0, 1] that the pixel lies in. The first split point of pixel i is (v_i + s) mod T + 1/2 grid
steps, T = 2 lam q, with a template v drawn once and for all; only the shift s is random, and there
are T of it. A grid step of one pixel crosses a split point for exactly one s. So of the T noisy
copies at most m change over an l1 distance of m / q, the number of a class's votes moves by at most
m, and

    R = (n_A - n_B) / 2 q,   n_B the most votes of another class,

is the radius of an open ball, from all T votes: no sampling, no alpha. (Their code prints the
whole grid steps in it.) Votes of random shifts certify as those of uniform noise do,
R = lam (p_A - p_B).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute.lazy import torch
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.slugs import main
from smoothcert.noise.base import NOISES, OnGrid
from smoothcert.noise.uniform import Uniform

_VALUES = 1 << 17  # made at a time: they stay in a CPU's cache


@lru_cache(maxsize=16)
def template(d: int, t: int) -> NDArray[np.int64]:
    """v [d], uniform on 0, ..., t - 1: a part of the classifier, the same for ever."""
    return numpy_generator(0, "splitting-template", d, t).integers(t, size=d)


@NOISES.member("splitting")
@dataclass(frozen=True)
class Splitting(OnGrid):
    """T = floor(2 lam q) shifts of one template of split points; lam is rounded down to T / 2 q.

    For images that are multiples of 1/q (255: of 8 bits), and for these alone. No radius exceeds
    lam. The budget ``exhaustive`` takes each shift once.
    """

    label = "splitting"
    norm = "l1"
    lipschitz = True
    reference = "Levine and Feizi 2021, Theorem 2 and section 4"

    scale: float = main(title="λ = {}")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outcomes(self.scale) < 1:
            raise ValueError(f"scale {self.scale:g}: expected at least half a step of 1/{self.q}")

    def outcomes(self, scale: float) -> int:
        return int(2 * scale * self.q + 1e-9)

    def noisy(
        self, x: torch.Tensor, scale: float | torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        scale = self.one_scale(scale)
        shifts = torch.randint(
            self.outcomes(scale), (len(x),), generator=generator, device=generator.device
        )
        return self.noisy_by(x, scale, shifts)

    def noisy_by(self, x: torch.Tensor, scale: float, numbers: torch.Tensor) -> torch.Tensor:
        t, shape = self.outcomes(scale), x.shape[1:]
        v = torch.from_numpy(template(math.prod(shape), t)).to(x.device).float().view(shape)
        a = self.steps(x)
        out = torch.empty(x.shape, device=x.device)
        block = max(1, _VALUES // v.numel())
        for start in range(0, len(x), block):
            part = slice(start, start + block)
            first = v + numbers[part].view(-1, *[1] * len(shape))
            first.sub_((first >= t).float(), alpha=t)
            out[part] = self._middles(a if len(a) == 1 else a[part], first, t)
        return out

    def _middles(self, a: torch.Tensor, first: torch.Tensor, t: int) -> torch.Tensor:
        """Of the part of the line that ``a`` (grid steps) is in, cut at ``first`` + 1/2 + t Z and
        at 0 and q: in [0, 1].

        Whole numbers and halves of them in float32, exact; so is the ceiling of a quotient of
        whole numbers, which is 1 / t away from a whole number unless it is one.
        """
        upper = (a - first).div_(t).ceil_().mul_(t).add_(first).add_(0.5)
        lower = (upper - t).clamp_min_(0)
        return upper.clamp_max_(self.q).add_(lower).div_(2 * self.q)

    def added(self, x: torch.Tensor, scale: float, generator: torch.Generator) -> torch.Tensor:
        return self.noisy(x, scale, generator) - x

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        return Uniform(1.0).standard_radius(p_lower, d)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        return Uniform(1.0).standard_p(radius, d)

    def radius(
        self, p_lower: ArrayLike, scale: ArrayLike, d: int, p_upper: ArrayLike | None = None
    ) -> NDArray:
        of = np.vectorize(lambda s: self.outcomes(s) / (2 * self.q), otypes=[float])
        return super().radius(p_lower, of(scale), d, p_upper)
