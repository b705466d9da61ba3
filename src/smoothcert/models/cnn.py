"""Plain convolutional networks: 3x3 convolutions, then one fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence

from smoothcert.compute.lazy import torch

_ACTIVATIONS = {"relu": "ReLU", "softplus": "Softplus"}


def cnn(
    shape: tuple[int, int, int],
    n_classes: int,
    widths: Sequence[int],
    strides: Sequence[int],
    activation: str = "relu",
) -> torch.nn.Sequential:
    """3x3 convolutions (padding 1) of the given widths and strides, and a linear layer."""
    nn, (channels, side, _) = torch.nn, shape
    activate = getattr(nn, _ACTIVATIONS[activation])
    layers: list[torch.nn.Module] = []
    for width, stride in zip(widths, strides, strict=True):
        layers += [nn.Conv2d(channels, width, 3, stride, padding=1), activate()]
        channels, side = width, (side - 1) // stride + 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, n_classes))
