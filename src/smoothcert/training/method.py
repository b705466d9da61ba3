"""What a training method must answer: the loss of one batch. A new method is one small file.

The loop draws the batches, the schedule gives every input its noise scale, and the method
turns both into a loss. Its options are the fields of a settings model, which checks the
recipe's ``method``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from smoothcert.compute.lazy import torch
from smoothcert.compute.streams import generator
from smoothcert.core.registry import Named, Registry
from smoothcert.core.settings import Settings
from smoothcert.noise import Noise


@dataclass
class Batch:
    """The inputs of one optimizer step, or one piece of them.

    x: float32 [B, C, H, W] in [0,1], augmented; y: int64 [B]; idx: int64 [B] positions in the
    training set; scale: float32 [B], the noise scale of each input, in pixels; ids: the epoch, the
    step in it and, where a batch has several, the piece.
    """

    x: torch.Tensor
    y: torch.Tensor
    idx: torch.Tensor
    scale: torch.Tensor
    noise: Noise
    seed: int
    ids: tuple[int, ...]

    @property
    def epoch(self) -> int:
        """From 0."""
        return self.ids[0]

    def stream(self, purpose: str) -> torch.Generator:
        """The random stream of this batch for ``purpose``, on the device of ``x``."""
        name = f"training-{purpose}"
        return generator(self.seed, name, *self.ids, device=self.x.device)

    def noisy(self, copies: int = 1) -> torch.Tensor:
        """Fresh noisy copies [B * copies, C, H, W] of x, those of an input consecutive."""
        x, scale = (t.repeat_interleave(copies, 0) for t in (self.x, self.scale))
        return self.noise.noisy(x, scale, self.stream("noise"))

    def draw_noise(self, copies: int = 1) -> torch.Tensor:
        """Fresh scaled noise [B * copies, C, H, W], the copies of an input consecutive."""
        eps = self.noise.sample((len(self.x) * copies, *self.x.shape[1:]), self.stream("noise"))
        scale = self.scale.repeat_interleave(copies)
        return eps.mul_(scale.view(-1, *[1] * (self.x.dim() - 1)))


@dataclass
class Loss:
    """The scalar to descend, which noisy inputs were classified right, and further numbers.

    ``statistics`` are detached scalars; the log has their means over the batches of an epoch.
    """

    value: torch.Tensor
    correct: torch.Tensor  # bool [M]
    statistics: dict[str, torch.Tensor] = field(default_factory=dict)


class Method(Settings, Named):
    """A training method; the fields of a subclass are its options."""

    reference: ClassVar[str]
    # noises the loss is meaningful for; None for all
    noises: ClassVar[tuple[str, ...] | None] = None

    @abstractmethod
    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        """The loss of one batch; ``model`` is in train mode and returns logits."""


class CrossEntropy(Method):
    """A method with a cross-entropy term for each noisy copy."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="share of the target spread over all classes (Szegedy et al. 2016)"
    )

    def cross_entropy(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy of logits [M, C] with labels [M]."""
        return torch.nn.functional.cross_entropy(logits, y, label_smoothing=self.label_smoothing)


METHODS: Registry[Method] = Registry("training method")
