"""The configuration of the workflow: checked, expanded into runs, cut into jobs' settings.

A section of ``experiments`` is a list of grids, and its runs are their union: each key of a
grid is one value or a list of values, and a text may refer to another key, as
``training: cohen-fs-{scale}`` does. All of this is plain Python on the dictionary of config.yaml.
"""

from __future__ import annotations

import copy
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training, number
from smoothcert.datasets import published as published_tables
from smoothcert.noise import NOISES
from smoothcert.workflow import paths

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


def training_noises(config: Config) -> list[str]:
    """The noises under which trainings are compared."""
    return list(dict.fromkeys(run["noise"] for run in runs(config, "training")))


def all_runs(config: Config) -> Iterator[Run]:
    """The runs of every section, each with those whose votes it is put together of."""
    for section in config["experiments"]:
        for run in runs(config, section):
            yield from (run, *levels(run))


def levels(run: Run) -> list[Run]:
    """The runs at a fixed scale among which a smoothed estimator chooses, in order; none unless
    that is the run's scaling."""
    from smoothcert.scaling import SCALINGS

    part = SCALINGS.parse(run["scaling"])
    noise, training = NOISES.parse(run["noise"]), Training.parse(run["training"])
    return [
        {
            **run,
            "training": (replace(training, scale=scale) if part.experts else training).slug,
            "noise": replace(noise, scale=scale).slug,
            "scaling": "fixed",
        }
        for scale in part.levels(noise.scale)
    ]


def routed_slugs() -> str:
    """A pattern of the scalings that are an estimator's."""
    from smoothcert.scaling import SCALINGS, Scaling

    names = [name for name in SCALINGS if SCALINGS[name].levels is not Scaling.levels]
    return f"({'|'.join(names)})[-_].*"


@dataclass(frozen=True)
class _Wanted:
    """What the runs of all sections want, in their order, by what they share."""

    experiments: Config  # that it was made for
    budgets: dict[tuple[str, ...], dict[str, None]]  # of a vote store
    scalings: dict[tuple[str, ...], dict[str, None]]  # of a model and a noise


_last_wanted: list[_Wanted] = []


def _wanted(config: Config) -> _Wanted:
    """Made once for a configuration: a specification is asked for by every job of thousands."""
    if not _last_wanted or _last_wanted[0].experiments != config["experiments"]:
        made = _Wanted(copy.deepcopy(config["experiments"]), {}, {})
        for run in all_runs(config):
            *model, scaling = (run[axis] for axis in STORE)
            made.budgets.setdefault(_store(run), {})[run["budget"]] = None
            made.scalings.setdefault(tuple(model), {})[scaling] = None
        _last_wanted[:] = [made]
    return _last_wanted[0]


def _store(run: Mapping[str, str]) -> tuple[str, ...]:
    """The vote store that a run reads, as the choices of STORE."""
    return tuple(drawn_as(run[axis]) if axis == "noise" else run[axis] for axis in STORE)


@cache
@cache
def drawn_as(noise: str) -> str:
    """The slug of the noise whose votes certify for ``noise``."""
    return NOISES.parse(noise).drawn_as.slug


@cache
@cache
def tabulated(noise: str) -> str | None:
    """The slug without scale of a noise whose radii are read from a table; None for a formula."""
    return NOISES.parse(noise).tabulated


@cache
def parts(axis: str, slug: str) -> list[str]:
    """What the provenance module calls the members that a slug may name."""
    return [f"{_PACKAGES[axis]}.{name}" for name in _names(slug)]


def dimension(dataset: str) -> int:
    """The number of pixel values of an input."""
    from smoothcert import datasets

    return math.prod(datasets.info(dataset).shape)


def live_runs(config: Config, table: str) -> list[Run]:
    """The runs of a table of ISS that are sampled for their own budget alone.

    Raises SmoothcertError that names section and key.
    """
    try:
        return expand(config["iss"]["live"].get(table, []))
    except SmoothcertError as error:
        raise SmoothcertError(f"configuration: iss.live.{table}.{error}") from None


def published(config: Config) -> list[str]:
    """The published certificate tables to use, by name, in the order of the list.

    ``published``: those that lie in the data directory, or all (``download``), or none; names
    where a bundle (bundle.py) has what was measured of them.
    """
    source = config["published"]
    if source == "none":
        return []
    if isinstance(source, list):
        return [name for name in published_tables.tables() if name in source]
    return [
        name
        for name, one in published_tables.tables().items()
        if source == "download" or published_tables.find(one) is not None
    ]


def settings(config: Config, stage: str, wildcards: Mapping[str, str]) -> Config:
    """All that decides the result of one job, but for its input files and its code.

    ``stage`` is train, scales, sample, sample_alone (for the run's own budget, whatever other
    runs want), router, route, certify or memory; ``wildcards`` are the axes in the job's path, and
    ``search`` for scales.
    Raises SmoothcertError if the configuration has no settings for them.
    """
    cell = {axis: wildcards[axis] for axis in AXES if axis in wildcards}
    if stage == "train":
        return {
            **{axis: cell[axis] for axis in ("dataset", "arch")},
            **_training_and_seed(config, cell["training"]),
            "recipe": recipe(config, cell),
        }
    if stage == "scales":
        inputs = _inputs(config, cell["dataset"])
        return {
            "dataset": cell["dataset"],
            "noise": cell["noise"],
            "scalings": searched(config, cell, wildcards["search"]),
            "engine": config["sampling"]["engine"],
            "seed": config["seed"],
            **{key: inputs[key] for key in ("skip", "max")},
        }
    if stage == "sample":
        budget = store_budget(config, cell)
        inputs = _inputs(config, cell["dataset"], _samples(budget))
        return {
            "dataset": cell["dataset"],
            "noise": cell["noise"],
            "scaling": cell["scaling"],
            "budget": budget,
            "seed": config["seed"],
            **{key: inputs[key] for key in ("skip", "max")},
            **{key: config["sampling"][key] for key in ("look", "batch", "engine", "precision")},
        }
    if stage == "sample_alone":
        return {**settings(config, "sample", cell), "budget": cell["budget"]}
    if stage in ("router", "route"):
        return _estimator(config, stage, cell)
    if stage == "certify":
        return {"budget": cell["budget"], "noise": cell["noise"]}
    if stage == "memory":
        return {"dataset": cell["dataset"]}
    if stage == "published":
        return {"seed": config["seed"], **config["iss"]["published"]}
    if stage in ("ablation", "toy"):
        return {"seed": config["seed"], **config["nongaussian"][stage]}
    raise ValueError(f"no stage {stage!r}")


def _training_and_seed(config: Config, slug: str) -> Config:
    """A training and its seed: the run's, or the one that its slug names (cohen-fs_seed1-0.25).

    Raises SmoothcertError for a slug that names the run's own.
    """
    training = Training.parse(slug)
    seed = config["seed"] if training.named_seed is None else training.named_seed
    if training.named_seed == config["seed"]:
        raise SmoothcertError(
            f"training {slug!r}: {seed} is the seed of the whole run (key seed); expected"
            f" {training.seedless.slug}, or another seed"
        )
    return {"training": training.seedless.slug, "seed": seed}


def _estimator(config: Config, stage: str, cell: Run) -> Config:
    """The settings of an estimator (router), trained as Cohen's models are, or of its votes."""
    from smoothcert.scaling import SCALINGS, DualSmoothing

    part, noise = SCALINGS.parse(cell["scaling"]), NOISES.parse(cell["noise"])
    assert isinstance(part, DualSmoothing)
    smoothing = replace(noise, scale=part.tau)
    if stage == "route":
        how = {key: config["sampling"][key] for key in ("batch", "engine", "precision")}
        about = {"noise": smoothing.slug, "n": part.n, "scaling": part.slug, "of": cell["noise"]}
        return {**about, "seed": config["seed"], **how}
    training = Training("cohen", "fs", smoothing.scale, smoothing.shape_slug).slug
    learnt = recipe(config, {**cell, "training": training})
    return {
        **{key: cell[key] for key in ("dataset", "arch")},
        "noise": smoothing.slug,
        "levels": [run["noise"] for run in levels(cell)],
        "recipe": {key: value for key, value in learnt.items() if key != "snapshots"},
        "seed": config["seed"],
    }


def recipe(config: Config, cell: Mapping[str, str]) -> Config:
    """The training recipe, with the snapshots that other recipes branch from.

    The method's own (``macer``), overridden by that of the schedule (``macer-ds2``), of the
    variant (``macer-ds2_n1``), of the noise (``cohen-fs-uniform``) and of the training with its
    scale (``macer-fs-0.50``), as far as there are such; and in each, ``default`` overridden by the
    data set, and that by DATASET/ARCHITECTURE. The keys of :func:`parent` are left out.
    """
    training = Training.parse(cell["training"]).seedless
    merged = _recipe(config, training, cell)
    epochs = set()
    if (training.schedule, training.variant) == ("fs", ""):
        for key in config["recipes"]:
            scale = f"-{number(training.scale)}"
            child = key if key.endswith(scale) else f"{key}{scale}"
            if key.startswith(f"{training.method}-") and _is_training(child):
                heir = replace(Training.parse(child), noise=training.noise)
                branch = _recipe(config, heir, cell).get("parent")
                if isinstance(branch, int) and branch <= merged.get("epochs", 0):
                    epochs.add(branch)
    return {
        **{key: value for key, value in merged.items() if key not in PARENT},
        **({"snapshots": sorted(epochs)} if epochs else {}),
    }


# Keys of a recipe that say where its weights come from, not how they are trained.
PARENT = ("parent",)


def parent(config: Config, cell: Mapping[str, str]) -> tuple[str, str | int] | None:
    """The training that this one starts from, and from what of it; None for a fresh network.

    ``model`` (the finished model), the epoch of a snapshot, or ``published`` (a checkpoint of the
    method's authors): the recipe's key ``parent``, by default ``model``. (Of a training that
    starts from none, ``published`` says that the checkpoint takes its place: :func:`model`.)
    """
    training = Training.parse(cell["training"])
    if training == training.ancestor:
        return None
    of = _recipe(config, training.seedless, cell).get("parent", "model")
    origin = training.seedless if of == "published" else training  # published with one seed
    return origin.ancestor.slug, of


def parent_flag(config: Config, cell: Mapping[str, str], files: Mapping[str, str]) -> str:
    """``--parent FILE`` of a training that starts from another; ``files``: its job's, by name."""
    origin, named = parent(config, cell), dict(files.items())
    if origin is None:
        return ""
    if "snapshots" not in named:
        return f"--parent {named['parent']}"
    return f"--parent {named['snapshots']}/model.epoch-{origin[1]}.safetensors"


def model(config: Config, run: Mapping[str, str]) -> str:
    """The file of a run's base classifier: trained here, or published by the method's authors."""
    training = Training.parse(run["training"])
    own = (training.schedule, training.variant) == ("fs", "")
    published = own and _recipe(config, training, run).get("parent") == "published"
    axes = {axis: run[axis] for axis in ("dataset", "arch", "training")}
    return (paths.PUBLISHED_MODEL if published else paths.MODEL).format(**axes)


def checkpoint(config: Config, wildcards: Mapping[str, str]) -> str:
    """The file of the authors' published checkpoint of a training on a data set.

    Those of Cohen et al. may lie as they did in their archive, by the scale of the noise.
    """
    folder = config["checkpoints_dir"] or os.environ.get("SMOOTHCERT_CHECKPOINTS", "checkpoints")
    place, training = Path(folder, wildcards["dataset"], wildcards["arch"]), wildcards["training"]
    file, (method, scale) = place / f"{training}.pth.tar", training.split("-fs-")
    unpacked = place / f"noise_{scale}" / "checkpoint.pth.tar"
    return str(unpacked if method == "cohen" and unpacked.exists() and not file.exists() else file)


def _recipe(config: Config, training: Training, cell: Mapping[str, str]) -> Config:
    dataset = cell["dataset"]
    method, schedule = training.method, f"{training.method}-{training.schedule}"
    exact = training.slug.removesuffix(f"-{number(training.scale)}")
    variant = f"{schedule}{training.variant}"
    keys = dict.fromkeys([method, schedule, variant, exact, training.slug])
    recipes = [config["recipes"].get(key, {}) for key in keys]
    if not any(dataset in by_dataset for by_dataset in recipes):
        raise SmoothcertError(
            f"training {training.slug!r} on {dataset}: no recipe; expected the key"
            f" recipes.{method}.{dataset}"
        )
    merged: Config = {}
    for by_dataset in recipes:
        for part in ("default", dataset, f"{dataset}/{cell['arch']}"):
            merged |= by_dataset.get(part, {})
    return merged


def _is_training(slug: str) -> bool:
    try:
        return Training.parse(slug).slug == slug
    except SmoothcertError:
        return False


def store_budget(config: Config, cell: Mapping[str, str]) -> str:
    """The budget a store is sampled for, so that every budget that reads it finds its samples.

    The one budget of all runs that share the store, or a fixed one of the largest n, with the n0
    of the fixed budgets, which must agree; adaptive ones do with any (the least of theirs, if
    there are no others). Raises SmoothcertError for fixed budgets of different n0.
    """
    from smoothcert.budget import BUDGETS

    wanted = set(_wanted(config).budgets.get(_store(cell), ()))
    wanted |= {cell["budget"]} if "budget" in cell else set()
    if len(wanted) == 1:
        return wanted.pop()
    if not wanted:
        raise SmoothcertError(f"no experiment has a run with {dict(cell)}: its budget is unknown")
    budgets = [BUDGETS.parse(slug) for slug in sorted(wanted)]
    if any(budget.exhaustive for budget in budgets):
        slugs = ", ".join(budget.slug for budget in budgets)
        raise SmoothcertError(f"budgets {slugs} share a vote store: expected exhaustive alone")
    fixed = [budget for budget in budgets if budget.name == "fixed"]
    if len({budget.n0 for budget in fixed}) > 1:
        slugs = ", ".join(budget.slug for budget in fixed)
        raise SmoothcertError(f"budgets {slugs} share a vote store: expected one n0")
    most = max(budgets, key=lambda budget: budget.n)
    n0 = min(budget.n0 for budget in fixed or budgets)
    return BUDGETS["fixed"](n=most.n, alpha=most.alpha, n0=n0).slug


def searched(config: Config, cell: Mapping[str, str], search: str) -> list[str]:
    """The scalings of all runs with the model and noise of ``cell`` that one search gives."""
    wanted = _wanted(config).scalings.get(tuple(cell[axis] for axis in STORE[:-1]), ())
    return sorted((slug for slug in wanted if search_of(slug) == search), key=_natural)


@cache
def search_of(scaling: str) -> str | None:
    """The search that gives a scaling's noise scales, among others; None for the fixed one."""
    from smoothcert.scaling import SCALINGS

    return SCALINGS.parse(scaling).search


def _natural(slug: str) -> list[tuple[str, float]]:
    """Sorts K400 before K1000."""
    return [(text, float(n or 0)) for text, n in re.findall(r"(\D*)(\d*\.?\d*)", slug)]


def shards(config: Config, dataset: str) -> int:
    """Into how many jobs the sampling of one store is cut."""
    return int(_inputs(config, dataset)["shards"])


def shard_files(config: Config, dataset: str, store: str, suffix: str) -> list[str]:
    """The parts of a vote store, as many as its data set asks for."""
    n = shards(config, dataset)
    return [f"{store}/shards/{i}-of-{n}{suffix}" for i in range(n)]


def _inputs(config: Config, dataset: str, samples: int = 0) -> Config:
    """The section ``inputs`` of a data set, for a store of so many samples an input."""
    if dataset not in config["inputs"]:
        raise SmoothcertError(f"dataset {dataset!r}: expected the key inputs.{dataset}")
    found = {"skip": 1, "max": None, "shards": 1, **config["inputs"][dataset]}
    limits = [most for least, most in found.get("max_at", {}).items() if samples >= int(least)]
    return {**found, "max": min(filter(None, [found["max"], *limits]), default=None)}


def _samples(budget: str) -> int:
    from smoothcert.budget import BUDGETS

    return BUDGETS.parse(budget).n


# Where the code begins that decides the result of a stage's jobs
ENTRIES = {
    "data": ("smoothcert.datasets:record",),
    "train": ("smoothcert.training.run:train",),
    "scales": ("smoothcert.scaling.job:run",),
    "router": ("smoothcert.training.router:train_router",),
    "route": ("smoothcert.scaling.route:run",),
    "sample": ("smoothcert.sampling.job:run",),
    "sample_alone": ("smoothcert.sampling.job:run",),
    "gather": ("smoothcert.votes.records:gather_files",),
    "certify": ("smoothcert.certificates.job:run",),
    "memory": ("smoothcert.certificates.memory_job:run",),
    "radius_table": ("smoothcert.cli.radius_table:RadiusTable.run",),
    "published": ("smoothcert.papers.iss.published:measure", "smoothcert.report.numbers:frame"),
}
# The members whose code decides a stage whatever its run: those that published tables are read with
_STAGE_PARTS = {
    "published": frozenset(
        {"noise.gaussian", "budget.fixed", "budget.iss", "budget.iss-fresh", "budget.sequential"}
    )
}

# The package of the library whose members an axis names.
_PACKAGES = dict(
    zip(AXES, ("datasets", "models", "training", "noise", "scaling", "budget"), strict=True)
)


# Which axes name code that a stage's jobs run
_CODE_AXES = {
    "data": ("dataset",),
    "train": ("dataset", "arch"),
    "scales": ("dataset", "arch", "noise"),
    "router": ("dataset", "arch", "noise"),
    "route": ("dataset", "arch", "noise"),
    "sample": ("dataset", "arch", "noise", "budget"),
    "sample_alone": ("dataset", "arch", "noise", "budget"),
    "certify": ("noise", "budget"),
    "memory": ("dataset",),
    "radius_table": ("noise",),
    "audit": AXES,
}


def code_of(stage: str, settings: Mapping[str, Any], run: Mapping[str, str]) -> Config:
    """The arguments of Source.fingerprint for the job of ``stage`` in ``run``.

    A fixed budget decides a store by its numbers alone: sampling for one does not depend on
    how bounds are computed.
    """
    slugs = {**run, **settings}
    chosen = [(axis, slugs[axis]) for axis in _CODE_AXES.get(stage, ()) if axis in slugs]
    if stage.startswith("sample"):
        chosen = [c for c in chosen if not re.match("fixed[-_]", c[1])]
    chosen += [("scaling", slug) for slug in settings.get("scalings", ())]
    without = []
    if stage == "router":
        chosen.append(("training", "cohen"))
    if stage == "train":
        training = Training.parse(slugs["training"])
        chosen += [("training", training.slug), ("noise", training.noise_slug)]
        if not settings["recipe"].get("ds2"):
            without = ["smoothcert.training.scales:DataDependentScale"]
    return {
        "entries": ENTRIES.get(stage, ()),
        "parts": frozenset(part for axis, slug in chosen for part in parts(axis, slug))
        | _STAGE_PARTS.get(stage, frozenset()),
        "without": tuple(without),
    }


def _names(slug: str) -> list[str]:
    """What may be the member's name in a slug: ``a-b_c1-2`` starts with a, a-b and a-b_c1."""
    starts = (slug[: match.start()] for match in re.finditer(r"[-_]|$", slug))
    # No name has a number's point or ends in -2: runs that differ in numbers share a fingerprint.
    return [name for name in starts if not re.search(r"\.|-\d+$", name)]
