"""A training recipe: everything about the optimization that configuration may choose."""

from __future__ import annotations

import math
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from smoothcert.compute.lazy import torch
from smoothcert.core.settings import Count, Positive, Settings
from smoothcert.training.method import METHODS, Method


class FixedScales(Settings):
    """A noise scale that is fixed has no options."""


class DataDependent(Settings):
    """Options of data-dependent scales (DDRS, Algorithm 2).

    At each visit of an input: ``steps`` steps of gradient ascent of size ``step_size`` on the
    soft radius, estimated from ``n`` noisy copies with the class probabilities clamped to
    [``clamp``, 1 - ``clamp``]. The scale stays in [``low``, ``high``] times the nominal one.
    """

    n: Count = Field(1, description="noisy copies per estimate of the soft radius")
    steps: Count = Field(1, description="ascent steps per visit")
    step_size: Positive = Field(1e-4, description="size of an ascent step")
    clamp: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.02, description="class probabilities stay this far from 0 and 1"
    )
    low: Annotated[float, Field(gt=0, le=1)] = Field(
        1 / 3, description="smallest scale, as a multiple of the nominal one"
    )
    high: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        3.0, description="largest scale, as a multiple of the nominal one"
    )


M = TypeVar("M", bound=Method)
S = TypeVar("S", bound=Settings)


class Recipe(Settings, Generic[M, S]):
    """How a network is trained with the method M and the schedule of scales S.

    The learning rate is ``constant``; or goes down by ``step`` (times ``lr_gamma`` every
    ``lr_step`` epochs), by ``multistep`` (times ``lr_gamma`` at each of ``lr_milestones``) or
    by ``cosine`` (half a cosine to zero, moved at every batch). Over the first ``lr_warmup`` epochs
    it is multiplied by a factor that grows from 0 to 1 (Goyal et al. 2017): with a cosine, one
    cycle. ``crop-flip`` pads by 4 black pixels, crops at random and mirrors half of the images;
    ``resized-crop-flip`` is ImageNet's (done where the files are decoded). With ``flip: alternate``
    the first epoch mirrors a random half of the images, the next epoch the other half, and so on
    (Jordan 2024): two consecutive epochs show both orientations.
    """

    epochs: Count = Field(description="passes over the training set")
    batch: Count = Field(description="inputs per step")
    parts: Count = Field(
        1,
        description="pieces into which each batch is split, each with its own batch statistics: to"
        " save memory, or for several torchrun processes",
    )
    lr: Positive = Field(description="initial learning rate")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="optimizer")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="momentum of sgd")
    nesterov: bool = Field(False, description="use Nesterov momentum")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-4, description="l2 penalty")
    schedule: Literal["constant", "step", "multistep", "cosine"] = Field(
        "step", description="learning-rate schedule"
    )
    lr_step: Count | None = Field(None, description="epochs between drops, for schedule step")
    lr_milestones: tuple[Count, ...] = Field(
        (), description="epochs at which the rate drops, for schedule multistep"
    )
    lr_gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.1, description="factor of each drop")
    lr_warmup: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="epochs of linear warm-up from 0"
    )
    augmentation: Literal["none", "crop-flip", "resized-crop-flip"] = Field(
        "none", description="random augmentation of the inputs"
    )
    flip: Literal["random", "alternate"] = Field(
        "random", description="crop-flip mirrors an image at random, or in every other epoch"
    )
    normalization: Literal["standardize", "center", "none"] = Field(
        "standardize", description="the network's first layer"
    )
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = Field(
        "auto",
        description="arithmetic of the forward and backward passes (weights are float32); auto is"
        " bfloat16 on a GPU and float32 on a CPU",
    )
    snapshots: tuple[Count, ...] = Field(
        (), description="epochs after which to save the full state, for runs that branch there"
    )
    method: M = Field(description="options of the method")
    ds2: S = Field(description="options of data-dependent scales; none for a fixed scale")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.optimizer != "sgd"):
            raise ValueError("nesterov: needs optimizer sgd with momentum")
        if (self.lr_step is not None) != (self.schedule == "step"):
            raise ValueError(
                f"lr_step: required by schedule step, and only by it; found {self.schedule}"
            )
        if bool(self.lr_milestones) != (self.schedule == "multistep"):
            raise ValueError(
                f"lr_milestones: required by schedule multistep, and only by it; found"
                f" {self.schedule}"
            )
        if self.flip == "alternate" and self.augmentation != "crop-flip":
            raise ValueError(f"flip: alternate requires crop-flip, not {self.augmentation}")
        if self.parts > self.batch:
            raise ValueError(f"parts: {self.parts} pieces, but a batch of {self.batch}")
        for snapshot in self.snapshots:
            if snapshot > self.epochs:
                raise ValueError(f"snapshots: {snapshot} is not in 1..{self.epochs} epochs")
        return self

    def arithmetic(self, device: torch.device) -> str:
        """The arithmetic on ``device``, by its name (compute/arithmetic.py).

        bfloat16 is that of mixed precision. On CPUs without matrix instructions for it, training
        in it is several times slower.
        """
        if self.precision != "auto":
            return self.precision
        return "bfloat16" if device.type == "cuda" else "float32"

    def learning_rate(self, epoch: int, fraction: float) -> float:
        """The rate of a step of ``epoch`` (from 0), after ``fraction`` of its batches."""
        if epoch + fraction < self.lr_warmup:
            return self._scheduled(epoch, fraction) * (epoch + fraction) / self.lr_warmup
        return self._scheduled(epoch, fraction)

    def _scheduled(self, epoch: int, fraction: float) -> float:
        if self.schedule == "step":
            assert self.lr_step is not None
            return self.lr * self.lr_gamma ** (epoch // self.lr_step)
        if self.schedule == "multistep":
            return self.lr * self.lr_gamma ** sum(epoch >= m for m in self.lr_milestones)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * (epoch + fraction) / self.epochs))
        return self.lr


SCHEDULES: dict[str, type[Settings]] = {"fs": FixedScales, "ds2": DataDependent}


def recipe_model(method: str, schedule: str = "ds2") -> type[Recipe]:
    """The recipe's model for a method and a schedule of noise scales (fs, ds2).

    ``recipe_model("macer").check_part(...)`` checks what configuration says of a method for
    several schedules and data sets at once. Raises SmoothcertError for an unknown method.
    """
    model: Any = Recipe.__class_getitem__((METHODS[method], SCHEDULES[schedule]))
    return model
