"""What of a run cannot be made again in minutes, as one archive beside its shipped tables.

From it come certificates, tables, figures, claims, reports and page, without sampling, training
or a data set (docs/regenerate.md). It has what lies in the folder of results but for the networks
and what is made from the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from smoothcert.audits.catalogue import JOBS
from smoothcert.core import archive
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.core.settings import json_mapping
from smoothcert.papers.lbrs import plan as lbrs_plan
from smoothcert.workflow import audits, experiments, needs, paths
from smoothcert.workflow.catalogue import outputs

Config = dict[str, Any]

ARCHIVE = "votes.tar.xz"
CONFIGURATION = "configuration.json"  # the merged one of a run, in its folder

# Made again from the rest, unless an output reads more than results
_REMADE = (
    *("certificates/", "live/certificates/", "tables/", "figures/", "numbers/", "differences/"),
    *("reports/", "logs/", "index.html", "results.csv", CONFIGURATION, archive.MANIFEST),
)


def remade(path: str) -> bool:
    """Whether a file below the results is made again from a bundle."""
    return path.startswith(_REMADE) and path not in _held()


@cache
def _held() -> frozenset[str]:
    return frozenset(_below(path) for o in outputs() if o.outside for path in needs.made(o))


def _below(path: str) -> str:
    return path.removeprefix(f"{paths.RESULTS}/")


def files(results: Path) -> Iterator[str]:
    """The files of a folder of results that a bundle holds, below it."""
    for path in results.rglob("*"):
        name = path.relative_to(results).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if path.is_file() and not (hidden or remade(name) or name.endswith(".safetensors")):
            yield name


def keep(results: Path, config: Config) -> None:
    """Keep the merged configuration of a run in its folder."""
    write_text(results / CONFIGURATION, json.dumps(config, indent=1))


def about(results: Path, words: Sequence[str]) -> dict[str, Any]:
    """What a bundle says of itself; ``words`` of snakemake chose the run.

    Raises SmoothcertError where the run left no configuration.
    """
    path = results / CONFIGURATION
    if not path.exists():
        raise SmoothcertError(f"{path}: missing; snakemake writes it when it makes the results")
    return {
        "snakemake": list(words),
        "settings": settings({**json_mapping(f"@{path}", str(path)), **_measured(files(results))}),
    }


def _measured(names: Iterable[str]) -> Config:
    """``published`` of a configuration: the published tables of which there are results."""
    before, after = _below(paths.PUBLISHED).split("{name}")
    found = [
        name.removeprefix(before).removesuffix(after) for name in names if name.startswith(before)
    ]
    return {"published": found}


def settings(config: Config) -> dict[str, Config]:
    """What decides each result that is expensive, by its path, but for its code."""
    found = {_below(path): of for path, of in _settings(config)}
    plain: dict[str, Config] = json.loads(json.dumps(found))
    return plain


def _settings(config: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for run in experiments.all_runs(config):
        store = {**run, "noise": experiments.drawn_as(run["noise"])}
        stage = "route" if experiments.levels(run) else "sample"
        yield f"{paths.STORE}/votes.npz".format(**store), experiments.settings(config, stage, store)
        yield paths.TRAINING_LOG.format(**run), experiments.settings(config, "train", run)
        if search := experiments.search_of(run["scaling"]):
            of = {**run, "search": search}
            yield paths.SCALES.format(**of), experiments.settings(config, "scales", of)
    for table in config["iss"]["live"]:
        for run in experiments.live_runs(config, table):
            of = experiments.settings(config, "sample_alone", run)
            yield f"{paths.LIVE_STORE}/votes.npz".format(**run), of
    for job in JOBS:
        for path in audits.results(config, job):
            yield path, audits.settings(config, job)
    yield "lbrs/spiral.npz", config["lbrs"]["spiral"]
    for task, chosen in config["lbrs"]["tasks"].items():
        for path in lbrs_plan.accuracies(config, task):
            yield path, chosen
    for part in ("ablation", "toy"):
        yield f"nongaussian/{part}.csv", experiments.settings(config, part, {})
    for name in experiments.published(config):
        yield paths.PUBLISHED.format(name=name), experiments.settings(config, "published", {})


def datasets(folder: Path) -> list[str] | None:
    """The data sets of the bundle that was unpacked to a folder of results; None without one."""
    if not (folder / archive.MANIFEST).exists():
        return None
    return [path.stem for path in folder.glob(_below(paths.DATA).format(dataset="*"))]


def opened(folder: Path, config: Config) -> bool:
    """Whether a bundle was unpacked to a folder of results.

    If so, ``published`` of the configuration becomes the tables that the bundle has. Raises
    SmoothcertError where a file of it is missing or changed, or the configuration asks for what
    the bundle has not, or has of other settings.
    """
    if datasets(folder) is None:
        return False
    manifest = archive.verified(folder)
    config |= _measured(manifest["files"])
    for path, of in settings(config).items():
        if path not in manifest["settings"]:
            raise SmoothcertError(
                f"{folder}: the configuration asks for {path}, its bundle has none"
            )
        then, now = _flat(manifest["settings"][path]), _flat(of)
        for key in sorted({*then, *now}):
            if then.get(key) != now.get(key):
                raise SmoothcertError(
                    f"configuration: {path}: {key}: expected {then.get(key)!r}, with which the"
                    f" bundle in {folder} was made; found {now.get(key)!r}"
                )
    return True


def _flat(mapping: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The values of nested mappings, by their keys with dots."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        name = f"{before}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
