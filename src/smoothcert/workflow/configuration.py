"""The whole of config.yaml as one typed model, composed of the settings beside the code.

:func:`check` ends with one line that names the first wrong key; after it, the rest of the
workflow reads the plain dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model

from smoothcert import datasets
from smoothcert.audits.catalogue import JOBS
from smoothcert.budget import BUDGETS
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Count, Length, Natural, Settings, Several, same
from smoothcert.core.slugs import Training
from smoothcert.lbrs.settings import LbrsSettings
from smoothcert.models import ARCHITECTURES
from smoothcert.noise import NOISES
from smoothcert.papers.iss.options import CoverageOptions, PublishedOptions, ReplayOptions
from smoothcert.papers.nongaussian.study.settings import NongaussianSettings
from smoothcert.sampling.spec import EngineName, Precision, SampleSpec
from smoothcert.scaling import SCALINGS
from smoothcert.training.recipe import recipe_model
from smoothcert.workflow import experiments
from smoothcert.workflow.catalogue import outputs

Config = dict[str, Any]

SLUG = r"[a-z][A-Za-z0-9_.{}-]*"
SCALE = r"(0|[1-9][0-9]*)\.[0-9]([0-9]|[0-9]+[1-9])"


def _several(right: Callable[[Any], bool], expected: str) -> BeforeValidator:
    """A value, or a list of different ones."""

    def check(given: Any) -> Any:
        values = given if isinstance(given, list) else [given]
        if not values or len(set(map(str, values))) < len(values) or not all(map(right, values)):
            raise ValueError(f"expected {expected}, or a list of distinct ones, found {given!r}")
        return given

    return BeforeValidator(check)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 0


Slugs = Annotated[Any, _several(_matches(SLUG), "a slug such as gaussian-0.25")]
Scales = Annotated[
    Any, _several(_matches(SCALE), 'a quoted number with at least two decimals such as "0.50"')
]
Wholes = Annotated[Any, _several(_is_whole, "a whole number")]


class Grid(Settings):
    """Runs: every combination of the values of its keys; {key} refers to another key."""

    dataset: Slugs
    arch: Slugs
    scale: Scales = None
    at: Scales = None  # a second scale: of the noise, where scale is the training's
    k: Wholes = None  # of non-Gaussian noise
    training: Slugs
    noise: Slugs
    scaling: Slugs
    budget: Slugs


Grids = Annotated[tuple[Grid, ...], Field(min_length=1)]


class Inputs(Settings):
    """Which inputs of a data set are certified, and in how many jobs."""

    skip: Count = same(SampleSpec, "skip")
    max: Count | None = same(SampleSpec, "max")
    max_at: dict[int, Count] = Field(
        {}, description="maximum number of inputs for stores of at least so many samples per input"
    )
    shards: Count = Field(1, description="number of jobs that share the sampling of a store")


class Sampling(Settings):
    """How votes are sampled."""

    look: Count = same(SampleSpec, "look")
    batch: Count | None = same(SampleSpec, "batch")
    engine: EngineName = same(SampleSpec, "engine")
    precision: Precision = same(SampleSpec, "precision")


class Resources(Settings):
    """What a job asks for."""

    threads: Count
    gpu: Natural
    mem_mb: Count
    runtime: Count  # minutes


class TrainResources(Resources):
    """What a training asks for; ``gpu`` is the most that one takes, a process each."""

    threads_of: dict[str, Count] = Field(
        {}, description="threads per GPU, by data set, for data sets whose images are decoded"
    )


class StageResources(Settings):
    """By the kind of job."""

    lbrs: Resources
    train: TrainResources
    sample: Resources


def _sections(kinds: Iterable[str]) -> dict[str, None]:
    """The sections of runs that some output needs in such a way."""
    return dict.fromkeys(
        need.of for output in outputs() for need in output.needs if need.kind in kinds
    )


def _of_seeds() -> set[str]:
    """The sections whose runs may name seeds of training; they may be empty."""
    return {need.of for output in outputs() for need in output.needs if need.seeds}


_OF_RUNS = ("certificates", "memorized", "votes", "scales", "logs", "data", "radius_tables")


def _model(name: str, fields: Mapping[str, Any], base: type[Settings] = Settings) -> Any:
    """Settings whose keys a catalogue or registry says; (type, ...) is a required one."""
    return create_model(name, __base__=base, **fields)


class LbrsTables(Settings):
    """Which certificates of LBRS are audited."""

    tasks: Several[str]
    bias: Several[Length]


def _audits() -> dict[str, Any]:
    """The section ``audits``: the settings of each kind, the runs that its jobs are about."""
    fields: dict[str, dict[str, Any]] = {}
    for job in JOBS:
        wanted = fields.setdefault(job.kind.key, {})
        wanted.update({"lbrs": (LbrsTables, ...)} if job.subject == "lbrs" else {})
        wanted.update(dict.fromkeys(job.grids, (Grids, ...)) if job.subject != "lbrs" else {})
    kinds = {job.kind.key: job.kind.settings for job in JOBS}
    return {key: (_model(key, fields[key], kinds[key]), ...) for key in fields}


class Iss(Settings):
    """The section ``iss``."""

    published: PublishedOptions
    replay: ReplayOptions
    coverage: CoverageOptions
    live: _model("Live", dict.fromkeys(_sections(["live"]), (tuple[Grid, ...], ())))  # type: ignore[valid-type]


def _outputs() -> dict[str, Any]:
    """The section ``outputs``: options of those that the configuration can set there."""
    return {
        output.config.removeprefix("outputs."): (output.options, output.options())
        for output in outputs()
        if output.config is not None and output.config.startswith("outputs.")
    }


def _check_recipe(method: str, given: Config, where: str) -> None:
    """What one data set of one key sets of a recipe."""
    options = {key: value for key, value in given.items() if key != "parent"}
    try:
        recipe_model(method).check_part(options, where)
    except SmoothcertError as error:
        raise SmoothcertError(str(error).replace(f"{where}: ", f"{where}.", 1)) from None
    parent = given.get("parent", "model")
    if parent not in ("model", "published") and not (type(parent) is int and parent > 0):
        raise SmoothcertError(
            f"{where}.parent: expected model, published or the epoch of a snapshot,"
            f" found {parent!r}"
        )


def _check_recipes(given: dict[str, dict[str, Config]], known: Collection[str], where: str) -> None:
    """By METHOD, METHOD-SCHEDULE_VARIANT or a training's slug, with its scale or without; then by
    default, data set or DATASET/ARCHITECTURE."""
    for key, by_dataset in given.items():
        slug = key if "-" in key else f"{key}-fs"
        scaled = re.search(r"-\d+\.\d+$", slug)
        try:
            method = Training.parse(slug if scaled else f"{slug}-0.25").method
            recipe_model(method)
        except SmoothcertError as error:
            raise SmoothcertError(f"{where}.{key}: unknown key; {error}") from None
        for dataset, part in by_dataset.items():
            name, slash, arch = dataset.partition("/")
            if dataset != "default" and (name not in known or (slash and not arch)):
                raise SmoothcertError(
                    f"{where}.{key}.{dataset}: unknown key; expected default, a data set"
                    f" ({', '.join(known)}) or DATASET/ARCHITECTURE"
                )
            _check_recipe(method, part, f"{where}.{key}.{dataset}")


class _Base(Settings):
    preset: str
    name: str | None = None  # of the folder of results
    datasets: dict[str, Any]  # of one's own, by name: their model is that of datasets.own
    stand_ins: dict[str, str]  # of data sets that are not at hand: stand_ins.py
    data_dir: str | None
    checkpoints_dir: str | None
    container: str  # for --sdm apptainer
    seed: Natural
    target: str | None = None  # of snakemake plan
    recipes: dict[str, dict[str, Config]]  # their models depend on the keys
    sampling: Sampling
    resources: StageResources
    published: Literal["found", "download", "none"]
    iss: Iss
    nongaussian: NongaussianSettings
    lbrs: LbrsSettings


# config.yaml with a preset and what the command line adds
Configuration = _model(
    "Configuration",
    {
        "experiments": (
            _model(
                "Experiments",
                dict.fromkeys(_sections(_OF_RUNS), (Grids, ...))
                | dict.fromkeys(_of_seeds(), (tuple[Grid, ...], ...)),
            ),
            ...,
        ),
        "inputs": (dict[str, Inputs], ...),
        "outputs": (_model("Outputs", _outputs()), ...),
        "audits": (_model("Audits", _audits()), ...),
    },
    _Base,
)


def environment(config: Config) -> dict[str, str]:
    """In which jobs know the data sets of ``datasets`` by name, and the data directory.

    Raises SmoothcertError that names the key.
    """
    given = config.get("datasets") or {}
    if not isinstance(given, Mapping):
        raise SmoothcertError(f"configuration: datasets: expected a mapping, found {given!r}")
    declared = datasets.declarations(given, "configuration: datasets")
    known = {datasets.VARIABLE: datasets.export(declared)} if declared else {}
    folder = config.get("data_dir")
    if folder and isinstance(folder, str):  # anything else is the check's to say
        known["SMOOTHCERT_DATA"] = str(Path(folder).absolute())
    return known


def check(config: Config) -> None:
    """Raise SmoothcertError that names the first wrong key, in one line.

    Data sets of one's own have to be in the environment (:func:`environment`).
    """
    Configuration.check(config, "configuration")
    known = [*datasets.DATASETS, *config["datasets"]]
    for name in config["inputs"]:
        if name not in known:
            raise SmoothcertError(
                f"configuration: inputs.{name}: unknown key; expected one of {', '.join(known)}"
            )
    _check_recipes(config["recipes"], known, "configuration: recipes")
    _check_choices(config)


def _check_choices(config: Config) -> None:
    """Raise SmoothcertError that names the key of a slug which no member of a family answers to.

    Also for a training run without a recipe, and a data set without settings.
    """
    parsers: dict[str, Callable[[str], object]] = {
        "dataset": datasets.info,
        "arch": ARCHITECTURES.parse,
        "training": Training.parse,
        "noise": NOISES.parse,
        "scaling": SCALINGS.parse,
        "budget": BUDGETS.parse,
    }
    sections = [
        (f"experiments.{name}", experiments.runs(config, name)) for name in config["experiments"]
    ]
    sections += [
        (f"iss.live.{name}", experiments.live_runs(config, name)) for name in config["iss"]["live"]
    ]
    known: set[tuple[str, ...]] = set()  # slugs and runs that are right
    of_seeds = [f"experiments.{name}" for name in _of_seeds()]
    for section, members in sections:
        for run in members:
            for axis, parse in parsers.items():
                if (axis, run[axis]) in known:
                    continue
                known.add((axis, run[axis]))
                try:
                    parse(run[axis])
                except SmoothcertError as error:
                    raise SmoothcertError(f"configuration: {section}.{axis}: {error}") from None
            training = Training.parse(run["training"])
            if training.named_seed is not None and section not in of_seeds:
                raise SmoothcertError(
                    f"configuration: {section}.training: {training}: its tables and figures do not"
                    f" distinguish seeds; expected {training.seedless}, or the section"
                    f" {' or '.join(of_seeds)}"
                )
            store = tuple(run[axis] for axis in experiments.STORE)
            if store in known:
                continue
            known.add(store)
            try:
                recipe = experiments.settings(config, "train", run)["recipe"]
                recipe_model(training.method, training.schedule).check(
                    {"method": {}, "ds2": {}, **recipe},
                    f"recipe of {training.slug} on {run['dataset']}",
                )
                experiments.settings(config, "sample", run)
            except SmoothcertError as error:
                raise SmoothcertError(f"configuration: {section}: {error}") from None
