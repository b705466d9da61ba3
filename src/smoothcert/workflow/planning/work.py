"""What one job does, counted from its specification, and how long that takes on a device."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from smoothcert import datasets
from smoothcert.scaling import SCALINGS
from smoothcert.training.spec import RouterSpec
from smoothcert.workflow.planning.jobs import Job
from smoothcert.workflow.planning.needs import kind
from smoothcert.workflow.planning.passes import search_passes, training_passes, training_plan
from smoothcert.workflow.planning.stopping import samples_per_input
from smoothcert.workflow.planning.throughput import Network, Throughput

# Commands that read files and write small ones: seconds on a CPU, whatever they are of.
LIGHT = frozenset(
    {"data", "gather", "certify", "memory", "table", "figure", "metrics", "import-checkpoint"}
    | {"overview", "published"}
)


@dataclass(frozen=True)
class Work:
    """One job: what it counts in, how much of that, and seconds on one device.

    ``amount`` and ``seconds`` are expectations, ``most`` the most seconds (more only where an
    adaptive budget decides); ``seconds`` is None for work that is not counted. ``unit`` is
    samples, images (of training), passes (of a search) or jobs. ``scaled_from`` names the
    architecture whose throughput was scaled, ``measured`` is False for anything scaled.
    """

    unit: str = "jobs"
    amount: float = 1.0
    seconds: float | None = None
    most: float = 0.0
    disk: float = 0.0
    measured: bool = True
    scaled_from: str = ""
    adaptive: bool = False


def work_of(job: Job, throughput: Throughput, rows: Mapping[str, int]) -> Work:
    """The work of ``job``; ``rows`` are the inputs that are certified of each data set.

    Raises SmoothcertError for a specification that is not sound.
    """
    if job.command == "sample":
        return _sample(job, throughput)
    if job.command == "train":
        return _train(job, throughput)
    if job.command == "scales":
        return _scales(job, throughput)
    if job.command == "router":
        return _route(job, throughput, rows)
    if not job.shell:
        return Work(amount=0, seconds=0.0)
    if job.command in LIGHT:
        tables = job.command in ("certify", "memory")
        disk = throughput.bytes_per_row * rows.get(job.wildcards.get("dataset", ""), 0) * tables
        return Work(seconds=throughput.light, most=throughput.light, disk=disk)
    return Work(seconds=None)


def _sample(job: Job, throughput: Throughput) -> Work:
    spec = job.spec
    info, look = datasets.info(spec["dataset"]), spec["look"]
    inputs = inputs_of(spec, job.option("--shard"))
    d = math.prod(info.shape)
    method = job.wildcards.get("training", "").partition("-")[0]
    each = samples_per_input(spec["budget"], spec["noise"], info.name, d, look, method)
    network = network_of(job.wildcards["arch"], info.name)
    one = throughput.sample(network, kind(spec["noise"]), spec.get("precision") or "float32")
    return Work(
        unit="samples",
        amount=inputs * each.expected,
        seconds=throughput.start_of(network) + inputs * each.expected * one.seconds,
        most=throughput.start_of(network) + inputs * each.most * one.seconds,
        disk=throughput.bytes_per_look * inputs * each.expected / look,
        measured=one.measured,
        scaled_from=one.source,
        adaptive=each.expected != each.most,
    )


def _train(job: Job, throughput: Throughput) -> Work:
    parent = job.option("--parent")
    parts = training_plan(job.spec, parent or "given")
    network = network_of(parts.job.arch, parts.info.name)
    # A snapshot is the state after some epochs: the others are left.
    branch = re.search(r"\.epoch-(\d+)\.safetensors$", parent or "")
    epochs = parts.recipe.epochs - (int(branch[1]) if branch else 0)
    images = epochs * parts.info.splits["train"]
    passes = training_passes(parts)
    one = throughput.train(network, job.spec["training"].rpartition("-")[0], passes)
    seconds = one.seconds
    if info_needs_decoding(parts.info.name) and throughput.decoding:
        seconds = max(seconds, throughput.decoding / max(job.threads, 1))
    size = 4.0 * network.values
    # A snapshot holds the optimizer's state as well: as much again, twice for Adam.
    state = size * (3 if parts.recipe.optimizer == "adam" else 2)
    total = throughput.start + images * seconds
    return Work(
        unit="images",
        amount=images,
        seconds=total,
        most=total,
        disk=size + len(parts.recipe.snapshots) * state,
        measured=one.measured,
        scaled_from=one.source,
    )


def _route(job: Job, throughput: Throughput, rows: Mapping[str, int]) -> Work:
    """An estimator: votes of its levels at training inputs, its training, its own votes."""
    spec = RouterSpec.check(job.spec, "router")
    info, recipe = datasets.info(spec.dataset), spec.recipe
    network = network_of(spec.arch, info.name)
    learnt = min(spec.inputs, info.splits["train"])
    own = SCALINGS.parse(job.wildcards["scaling"]).cost.forward * rows.get(info.name, 0)
    votes = learnt * spec.votes * len(spec.levels) + own
    parts = training_plan(
        {"training": spec.training, "dataset": info.name, "arch": spec.arch, "recipe": recipe},
        "given",
    )
    voting = throughput.sample(network, kind(spec.noise), "float32")
    step = throughput.train(network, spec.training.rpartition("-")[0], training_passes(parts))
    images = parts.recipe.epochs * learnt
    total = throughput.start_of(network) + votes * voting.seconds + images * step.seconds
    return Work(
        unit="samples",
        amount=votes,
        seconds=total,
        most=total,
        disk=4.0 * network.values,
        measured=voting.measured and step.measured,
        scaled_from=voting.source,
    )


def _scales(job: Job, throughput: Throughput) -> Work:
    spec = job.spec
    info = datasets.info(spec["dataset"])
    network = network_of(job.wildcards["arch"], info.name)
    passes, inputs = search_passes(tuple(spec["scalings"])), inputs_of(spec)
    derivative, vote = throughput.derivative(network, kind(spec["noise"]))
    each = passes.derivatives * derivative.seconds + passes.votes * vote.seconds
    total = throughput.start + inputs * each
    return Work(
        unit="passes",
        amount=inputs * (passes.derivatives + passes.votes),
        seconds=total,
        most=total,
        disk=throughput.bytes_per_row * inputs * len(spec["scalings"]),
        measured=derivative.measured,
        scaled_from=derivative.source,
    )


@cache
def network_of(arch: str, dataset: str) -> Network:
    """An architecture for the inputs of a data set."""
    info = datasets.info(dataset)
    return Network.of(arch, info.shape, info.n_classes)


def info_needs_decoding(dataset: str) -> bool:
    """Whether training images are read from files as they are needed."""
    return dataset == "imagenet"


def inputs_of(spec: Mapping[str, Any], shard: str | None = None) -> int:
    """Inputs of a job: those that ``skip`` and ``max`` select, every k-th of a shard ``i/k``."""
    info = datasets.info(spec["dataset"])
    rows = datasets.select_rows(
        info, spec.get("split") or "test", spec.get("skip") or 1, spec.get("max")
    )
    i, k = (int(part) for part in (shard or "0/1").split("/"))
    return len(rows[i::k])
