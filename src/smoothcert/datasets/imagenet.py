"""imagenet: ILSVRC 2012 in the official folder layout, decoded as it is asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import Content, DatasetInfo, Source

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_PLACES = ("imagenet", "ImageNet", "ILSVRC2012", "imagenet2012", ".")
_SUFFIXES = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class LazyImages:
    """Images that stay on disk: indexed and sliced like a Tensor [N, 3, 224, 224].

    ``transform`` maps a PIL image (RGB) to a float32 Tensor in [0,1]; by default the
    evaluation transform of the field: bilinear resize of the shorter side to 256, central
    crop of 224. For training, ``with_transform`` puts a random crop in its place.
    """

    paths: tuple[str, ...]
    transform: Callable[[Image], torch.Tensor] | None = None
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
        import torch

        if isinstance(rows, int | np.integer):
            return self._read(self.paths[rows])
        chosen = np.arange(len(self))[rows]
        if not len(chosen):
            return torch.empty((0, *self.shape[1:]))
        return torch.stack([self._read(self.paths[i]) for i in chosen])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self._read(path) for path in self.paths)

    def with_transform(self, transform: Callable[[Image], torch.Tensor]) -> LazyImages:
        """The same images, seen through another transform."""
        return LazyImages(self.paths, transform)

    def _read(self, path: str) -> torch.Tensor:
        from PIL import Image

        try:
            with Image.open(path) as image:
                rgb = image.convert("RGB")
        except (OSError, SyntaxError) as error:
            raise SmoothcertError(f"{path}: truncated or no image: {error}") from None
        return (self.transform or centre_crop)(rgb)


def centre_crop(image: Image) -> torch.Tensor:
    """Resize the shorter side to 256, crop the central 224x224, scale to [0,1]."""
    from smoothcert.compute.torchvision_shim import torchvision

    functional = torchvision.transforms.functional
    return functional.to_tensor(functional.center_crop(functional.resize(image, 256), [224, 224]))


class ImageNet(Source):
    """ImageNet (ILSVRC 2012): ``val/`` is the test split, ``train/`` the training split.

    Source: O. Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV
    115(3), 2015. It must be fetched by hand, with a registration.

    Looked for in ``imagenet/`` of the data directory (or the directory itself): a folder a
    class, named by its WordNet id, as the field's preparation script leaves them. Rows are
    sorted by class and then by file name, as in the published certificates: with
    ``skip=100`` the validation rows 0, 100, ..., 49900. The digest covers every file's name
    and size; reading 7 GB to hash them would cost more than certifying.
    """

    info: ClassVar[DatasetInfo] = DatasetInfo(
        name="imagenet",
        title="ImageNet (ILSVRC 2012), centre crop 224x224 colour",
        shape=(3, 224, 224),
        n_classes=1000,
        classes=(),
        splits={"train": 1_281_167, "test": 50_000},
        arch="resnet50",
    )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """List the split's images; none is decoded here."""
        sub = "train" if split == "train" else "val"
        root = next((p for place in _PLACES if (p := folder / place / sub).is_dir()), None)
        if root is None:
            raise SmoothcertError(
                f"imagenet: no folder {sub}/ in {folder / 'imagenet'}; unpack "
                f"ILSVRC2012_img_{sub}.tar there, one folder a class (n01440764, ...); it cannot "
                "be downloaded without a registration"
            )
        wnids = sorted(e.name for e in os.scandir(root) if e.is_dir() and e.name[0] == "n")
        if len(wnids) != self.info.n_classes:
            flat = any(e.is_file() for e in os.scandir(root))
            raise SmoothcertError(
                f"imagenet: {root}: expected {self.info.n_classes} class folders "
                f"(n01440764, ...), found {len(wnids)}"
                + (" and images outside of them: sort these into class folders" if flat else "")
            )
        paths: list[str] = []
        labels: list[int] = []
        digest = hashlib.sha256()
        for label, wnid in enumerate(wnids):
            entries = [e for e in os.scandir(root / wnid) if e.name.lower().endswith(_SUFFIXES)]
            for entry in sorted(entries, key=lambda e: e.name):
                paths.append(entry.path)
                labels.append(label)
                digest.update(f"{wnid}/{entry.name}\t{entry.stat().st_size}\n".encode())
        if len(paths) != self.info.splits[split]:
            raise SmoothcertError(
                f"imagenet: {root}: expected {self.info.splits[split]} images, found {len(paths)}"
            )
        return Content(
            np.asarray(labels, dtype=np.int64),
            lambda rows: LazyImages(tuple(paths[i] for i in rows)),
            digest.hexdigest(),
            classes=_class_names(wnids),
        )


def _class_names(wnids: list[str]) -> tuple[str, ...]:
    """The names torchvision gives the 1,000 classes, which it sorts by WordNet id too."""
    from smoothcert.compute.torchvision_shim import torchvision

    names = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(names) if len(names) == len(wnids) else tuple(wnids)
