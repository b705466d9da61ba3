"""Arrays of one's own: .npz, .npy and IDX files, and how their values become images in [0,1]."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import sha256
from smoothcert.datasets import idx
from smoothcert.datasets.base import content_digest
from smoothcert.datasets.own import FORMS, Form, Own, Part

_IMAGES = ("images", "image", "x", "X", "data")
_LABELS = ("labels", "label", "y", "Y", "targets", "target")
_TESTS = ("test", "val")


@FORMS.member("npz")
class Npz(Form):
    """Arrays by name: ``images`` and ``labels`` (or ``x`` and ``y``, ...), or with a split before
    or after the name, as in ``x_train``, ``test_images``."""

    def takes(self, path: str) -> bool:
        return path.endswith(".npz") and Path(path).is_file()

    def parts(self, own: Own) -> dict[str, Part]:
        path = Path(own.path)
        try:
            with np.load(path, allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise SmoothcertError(f"{path}: cannot be read as plain arrays: {error}") from None
        found = {}
        for split, words in {"train": ("train",), "test": _TESTS}.items():
            images = _named(held, _IMAGES, words)
            if images is not None:
                found[split] = images, _named(held, _LABELS, words)
        whole = _named(held, _IMAGES)
        if whole is not None:
            found = {"test": (whole, _named(held, _LABELS))}
        if not found:
            raise SmoothcertError(
                f"{path}: expected arrays images and labels (x and y, x_test and y_test, ...),"
                f" found {', '.join(held) or 'none'}"
            )
        return {
            split: of_arrays(own, images, labels, (path,))
            for split, (images, labels) in found.items()
        }


@FORMS.member("npy")
class Npy(Form):
    """One array of images; labels in a .npy or a text file beside it (``labels``), or unknown."""

    def takes(self, path: str) -> bool:
        return path.endswith(".npy") and Path(path).is_file()

    def parts(self, own: Own) -> dict[str, Part]:
        labels = None if own.labels is None else _array(Path(own.labels))
        files = [Path(own.path), *([Path(own.labels)] if own.labels else [])]
        return {"test": of_arrays(own, _array(Path(own.path)), labels, files)}


@FORMS.member("idx")
class Idx(Form):
    """An IDX file of images, its labels in the file of the name that goes with it or in ``labels``;
    or a folder with those of MNIST's names, ``train-`` and ``t10k-``."""

    def takes(self, path: str) -> bool:
        where = Path(path)
        if where.is_dir():
            return bool(_idx_images(where))
        return where.is_file() and idx.is_idx(where)

    def parts(self, own: Own) -> dict[str, Part]:
        where = Path(own.path)
        images = _idx_images(where) if where.is_dir() else {"test": where}
        return {split: self._part(own, path) for split, path in images.items()}

    def _part(self, own: Own, path: Path) -> Part:
        values = idx.array(path, idx.content(path))
        beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
        labels = Path(own.labels) if own.labels else beside
        if labels == path or not (labels.is_file() or own.labels):
            return of_arrays(own, values, None, [path])
        return of_arrays(own, values, idx.array(labels, idx.content(labels)), [path, labels])


def _idx_images(folder: Path) -> dict[str, Path]:
    """The files of images by split, of MNIST's names."""
    found: dict[str, Path] = {}
    for split, start in {"train": "train-images", "test": "t10k-images"}.items():
        files = [path for path in sorted(folder.glob(f"{start}*")) if idx.is_idx(path)]
        found |= {split: files[0]} if files else {}
    return found


def _named(
    held: Mapping[str, NDArray], names: Iterable[str], splits: Iterable[str] = ()
) -> NDArray | None:
    """The array of one of the names, with one of the splits before or after it if there are any."""
    for name in names:
        ways = [w for s in splits for w in (f"{name}_{s}", f"{s}_{name}")] if splits else [name]
        for way in ways:
            if way in held:
                return held[way]
    return None


def _array(path: Path) -> NDArray:
    """A .npy file, memory-mapped, or numbers in a text file."""
    try:
        if path.suffix == ".npy":
            found: NDArray = np.load(path, mmap_mode="r", allow_pickle=False)
            return found
        return np.loadtxt(path, dtype=np.int64, ndmin=1)
    except (OSError, ValueError) as error:
        raise SmoothcertError(f"{path}: cannot be read as an array: {error}") from None


def of_arrays(
    own: Own, images: Any, labels: Any, files: Iterable[Path] = (), where: str = ""
) -> Part:
    """A split from ``images`` [N, H, W], [N, C, H, W], [N, H, W, C] or [N, D], whole numbers or
    fractions, and ``labels`` [N] (None: unknown).

    Raises SmoothcertError, naming ``where`` (by default the path), for another shape or type, and
    when images outside [0,1] are asked for.
    """
    where = where or own.path
    values, white = np.asarray(images), own.white
    if values.ndim not in (2, 3, 4) or 0 in values.shape or values.dtype.kind not in "buif":
        raise SmoothcertError(
            f"{where}: expected images [N, H, W], [N, C, H, W] or [N, H, W, C], numbers; found"
            f" {values.dtype} of shape {values.shape}"
        )
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4 and _channels_last(own.layout, values.shape, where):
        values = values.transpose(0, 3, 1, 2)
    if white is None:
        if values.dtype.kind in "ui" and values.dtype != np.uint8:
            raise SmoothcertError(
                f"{where}: images of {values.dtype}; declare which value is white, such as"
                ' "white": 65535'
            )
        white = 255.0 if values.dtype == np.uint8 else 1.0

    def fetch(rows: NDArray[np.int64]) -> torch.Tensor:
        chosen = torch.from_numpy(np.ascontiguousarray(values[rows], np.float32)).div_(white)
        low, high = (float(chosen.min()), float(chosen.max())) if len(rows) else (0.0, 1.0)
        if not (low >= 0 and high <= 1):
            raise SmoothcertError(
                f"{where}: expected values in [0, {white:g}], found {low * white:g} to"
                f' {high * white:g}; divide by the value of white, or declare it: "white": 255'
            )
        return chosen

    numbers = _whole(labels, len(values), where)
    return Part(
        numbers,
        tuple(values.shape[1:]),
        fetch,
        lambda: content_digest(values, numbers, str(white)),
        {path.name: lambda path=path: sha256(path) for path in files},  # type: ignore[misc]
        own.classes,
    )


def _channels_last(layout: str, shape: tuple[int, ...], where: str) -> bool:
    """Whether axes are N, H, W, C; raises SmoothcertError where the shape does not tell."""
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if layout == "auto" and first == last:
        raise SmoothcertError(
            f"{where}: shape {shape} does not tell which axis holds the channels; give layout,"
            " nchw or nhwc"
        )
    return layout == "nhwc" or (layout == "auto" and last)


def _whole(labels: Any, n: int, where: str) -> NDArray[np.int64]:
    """Labels [N], or [N, 1], as whole numbers; -1 for all where there are none."""
    if labels is None:
        return np.full(n, -1, np.int64)
    found = np.asarray(labels)
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.ndim == 1 and len(found) != n:
        raise SmoothcertError(
            f"{where}: expected a label for each of {n} images, found {len(found)}"
        )
    if found.shape != (n,) or found.dtype.kind not in "uif" or (found != np.floor(found)).any():
        raise SmoothcertError(
            f"{where}: expected {n} whole labels, found {found.dtype} of shape {found.shape}"
        )
    if (found < -1).any():
        raise SmoothcertError(f"{where}: expected labels >= 0, found {found.min()}")
    return found.astype(np.int64)
