"""Image files of one's own: a folder with a folder a class, or a table of paths and labels."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import sha256
from smoothcert.datasets.lazy_images import Fitted, LazyImages
from smoothcert.datasets.own import FORMS, Form, Own, Part

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
_TESTS = ("test", "val", "valid", "validation")
_IN_MEMORY = 1 << 27  # values of images that are decoded at once: half a GB
_HASHED = 2 << 30  # bytes up to which a digest is of the files' content


@FORMS.member("folder")
class ImageFolder(Form):
    """A folder a class, numbered in the order of their names as torchvision's ImageFolder does, or
    in the order of ``classes``; images that lie in the folder itself have no label. Folders
    ``train`` and ``test`` (or ``val``) that hold folders are splits."""

    def takes(self, path: str) -> bool:
        return Path(path).is_dir() and _has_images(Path(path))

    def parts(self, own: Own) -> dict[str, Part]:
        root = Path(own.path)
        places = {"train": [root / "train"], "test": [root / name for name in _TESTS]}
        splits = {s: next(filter(_folders, named), None) for s, named in places.items()}
        if not any(splits.values()):
            splits = {"test": root}
        return {s: _part(own, *_listed(own, folder)) for s, folder in splits.items() if folder}


@FORMS.member("table")
class PathTable(Form):
    """A .csv or .tsv with a column of paths (from its own folder) and one of labels, numbers or
    names; a column ``split`` tells train from test."""

    def takes(self, path: str) -> bool:
        return path.endswith((".csv", ".tsv")) and Path(path).is_file()

    def parts(self, own: Own) -> dict[str, Part]:
        path = Path(own.path)
        try:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                rows = list(csv.reader(handle, delimiter="\t" if path.suffix == ".tsv" else ","))
        except UnicodeDecodeError as error:
            raise SmoothcertError(f"{path}: not a table of paths: {error}") from None
        header = [name.strip().lower() for name in rows[0]] if rows else []
        files = _column(path, header, ("path", "file", "filename", "image"))
        labels = _column(path, header, ("label", "class", "target"))
        split = header.index("split") if "split" in header else None
        cells: dict[str, list[tuple[str, str]]] = {}
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(header):
                raise SmoothcertError(
                    f"{path}:{number}: expected {len(header)} fields, found {len(row)}"
                )
            where = "test" if split is None else row[split].strip().lower()
            where = "test" if where in _TESTS else where
            if where not in ("train", "test"):
                raise SmoothcertError(f"{path}:{number}: split {where!r}: expected train or test")
            cells.setdefault(where, []).append((str(path.parent / row[files]), row[labels].strip()))
        if not cells:
            raise SmoothcertError(f"{path}: expected at least one row below the header")
        texts = {label for part in cells.values() for _, label in part}
        label_of, classes = _numbered(path, texts, own.classes)
        return {
            name: _part(
                own, [p for p, _ in cells[name]], [label_of[t] for _, t in cells[name]], classes
            )
            for name in ("train", "test")
            if name in cells
        }


def _numbered(
    path: Path, texts: Iterable[str], classes: tuple[str, ...]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Labels as numbers: whole numbers as they are, names by the order of the classes."""
    if not classes and all(text.isdecimal() for text in texts):
        return {text: int(text) for text in texts}, ()
    order = classes or tuple(sorted(texts))
    for text in texts:
        if text not in order and not (text.isdecimal() and int(text) < len(order)):
            raise SmoothcertError(f"{path}: label {text!r}: expected one of {', '.join(order)}")
    return {t: order.index(t) if t in order else int(t) for t in texts}, order


def _column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    found = next((header.index(name) for name in names if name in header), None)
    if found is None:
        raise SmoothcertError(
            f"{path}:1: expected a column {' or '.join(names)}, found {', '.join(header) or 'none'}"
        )
    return found


def _listed(own: Own, root: Path) -> tuple[list[str], list[int], tuple[str, ...]]:
    """Paths, labels and classes of one split."""
    classes = {folder.name: _images_in(folder) for folder in _folders(root)}
    classes = {name: images for name, images in classes.items() if images}
    flat = _images_in(root)
    if not classes:
        return flat, [-1] * len(flat), own.classes
    if flat:
        raise SmoothcertError(
            f"{root}: {len(flat)} images such as {Path(flat[0]).name} are outside the class"
            " folders; move them into one"
        )
    order = own.classes or tuple(classes)
    for name in classes:
        if name not in order:
            raise SmoothcertError(f"{root / name}: expected a class, one of {', '.join(order)}")
    paths, labels = [], []
    for label, name in enumerate(order):
        paths += classes.get(name, [])
        labels += [label] * len(classes.get(name, []))
    return paths, labels, order


def _part(own: Own, paths: Sequence[str], labels: Sequence[int], classes: tuple[str, ...]) -> Part:
    fitted, shape = _fitted(own, paths[0])

    def images(rows: NDArray[np.int64]) -> torch.Tensor | LazyImages:
        lazy = LazyImages(tuple(paths[i] for i in rows), fitted, shape)
        return lazy if len(rows) * np.prod(shape) > _IN_MEMORY else lazy[:]

    numbers = np.asarray(labels, np.int64)
    return Part(numbers, shape, images, lambda: _digest(own, paths, numbers), classes=classes)


def _fitted(own: Own, path: str) -> tuple[Fitted, tuple[int, int, int]]:
    """The transform of all images, and their shape: as the first image is, or as declared."""
    try:
        with Image.open(path) as image:
            height, width = own.size or (image.height, image.width)
            grey = image.mode in ("1", "L")
    except (OSError, SyntaxError) as error:
        raise SmoothcertError(f"{path}: truncated or not an image: {error}") from None
    channels = own.channels or (1 if grey else 3)
    return Fitted(height, width, own.size is not None), (channels, height, width)


def _digest(own: Own, paths: Sequence[str], labels: NDArray[np.int64]) -> str:
    """SHA-256 of the names, the content of the files (of their sizes, where they are more than two
    GB), the labels and how they are read."""
    root = os.path.commonpath([os.path.dirname(p) for p in paths])  # noqa: PTH120
    try:
        sizes = [Path(path).stat().st_size for path in paths]
    except OSError as error:
        raise SmoothcertError(f"{error.filename}: {error.strerror}") from None
    whole = sum(sizes) <= _HASHED
    digest = hashlib.sha256(f"{own.size} {own.channels}\n".encode())
    for path, size, label in zip(paths, sizes, labels.tolist(), strict=True):
        content = sha256(path) if whole else size
        digest.update(f"{os.path.relpath(path, root)}\t{content}\t{label}\n".encode())
    return digest.hexdigest()


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images_in(folder: Path) -> list[str]:
    """The image files below a folder's first level, by name."""
    return sorted(e.path for e in os.scandir(folder) if e.name.lower().endswith(SUFFIXES))


def _has_images(root: Path, depth: int = 2) -> bool:
    """Whether there is an image in a folder, its folders or theirs."""
    return bool(_images_in(root)) or (
        depth > 0 and any(_has_images(folder, depth - 1) for folder in _folders(root))
    )
