"""Certificates that the authors of papers published, a row an input: where they are, and what of.

The list is ``published.csv``: data set, architecture, training and noise as slugs; what was stated
or found of the run (n, n0, alpha, skip, rows); its public address (repository on GitHub, commit,
path), the SHA-256 of the file there, and its licence. The files are not part of this package.

A table lies in the data directory, in ``published-certificates`` or its folder ``more``, as
NAME.tsv or NAME.tsv.gz, or is downloaded there (storage.py). Which are there is asked without
network.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training
from smoothcert.datasets import storage

FOLDER = "published-certificates"


@dataclass(frozen=True)
class PublishedTable:
    """A row of the list. ``alpha`` is the level of its radii, ``skip`` the step between inputs,
    ``authors`` those who published it; ``sha256`` is of the file at its address."""

    name: str
    dataset: str
    arch: str
    training: str
    noise: str
    n: int
    n0: int
    alpha: float
    skip: int
    rows: int
    authors: str
    repository: str
    commit: str
    path: str
    sha256: str
    licence: str

    @property
    def address(self) -> str:
        """Where it is public."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.path}"

    @property
    def sigma(self) -> float:
        """The noise scale at certification."""
        return float(self.noise.rpartition("-")[2])

    @property
    def method(self) -> str:
        """How the model was trained."""
        return Training.parse(self.training).method

    @property
    def scaling(self) -> str:
        return "fixed"


@cache
def tables() -> dict[str, PublishedTable]:
    """Every table of the list, by name."""
    text = (resources.files("smoothcert.datasets") / "published.csv").read_text(encoding="utf-8")
    return {row["name"]: _table(row) for row in csv.DictReader(io.StringIO(text))}


def _table(row: dict[str, str]) -> PublishedTable:
    numbers = {key: int(row[key]) for key in ("n", "n0", "skip", "rows")}
    return PublishedTable(**{**row, **numbers, "alpha": float(row["alpha"])})  # type: ignore[arg-type]


def table(name: str) -> PublishedTable:
    """The table of a name; SmoothcertError if the list has none."""
    if name not in tables():
        raise SmoothcertError(
            f"no published table {name!r}; expected one of {', '.join(sorted(tables()))}"
        )
    return tables()[name]


def select(
    names: Iterable[str], dataset: str | None = None, methods: Iterable[str] = ()
) -> list[str]:
    """Those of ``names`` that are of a data set and of one of the methods of training."""
    wanted = set(methods)
    return [
        name
        for name in names
        if dataset in (None, tables()[name].dataset)
        and (not wanted or tables()[name].method in wanted)
    ]


def folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where the tables lie, or would."""
    return storage.data_directory(data_dir) / FOLDER


def find(one: PublishedTable, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Its file in the data directory, not yet verified; None if it is not there."""
    ends = ("tsv.gz", "tsv")
    names = [f"{part}{one.name}.{end}" for part in ("", "more/") for end in ends]
    return storage.find(folder(data_dir), names)


def fetch(
    one: PublishedTable, data_dir: str | os.PathLike[str] | None = None, download: bool = False
) -> Path:
    """Its file, verified; downloaded from its public address if it is not there and may be.

    Raises:
        SmoothcertError: not there and not to be downloaded, or not reachable; a wrong checksum.
    """
    path = find(one, data_dir)
    if path is None:
        place = folder(data_dir)
        if not download:
            raise SmoothcertError(
                f"{place}: no published table {one.name}.tsv.gz; put it there, or fetch all with"
                " smoothcert data published"
            )
        path = place / f"{one.name}.tsv"
        with storage.scratch(place, path.name) as temporary:
            got = storage.download(path.name, [one.address], None, temporary)
            verify(one, got)
            got.replace(path)
    else:
        verify(one, path)
    return path


def verify(one: PublishedTable, path: Path) -> None:
    """Raise SmoothcertError unless the file, unpacked, is the one at the table's address."""
    data = storage.read_bytes(path)
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise SmoothcertError(f"{path}: cannot be unpacked: {error}") from None
    storage.verify(path, data, one.sha256)
