"""The specification of a training: everything that determines the weights."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from smoothcert.core.settings import Seed, Settings
from smoothcert.datasets.spec import DatasetName
from smoothcert.models.architectures import ARCHITECTURES
from smoothcert.training.method import METHODS


class Job(Settings):
    """What a training run is, but for the data's place.

    The recipe's model depends on the method and the schedule that ``training`` names:
    :func:`smoothcert.training.recipe.recipe_model`.
    """

    training: str = Field(
        description="METHOD-SCHEDULE-SCALE, such as cohen-fs-0.25 or macer-ds2-0.25; methods:"
        f" {', '.join(METHODS)}; schedules: fs (one noise scale), ds2 (one an input)"
    )
    dataset: DatasetName
    arch: str = Field(description=f"architecture: {', '.join(ARCHITECTURES)}")
    recipe: dict[str, Any] = Field(
        description="epochs, batch, lr, ... and the options of the method; as JSON or @FILE"
    )
    seed: Seed = 0
    parent: str | None = Field(
        None,
        description="checkpoint to start from: a model (fine-tuning), or a snapshot of a training"
        " (epochs go on from there)",
    )
    code: str | None = None
