"""From the specification of a training to its checked parts, before any data is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from smoothcert import datasets
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training
from smoothcert.models import ARCHITECTURES
from smoothcert.noise import NOISES, Noise
from smoothcert.training.method import METHODS, Method
from smoothcert.training.recipe import Recipe
from smoothcert.training.scales import DataDependent
from smoothcert.training.settings import as_mapping, from_mapping

SCHEDULES = ("fs", "ds2")


@dataclass(frozen=True)
class Job:
    """What a training run is: everything that determines the weights but the data's place.

    ``parent`` is a checkpoint to start from: a model (fine-tuning), or a snapshot of a training
    (branching: epochs go on from there). ``code`` is a fingerprint of the code that runs.
    """

    training: str
    dataset: str
    arch: str
    recipe: dict[str, Any]
    seed: int = 0
    parent: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Plan:
    """The parts of a job. ``ds2`` is None for a fixed scale."""

    job: Job
    training: Training
    recipe: Recipe
    method: Method
    noise: Noise
    ds2: DataDependent | None
    info: datasets.DatasetInfo = field(repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """The whole recipe, defaults filled in, as it is recorded."""
        filled = as_mapping(self.recipe)
        filled["method"] = as_mapping(self.method)
        filled["ds2"] = as_mapping(self.ds2) if self.ds2 else {}
        return filled

    @property
    def parent_training(self) -> str:
        """The slug that a parent trained by this project must have."""
        return replace(self.training, schedule="fs", variant="").slug


def plan(job: Job) -> Plan:
    """Check ``job`` and take it apart. Raises SmoothcertError, naming the key."""
    training = Training.parse(job.training)
    where = f"training {job.training!r}"
    if training.method not in METHODS:
        raise SmoothcertError(
            f"{where}: unknown method {training.method!r}; expected one of {', '.join(METHODS)}"
        )
    if training.schedule not in SCHEDULES:
        raise SmoothcertError(
            f"{where}: unknown schedule {training.schedule!r}; expected fs (a fixed scale) or ds2"
        )
    recipe = from_mapping(Recipe, job.recipe, "recipe")
    variant = _variant(training, where)
    method = from_mapping(METHODS[training.method], recipe.method, f"recipe.method ({where})")
    ds2 = None
    if training.schedule == "ds2":
        ds2 = from_mapping(DataDependent, {**recipe.ds2, **variant}, f"recipe.ds2 ({where})")
    elif recipe.ds2:
        raise SmoothcertError(f"recipe.ds2: {where} has a fixed scale and takes none")
    # A scale of 0 is training without noise; the standard noise is drawn and multiplied by it.
    noise = NOISES.parse(replace(training, scale=training.scale or 1.0).noise_slug)
    if method.noises is not None and (noise.name not in method.noises or not training.scale):
        raise SmoothcertError(
            f"{where}: {method.name} needs {' or '.join(method.noises)} noise of positive scale"
        )
    if ds2 and not training.scale:
        raise SmoothcertError(f"{where}: data-dependent scales need a positive one to start from")
    if job.parent is None and (ds2 or "ft" in variant):
        raise SmoothcertError(
            f"{where}: needs a parent, the model or a snapshot of"
            f" {replace(training, schedule='fs', variant='').slug} to start from"
        )
    info = datasets.info(job.dataset)
    if len(info.shape) != 3:
        raise SmoothcertError(f"data set {job.dataset!r}: holds points, no images to train on")
    channels, height, width = info.shape
    ARCHITECTURES.parse(job.arch).check((channels, height, width))
    if (recipe.augmentation == "resized-crop-flip") != (job.dataset == "imagenet") and (
        recipe.augmentation != "none"
    ):
        raise SmoothcertError(
            f"recipe: augmentation {recipe.augmentation!r} is not for data set {job.dataset!r}"
        )
    return Plan(job, training, recipe, method, noise, ds2, info)


def _variant(training: Training, where: str) -> dict[str, Any]:
    """``_n8`` (ascent samples of ds2) and ``_ft`` (fixed scale, fine-tuned from a parent)."""
    values: dict[str, Any] = {}
    for piece in training.variant.split("_")[1:]:
        if training.schedule == "ds2" and re.fullmatch(r"n[1-9]\d*", piece):
            values["n"] = int(piece[1:])
        elif training.schedule == "fs" and piece == "ft":
            values["ft"] = True
        else:
            known = "_nNUMBER" if training.schedule == "ds2" else "_ft"
            raise SmoothcertError(f"{where}: unknown variant _{piece}; known: {known}")
    return values
