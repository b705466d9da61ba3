"""The options of each audit: name, range, default and meaning, once.

A command's flags and help, the configuration's check and a job's specification come from these.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from smoothcert.core.settings import Count, Natural, Positive, Probability, Settings
from smoothcert.datasets.spec import DatasetName

Start = Literal["clean", "boundary", "toward"]
STARTS: tuple[Start, ...] = ("clean", "boundary", "toward")


class Effort(Settings):
    """How hard to search balls of input-dependent scales. Costs are an input's.

    A scale is one search of the scaling at it; attacks stay within ``reach`` of the radius, so
    that the certificate still covers what they find when it is made again.
    """

    steps: Count = Field(20, description="steps of a gradient attack")
    copies: Count = Field(64, description="noises of a step")
    unrolled: Count = Field(20, description="steps that stand for the ascent of the scale")
    scales: tuple[Positive, ...] = Field(
        (1.0, 0.6, 1.6), description="times sigma_0, at which the smoothed classifier is attacked"
    )
    lines: Natural = Field(2, description="lines to the nearest inputs of other classes")
    held: Natural = Field(4, description="the query's own scale is found so often on a climb")
    boundary: Natural = Field(6, description="decisions of a walk along the decision boundary")
    votes: Count = Field(500, description="that score a proposal")
    reach: Annotated[float, Field(gt=0, le=1)] = Field(
        0.997, description="share of the radius that is searched"
    )


class MemorySoundnessSettings(Effort):
    """Certificates at input-dependent scales, attacked without memory and with it."""

    max: Count = Field(200, description="certificates that are attacked, evenly spread")
    orders: Natural = Field(100, description="random orders of the memory")
    seeds: Count = Field(5, description="seeds of the search for the scale that confirm")
    budget: str | None = Field(
        None, description="of the confirming votes; by default as many as the table has"
    )
    seed: Natural = Field(0, description="of the audit")
    scale_seed: Natural = Field(0, description="with which the table's scales were found")


class Ascent(Settings):
    """Projected ascent through the noise, and lines to other inputs."""

    steps: Count = Field(40, description="steps of an ascent")
    copies: Count = Field(64, description="noises of a step")
    inputs: Natural = Field(3, description="other inputs towards which lines are searched")
    seed: Natural = Field(0, description="of the audit")


class Search(Ascent):
    """How hard to search one ball: ascents from each of ``starts``, vertices, lines."""

    starts: tuple[Start, ...] = Field(STARTS, description="from where ascents begin")
    directions: Natural = Field(16, description="random vertices of the ball")


class Votes(Settings):
    """How candidates are judged."""

    screen: Count = Field(250, description="votes that find the worst candidate of an input")
    votes: Count = Field(10_000, description="fresh votes for the verdict on it")
    seed: Natural = Field(0, description="of the audit")


class FalsificationSettings(Search, Votes):
    """Attacks on certificates inside their own radius."""

    max: Count = Field(200, description="certificates of a table that are attacked")
    alpha: Probability = Field(0.001, description="of all the verdict's answers together")


class AttackAccuracySettings(Ascent, Votes):
    """Accuracy under attack at each radius."""

    max: Count | None = Field(None, description="inputs; by default all")
    radii: str | None = Field(
        None, description="0,0.25,... or START:STOP:STEP; by default 8 up to twice the largest"
    )
    steps: Count = Field(20, description="steps of an ascent")
    copies: Count = Field(32, description="noises of a step")
    inputs: Natural = Field(2, description="other inputs towards which lines are searched")
    votes: Count = Field(1000, description="fresh votes for a prediction")


class CoverageSettings(Settings):
    """Failure rates of confidence procedures at known class probability."""

    n: Count = Field(100_000, description="samples of the procedures at full size")
    alpha: Probability = Field(0.001, description="their failure probability")
    scale: Positive = Field(0.5, description="their noise scale")
    look: Count = Field(1000, description="votes of a look of the simulated rules")
    runs: Count = Field(200_000, description="simulated inputs at each class probability")
    points: Count = Field(200, description="of the exact curves")
    looks: Count = Field(4, description="of 10 votes each, whose paths are all listed")
    seed: Natural = Field(0, description="of the simulation")


class HonestySettings(Settings):
    """Whole tables, and choices made on test inputs."""

    budget: str | None = Field(None, description="of the stores' certificates")
    radii: str | None = Field(None, description="0,0.25,... or START:STOP:STEP; by default a grid")
    repeats: Count = Field(20, description="random folds that are averaged")
    seed: Natural = Field(0, description="of the folds")


class NumericsSettings(Settings):
    """The same certificates in other arithmetic."""

    max: Count = Field(50, description="inputs")
    n: Count = Field(10_000, description="votes of an input, a multiple of the look")
    look: Count = Field(1000, description="votes of one stream")
    alpha: Probability = Field(0.001, description="failure probability of a certificate")
    steps: Count = Field(256, description="of the grid a unit, a power of 2")
    seed: Natural = Field(0, description="of the streams, as of `smoothcert sample`")


class RadiiSettings(Settings):
    """Radius formulas against the worst base classifier."""

    noises: tuple[str, ...] = Field(
        (
            "gaussian-1.00",
            "uniform-1.00",
            "uniform_box-2.00",
            "laplace-1.00",
            "gaussian-linf-1.00",
            "centripetal-l1_k8-1.00",
            "centripetal-l2_k8-1.00",
            "centripetal-linf_k8-1.00",
            "mixed-linf_k8-1.00",
        ),
        description="noises with their scale",
        json_schema_extra={"positional": True, "metavar": "NOISE"},
    )
    d: Count = Field(64, description="dimension")
    n: Count = Field(100_000, description="draws for each bound")
    margin: Positive = Field(
        0.05, description="by how much a radius must be too large to be sure to be caught"
    )
    alpha: Probability = Field(0.001, description="that a right formula is called broken")
    seed: Natural = Field(0, description="of the draws")


class StreamsSettings(Settings):
    """Whether any noise is used twice."""

    dataset: DatasetName
    noise: str = Field(description="noise with its scale, such as gaussian-0.25")
    scaling: str = Field("fixed", description="which noise scales: fixed, ascent-K900, ...")
    budget: str = Field("fixed-2000", description="how many samples, such as fixed-2000")
    max: Count = Field(5, description="inputs")
    look: Count = Field(1000, description="votes of a look")
    seed: Natural = Field(0, description="of every step")
