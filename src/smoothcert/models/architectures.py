"""The family of architectures; ``ARCHITECTURES.parse("resnet110")`` gives one by its slug.

A member says what inputs it takes and makes an untrained network that maps normalized images
to logits. Parsing a slug needs no torch; making the network does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from smoothcert.compute.lazy import torch, torchvision
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Family, Part, arg
from smoothcert.models.cnn import cnn

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture(Part):
    """A network family member for images of the ``sides`` it was made for."""

    reference: ClassVar[str]
    sides: ClassVar[tuple[int, ...]]

    def check(self, shape: Shape) -> None:
        """Raise SmoothcertError unless images of ``shape`` = (C, H, W) fit."""
        _, height, width = shape
        if height != width or height not in self.sides:
            expected = " or ".join(f"{s}x{s}" for s in self.sides)
            raise SmoothcertError(
                f"architecture {self.slug}: takes {expected} images, not {height}x{width}"
            )

    @abstractmethod
    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        """An untrained network, [B, C, H, W] -> logits [B, n_classes]."""


ARCHITECTURES: Family[Architecture] = Family("architecture")


@ARCHITECTURES.member("tiny_cnn")
@dataclass(frozen=True)
class TinyCNN(Architecture):
    """Two convolutions (16, 32) and one fully connected layer: 0.18 MFLOP at 8x8."""

    reference = "this project: the smallest network that learns the 8x8 digits"
    sides = (8,)

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        return cnn(shape, n_classes, widths=(16, 32), strides=(1, 2))


@ARCHITECTURES.member("small_cnn")
@dataclass(frozen=True)
class SmallCNN(Architecture):
    """Three convolutions (w, 2 w, 4 w; stride 2) and one fully connected layer.

    The layers are those that Locally Biased Randomized Smoothing names (section 5.2; widths
    and strides are not stated there). w = 8 takes 0.3 MFLOP at 28x28, so that the noise is a
    good part of the cost of a sample; ``small_cnn_w16`` takes 1.1. ``small_cnn_softplus`` has
    smooth activations, so that its gradient is Lipschitz, as that paper's Theorem 8 assumes.
    """

    reference = "Locally Biased Randomized Smoothing, section 5.2"
    sides = (28, 32)

    softplus: bool = arg("softplus", False, bool)
    width: int = arg("w", 8, int)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"w{self.width}: expected a width of at least 1")

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        activation = "softplus" if self.softplus else "relu"
        widths = tuple(self.width * factor for factor in (1, 2, 4))
        return cnn(shape, n_classes, widths, (2, 2, 2), activation)


@ARCHITECTURES.member("mlp")
@dataclass(frozen=True)
class MLP(Architecture):
    """One hidden layer of w rectified units (0.1 MFLOP at 28x28).

    A sixth of small_cnn's time on MNIST, so that noise and all are about half of it; it certifies
    about a tenth less radius. Preset laptop has it on digits, where the kind of noise matters.
    """

    reference = "this project: the cheapest network that learns MNIST under noise"
    sides = (8, 28, 32)

    width: int = arg("w", 64, int)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"w{self.width}: expected a width of at least 1")

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        nn = torch.nn
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(shape), self.width),
            nn.ReLU(),
            nn.Linear(self.width, n_classes),
        )


@ARCHITECTURES.member("small_resnet")
@dataclass(frozen=True)
class SmallResNet(Architecture):
    """Basic blocks of widths w, 2w, 4w at 16x16, 8x8 and 4x4, after a k x k stem of stride 2.

    ``b`` gives the number of blocks at each size. The default has 12.7 million multiply-adds at
    32x32, ``b121`` has 17.4; resnet20, which computes most of its layers at 32x32, has 40.8.
    benchmarks/cifar_search.py measures accuracy against cost.
    """

    reference = "He et al. 2016, section 4.2; the stem of stride 2 is this project's"
    sides = (32,)

    width: int = arg("w", 32, int)
    blocks: int = arg("b", 111, int)
    kernel: int = arg("k", 5, int)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"w{self.width}: expected a width of at least 1")
        if not 111 <= self.blocks <= 999 or "0" in str(self.blocks):
            raise ValueError(f"b{self.blocks}: expected three digits from 1 to 9, such as b121")
        if self.kernel % 2 == 0:
            raise ValueError(f"k{self.kernel}: expected an odd side of the stem's kernel")

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        widths = tuple(self.width * factor for factor in (1, 2, 4))
        blocks = tuple(map(int, str(self.blocks)))
        return _resnet(shape, n_classes, widths, blocks, kernel=self.kernel, stride=2)


@ARCHITECTURES.member("resnet20")
@dataclass(frozen=True)
class ResNet20(Architecture):
    """3 x 3 basic blocks of widths 16, 32, 64."""

    reference = "He et al. 2016, section 4.2, with projections as Cohen et al. 2019"
    sides = (32,)

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        return _resnet(shape, n_classes, widths=(16, 32, 64), blocks=(3, 3, 3))


@ARCHITECTURES.member("resnet110")
@dataclass(frozen=True)
class ResNet110(Architecture):
    """3 x 18 basic blocks of widths 16, 32, 64: the CIFAR-10 network of Cohen, SmoothAdv, MACER."""

    reference = "He et al. 2016, section 4.2, with projections as Cohen et al. 2019"
    sides = (32,)

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        return _resnet(shape, n_classes, widths=(16, 32, 64), blocks=(18, 18, 18))


@ARCHITECTURES.member("resnet18")
@dataclass(frozen=True)
class ResNet18(Architecture):
    """4 x 2 basic blocks of widths 64 to 512 with a 3x3 stem for 32x32 images.

    ``resnet18_stem7`` is the network that the code of Data-Dependent Randomized Smoothing
    trains on CIFAR-10: the ImageNet stem (7x7 convolution of stride 2, then 3x3 max pooling of
    stride 2) without batch normalization after it. (That code ends in a softmax; here, as
    everywhere, the outputs are logits.)
    """

    reference = "He et al. 2016; the stem for CIFAR-10 is the usual 3x3 one"
    sides = (32,)

    stem7: bool = arg("stem7", False, bool)

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        stem = {"kernel": 7, "stride": 2, "pooled": True} if self.stem7 else {}
        return _resnet(shape, n_classes, (64, 128, 256, 512), (2, 2, 2, 2), **stem)


@ARCHITECTURES.member("resnet50")
@dataclass(frozen=True)
class ResNet50(Architecture):
    """torchvision's ResNet-50, untrained."""

    reference = "He et al. 2016, as torchvision implements it"
    sides = (224,)

    def network(self, shape: Shape, n_classes: int) -> torch.nn.Module:
        if shape[0] != 3:
            raise SmoothcertError(f"architecture resnet50: takes 3 channels, not {shape[0]}")
        return torchvision.models.resnet50(weights=None, num_classes=n_classes)


def _resnet(
    shape: Shape, n_classes: int, widths: Sequence[int], blocks: Sequence[int], **stem: Any
) -> torch.nn.Module:
    from smoothcert.models.resnet import ResNet  # a torch module: only here

    return ResNet(shape[0], n_classes, widths, blocks, **stem)
