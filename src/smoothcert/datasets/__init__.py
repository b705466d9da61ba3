"""Data sets: images in [0,1] with labels, class names and a digest of what they are.

``load("mnist", skip=20)`` finds the files in the data directory, verifies them and returns a
:class:`Dataset`; ``info("mnist")`` knows shapes and sizes without reading a file and without
importing torch. The splits are ``train`` and ``test`` for every name, fixed and documented
in the module of each source. ``load("photos/")`` reads a set of a user's own (own.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from smoothcert.datasets import own_arrays, own_files, own_objects  # noqa: F401  forms
from smoothcert.datasets.base import DATASETS, Dataset, DatasetInfo, check_split, select_rows
from smoothcert.datasets.cifar10 import Cifar10
from smoothcert.datasets.cifar10_jpeg import Cifar10Jpeg
from smoothcert.datasets.digits import Digits
from smoothcert.datasets.imagenet import ImageNet
from smoothcert.datasets.mnist import Mnist
from smoothcert.datasets.own import (
    VARIABLE,
    OwnSource,
    declarations,
    export,
    place,
    recorded,
    source,
    stamp,
)
from smoothcert.datasets.spiral import Spiral
from smoothcert.datasets.storage import data_directory

__all__ = [
    "DATASETS",
    "VARIABLE",
    "Cifar10",
    "Cifar10Jpeg",
    "Dataset",
    "DatasetInfo",
    "Digits",
    "ImageNet",
    "Mnist",
    "OwnSource",
    "Spiral",
    "data_directory",
    "declarations",
    "export",
    "info",
    "load",
    "place",
    "record",
    "recorded",
    "select_rows",
    "source",
    "stamp",
]


def info(name: str) -> DatasetInfo:
    """What is known of a data set without its files; imports no torch.

    Of one of a user's own its labels and its first image are read.

    Raises:
        SmoothcertError: unknown name; for one's own as :func:`load`.
    """
    return source(name).info


def load(
    name: str,
    split: str = "test",
    data_dir: str | os.PathLike[str] | None = None,
    skip: int = 1,
    max: int | None = None,
    seed: int = 0,
    download: bool = True,
) -> Dataset:
    """Load a split of a data set, or every ``skip``-th row of it.

    Row i of the split is used iff ``i % skip == 0`` (Cohen et al. 2019: skip 20 on CIFAR-10
    and 100 on ImageNet, 500 inputs each), and of these the first ``max`` are kept. ``max``
    counts inputs. (The published scripts compare it with the row number, and ignore it
    when it is no multiple of ``skip``.)

    Args:
        name: a member of ``DATASETS``, or of one's own what own.py takes: a path, say.
        split: ``train`` or ``test`` (for imagenet the validation set).
        data_dir: where files are looked for and downloaded to; without it the environment
            variable ``SMOOTHCERT_DATA``, else ``smoothcert`` in the user's cache folder.
        seed: of a synthetic set (spiral); real data does not depend on it.
        download: fetch missing files where the set has a public source. Files that are
            there are used and verified, never fetched again.

    Raises:
        SmoothcertError: unknown name or split, ``skip`` or ``max`` below 1, a file that is
            missing, truncated or not the canonical one; the message names the file.
    """
    found = source(name)
    idx = select_rows(found.info, split, skip, max)
    content = found.read(split, data_directory(data_dir), download=download, seed=seed)
    return Dataset(
        name=found.info.name,
        split=split,
        images=content.images(idx),
        labels=content.labels[idx],
        idx=idx,
        classes=content.classes or found.info.classes,
        digest=content.digest,
        shape=found.info.shape,
    )


def record(
    name: str,
    splits: Iterable[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    seed: int = 0,
    download: bool = True,
) -> dict[str, Any]:
    """Verify splits of a data set and say what they are, for provenance.

    Returns a JSON-ready dict with the same content on every machine: name, kind, shape,
    classes, and for each split its size, digest and the SHA-256 of each file it came from
    (of the decompressed content, whichever way the file was compressed; left out for
    imagenet, whose digest covers names and sizes).

    Raises:
        SmoothcertError: as :func:`load`.
    """
    found = source(name)
    about: dict[str, Any] = {}
    classes = found.info.classes
    for split in found.info.splits if splits is None else splits:
        check_split(found.info, split)
        content = found.read(split, data_directory(data_dir), download, seed)
        classes = content.classes or classes
        about[split] = {
            "size": len(content.labels),
            "digest": content.digest,
            "files": dict(content.files),
        }
    return {
        "name": found.info.name,
        "kind": found.info.kind,
        "shape": list(found.info.shape),
        "n_classes": found.info.n_classes,
        "classes": list(classes),
        "splits": about,
        **found.settings(seed),
    }
