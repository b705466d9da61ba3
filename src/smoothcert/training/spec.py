"""The specification of a training: everything that determines the weights.

Beside it that of the estimator of dual smoothing (router.py), which is trained as a classifier is.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Count, Seed, Settings
from smoothcert.core.slugs import Training
from smoothcert.datasets.spec import DatasetName
from smoothcert.models.architectures import ARCHITECTURES
from smoothcert.noise import NOISES, Noise
from smoothcert.training.method import METHODS


class Job(Settings):
    """What a training run is, but for the data's place.

    The recipe's model depends on the method and the schedule that ``training`` names:
    :func:`smoothcert.training.recipe.recipe_model`.
    """

    training: str = Field(
        description="METHOD-SCHEDULE-SCALE, such as cohen-fs-0.25 or macer-ds2-0.25; methods:"
        f" {', '.join(METHODS)}; schedules: fs (one noise scale), ds2 (one per input)"
    )
    dataset: DatasetName
    arch: str = Field(description=f"architecture: {', '.join(ARCHITECTURES)}")
    recipe: dict[str, Any] = Field(
        description="epochs, batch, lr, ... and the options of the method; as JSON or @FILE"
    )
    seed: Seed = 0
    parent: str | None = Field(
        None,
        description="checkpoint to start from: a model (fine-tuning), or a training snapshot"
        " (epochs continue from there)",
    )
    code: str | None = None


class RouterSpec(Settings):
    """All that decides an estimator beside the models of its levels."""

    dataset: DatasetName
    arch: str = Field(description=f"estimator architecture: {', '.join(ARCHITECTURES)}")
    noise: str = Field(
        description="noise of the estimator, with its scale tau, such as gaussian-0.50"
    )
    levels: tuple[str, ...] = Field(
        min_length=2, description="the noise of each level, such as gaussian-0.25 gaussian-0.50"
    )
    recipe: dict[str, Any] = Field(description="as for train; as JSON or @FILE")
    votes: Count = Field(100, description="votes per level and training input")
    scaling: str | None = Field(
        None, description="which rows of --scales, if it has several: ascent-K900, ..."
    )
    inputs: Count = Field(6000, description="maximum number of training inputs, evenly spread")
    seed: Seed = 0
    code: str | None = None

    @property
    def training(self) -> str:
        """The slug of its training, which is Cohen's."""
        noise = NOISES.parse(self.noise)
        return Training("cohen", "fs", noise.scale, noise.shape_slug).slug

    def noises(self) -> tuple[Noise, ...]:
        """Those of the levels; SmoothcertError unless they differ and are of one kind."""
        parts = tuple(NOISES.parse(slug) for slug in self.levels)
        if len(set(parts)) < len(parts):
            raise SmoothcertError(f"levels: {', '.join(self.levels)}: one appears twice")
        kind = NOISES.parse(self.noise).name
        for part in parts:
            if part.name != kind:
                raise SmoothcertError(
                    f"levels: {part.slug}: expected {kind} noise, as the estimator's"
                )
        return parts
