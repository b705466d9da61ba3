"""cifar10-jpeg: a lossy JPEG copy of CIFAR-10 in one file. Its numbers are not CIFAR-10's."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source
from smoothcert.datasets.cifar10 import CLASSES, STATISTICS
from smoothcert.datasets.storage import find, read_bytes, verify

PACK = "cifar10-jpeg.npz"
CANONICAL = "36658cc4d5faa80010366b9d94a519b5daffd6b1b57dba05f08940e5d7daf759"


@DATASETS.member("cifar10-jpeg")
class Cifar10Jpeg(Source):
    """The 60,000 CIFAR-10 images as baseline JPEG (quality 75, 4:2:0), in canonical order.

    Root-mean-square error about 8 grey levels of 255, l2 distance to the original about 1.7:
    further than most certified radii reach, so a certificate here says nothing about the
    original image. For machines that cannot have the real one.

    The digest covers the JPEG files and labels of the split, not the decoded pixels, which
    can differ by a few grey levels between decoders; :meth:`settings` names the decoder.
    """

    info = DatasetInfo(
        name="cifar10-jpeg",
        title="a lossy JPEG copy of CIFAR-10 (not CIFAR-10), 32x32 colour",
        shape=(3, 32, 32),
        n_classes=10,
        classes=CLASSES,
        splits={"train": 50_000, "test": 10_000},
        arch="resnet20",
        statistics=STATISTICS,
    )
    places = (PACK, f"cifar10-jpeg/{PACK}", f"cifar10/{PACK}")

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """The split of the pack in ``folder``; the pack has no public source to fetch from."""
        path = find(folder, self.places)
        if path is None:
            raise SmoothcertError(
                f"cifar10-jpeg: {PACK} not found in {folder}; put the pack of "
                f"SHA-256 {CANONICAL} there (it cannot be downloaded)"
            )
        data = read_bytes(path)
        verify(path, data, CANONICAL)
        with np.load(io.BytesIO(data), allow_pickle=False) as pack:
            jpeg, offsets = pack["jpeg"], pack["offsets"]
            labels, part = pack["labels"], pack["split"]
        rows = np.flatnonzero(part == (0 if split == "train" else 1))
        start, stop = int(rows[0]), int(rows[-1]) + 1  # each split is one run of rows
        digest = hashlib.sha256(jpeg[offsets[start] : offsets[stop]].data)
        digest.update(np.ascontiguousarray(offsets[start : stop + 1] - offsets[start], "<i8").data)
        targets = labels[start:stop].astype(np.int64)
        digest.update(np.ascontiguousarray(targets, "<i8").data)

        def images(chosen: NDArray[np.int64]) -> torch.Tensor:
            values = np.empty((len(chosen), 3, 32, 32), np.uint8)
            for out, row in zip(values, chosen + start, strict=True):
                out[:] = _decode(path, row, jpeg[offsets[row] : offsets[row + 1]].tobytes())
            return torch.from_numpy(values).to(torch.float32).div_(255)

        return Content(targets, images, digest.hexdigest(), {PACK: CANONICAL})

    def settings(self, seed: int) -> dict[str, Any]:
        """The JPEG decoder of this installation."""
        library = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
        version = features.version("libjpeg_turbo") or features.version("jpg")
        return {"decoder": f"Pillow {PIL.__version__}, {library} {version}"}


def _decode(path: Path, row: int, data: bytes) -> NDArray[np.uint8]:
    """One JPEG file as uint8 [3, 32, 32], RGB."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        values = np.asarray(image)
    if values.shape != (32, 32, 3):
        raise SmoothcertError(f"{path}: row {row}: expected a 32x32 RGB image, found {image.size}")
    return values.transpose(2, 0, 1)
