"""The specification of a sampling job: all that decides a vote store beside its files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smoothcert.budget import BUDGETS
from smoothcert.compute.arithmetic import Precision
from smoothcert.core.settings import Count, Seed
from smoothcert.datasets.spec import DatasetName, Rows
from smoothcert.noise import NOISES

EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
# routing: votes of dual smoothing's estimator; targets: those that it learns from
Purpose = Literal["certification", "prediction", "routing", "targets"]


class SamplingOptions(Rows):
    """What a sampling job may leave at its default."""

    scaling: str = Field(
        "fixed",
        description="noise scales: fixed uses the scale of --noise; others, such as ascent-K900,"
        " use those rows of --scales",
    )
    batch: Count | None = Field(
        None, description="samples per forward pass; default: from the input size and device"
    )
    engine: EngineName = Field(
        "auto",
        description="engine that runs the network (part of the certified classifier); auto is"
        " onnxruntime on a CPU if it can run the network, else torch",
    )
    precision: Precision = Field(
        "float32",
        description="arithmetic of the network (part of the certified classifier); your own"
        " network keeps its arithmetic unless you set this",
    )
    seed: Seed = 0


class SampleSpec(SamplingOptions):
    """One sampling job; its model and its scales are files, and stand in its store by digest."""

    dataset: DatasetName
    noise: str = Field(
        description=f"noise with its scale, such as gaussian-0.25; kinds: {', '.join(NOISES)}"
    )
    budget: str = Field(
        description="how many samples, such as fixed-100000, iss_ad0.05-100000,"
        f" sequential_0.02-100000; kinds: {', '.join(BUDGETS)}"
    )
    look: Count = Field(
        1000, description="samples per look, the unit of resuming; n must be a multiple of it"
    )
    purpose: Purpose = Field(
        "certification",
        description="what the noise is for; each purpose has its own random streams",
    )
    code: str | None = None
