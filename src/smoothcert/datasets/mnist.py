"""mnist: the four IDX files, compressed or not, verified by their decompressed content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from smoothcert.compute.lazy import torchvision
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import idx
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source, content_digest, pixels
from smoothcert.datasets.storage import download as fetch
from smoothcert.datasets.storage import find, scratch, verify

# Decompressed bytes and their SHA-256. The same content exists in differently compressed
# .gz files, so the archive's own checksum says too little.
CANONICAL = {
    "train-images-idx3-ubyte": (
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
_FOLDERS = ("mnist", "MNIST/raw", "MNIST", "mnist/raw", "mnist/MNIST/raw", "raw", ".")


@DATASETS.member("mnist")
class Mnist(Source):
    """MNIST: 60,000 training and 10,000 test images in their canonical order and split.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
    document recognition", Proc. IEEE 86(11), 1998.
    """

    info = DatasetInfo(
        name="mnist",
        title="MNIST handwritten digits, 28x28 grey",
        shape=(1, 28, 28),
        n_classes=10,
        classes=tuple("0123456789"),
        splits={"train": 60_000, "test": 10_000},
        arch="small_cnn",
        # the 60,000 training images
        statistics=((0.1307,), (0.3081,)),
    )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """The split, from ``folder`` or one of its usual subfolders, else downloaded."""
        part = "train" if split == "train" else "t10k"
        images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        data = {name: _content(name, folder, download) for name in (images, labels)}
        values = idx.array(images, data[images]).reshape(-1, 1, 28, 28)
        targets = idx.array(labels, data[labels]).astype(np.int64)
        files = {name: hashlib.sha256(content).hexdigest() for name, content in data.items()}
        return Content(targets, pixels(values, white=255), content_digest(values, targets), files)


def _content(name: str, folder: Path, download: bool) -> bytes:
    """The verified, decompressed bytes of one IDX file."""
    # Both spellings are about: t10k-images-idx3-ubyte and t10k-images.idx3-ubyte.
    spellings = (name, name.replace("-idx", ".idx"))
    path = find(
        folder, (f"{sub}/{s}{end}" for end in ("", ".gz") for sub in _FOLDERS for s in spellings)
    )
    if path is None:
        path = _download(name, folder, download)
    size, sha256 = CANONICAL[name]
    data = idx.content(path, f"; expected {size} bytes of SHA-256 {sha256} after decompression")
    if len(data) < size:
        raise SmoothcertError(f"{path}: truncated: expected {size} bytes, found {len(data)}")
    verify(path, data, sha256)
    return data


def _download(name: str, folder: Path, download: bool) -> Path:
    mnist = torchvision.datasets.MNIST
    archive, md5 = next((file, md5) for file, md5 in mnist.resources if file == f"{name}.gz")
    urls = [f"{mirror}{archive}" for mirror in mnist.mirrors]
    missing = f"mnist: {name}[.gz] not found in {folder} or its mnist/, MNIST/raw/"
    if not download:
        raise SmoothcertError(f"{missing}; fetch {urls[0]} (MD5 {md5}) into {folder / 'mnist'}")
    target = folder / "mnist" / archive
    try:
        with scratch(target.parent, archive) as temporary:
            fetch(archive, urls, md5, temporary).replace(target)
    except SmoothcertError as error:
        raise SmoothcertError(f"{missing}; {error}") from None
    return target
