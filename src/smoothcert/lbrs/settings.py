"""Settings of the LBRS experiments: their jobs, and the section ``lbrs`` of the configuration.

Radii, biases and scales are in pixels of [0,1] images.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from smoothcert.core.settings import Count, Length, Natural, Positive, Settings, Several
from smoothcert.datasets import DATASETS

Head = Literal["logit", "tanh"]  # of the score that is smoothed; see classifier.head_score
HEADS: tuple[Head, ...] = ("logit", "tanh")


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError(f"expected ascending numbers, found {', '.join(map(str, values))}")
    return values


def _known(name: str) -> str:
    if name not in DATASETS:
        raise ValueError(f"expected one of {', '.join(DATASETS)}, found {name!r}")
    return name


Lengths = Annotated[tuple[Length, ...], Field(min_length=1), AfterValidator(_ascending)]
LengthsByNorm = dict[Literal["l2", "linf"], Lengths]


class Spiral(Settings):
    """The spiral and the oracle; the paper states none of these."""

    turns: Positive = Field(
        default=1.5, description="turns of an arm; neighbouring arms are pi apart"
    )
    noise: Length = Field(default=0.2, description="noise of the points around their arm")
    train: Annotated[int, Field(ge=2)] = Field(
        default=400, description="points to fit the base classifier"
    )
    reserved: Annotated[int, Field(ge=2)] = Field(default=200, description="points of the oracle")
    test: Annotated[int, Field(ge=2)] = Field(
        default=1000, description="points to certify; the three sets are separate draws"
    )
    k: Count = Field(default=1, description="voting neighbours of the oracle")
    seed: Natural = Field(default=0, description="seed of all draws")


class SpiralSettings(Settings):
    """The experiment on the spiral (figures 1 and 2)."""

    spiral: Spiral = Field(default=Spiral(), description="the data and the oracle")
    bias: Lengths = Field(default=(0, 1, 3, 10), description="biases, alpha in the paper")
    shown: Lengths = Field(
        default=(0, 1, 3, 10), description="biases of the decision regions and the exact radii"
    )
    grid: Annotated[int, Field(ge=2)] = Field(
        default=300, description="points per side of the map of decision regions"
    )
    exact: Natural = Field(default=200, description="number of test points with exact l2 radii")


class Images(Settings):
    """One class against the rest, from a named data set; what the paper leaves open."""

    dataset: Annotated[str, AfterValidator(_known)] = Field(description="data set name")
    positive: str = Field(description="the class labelled +1, by name or number")
    train: Count = Field(default=5000, description="maximum number of images per label")
    test: Count = Field(default=500, description="maximum number of images per label")
    reserved: Annotated[int, Field(ge=2, multiple_of=2)] = Field(
        default=10, description="N, the oracle's points, half from each label, left out of training"
    )
    draws: Count = Field(default=4, description="disjoint sets of reserved points")


class Task(Images):
    """The images with the seed of their choice, of training and of all noise."""

    seed: Natural = Field(default=0, description="seed of the images, the training and all noise")


class Recipe(Settings):
    """Adam, a constant number of passes."""

    arch: str = Field(
        default="small_cnn",
        description="an architecture's slug, or softplus_mlp-H: one hidden layer of H softplus"
        " units, whose gradient is Lipschitz with a small constant",
    )
    epochs: Count = Field(default=10, description="passes over the images")
    batch: Count = Field(default=128, description="images per step")
    lr: Positive = Field(default=0.001, description="learning rate")
    weight_decay: Length = Field(default=0.0, description="decoupled weight decay (AdamW)")


class Fixed(Settings):
    """The two settings of figure 4, which are measured at every radius."""

    bias: Positive = Field(description="bias of LBRS")
    sigma: Positive = Field(description="sigma of normal smoothing")


class Sweep(Settings):
    """What is measured on one trained network."""

    bias: Lengths = Field(description="bias of LBRS")
    sigma: Lengths = Field(description="sigma of normal smoothing")
    sweep_radii: LengthsByNorm = Field(
        description="attack radii for the whole sweep (figure 3), by norm"
    )
    radii: LengthsByNorm = Field(
        description="attack radii for the two fixed settings (figure 4), by norm"
    )
    fixed: Fixed = Field(description="the bias and the sigma of figure 4")
    adaptive_radii: LengthsByNorm = Field(
        default={}, description="attack radii of the adaptive attacks, by norm"
    )
    adaptive_bias: dict[Head, Lengths] = Field(
        default={}, description="biases to attack adaptively, by head"
    )
    steps: Count = Field(default=10, description="steps of every attack")
    samples: Count = Field(default=64, description="noise samples per smoothed prediction")
    copies: Count = Field(default=16, description="noise samples per attack step")
    adaptive_inputs: Annotated[int, Field(ge=2)] = Field(
        default=200, description="inputs for the adaptive attacks"
    )
    adaptive_draws: Count = Field(default=1, description="draws for the adaptive attacks")


class ImageSettings(Settings):
    """One image experiment (figures 3 to 6)."""

    task: Task = Field(description="the images")
    recipe: Recipe = Field(default=Recipe(), description="training of the base network")
    sweep: Sweep = Field(description="what is measured")


class Certificates(Settings):
    """Certificates of a smooth network, for Theorem 8 needs a Lipschitz gradient."""

    recipe: Recipe = Field(default=Recipe(), description="training of the base network")
    norms: Several[Literal["l1", "l2", "linf"]] = Field(
        default=("l2",), description="norms of the threat models"
    )
    bias: Lengths = Field(default=(1.0,), description="biases, alpha in the paper")
    head: Head = Field(default="logit", description="head of the smoothed score")


class CertifySettings(Certificates):
    """The job of the certificates."""

    task: Task = Field(description="the images")


class Experiment(Settings):
    """One image task of the configuration, for every seed."""

    task: Images = Field(description="the images")
    recipe: Recipe = Field(description="training of the base network")
    sweep: Sweep = Field(description="what is measured")
    certify: Certificates = Field(description="what is certified, for the first seed")


class Experiments(Settings):
    """The image tasks: figures 3 and 4, figures 5 and 6."""

    first: Experiment
    second: Experiment


class LbrsSettings(Settings):
    """The section ``lbrs`` of the configuration."""

    seeds: Several[Natural] = Field(description="seeds of the image tasks")
    spiral: SpiralSettings = Field(description="figures 1 and 2")
    tasks: Experiments = Field(description="figures 3 to 6")
