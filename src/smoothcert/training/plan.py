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
from smoothcert.training.method import Method
from smoothcert.training.recipe import SCHEDULES, DataDependent, Recipe, recipe_model
from smoothcert.training.spec import Job


@dataclass(frozen=True)
class Plan:
    """The parts of a job, checked."""

    job: Job
    training: Training
    recipe: Recipe
    noise: Noise
    info: datasets.DatasetInfo = field(repr=False)

    @property
    def method(self) -> Method:
        """What makes a batch into a loss."""
        return self.recipe.method

    @property
    def ds2(self) -> DataDependent | None:
        """The options of data-dependent scales; None for a fixed scale."""
        return self.recipe.ds2 if isinstance(self.recipe.ds2, DataDependent) else None

    @property
    def parent_training(self) -> str:
        """The slug that a parent trained by this project must have."""
        return replace(self.training, schedule="fs", variant="").slug


def plan(job: Job) -> Plan:
    """Check ``job`` and take it apart. Raises SmoothcertError, naming the key."""
    training = Training.parse(job.training)
    where = f"training {job.training!r}"
    if training.schedule not in SCHEDULES:
        raise SmoothcertError(
            f"{where}: unknown schedule {training.schedule!r}; expected fs (a fixed scale) or ds2"
        )
    variant = _variant(training, where)
    recipe = _recipe(job.recipe, training, variant.get("n"))
    method, ds2 = recipe.method, training.schedule == "ds2"
    # A scale of 0 is training without noise; the standard noise is drawn and multiplied by it.
    noise = NOISES.parse(replace(training, scale=training.scale or 1.0).noise_slug)
    if method.noises is not None and (noise.name not in method.noises or not training.scale):
        raise SmoothcertError(
            f"{where}: {method.name} needs {' or '.join(method.noises)} noise of positive scale"
        )
    if ds2 and not training.scale:
        raise SmoothcertError(f"{where}: data-dependent scales need a positive scale to start from")
    if job.parent is None and (ds2 or "ft" in variant):
        raise SmoothcertError(
            f"{where}: needs a parent, the model or a snapshot of"
            f" {replace(training, schedule='fs', variant='').slug} to start from"
        )
    info = datasets.info(job.dataset)
    if len(info.shape) != 3:
        raise SmoothcertError(f"data set {job.dataset!r}: holds points; training needs images")
    channels, height, width = info.shape
    ARCHITECTURES.parse(job.arch).check((channels, height, width))
    if (recipe.augmentation == "resized-crop-flip") != (job.dataset == "imagenet") and (
        recipe.augmentation != "none"
    ):
        raise SmoothcertError(
            f"recipe: augmentation {recipe.augmentation!r}: not for data set {job.dataset!r}"
        )
    return Plan(job, training, recipe, noise, info)


def _recipe(data: dict[str, Any], training: Training, n: int | None) -> Recipe:
    """The recipe of a training; ``n`` is the number of noisy copies that the slug names."""
    if training.schedule == "fs" and data.get("ds2"):
        raise SmoothcertError(
            f"recipe: ds2: training {training.slug!r} has a fixed scale and does not use ds2"
        )
    whole = {"method": {}, "ds2": {}, **data}
    if n is not None and isinstance(whole["ds2"], dict):
        whole["ds2"] = {**whole["ds2"], "n": n}
    return recipe_model(training.method, training.schedule).check(whole, "recipe")


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
