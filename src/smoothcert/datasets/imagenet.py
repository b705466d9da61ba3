"""imagenet: ILSVRC 2012 in the official folder layout, decoded as it is asked for."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from smoothcert.compute.lazy import torchvision
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source
from smoothcert.datasets.lazy_images import LazyImages

_PLACES = ("imagenet", "ImageNet", "ILSVRC2012", "imagenet2012", ".")
_SUFFIXES = (".jpeg", ".jpg", ".png")


@DATASETS.member("imagenet")
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

    info = DatasetInfo(
        name="imagenet",
        title="ImageNet (ILSVRC 2012), centre crop 224x224 colour",
        shape=(3, 224, 224),
        n_classes=1000,
        classes=(),
        splits={"train": 1_281_167, "test": 50_000},
        arch="resnet50",
        # as the published checkpoints were trained with (Cohen et al. 2019)
        statistics=((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """List the split's images; none is decoded here."""
        sub = "train" if split == "train" else "val"
        root = next((p for place in _PLACES if (p := folder / place / sub).is_dir()), None)
        if root is None:
            raise SmoothcertError(
                f"imagenet: no folder {sub}/ in {folder / 'imagenet'}; unpack "
                f"ILSVRC2012_img_{sub}.tar there, one folder per class (n01440764, ...); it cannot "
                "be downloaded without a registration"
            )
        wnids = sorted(e.name for e in os.scandir(root) if e.is_dir() and e.name[0] == "n")
        if len(wnids) != self.info.n_classes:
            flat = any(e.is_file() for e in os.scandir(root))
            raise SmoothcertError(
                f"imagenet: {root}: expected {self.info.n_classes} class folders "
                f"(n01440764, ...), found {len(wnids)}"
                + (" and images outside them: move these into class folders" if flat else "")
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
    names = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(names) if len(names) == len(wnids) else tuple(wnids)
