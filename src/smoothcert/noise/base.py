"""What a smoothing distribution must answer: noisy copies, and the radius for a bound on p_A.

Nearly every member is a scale family: the noise added to an input is ``scale`` times a standard
noise, and a radius is ``scale`` times a standard radius that depends on the lower bound
``p_lower`` and, for some members, on the dimension ``d``. So the per-input scales of
data-dependent smoothing need no special case. A member that is none (noise on a grid) makes
noisy copies in its own way (:meth:`Noise.noisy`) and has no standard noise.
"""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Family, Part, arg, main

Norm = Literal["l1", "l2", "linf"]


@dataclass(frozen=True)
class Noise(Part):
    """A smoothing distribution with its nominal scale (pixels of [0,1] images).

    Raises ValueError unless the scale is positive and finite.
    """

    norm: ClassVar[Norm]
    reference: ClassVar[str]
    # Whether Q(P(f(x + noise) = c)) is 1-Lipschitz in x at scale 1, in ``norm``, for every f and c,
    # with Q(p) the standard radius of p, and -Q(1 - p) below 1/2. See standard_pair_radius.
    lipschitz: ClassVar[bool] = False
    # On a CPU a draw may be cut into parts of a multiple of so many values, and stays the same; 0:
    # nowhere. Members with it have :meth:`fill`.
    cut: ClassVar[int] = 0

    scale: float = main(title="σ = {}")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale {self.scale:g}: expected a positive number")

    @property
    def table_failure_probability(self) -> float:
        """Probability that the member's radii are wrong for every input at once; 0 if proved.

        Positive for a radius that rests on a simulated table; it is taken out of alpha.
        """
        return 0.0

    @property
    def shape_slug(self) -> str:
        """The slug without the scale, such as ``gaussian`` or ``centripetal-l2_k500``."""
        return self.slug.rpartition("-")[0]

    @property
    def grid(self) -> int | None:
        """Its certificates are for inputs that are multiples of 1 / grid, or for all (None)."""
        return None

    @property
    def boxed(self) -> bool:
        """Whether its radii are for inputs in [0, 1] only."""
        return False

    @property
    def drawn_as(self) -> Noise:
        """The noise whose draws, and so whose votes, are this one's too; itself by default."""
        return self

    @property
    def tabulated(self) -> str | None:
        """The slug without the scale by which its radius table is known; None for a formula."""
        return None

    def with_table_file(self, path: str | os.PathLike[str]) -> Noise:
        """This noise, certifying by the radius table in the file at ``path``.

        Raises SmoothcertError for a noise that takes no table, a table of another noise, or
        no valid table file.
        """
        raise SmoothcertError(f"noise {self.slug}: uses no radius table ({path})")

    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        """Standard noise (scale 1), float32 of ``shape`` = (n, *input), iid over n.

        Drawn on the generator's device; the same generator state gives the same noise. Raises
        SmoothcertError for noise that is not a scale times a standard noise.
        """
        if self.cut:
            return self.fill(torch.empty(shape, device=generator.device), generator)
        raise SmoothcertError(
            f"noise {self.slug}: on a grid, so not a multiple of a standard noise; expected one of"
            " another kind here"
        )

    def fill(self, out: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """:meth:`sample` into ``out``, which is returned."""
        raise NotImplementedError

    def noisy(
        self, x: torch.Tensor, scale: float | torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Noisy copies of the inputs ``x`` [n, *shape] (views of one input, say), new memory.

        ``scale``: one for all, or [n]. Raises SmoothcertError for inputs off the noise's grid.
        """
        eps = self.sample(tuple(x.shape), generator)
        if isinstance(scale, torch.Tensor):
            return x + eps.mul_(scale.view(-1, *[1] * (x.dim() - 1)))
        return torch.add(x, eps, alpha=scale, out=eps)

    def outcomes(self, scale: float) -> int | None:
        """How many noisy copies of an input there are, all equally probable; None: no end."""
        return None

    def noisy_by(self, x: torch.Tensor, scale: float, numbers: torch.Tensor) -> torch.Tensor:
        """The noisy copies ``numbers`` [n] of :meth:`outcomes`, of the inputs ``x`` [n, *shape].

        Raises SmoothcertError for noise without an end of them, or inputs off its grid.
        """
        raise SmoothcertError(f"noise {self.slug}: has no finite number of noisy copies")

    def one_scale(self, scale: float | torch.Tensor) -> float:
        """The scale that all inputs of a batch share; SmoothcertError if they do not."""
        if not isinstance(scale, torch.Tensor):
            return scale
        if (scale != scale[0]).any():
            raise SmoothcertError(f"noise {self.slug}: expected one scale for all inputs")
        return float(scale[0])

    def added(self, x: torch.Tensor, scale: float, generator: torch.Generator) -> torch.Tensor:
        """What noise adds to ``x`` [n, *shape]: for attacks, which take derivatives by x."""
        return scale * self.sample(tuple(x.shape), generator)

    def admitted(self, x: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        """``moved``, brought among the inputs that the certificate at ``x`` speaks of.

        No coordinate gets further from ``x``, which is such an input; shapes alike, float32.
        """
        if self.boxed:
            moved = moved.clamp(0, 1)
        if self.grid is None:
            return moved
        at = to_grid(x, self.grid)
        return (at + (moved.double() * self.grid - at).trunc().long()).float() / self.grid

    @abstractmethod
    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        """Certified radius at scale 1 for class probability >= ``p_lower`` (any shape).

        Sound: the smoothed prediction of a classifier whose top class has probability at
        least ``p_lower`` does not change within the open ball of this radius in ``norm``.
        0 where ``p_lower`` <= 1/2. ``d`` is the input dimension. float64.
        """

    @abstractmethod
    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        """The inverse: the smallest ``p_lower`` that certifies ``radius`` at scale 1."""

    def standard_pair_radius(self, p_lower: ArrayLike, p_upper: ArrayLike, d: int) -> NDArray:
        """Certified radius at scale 1 where the class has probability >= ``p_lower`` and each
        other one <= ``p_upper`` (and <= 1 - p_lower): at least that of ``p_lower`` alone.

        Of a noise that is ``lipschitz``, (Q(p_lower) - Q(p_upper)) / 2: over a shift of that
        length neither Q moves by more. Raises SmoothcertError for a noise with no such proof.
        """
        if not self.lipschitz:
            raise SmoothcertError(
                f"noise {self.slug}: no radius is proved for bounds on both classes; use a budget"
                " that bounds the top class alone"
            )
        low = np.asarray(p_lower, np.float64)
        high = np.minimum(np.asarray(p_upper, np.float64), 1 - low)
        return np.maximum(self._signed_radius(low, d) - self._signed_radius(high, d), 0.0) / 2

    def _signed_radius(self, p: NDArray, d: int) -> NDArray:
        return np.where(p < 0.5, -self.standard_radius(1 - p, d), self.standard_radius(p, d))

    def radius(
        self, p_lower: ArrayLike, scale: ArrayLike, d: int, p_upper: ArrayLike | None = None
    ) -> NDArray:
        """Certified radius at noise scale ``scale`` (broadcast against ``p_lower``), from the
        top class alone or, with ``p_upper``, from bounds on both classes.

        Of the open ball, without what :attr:`grid` and :attr:`boxed` leave out.
        """
        unit = (
            self.standard_radius(p_lower, d)
            if p_upper is None
            else self.standard_pair_radius(p_lower, p_upper, d)
        )
        return np.asarray(scale, np.float64) * unit

    def standard_soft_radius(self, p_a: torch.Tensor, p_b: torch.Tensor) -> torch.Tensor:
        """A differentiable radius at scale 1 for probabilities p_A, p_B in (0, 1) [B]: [B].

        What a search for the scale ascends; no certificate rests on it. Raises
        SmoothcertError for a noise that has none.
        """
        ours = type(self).standard_soft_radius
        known = [n for n in NOISES if NOISES[n].standard_soft_radius is not ours]
        raise SmoothcertError(
            f"noise {self.name}: no soft radius to ascend; known: {', '.join(known)}"
        )


@dataclass(frozen=True)
class OnGrid(Noise):
    """What noise for images that are multiples of 1/q (255: of 8 bits), and no others, shares."""

    q: int = arg("q", 255, int, title="1/{}")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.q < 1:
            raise ValueError(f"q {self.q}: expected at least 1 step")

    @property
    def grid(self) -> int:
        return self.q

    def steps(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` [n, *shape] in steps of the grid, float32; of copies of one input one, [1, *shape].

        Raises SmoothcertError for a value off the grid.
        """
        return to_grid(x[:1] if x.stride(0) == 0 else x, self.q).float()


NOISES: Family[Noise] = Family("noise")

_NEAR = 1e-4  # of a grid step: what storing a / q in float32 can add


def on_grid(x: torch.Tensor, q: int) -> torch.Tensor:
    """Where ``x`` is a multiple of 1 / q, to float32's rounding; bool of the same shape."""
    scaled = x.double() * q
    return (scaled - scaled.round()).abs() <= _NEAR


def to_grid(x: torch.Tensor, q: int) -> torch.Tensor:
    """The whole numbers a with x = a / q, int64 of the same shape.

    Raises SmoothcertError for a value off the grid (:func:`on_grid`).
    """
    wrong = ~on_grid(x, q)
    if wrong.any():
        value = float(x[wrong].flatten()[0])
        raise SmoothcertError(
            f"input: expected multiples of 1/{q}, the grid of this noise; found {value:.6g}"
        )
    return (x.double() * q).round().long()
