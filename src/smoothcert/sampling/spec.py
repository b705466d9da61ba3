"""The specification of a sampling job: all that decides a vote store beside its files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smoothcert.core.settings import Count, Natural, Settings

Precision = Literal["float32", "bfloat16"]


class SamplingOptions(Settings):
    """What a sampling job may leave at its default."""

    split: str = Field("test", description="split of the data set: train or test")
    skip: Count = Field(1, description="use every N-th input")
    max: Count | None = Field(None, description="at most so many inputs; default: all")
    scaling: str = Field(
        "fixed",
        description="which noise scales: fixed is the noise's own for every input; another, such"
        " as ascent-K900, names rows of the table --scales",
    )
    batch: Count | None = Field(
        None, description="samples of one forward pass; default: by the input's size and device"
    )
    precision: Precision = Field(
        "float32", description="arithmetic of the network, part of the classifier certified"
    )
    seed: Natural = Field(0, description="of all random streams")


class SampleSpec(SamplingOptions):
    """One sampling job; its model and its scales are files, and stand in its store by digest."""

    dataset: str = Field(description="data set: digits, mnist, cifar10, cifar10-jpeg, imagenet")
    noise: str = Field(description="noise with its scale, such as gaussian-0.25")
    budget: str = Field(
        description="how many samples: fixed-100000, iss_ad0.05-100000, sequential_0.02-100000, ..."
    )
    look: Count = Field(
        1000, description="samples of one look, the unit of resuming; n is a multiple of it"
    )
    code: str | None = None
