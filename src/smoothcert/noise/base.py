"""What a smoothing distribution must answer: draw noise, and turn p_A into a radius.

Every member is a scale family: the noise added to an input is ``scale`` times a standard
noise, and a radius is ``scale`` times a standard radius that depends on the lower bound
``p_lower`` and, for some members, on the dimension ``d``. So the per-input scales of
data-dependent smoothing need no special case.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from numpy.typing import ArrayLike, NDArray

from smoothcert.core.slugs import Family, Part, main

if TYPE_CHECKING:
    import torch

Norm = Literal["l1", "l2", "linf"]


@dataclass(frozen=True)
class Noise(Part):
    """A smoothing distribution with its nominal scale (pixels of [0,1] images).

    Raises ValueError unless the scale is positive and finite.
    """

    norm: ClassVar[Norm]
    reference: ClassVar[str]

    scale: float = main()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale {self.scale:g}: expected a positive number")

    @property
    def table_failure_probability(self) -> float:
        """Probability that the member's radii are wrong for every input at once; 0 if proved.

        Positive for a radius that rests on a simulated table; it is taken out of alpha.
        """
        return 0.0

    @abstractmethod
    def sample(self, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        """Standard noise (scale 1), float32 of ``shape`` = (n, *input), iid over n.

        Drawn on the generator's device; the same generator state gives the same noise.
        """

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

    def radius(self, p_lower: ArrayLike, scale: ArrayLike, d: int) -> NDArray:
        """Certified radius at noise scale ``scale`` (broadcast against ``p_lower``)."""
        import numpy as np

        return np.asarray(scale, np.float64) * self.standard_radius(p_lower, d)


NOISES: Family[Noise] = Family("noise")
