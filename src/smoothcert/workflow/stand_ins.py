"""Data sets used instead of others that are not available, under their own names.

With ``stand_ins: { cifar10: cifar10-jpeg }`` runs of cifar10 become runs of cifar10-jpeg if the
data directory has the files of cifar10-jpeg but not those of cifar10. The replacement comes before
any path is made, so paths, tables and records name the data set used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import DATASETS, data_directory
from smoothcert.datasets.storage import find

Config = dict[str, Any]

_RUNS = ("experiments", "iss", "audits", "lbrs")  # the sections that name data sets


def available(config: Config, held: Collection[str] | None = None) -> Config:
    """The configuration with stand-ins in place; ``data_dir`` must be in the environment.

    ``held``: the data sets of a bundle (bundle.py), which count instead of the data directory.
    Raises SmoothcertError for a data set without known file names.
    """
    taken = _taken(config, held)
    return {**config, **{key: _renamed(config[key], taken) for key in _RUNS if key in config}}


def words(config: Config) -> list[str]:
    """One line per missing data set: what is used instead, and how to get it."""
    folder, taken, said = data_directory(), _taken(config), []
    for wanted, other in _pairs(config).items():
        if wanted in taken:
            said.append(
                f"{wanted} not found in {folder}: using {other}, under its own name. To use"
                f" {wanted}: smoothcert data {wanted}"
            )
        elif not _there(wanted):
            said.append(
                f"{wanted} not found in {folder}: the first job downloads it. Without internet"
                f" access, put {DATASETS[other].places[0]} there to use {other}, under its own name"
            )
    return said


def _taken(config: Config, held: Collection[str] | None = None) -> dict[str, str]:
    if held is None:
        held = [name for pair in _pairs(config).items() for name in pair if _there(name)]
    return {w: other for w, other in _pairs(config).items() if w not in held and other in held}


def _pairs(config: Config) -> Mapping[str, str]:
    given = config.get("stand_ins") or {}
    known = [name for name in DATASETS if DATASETS[name].places]
    pairs = given.items() if isinstance(given, Mapping) else [("", given)]
    for name in (name for pair in pairs for name in pair):
        if name not in known:
            raise SmoothcertError(
                f"configuration: stand_ins: expected data sets among {', '.join(known)},"
                f" found {given!r}"
            )
    return dict(pairs)


def _there(name: str) -> bool:
    return find(data_directory(), DATASETS[name].places) is not None


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    """``value`` with data sets replaced under every key ``dataset``."""
    if isinstance(value, dict):
        return {k: _renamed(v, names, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(v, names, key) for v in value]
    return names.get(value, value) if key == "dataset" else value
