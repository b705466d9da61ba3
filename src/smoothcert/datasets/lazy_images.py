"""Images that stay on disk until they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smoothcert.compute.lazy import torch, torchvision
from smoothcert.core.errors import SmoothcertError

Transform = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class LazyImages:
    """Images that stay on disk: indexed and sliced like a Tensor [N, C, H, W].

    ``transform`` maps a PIL image (RGB, grey where C is 1) to the part of it that is seen, W x H,
    and raises ValueError for one that it does not take; by default the evaluation transform of
    the field: bilinear resize of the shorter side to 256, central crop of 224. For training,
    ``with_transform`` puts a random crop in its place. What is seen comes as float32 in [0,1].
    """

    paths: tuple[str, ...]
    transform: Transform | None = None
    one: tuple[int, int, int] = (3, 224, 224)  # the shape of an image
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (len(self.paths), *self.one))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> torch.Tensor:
        """[C, H, W] for an integer, [n, C, H, W] for a slice or an index array.

        Raises:
            SmoothcertError: an image is truncated or no image, or not what ``transform`` takes.
        """
        functional = torchvision.transforms.functional
        if isinstance(rows, int | np.integer):
            return functional.to_tensor(self._read(self.paths[rows]))
        chosen = np.arange(len(self))[rows]
        if not len(chosen):
            return torch.empty((0, *self.shape[1:]))
        return torch.stack([functional.to_tensor(self._read(self.paths[i])) for i in chosen])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self[i] for i in range(len(self)))

    def bytes(self, row: int) -> torch.Tensor:
        """Image ``row`` as uint8 [C, H, W]: 255 times what indexing gives; raises as that does."""
        return torchvision.transforms.functional.pil_to_tensor(self._read(self.paths[row]))

    def with_transform(self, transform: Transform) -> LazyImages:
        """The same images, seen through another transform."""
        return LazyImages(self.paths, transform, self.one)

    def _read(self, path: str) -> Image.Image:
        try:
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):
                    raise SmoothcertError(f"{path}: expected 8 bits per value, found {image.mode}")
                converted = image.convert("L" if self.one[0] == 1 else "RGB")
        except (OSError, SyntaxError) as error:
            raise SmoothcertError(f"{path}: truncated or not an image: {error}") from None
        try:
            return (self.transform or centre_crop)(converted)
        except ValueError as error:
            raise SmoothcertError(f"{path}: {error}") from None


def centre_crop(image: Image.Image) -> Image.Image:
    """Resize the shorter side to 256, crop the central 224x224."""
    functional = torchvision.transforms.functional
    return functional.center_crop(functional.resize(image, 256), [224, 224])


@dataclass(frozen=True)
class Fitted:
    """A transform to ``height`` x ``width``: an image of that size as it is; of another, where
    ``resize``, its shorter side resized (bilinear) to cover it, and the centre of that."""

    height: int
    width: int
    resize: bool = False

    def __call__(self, image: Image.Image) -> Image.Image:
        functional = torchvision.transforms.functional
        size = [self.height, self.width]
        if [image.height, image.width] != size:
            if not self.resize:
                raise ValueError(
                    f"an image of {image.height}x{image.width}; expected {self.height}x{self.width}"
                    " like the first; give size to resize all"
                )
            cover = max(self.height / image.height, self.width / image.width)
            larger = [
                max(s, round(cover * n))
                for s, n in zip(size, (image.height, image.width), strict=True)
            ]
            image = functional.center_crop(functional.resize(image, larger), size)
        return image
