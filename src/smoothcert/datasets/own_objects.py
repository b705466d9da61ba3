"""Data that Python objects hold: torch Datasets and loaders, Hugging Face datasets, arrays.

What counts is what an object does: it has a length and gives (image, label) or a mapping with an
image and a label for a number.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.called import call, is_function
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import Dataset, content_digest
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.datasets.own import FORMS, Form, Own, Part
from smoothcert.datasets.own_arrays import of_arrays

_IMAGES = ("image", "img", "images", "x", "pixel_values")
_LABELS = ("label", "labels", "y", "fine_label", "target")
_DIGESTED = 256  # rows of a data set that is read row by row


@FORMS.member("function")
class Function(Form):
    """``package.module:function`` that returns what :func:`of_object` takes, or a mapping of that
    by split; a module is looked for in the current folder, too."""

    def takes(self, path: str) -> bool:
        return is_function(path)

    def parts(self, own: Own) -> dict[str, Part]:
        made = call(own.path, "data set")
        if isinstance(made, Mapping) and set(made) <= {"train", "test"}:
            return {s: of_object(own, made[s]) for s in ("train", "test") if s in made}
        return {"test": of_object(own, made)}


@FORMS.member("huggingface")
class SavedToDisk(Form):
    """A folder that ``datasets.Dataset.save_to_disk`` made, of one data set or of its splits."""

    def takes(self, path: str) -> bool:
        return any(Path(path, name).is_file() for name in ("dataset_dict.json", "state.json"))

    def parts(self, own: Own) -> dict[str, Part]:
        try:
            hub = importlib.import_module("datasets")
        except ImportError:
            raise SmoothcertError(
                f"{own.path}: saved by Hugging Face datasets, which is not installed: pip install"
                " datasets"
            ) from None
        held = hub.load_from_disk(own.path)
        names = Path(own.path, "dataset_dict.json")
        if not names.is_file():
            return {"test": of_object(own, held)}
        splits = json.loads(names.read_text(encoding="utf-8"))["splits"]
        chosen = {"train": "train", "test": next((s for s in splits if s != "train"), "train")}
        return {s: of_object(own, held[name]) for s, name in chosen.items() if name in splits}


def of_object(own: Own, held: Any) -> Part:
    """A split from (images, labels), a torch Dataset or loader, or a Hugging Face dataset.

    Images are PIL images, arrays or tensors: bytes, or fractions in [0,1], of one shape. A loader
    is read to its end, in its order. Raises SmoothcertError in one line for anything else.
    """
    if isinstance(held, tuple) and len(held) == 2:
        return of_arrays(own, _numbers(held[0]), _numbers(held[1]))
    if hasattr(held, "batch_sampler") and hasattr(held, "dataset"):
        return _of_loader(own, held)
    if not (hasattr(held, "__len__") and hasattr(held, "__getitem__")):
        raise SmoothcertError(
            f"{own.path}: expected (images, labels), a Dataset with a length or a loader, found"
            f" {type(held).__name__}"
        )
    if len(held) == 0:
        raise SmoothcertError(f"{own.path}: expected at least one image, found none")
    return _of_rows(own, held)


def dataset_of(held: Any, labels: Any = None) -> Dataset:
    """Images at hand as a data set, of which all rows are taken.

    ``held`` is one already, images [N, ...] with ``labels`` [N], or what :func:`of_object` takes.
    Raises SmoothcertError as that.
    """
    if isinstance(held, Dataset):
        return held
    name = "given"
    if isinstance(held, LazyImages):
        known = np.full(len(held), -1) if labels is None else _numbers(labels)
        digest = hashlib.sha256("\n".join(held.paths).encode()).hexdigest()
        return Dataset(name, "test", held, known, np.arange(len(held)), (), digest, held.shape[1:])
    own = Own(path=name)
    if isinstance(held, np.ndarray) or hasattr(held, "detach") or labels is not None:
        told = None if labels is None else _numbers(labels)
        part = of_arrays(own, _numbers(held), told, where="images")
    else:
        part = of_object(own, held)
    rows = np.arange(len(part.labels))
    return Dataset(
        name, "test", part.images(rows), part.labels, rows, part.classes, part.digest(), part.shape
    )


def _of_loader(own: Own, loader: Any) -> Part:
    if type(loader.sampler).__name__ == "RandomSampler":
        raise SmoothcertError(
            f"{own.path}: the loader shuffles; expected a fixed order (shuffle=False), as an"
            " image's position determines its noise"
        )
    batches = [_pair(batch) for batch in loader]
    if not batches:
        raise SmoothcertError(f"{own.path}: expected at least one batch, found none")
    images = np.concatenate([_numbers(images) for images, _ in batches])
    known = all(labels is not None for _, labels in batches)
    labels = np.concatenate([_numbers(labels) for _, labels in batches]) if known else None
    return of_arrays(own, images, labels)


def _of_rows(own: Own, held: Any) -> Part:
    """A data set that is read row by row, as the rows are asked for."""
    first = _image(own, _pair(held[0])[0])
    labels = _labels(held)
    classes = own.classes or tuple(getattr(held, "classes", ()) or _features(held))

    def images(rows: NDArray[np.int64]) -> torch.Tensor:
        chosen = [_image(own, _pair(held[int(i)])[0]) for i in rows]
        for i, image in zip(rows, chosen, strict=True):
            if image.shape != first.shape:
                raise SmoothcertError(
                    f"{own.path}: image {i} has shape {tuple(image.shape)}; expected"
                    f" {tuple(first.shape)} like the first"
                )
        return torch.stack(chosen) if chosen else torch.empty((0, *first.shape))

    def digest() -> str:
        some = np.unique(np.linspace(0, len(labels) - 1, _DIGESTED).round().astype(np.int64))
        return content_digest(images(some).numpy(), labels)

    return Part(labels, tuple(first.shape), images, digest, classes=tuple(map(str, classes)))


def _image(own: Own, image: Any) -> torch.Tensor:
    """[C, H, W] float32 in [0,1] of one image."""
    return of_arrays(own, _numbers(image)[None], None).images(np.arange(1))[0]


def _pair(row: Any) -> tuple[Any, Any]:
    """Image and label (None: unknown) of a row or a batch."""
    if isinstance(row, Mapping):
        image = next((row[name] for name in _IMAGES if name in row), None)
        if image is None:
            raise SmoothcertError(
                f"data set: expected one of {', '.join(_IMAGES)} in a row, found {', '.join(row)}"
            )
        return image, next((row[name] for name in _LABELS if name in row), None)
    if isinstance(row, tuple | list):
        return row[0], row[1] if len(row) > 1 else None
    return row, None


def _labels(held: Any) -> NDArray[np.int64]:
    """All labels, from a column or attribute where there is one, else row by row."""
    for name in ("targets", "labels"):
        if hasattr(held, name) and len(getattr(held, name)) == len(held):
            return _numbers(getattr(held, name)).astype(np.int64).reshape(-1)
    columns: Iterable[str] = getattr(held, "column_names", None) or ()
    named = next((name for name in _LABELS if name in columns), None)
    if named is not None:
        return np.asarray(held[named], np.int64)
    found = [_pair(held[i])[1] for i in range(len(held))]
    return np.array([-1 if label is None else int(label) for label in found], np.int64)


def _features(held: Any) -> tuple[str, ...]:
    """The class names that a Hugging Face dataset has."""
    features = getattr(held, "features", None)
    if not isinstance(features, Mapping):
        return ()
    return next(
        (tuple(features[n].names) for n in _LABELS if hasattr(features.get(n), "names")), ()
    )


def _numbers(values: Any) -> NDArray:
    """Tensors, PIL images and lists as arrays."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)
