"""The configuration of the workflow: checked, expanded into runs, cut into jobs' settings.

A section of ``experiments`` is a list of grids, and its runs are their union: each key of a
grid is one value or a list of values, and a text may refer to another key, as
``training: cohen-fs-{scale}`` does. All of this is plain Python on the dictionary of config.yaml.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoothcert.errors import SmoothcertError
from smoothcert.spec import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Config = dict[str, Any]
Run = dict[str, str]

# A run is a point in the space of these, in the order of a certificate's path.
AXES = ("dataset", "arch", "training", "noise", "scaling", "budget")
STORE = AXES[:-1]  # what a vote store is for; its budgets only read it


def expand(grids: list[Mapping[str, Any]]) -> list[Run]:
    """The runs of a list of grids, each with the keys AXES, without duplicates.

    Raises SmoothcertError for a reference to a key that the grid does not have.
    """
    runs: dict[tuple[str, ...], Run] = {}
    for grid in grids:
        values = [v if isinstance(v, list) else [v] for v in grid.values()]
        for choice in itertools.product(*values):
            point = dict(zip(grid, map(str, choice), strict=True))
            run = {axis: _filled(axis, point) for axis in AXES}
            runs.setdefault(tuple(run.values()), run)
    return list(runs.values())


def _filled(axis: str, point: Mapping[str, str]) -> str:
    try:
        return point[axis].format(**point)
    except (KeyError, IndexError, ValueError) as error:
        raise SmoothcertError(
            f"{axis}: {point[axis]!r} refers to {error}; expected one of {', '.join(point)}"
        ) from None


def runs(config: Config, section: str) -> list[Run]:
    """The runs of one section of ``experiments``; SmoothcertError names section and key."""
    try:
        return expand(config["experiments"][section])
    except SmoothcertError as error:
        raise SmoothcertError(f"configuration: experiments.{section}.{error}") from None


def all_runs(config: Config) -> Iterator[Run]:
    """The runs of every section."""
    for section in config["experiments"]:
        yield from runs(config, section)


def live_runs(config: Config, table: str) -> list[Run]:
    """The runs of a table of ISS that are sampled for their own budget alone.

    Raises SmoothcertError that names section and key.
    """
    try:
        return expand(config["iss"]["live"].get(table, []))
    except SmoothcertError as error:
        raise SmoothcertError(f"configuration: iss.live.{table}.{error}") from None


def published_dir(config: Config) -> str | None:
    """The folder of published certificate tables: configured, or $SMOOTHCERT_PUBLISHED."""
    return config["iss"]["published_dir"] or os.environ.get("SMOOTHCERT_PUBLISHED") or None


def published(config: Config) -> list[str]:
    """The published certificate tables; SmoothcertError says what to set if there are none."""
    folder = published_dir(config)
    if folder is None:
        raise SmoothcertError(
            "configuration: iss.published_dir: null; expected the folder of published certificate"
            " tables to replay (or set SMOOTHCERT_PUBLISHED)"
        )
    names = ("*_sigma*.tsv", "*_sigma*.tsv.gz")
    files = sorted(str(path) for name in names for path in Path(folder).glob(name))
    if not files:
        raise SmoothcertError(
            f"configuration: iss.published_dir: {folder}: no published table; expected names such"
            " as cifar10_resnet110_gaussian_train0.25_sigma0.25.tsv.gz"
        )
    return files


def check_schema(config: Config, schema: Mapping[str, Any]) -> None:
    """Raise SmoothcertError that names the key of the first value the schema refuses."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is None:
        return
    key = ".".join(map(str, error.absolute_path))
    found = error.message
    if error.validator == "additionalProperties":
        known = ", ".join(sorted(error.schema.get("properties", {})))
        unknown = [k for k in error.instance if k not in error.schema.get("properties", {})]
        key = ".".join([*filter(None, [key]), str(unknown[0])])
        found = f"unknown key; expected one of {known}"
    elif "description" in error.schema:
        found = f"{error.instance!r}; expected {error.schema['description']}"
    raise SmoothcertError(f"configuration: {key or 'top level'}: {found}")


def check_choices(config: Config) -> None:
    """Raise SmoothcertError that names the key of a slug which no member of a family answers to.

    Also for a training run without a recipe, and a data set without settings.
    """
    from smoothcert import datasets
    from smoothcert.budget import BUDGETS
    from smoothcert.models import ARCHITECTURES
    from smoothcert.noise import NOISES

    parsers: dict[str, Callable[[str], object]] = {
        "dataset": datasets.info,
        "arch": ARCHITECTURES.parse,
        "training": Training.parse,
        "noise": NOISES.parse,
        "budget": BUDGETS.parse,
    }
    sections = [(f"experiments.{name}", runs(config, name)) for name in config["experiments"]]
    sections += [(f"iss.live.{name}", live_runs(config, name)) for name in config["iss"]["live"]]
    for section, members in sections:
        for run in members:
            for axis, parse in parsers.items():
                try:
                    parse(run[axis])
                except SmoothcertError as error:
                    raise SmoothcertError(f"configuration: {section}.{axis}: {error}") from None
            try:
                settings(config, "train", run)
                settings(config, "sample", run)
            except SmoothcertError as error:
                raise SmoothcertError(f"configuration: {section}: {error}") from None


def settings(config: Config, stage: str, wildcards: Mapping[str, str]) -> Config:
    """All that decides the result of one job, but for its input files and its code.

    ``stage`` is train, sample, sample_alone (for the run's own budget, whatever other runs
    want) or certify; ``wildcards`` are the axes in the job's path.
    Raises SmoothcertError if the configuration has no settings for them.
    """
    cell = {axis: wildcards[axis] for axis in AXES if axis in wildcards}
    if stage == "train":
        keep = {axis: cell[axis] for axis in ("dataset", "arch", "training")}
        return {**keep, "seed": config["seed"], "recipe": recipe(config, cell)}
    if stage == "sample":
        inputs = _inputs(config, cell["dataset"])
        return {
            "dataset": cell["dataset"],
            "noise": cell["noise"],
            "scaling": cell["scaling"],
            "budget": store_budget(config, cell),
            "seed": config["seed"],
            **{key: inputs[key] for key in ("skip", "max")},
            **{key: config["sampling"][key] for key in ("look", "batch", "precision")},
        }
    if stage == "sample_alone":
        return {**settings(config, "sample", cell), "budget": cell["budget"]}
    if stage == "certify":
        return {"budget": cell["budget"]}
    raise ValueError(f"no stage {stage!r}")


def recipe(config: Config, cell: Mapping[str, str]) -> Config:
    """The training recipe: the method's own, changed by what it says for the data set."""
    method = Training.parse(cell["training"]).method
    recipes = config["recipes"].get(method, {})
    if cell["dataset"] not in recipes:
        raise SmoothcertError(
            f"training {cell['training']!r} on {cell['dataset']}: no recipe; expected the key"
            f" recipes.{method}.{cell['dataset']}"
        )
    return {**recipes.get("default", {}), **recipes[cell["dataset"]]}


def store_budget(config: Config, cell: Mapping[str, str]) -> str:
    """The budget a store is sampled for, so that every budget that reads it finds its samples.

    The one budget of all runs that share the store, or a fixed one of the largest n, with the n0
    of the fixed budgets, which must agree; adaptive ones do with any (the least of theirs, if
    there are no others). Raises SmoothcertError for fixed budgets of different n0.
    """
    from smoothcert.budget import BUDGETS

    wanted = {
        run["budget"] for run in all_runs(config) if all(run[axis] == cell[axis] for axis in STORE)
    }
    wanted |= {cell["budget"]} if "budget" in cell else set()
    if len(wanted) == 1:
        return wanted.pop()
    if not wanted:
        raise SmoothcertError(f"no experiment has a run with {dict(cell)}: its budget is unknown")
    budgets = [BUDGETS.parse(slug) for slug in sorted(wanted)]
    fixed = [budget for budget in budgets if budget.name == "fixed"]
    if len({budget.n0 for budget in fixed}) > 1:
        slugs = ", ".join(budget.slug for budget in fixed)
        raise SmoothcertError(f"budgets {slugs} share a vote store: expected one n0")
    most = max(budgets, key=lambda budget: budget.n)
    n0 = min(budget.n0 for budget in fixed or budgets)
    return BUDGETS["fixed"](n=most.n, alpha=most.alpha, n0=n0).slug


def shards(config: Config, dataset: str) -> int:
    """Into how many jobs the sampling of one store is cut."""
    return int(_inputs(config, dataset)["shards"])


def _inputs(config: Config, dataset: str) -> Config:
    if dataset not in config["inputs"]:
        raise SmoothcertError(f"dataset {dataset!r}: expected the key inputs.{dataset}")
    return {"skip": 1, "max": None, "shards": 1, **config["inputs"][dataset]}


# What the figures and audits of ISS are made with, beside the command itself.
ISS_PARTS = frozenset(
    {"noise.gaussian", "budget.fixed", "budget.iss", "budget.iss-fresh", "budget.sequential"}
)

# Where the code begins that decides a stage's result: the command, but for `certify`, which can
# also sample and print a summary.
_ENTRIES = {
    "sample_alone": ("smoothcert.cli.sample",),
    "certify": ("smoothcert.budget", "smoothcert.certification", "smoothcert.stores"),
}

# The package of the library whose members an axis names.
_PACKAGES = dict(
    zip(AXES, ("datasets", "models", "training", "noise", "scaling", "budget"), strict=True)
)


def code_of(stage: str, settings: Mapping[str, Any], run: Mapping[str, str]) -> Config:
    """The arguments of provenance.fingerprint for the job of ``stage`` in ``run``.

    A fixed budget decides a store by its numbers alone: sampling for one does not depend on
    how bounds are computed.
    """
    slugs = {axis: slug for axis, slug in {**run, **settings}.items() if axis in AXES}
    fixed = stage.startswith("sample") and slugs["budget"].startswith(("fixed-", "fixed_"))
    if fixed:
        del slugs["budget"]
    names = {f"{_PACKAGES[axis]}.{n}" for axis, slug in slugs.items() for n in _names(slug)}
    if stage == "train":
        names |= {f"noise.{n}" for n in _names(Training.parse(slugs["training"]).noise_slug)}
    return {
        "modules": _ENTRIES.get(stage, (f"smoothcert.cli.{stage}",)),
        "parts": frozenset(names),
        "without": frozenset({"smoothcert.confidence"} if fixed else ()),
    }


def _names(slug: str) -> list[str]:
    """What may be the member's name in a slug: ``a-b_c1-2`` starts with a, a-b, a-b_c1, ..."""
    return [slug[: match.start()] for match in re.finditer(r"[-_]|$", slug)]
