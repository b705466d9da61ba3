"""The normalization of the first layer: (x - mean) / std, one number a channel."""

from __future__ import annotations

from dataclasses import dataclass

from smoothcert import datasets
from smoothcert.core.errors import SmoothcertError

KINDS = ("standardize", "center", "none")


@dataclass(frozen=True)
class Normalization:
    """Means and deviations by channel, in units of [0,1] pixels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalization(dataset: str, kind: str, channels: int) -> Normalization:
    """The normalization ``kind`` for images of ``dataset`` with ``channels`` channels.

    ``standardize`` subtracts the mean and divides by the deviation, ``center`` only subtracts
    the mean (the released SmoothAdv ImageNet and plain CIFAR-10 models), ``none`` leaves the
    image as it is (MACER). Raises SmoothcertError for another kind, or for a data set without
    known statistics unless the kind is ``none``.
    """
    if kind not in KINDS:
        raise SmoothcertError(f"normalization {kind!r}: expected one of {', '.join(KINDS)}")
    if kind == "none":
        return Normalization((0.0,) * channels, (1.0,) * channels)
    statistics = datasets.info(dataset).statistics
    if statistics is None:
        raise SmoothcertError(
            f"normalization {kind!r}: no channel statistics for data set {dataset!r}; use none"
        )
    mean, std = statistics
    if len(mean) != channels:
        raise SmoothcertError(
            f"normalization {kind!r}: {dataset} has {len(mean)} channels, images have {channels}"
        )
    return Normalization(mean, std if kind == "standardize" else (1.0,) * channels)
