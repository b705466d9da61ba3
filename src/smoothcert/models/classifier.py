"""The base classifier: the normalization layer and a network, from [0,1] pixels to logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smoothcert.models.architectures import Architecture, Shape
from smoothcert.models.normalization import Normalization


class Classifier(nn.Module):
    """[B, C, H, W] in [0,1] pixel space (noise added, not clipped) -> logits [B, n_classes].

    The normalization is a pair of buffers: it follows the device and lies in checkpoints.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, architecture: Architecture, shape: Shape, n_classes: int, normalization: Normalization
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.shape = shape
        self.n_classes = n_classes
        self.register_buffer("mean", torch.tensor(normalization.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(normalization.std).view(-1, 1, 1))
        self.network = architecture.network(shape, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x - self.mean) / self.std)

    @property
    def description(self) -> dict:
        """What :func:`smoothcert.models.build` needs to make this module again."""
        return {
            "arch": self.architecture.slug,
            "n_classes": self.n_classes,
            "shape": list(self.shape),
        }
