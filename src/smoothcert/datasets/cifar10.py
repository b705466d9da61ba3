"""cifar10: the Python version of CIFAR-10, as a folder or as its archive."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.compute.lazy import torchvision
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source, content_digest, pixels
from smoothcert.datasets.storage import download as fetch
from smoothcert.datasets.storage import find, read_bytes, scratch, verify

# The values of Cohen et al. 2019, that the published checkpoints were trained with; the
# deviations are means over images of the deviation within an image.
STATISTICS = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FOLDER = "cifar-10-batches-py"
_ARCHIVE = "cifar-10-python.tar.gz"
_PLACES = ("", "cifar10/", "CIFAR10/", "cifar-10/", "CIFAR-10/", "cifar/")


@DATASETS.member("cifar10")
class Cifar10(Source):
    """CIFAR-10: 50,000 training images (batches 1 to 5) and 10,000 test images, in order.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical
    report, University of Toronto, 2009. Each batch file is verified by the MD5 that
    torchvision holds for it.
    """

    info = DatasetInfo(
        name="cifar10",
        title="CIFAR-10, 32x32 colour",
        shape=(3, 32, 32),
        n_classes=10,
        classes=CLASSES,
        splits={"train": 50_000, "test": 10_000},
        arch="resnet110",
        statistics=STATISTICS,
    )
    places = (
        *(f"{p}{_ARCHIVE}" for p in _PLACES),
        *(f"{p}{_FOLDER}/test_batch" for p in _PLACES),
        "test_batch",
        "cifar10/test_batch",
    )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """The split, from the folder of batches or the archive in ``folder``, or downloaded."""
        cifar = torchvision.datasets.CIFAR10
        checksums = dict(cifar.train_list if split == "train" else cifar.test_list)
        data = _from_files(folder, checksums) or _from_archive(folder, checksums)
        if data is None:
            data = _download(folder, checksums, download)
        batches = [_batch(name, content) for name, content in data.items()]
        values = np.concatenate([v for v, _ in batches])
        labels = np.concatenate([t for _, t in batches])
        files = {f"{_FOLDER}/{k}": hashlib.sha256(v).hexdigest() for k, v in data.items()}
        return Content(labels, pixels(values, white=255), content_digest(values, labels), files)


def _from_files(folder: Path, checksums: Mapping[str, str]) -> dict[str, bytes] | None:
    """The verified batch files in the first place that has them all, else None."""
    for place in (*(f"{p}{_FOLDER}/" for p in _PLACES), "", "cifar10/"):
        paths = {name: folder / f"{place}{name}" for name in checksums}
        if all(path.is_file() for path in paths.values()):
            data = {name: read_bytes(path) for name, path in paths.items()}
            for name, md5 in checksums.items():
                verify(paths[name], data[name], md5, "md5")
            return data
    return None


def _from_archive(folder: Path, checksums: Mapping[str, str]) -> dict[str, bytes] | None:
    path = find(folder, (f"{place}{_ARCHIVE}" for place in _PLACES))
    return None if path is None else _members(path, checksums)


def _members(archive: Path, checksums: Mapping[str, str]) -> dict[str, bytes]:
    """Verified batch files of an archive, which may be compressed in any way."""
    data = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                if folder == _FOLDER and name in checksums and member.isfile():
                    handle = tar.extractfile(member)
                    assert handle is not None  # a regular file
                    data[name] = handle.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = str(error).partition(":\n")[0]  # tarfile lists what it tried, a line each
        size = archive.stat().st_size
        raise SmoothcertError(
            f"{archive}: truncated or not a tar archive ({size} bytes): {reason}"
        ) from None
    for name, md5 in checksums.items():
        if name not in data:
            raise SmoothcertError(f"{archive}: truncated: it lacks {_FOLDER}/{name}")
        verify(f"{archive}: {name}", data[name], md5, "md5")
    return {name: data[name] for name in checksums}


def _download(folder: Path, checksums: Mapping[str, str], download: bool) -> dict[str, bytes]:
    """Fetch the archive and keep its batch files; returns those in ``checksums``."""
    cifar = torchvision.datasets.CIFAR10
    missing = f"cifar10: neither {_FOLDER}/ with {', '.join(checksums)} nor {_ARCHIVE} in {folder}"
    if not download:
        raise SmoothcertError(f"{missing}; fetch {cifar.url} (MD5 {cifar.tgz_md5}) into {folder}")
    target = folder / _FOLDER
    try:
        with scratch(target, _ARCHIVE) as temporary:
            archive = fetch(_ARCHIVE, [cifar.url], cifar.tgz_md5, temporary)
            data = _members(archive, dict(cifar.train_list + cifar.test_list))
            for name, content in data.items():
                (temporary / name).write_bytes(content)
                (temporary / name).replace(target / name)
    except SmoothcertError as error:
        raise SmoothcertError(f"{missing}; {error}") from None
    return {name: data[name] for name in checksums}


class _ArraysOnly(pickle.Unpickler):
    """Read a batch file, which is a Python 2 pickle, and let it make nothing but arrays."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module == "numpy.core.multiarray" and name == "_reconstruct":
            return _empty_array
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a batch file")


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes | str) -> np.ndarray:
    """What numpy's ``_reconstruct`` does: an array whose state comes next in the pickle."""
    return np.ndarray.__new__(np.ndarray, shape, "b")


def _batch(name: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 3, 32, 32] and labels int64 [N] of one batch file."""
    try:
        entry = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
        values = entry["data"].reshape(-1, 3, 32, 32)
        labels = np.asarray(entry["labels"], dtype=np.int64)
        if values.dtype != np.uint8 or len(values) != len(labels):
            raise ValueError(f"{values.dtype} {values.shape} and {len(labels)} labels")
    except (pickle.UnpicklingError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise SmoothcertError(f"cifar10: {name}: not a batch of CIFAR-10 images: {error}") from None
    return values, labels
