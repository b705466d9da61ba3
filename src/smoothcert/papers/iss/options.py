"""Options of the tables and figures of ISS."""

from __future__ import annotations

from pydantic import Field

from smoothcert.core.settings import Count, Natural, Positive
from smoothcert.report.output import Options


class MappingOptions(Options):
    """Of what is computed in closed form from the sample-size mapping."""

    scale: Positive = Field(0.5, description="noise scale")
    kbar: Count = Field(100_000, description="desired samples")


class ScaleOptions(Options):
    """Of a figure in closed form whose sizes the paper gives."""

    scale: Positive = Field(0.5, description="noise scale")


class CoverageOptions(MappingOptions):
    """How the worst class probability is searched for."""

    points: Count = Field(120, description="class probabilities to search")
    rounds: Natural = Field(2, description="refinements around the worst of them")


class PublishedOptions(Options):
    """How the votes behind a published table are drawn again."""

    inputs: Count = Field(10_000, description="maximum number of inputs of a table: every K-th")
    repeats: Count = Field(3, description="draws to average over")
    look: Count = Field(200, description="step between sample sizes")
    seed: Natural = Field(0, description="seed of the draws")


class ReplayOptions(Options):
    """How recorded votes are drawn again."""

    every: Count = Field(1, description="use every K-th input")
    repeats: Count = Field(3, description="draws to average over")
    look: Count = Field(200, description="step between sample sizes")
    seed: Natural = Field(0, description="seed of the draws")
    title: str | None = Field(None, description="heading")
