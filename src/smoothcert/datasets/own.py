"""Data sets of a user's own: a folder, a file or a function, and how its values are read.

Wherever a data set is named, one of these stands as well: a path (``photos/``, ``digits.npz``),
``package.module:function``, a JSON mapping of :class:`Own`, or a name that was declared, in
``config.yaml`` (key ``datasets``) or in ``SMOOTHCERT_DATASETS``. A file has one split, test, unless
it says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from smoothcert.compute.lazy import torch
from smoothcert.core.called import is_function
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import sha256
from smoothcert.core.registry import Named, Registry
from smoothcert.core.settings import Count, Positive, Settings, json_mapping
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source
from smoothcert.datasets.lazy_images import LazyImages

VARIABLE = "SMOOTHCERT_DATASETS"
_QUICK = 1 << 28  # bytes that are hashed in less than a second
_PLACE = "own_data"  # in a record
_NAME = r"[a-z0-9][a-z0-9-]*"


class Own(Settings):
    """Where a data set lies, and how its values are to be read."""

    path: str = Field(
        description="a folder of images with one folder per class, .npz, .npy, .csv or .tsv of"
        " paths and labels, IDX, a folder saved by Hugging Face datasets, package.module:function"
    )
    labels: str | None = Field(None, description="label file for .npy or IDX images")
    classes: tuple[str, ...] = Field(
        (), description="class names in the order of the model's outputs"
    )
    size: tuple[Count, Count] | None = Field(
        None, description="[height, width] to resize and crop image files to"
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1 for grey, 3 for colour image files; default: as in the first"
    )
    layout: Literal["auto", "nchw", "nhwc"] = Field(
        "auto", description="axis order of image arrays"
    )
    white: Positive | None = Field(
        None, description="pixel value of white; default: 255 for bytes, 1 for fractions"
    )
    mean: tuple[float, ...] | None = Field(
        None, description="mean of the training images in [0,1], one per channel, for training"
    )
    std: tuple[Positive, ...] | None = Field(None, description="their standard deviation")


@dataclass(frozen=True)
class Part:
    """One split: labels [N] of all rows (-1: unknown), the shape of an input, the rows' images,
    a digest of everything, the SHA-256 of the files it came from where they are few, and the
    names of the classes where the source has them."""

    labels: NDArray[np.int64]
    shape: tuple[int, ...]
    images: Callable[[NDArray[np.int64]], torch.Tensor | LazyImages]
    digest: Callable[[], str]
    files: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


class Form(Named, ABC):
    """A form in which data sets lie about."""

    @abstractmethod
    def takes(self, path: str) -> bool:
        """Whether ``path`` is of this form."""

    @abstractmethod
    def parts(self, own: Own) -> dict[str, Part]:
        """The splits, train before test; raises SmoothcertError that names the file."""


FORMS: Registry[Form] = Registry("form of data")


class OwnSource(Source):
    """A user's own data as a source beside the named ones."""

    def __init__(self, own: Own, short: str) -> None:
        self.own = own
        self.short = short

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The splits as they are now."""
        return _opened(self.own, _stamp(Path(self.own.path), 2))

    @cached_property
    def info(self) -> DatasetInfo:  # type: ignore[override]
        """What reading names, labels and one image tells; raises SmoothcertError."""
        parts = self.parts
        shapes = {part.shape for part in parts.values()}
        if len(shapes) > 1:
            raise SmoothcertError(
                f"{self.own.path}: expected splits with the same shape, found {shapes}"
            )
        (shape,) = shapes
        named = next((p.classes for p in parts.values() if p.classes), self.own.classes)
        shown = max(int(part.labels.max(initial=-1)) for part in parts.values()) + 1
        if named and shown > len(named):
            raise SmoothcertError(
                f"{self.own.path}: a label {shown - 1}; expected one of {len(named)} classes"
            )
        own = self.own
        return DatasetInfo(
            name=self.short,
            title=f"{self.short} (a data set of one's own), {'x'.join(map(str, shape))}",
            shape=shape,
            n_classes=len(named) or shown,
            classes=named,
            splits={split: len(part.labels) for split, part in parts.items()},
            arch="small_cnn" if len(shape) == 3 else None,
            kind="images" if len(shape) == 3 else "points",
            statistics=(own.mean, own.std) if own.mean and own.std else None,
            at_least=not named,
        )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """The split; reads nothing from ``folder``."""
        part = self.parts[split]
        files = {name: digest() for name, digest in part.files.items()}
        return Content(part.labels, part.images, part.digest(), files, part.classes)

    def settings(self, seed: int) -> dict[str, Any]:
        """How its values are read."""
        return {"own": self.own.model_dump(mode="json", exclude_defaults=True, exclude={"path"})}


def source(name: str) -> Source:
    """The source that a data set's name, or the place of one's own, stands for.

    Raises SmoothcertError for a name that is none and no place, and for a wrong mapping.
    """
    if name in DATASETS:
        return DATASETS[name]()
    declared = _declared()
    if name in declared:
        return OwnSource(declared[name], name)
    if name.startswith("{"):
        own = Own.check(json_mapping(name, "data set"), "data set")
        return OwnSource(own, short_name(own.path))
    if is_function(name) or Path(name).exists():
        return OwnSource(Own(path=name), short_name(name))
    if "/" in name or Path(name).suffix:
        raise SmoothcertError(f"{name}: no such file or folder")
    known = ", ".join(sorted([*DATASETS, *declared]))
    raise SmoothcertError(
        f"data set {name!r}: unknown; expected one of {known}, or a file, a folder or"
        " package.module:function of your own"
    )


def place(name: str) -> dict[str, Any]:
    """What a record says beside the name of a set of one's own: where it lay, how it was read."""
    found = source(name)
    if not isinstance(found, OwnSource):
        return {}
    return {_PLACE: found.own.model_dump(mode="json", exclude_defaults=True)}


def recorded(name: str, record: Mapping[str, Any]) -> str:
    """The data set of a record: by its name where that is known here, else by its place."""
    if name in DATASETS or name in _declared() or _PLACE not in record:
        return name
    return json.dumps(record[_PLACE])


def _declared() -> dict[str, Own]:
    return declarations(json_mapping(os.environ.get(VARIABLE) or "{}", VARIABLE), VARIABLE)


def declarations(given: Mapping[str, Any], where: str) -> dict[str, Own]:
    """Data sets by the names that stand in paths; a value is a path or a mapping of Own.

    Raises SmoothcertError that names the key.
    """
    declared = {}
    for name, value in given.items():
        if not re.fullmatch(_NAME, name) or name in DATASETS:
            raise SmoothcertError(
                f"{where}: {name}: expected lower-case letters, digits and -, and none of"
                f" {', '.join(DATASETS)}: it names folders of results"
            )
        data = {"path": value} if isinstance(value, str) else value
        if not isinstance(data, Mapping):
            raise SmoothcertError(f"{where}: {name}: expected a path or a mapping, found {value!r}")
        declared[name] = Own.check(data, f"{where}: {name}")
    return declared


def export(declared: Mapping[str, Own]) -> str:
    """``SMOOTHCERT_DATASETS`` for processes that start in another folder."""
    plain = {}
    for name, own in declared.items():
        given = own.model_dump(mode="json", exclude_defaults=True)
        for key in ("path", "labels"):
            if key in given and not is_function(given[key]):
                given[key] = str(Path(given[key]).absolute())
        plain[name] = given
    return json.dumps(plain, sort_keys=True)


def short_name(path: str) -> str:
    """What a data set is called that was given as a path: ``My_Photos/`` -> ``my-photos``."""
    place = path.partition(":")[2] if is_function(path) else Path(path).absolute().name
    stem = re.sub(r"(\.(npz|npy|csv|tsv|gz))+$", "", place.lower())
    name = re.sub(r"[^a-z0-9]+", "-", stem).strip("-") or "data"
    return f"own-{name}" if name in DATASETS else name


def stamp(name: str) -> str | None:
    """A word that changes with the files of an own data set, or with how they are read (by their
    content up to 256 MB, else by sizes and times); None for a set that is named."""
    if name in DATASETS:
        return None
    found = source(name)
    assert isinstance(found, OwnSource)
    root = Path(found.own.path)
    files = sorted(path for path in (root, *root.rglob("*")) if path.is_file())
    about = [str(found.settings(0)), _stamp(root, None)]
    if sum(path.stat().st_size for path in files) <= _QUICK:
        about[1:] = [f"{path.name} {sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()


@lru_cache(maxsize=16)
def _opened(own: Own, _: str) -> dict[str, Part]:
    if not is_function(own.path) and not Path(own.path).exists():
        raise SmoothcertError(f"{own.path}: no such file or folder")
    for form in FORMS:
        reader = FORMS[form]()
        if reader.takes(own.path):
            return reader.parts(own)
    raise SmoothcertError(
        f"{own.path}: not a data set: expected {Own.model_fields['path'].description}"
    )


def _stamp(path: Path, depth: int | None) -> str:
    """Of a file its size and time; of a folder those of all files, or (to some depth) of its own
    files and of its folders, whose times change with the names in them."""
    if not path.is_dir():
        return _size_and_time(path) if path.exists() else ""
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        below = len(Path(folder).relative_to(path).parts)
        if depth is not None and below >= depth:
            folders.clear()
        found.append(f"{folder} {Path(folder).stat().st_mtime_ns if depth else ''}")
        if depth is None or not below:
            found += [f"{name} {_size_and_time(Path(folder, name))}" for name in sorted(names)]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _size_and_time(path: Path) -> str:
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}"
