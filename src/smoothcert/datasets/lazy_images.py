"""Images that stay on disk until they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smoothcert.compute.lazy import torch, torchvision
from smoothcert.core.errors import SmoothcertError


@dataclass(frozen=True)
class LazyImages:
    """Images that stay on disk: indexed and sliced like a Tensor [N, 3, 224, 224].

    ``transform`` maps a PIL image (RGB) to a Tensor; by default the evaluation transform of the
    field, to float32 in [0,1]: bilinear resize of the shorter side to 256, central crop of 224.
    For training, ``with_transform`` puts a random crop in its place.
    """

    paths: tuple[str, ...]
    transform: Callable[[Image.Image], torch.Tensor] | None = None
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (len(self.paths), 3, 224, 224))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> torch.Tensor:
        """[3, 224, 224] for an integer, [n, 3, 224, 224] for a slice or an index array.

        Raises:
            SmoothcertError: an image is truncated or no image.
        """
        if isinstance(rows, int | np.integer):
            return self._read(self.paths[rows])
        chosen = np.arange(len(self))[rows]
        if not len(chosen):
            return torch.empty((0, *self.shape[1:]))
        return torch.stack([self._read(self.paths[i]) for i in chosen])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self._read(path) for path in self.paths)

    def with_transform(self, transform: Callable[[Image.Image], torch.Tensor]) -> LazyImages:
        """The same images, seen through another transform."""
        return LazyImages(self.paths, transform)

    def _read(self, path: str) -> torch.Tensor:
        try:
            with Image.open(path) as image:
                rgb = image.convert("RGB")
        except (OSError, SyntaxError) as error:
            raise SmoothcertError(f"{path}: truncated or no image: {error}") from None
        return (self.transform or centre_crop)(rgb)


def central(image: Image.Image) -> Image.Image:
    """Resize the shorter side to 256, crop the central 224x224."""
    functional = torchvision.transforms.functional
    return functional.center_crop(functional.resize(image, 256), [224, 224])


def centre_crop(image: Image.Image) -> torch.Tensor:
    """:func:`central`, scaled to [0,1]."""
    return torchvision.transforms.functional.to_tensor(central(image))
