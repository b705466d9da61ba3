"""What a data set is, and what a source of one must provide."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.registry import Named, Registry
from smoothcert.datasets.lazy_images import LazyImages

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without reading it.

    ``shape`` is (C, H, W) of an image, or (D,) of a point; ``splits`` maps a split's name to
    its number of rows; ``classes`` is empty where the names come with the files (imagenet);
    ``arch`` is the architecture to take when none is named, None for points; ``statistics`` are
    (mean, standard deviation) of the training images in [0,1], one entry a channel. Where
    ``at_least``, the number of classes is the least that the labels show (0: there are none).
    """

    name: str
    title: str
    shape: tuple[int, ...]
    n_classes: int
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    arch: str | None
    kind: Literal["images", "points"] = "images"
    statistics: Statistics | None = None
    at_least: bool = False

    def answers(self, outputs: int) -> bool:
        """Whether a network of so many outputs can answer in these classes."""
        return outputs == self.n_classes or (self.at_least and outputs > self.n_classes)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Selected rows of one split.

    Attributes:
        name: a member of ``DATASETS``, or of a user's own set.
        split: ``train`` or ``test``.
        images: float32 Tensor [N, C, H, W] in [0,1]; for imagenet and large folders of a user's
            own a :class:`LazyImages`, which is indexed and sliced alike and decodes what is asked
            for; for points (spiral) a float32 Tensor [N, 2] of coordinates, which are not confined
            to [0,1].
        labels: int64 [N]; -1 where unknown.
        idx: int64 [N], the row of each input in the whole split.
        classes: class names, in the order of the labels.
        digest: SHA-256 that identifies the whole split, whatever rows are selected.
        shape: of one input, (C, H, W) or (D,).
    """

    name: str
    split: str
    images: torch.Tensor | LazyImages
    labels: NDArray[np.int64]
    idx: NDArray[np.int64]
    classes: tuple[str, ...]
    digest: str
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, size: int
    ) -> Iterator[tuple[torch.Tensor, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (images [n, *shape], labels [n], idx [n]) in order, n <= ``size``."""
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield self.images[rows], self.labels[rows], self.idx[rows]


@dataclass(frozen=True)
class Content:
    """A verified split: labels [N] of all rows, and the images of any of them on demand."""

    labels: NDArray[np.int64]
    images: Callable[[NDArray[np.int64]], torch.Tensor | LazyImages]
    digest: str
    files: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


class Source(Named, ABC):
    """Where a data set comes from."""

    info: DatasetInfo
    # Relative paths in the data directory; the data set is available if one of them exists
    places: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """Find, verify and read a split; ``folder`` is the data directory.

        Raises:
            SmoothcertError: a file is missing, truncated or not the canonical one.
        """

    def settings(self, seed: int) -> dict[str, Any]:
        """What else determines the values: parameters, the version of a lossy decoder."""
        return {}


DATASETS: Registry[Source] = Registry("data set")


def check_split(info: DatasetInfo, split: str) -> None:
    """Raise SmoothcertError unless ``info`` has ``split``."""
    if split not in info.splits:
        known = ", ".join(info.splits)
        raise SmoothcertError(f"{info.name}: split {split!r}: unknown; expected one of {known}")


def select_rows(
    info: DatasetInfo, split: str, skip: int = 1, most: int | None = None
) -> NDArray[np.int64]:
    """The first ``most`` of the rows 0, skip, 2 skip, ... of a split: int64 [n].

    Raises:
        SmoothcertError: unknown split, ``skip`` or ``most`` below 1 or no integer.
    """
    check_split(info, split)
    for what, value in (("skip", skip), ("max", 1 if most is None else most)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise SmoothcertError(
                f"{info.name}: {what} {value!r}: expected an integer of at least 1"
            )
    return np.arange(0, info.splits[split], skip, dtype=np.int64)[:most]


def content_digest(values: NDArray, labels: NDArray[np.int64], how: str = "") -> str:
    """SHA-256 of the values' shape, type and little-endian bytes, of the labels, and of ``how``
    the values are read."""
    values = np.ascontiguousarray(values)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{values.dtype.str} {values.shape}\n{how}".encode())
    digest.update(values.data)
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest.hexdigest()


def pixels(values: NDArray[np.uint8], white: int) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    """Rows of uint8 ``values`` [N, C, H, W] as float32 in [0,1]; ``white`` becomes 1."""

    def images(rows: NDArray[np.int64]) -> torch.Tensor:
        return torch.from_numpy(values[rows]).to(torch.float32).div_(white)

    return images
