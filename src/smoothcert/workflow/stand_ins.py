"""Data sets that take the place of others where those are not at hand, under their own names.

``stand_ins: { cifar10: cifar10-jpeg }`` says that runs of cifar10 become runs of cifar10-jpeg where
the files of the one are not in the data directory and those of the other are. That happens before
anything is named, so paths, tables and records have the name of what was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import DATASETS, data_directory
from smoothcert.datasets.storage import find

Config = dict[str, Any]

_RUNS = ("experiments", "iss", "audits", "lbrs")  # the sections that name data sets


def at_hand(config: Config) -> Config:
    """The configuration with the data sets that it runs on here; ``data_dir`` is exported.

    Raises SmoothcertError for a data set that does not say which files it lies in.
    """
    taken = _taken(config)
    return {**config, **{key: _renamed(config[key], taken) for key in _RUNS if key in config}}


def words(config: Config) -> list[str]:
    """A line for each data set that is not at hand: what is run, and what to do for the other."""
    folder, taken, said = data_directory(), _taken(config), []
    for wanted, other in _pairs(config).items():
        if wanted in taken:
            said.append(
                f"{wanted} is not in {folder}: {other} is run, under its own name. For {wanted}:"
                f" smoothcert data {wanted}"
            )
        elif not _there(wanted, folder):
            said.append(
                f"{wanted} is not in {folder}: the first job fetches it. Where that cannot be, put"
                f" {DATASETS[other].places[0]} there and {other} is run, under its own name"
            )
    return said


def _taken(config: Config) -> dict[str, str]:
    folder = data_directory()
    return {
        wanted: other
        for wanted, other in _pairs(config).items()
        if not _there(wanted, folder) and _there(other, folder)
    }


def _pairs(config: Config) -> Mapping[str, str]:
    given = config.get("stand_ins") or {}
    known = [name for name in DATASETS if DATASETS[name].places]
    pairs = given.items() if isinstance(given, Mapping) else [("", given)]
    for name in (name for pair in pairs for name in pair):
        if name not in known:
            raise SmoothcertError(
                f"configuration: stand_ins: expected data sets of {', '.join(known)},"
                f" found {given!r}"
            )
    return dict(pairs)


def _there(name: str, folder: Path) -> bool:
    return find(folder, DATASETS[name].places) is not None


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    """``value`` with other names under the keys ``dataset``."""
    if isinstance(value, dict):
        return {k: _renamed(v, names, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(v, names, key) for v in value]
    return names.get(value, value) if key == "dataset" else value
