"""The normalization of the first layer: (x - mean) / std, one number a channel."""

from __future__ import annotations

from dataclasses import dataclass

from smoothcert.core.errors import SmoothcertError

KINDS = ("standardize", "center", "none")

# (mean, std) of the training images in [0,1], one entry a channel.
_STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "digits": ((0.3053,), (0.3760,)),  # all 1,797 images of scikit-learn's copy, divided by 16
    "mnist": ((0.1307,), (0.3081,)),  # the 60,000 training images
    # The values of Cohen et al. 2019, that the published checkpoints were trained with; the
    # deviations are means over images of the deviation within an image.
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar10-jpeg": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


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
    if dataset not in _STATISTICS:
        raise SmoothcertError(
            f"normalization {kind!r}: no channel statistics for data set {dataset!r}; known:"
            f" {', '.join(_STATISTICS)}; use none"
        )
    mean, std = _STATISTICS[dataset]
    if len(mean) != channels:
        raise SmoothcertError(
            f"normalization {kind!r}: {dataset} has {len(mean)} channels, images have {channels}"
        )
    return Normalization(mean, std if kind == "standardize" else (1.0,) * channels)
