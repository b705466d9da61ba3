"""What an engine is: it computes the logits of noisy copies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from smoothcert.compute.arithmetic import PRECISIONS, dtype_of, name_of
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.own import arithmetic


class NotHere(Exception):
    """Why an engine cannot run a network on this machine, in words."""


class Engine(ABC):
    """A network with the kernels and the arithmetic that compute it.

    Both are part of the classifier that is certified: whoever predicts uses the same. Engines
    may be called by several threads at once. ``model`` is the network itself, for whoever needs
    its gradients; ``note`` says why a wanted engine is not used, if so.
    """

    name: ClassVar[str]

    def __init__(
        self, model: nn.Module, shape: Sequence[int], device: torch.device, precision: str
    ) -> None:
        self.model, self.shape = model, tuple(shape)
        self.device, self.precision = device, precision
        self.note = ""
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Put ``model`` in eval mode and prepare it for calls.

        Raises NotHere or NotExported where this engine cannot run it.
        """

    @property
    @abstractmethod
    def version(self) -> str:
        """Of the package that computes."""

    @property
    def identity(self) -> str:
        """Name and version, such as ``onnxruntime 1.32.0``."""
        return f"{self.name} {self.version}"

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Images [B, *shape] float32 on ``device`` -> logits [B, C]."""


def check_precision(model: nn.Module, precision: str) -> None:
    """Raise SmoothcertError for an unknown precision, and where float32, the default, would
    change the arithmetic of a network that computes in something else."""
    dtype_of(precision)
    own = name_of(arithmetic(model))
    if precision == "float32" and own != precision:
        wanted = f"; --precision {own} keeps it" if own in PRECISIONS else ""
        raise SmoothcertError(
            f"model: it computes in {own}; precision float32 would certify another"
            f" classifier{wanted}"
        )
