"""Residual networks for 32x32 images.

Parameters carry the names of the published checkpoints (conv1, bn1, layer1.0.conv1, ...,
layer2.0.downsample.0, ..., fc), so that those can be imported as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, a 1x1 projection where the size changes."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            projection = nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(inner)) + self.downsample(x))


class ResNet(nn.Module):
    """Stages of basic blocks, stride 2 from the second stage on, global average pooling.

    The stem is a convolution (``kernel``, ``stride``), then batch normalization or, ``pooled``,
    none and 3x3 max pooling of stride 2. Convolutions start He-normal (fan-out).
    """

    def __init__(
        self,
        channels: int,
        n_classes: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        kernel: int = 3,
        stride: int = 1,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.Identity() if pooled else nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pooled else nn.Identity()
        inputs = widths[0]
        self.stages: list[str] = []
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            strides = [1 if i == 0 else 2] + [1] * (count - 1)
            stage = [
                BasicBlock(inputs if j == 0 else width, width, s) for j, s in enumerate(strides)
            ]
            self.stages.append(f"layer{i + 1}")
            self.add_module(self.stages[-1], nn.Sequential(*stage))
            inputs = width
        self.fc = nn.Linear(inputs, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.fc(x.mean((2, 3)))
