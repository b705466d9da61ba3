"""Making an untrained classifier from an architecture's slug."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smoothcert.compute.lazy import torch
from smoothcert.compute.streams import stream_seed
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.architectures import ARCHITECTURES
from smoothcert.models.normalization import Normalization

if TYPE_CHECKING:
    from smoothcert.models.classifier import Classifier


def build(
    arch: str,
    n_classes: int,
    shape: Sequence[int],
    normalization: Normalization | None = None,
    seed: int = 0,
) -> Classifier:
    """An untrained classifier, its weights a function of ``seed`` alone.

    ``shape`` is (C, H, W); without ``normalization`` the network sees the pixels as they are.
    Raises SmoothcertError for an unknown architecture, fewer than 2 classes, or images that the
    architecture does not take.
    """
    from smoothcert.models.classifier import Classifier  # a torch module: only here

    architecture = ARCHITECTURES.parse(arch)
    if n_classes < 2:
        raise SmoothcertError(f"classes {n_classes}: expected at least 2")
    if len(shape) != 3:
        raise SmoothcertError(f"image shape {tuple(shape)}: expected (channels, height, width)")
    channels, height, width = (int(s) for s in shape)
    architecture.check((channels, height, width))
    if normalization is None:
        normalization = Normalization((0.0,) * channels, (1.0,) * channels)
    # torch initializes layers from its global generator: borrow it and put it back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "initialization") & (2**63 - 1))
        return Classifier(architecture, (channels, height, width), n_classes, normalization)
