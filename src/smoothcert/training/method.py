"""What a training method must answer: the loss of one batch. A new method is one small file.

The loop draws the batches, the schedule gives every input its noise scale, and the method
turns both into a loss. Its options are the fields of a frozen dataclass: they are checked
against the recipe's ``method`` mapping.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from smoothcert.compute.streams import generator
from smoothcert.noise import Noise

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


@dataclass
class Batch:
    """The inputs of one optimizer step.

    x: float32 [B, C, H, W] in [0,1], augmented; y: int64 [B]; idx: int64 [B] positions in the
    training set; scale: float32 [B], the noise scale of each input, in pixels.
    """

    x: Tensor
    y: Tensor
    idx: Tensor
    scale: Tensor
    noise: Noise
    seed: int
    epoch: int
    step: int

    def stream(self, purpose: str) -> Generator:
        """The random stream of this batch for ``purpose``, on the device of ``x``."""
        name = f"training-{purpose}"
        return generator(self.seed, name, self.epoch, self.step, device=self.x.device)

    def draw_noise(self, copies: int = 1) -> Tensor:
        """Fresh scaled noise [B * copies, C, H, W], the copies of an input consecutive."""
        eps = self.noise.sample((len(self.x) * copies, *self.x.shape[1:]), self.stream("noise"))
        scale = self.scale.repeat_interleave(copies)
        return eps.mul_(scale.view(-1, *[1] * (self.x.dim() - 1)))


@dataclass
class Loss:
    """The scalar to descend, which noisy inputs were classified right, and further numbers.

    ``statistics`` are detached scalars; the log has their means over the batches of an epoch.
    """

    value: Tensor
    correct: Tensor  # bool [M]
    statistics: dict[str, Tensor] = field(default_factory=dict)


class Method(ABC):
    """A training method; subclasses are frozen dataclasses whose fields are its options."""

    name: ClassVar[str]
    reference: ClassVar[str]
    # noises the loss is meaningful for; None for all
    noises: ClassVar[tuple[str, ...] | None] = None

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """The loss of one batch; ``model`` is in train mode and returns logits."""


M = TypeVar("M", bound=type[Method])


class Methods:
    """The registry: ``METHODS["cohen"]`` is the class, ``list(METHODS)`` the names."""

    def __init__(self) -> None:
        self._members: dict[str, type[Method]] = {}

    def member(self, name: str) -> Callable[[M], M]:
        """Class decorator: register a method under ``name``."""

        def register(cls: M) -> M:
            cls.name = name
            self._members[name] = cls
            return cls

        return register

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __getitem__(self, name: str) -> type[Method]:
        return self._members[name]


METHODS = Methods()
