"""Options of the tables and figures of ISS."""

from __future__ import annotations

from pydantic import Field

from smoothcert.core.settings import Count, Natural, Positive, Probability
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

    points: Count = Field(120, description="class probabilities that are searched")
    rounds: Natural = Field(2, description="refinements around the worst of them")


class ReplayOptions(Options):
    """How recorded votes are drawn again: our own (.npz) or of a published table (.tsv, .gz)."""

    every: Count = Field(1, description="use every K-th input")
    repeats: Count = Field(3, description="draws to average over")
    look: Count = Field(200, description="granularity of sample sizes")
    seed: Natural = Field(0, description="of the draws")
    scale: Positive | None = Field(
        None, description="noise scale of a published table; by default its name says it"
    )
    alpha: Probability | None = Field(
        None, description="of a published table; by default found from its radii"
    )
    title: str | None = Field(None, description="its heading")


class ReplayTableOptions(ReplayOptions):
    """And the radii of the table's columns."""

    radii: str | tuple[str | float, ...] | None = Field(
        None, description="0,0.25,... or START:STOP:STEP; by default a grid that fits the data"
    )
    strict: bool = Field(False, description="count radius > r in place of >= r")
