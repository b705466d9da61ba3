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
    copies: Count = Field(64, description="noise samples per step")
    unrolled: Count = Field(20, description="unrolled steps that approximate the scale's ascent")
    scales: tuple[Positive, ...] = Field(
        (1.0, 0.6, 1.6),
        description="multiples of sigma_0 at which to attack the smoothed classifier",
    )
    lines: Natural = Field(2, description="lines to the nearest inputs of other classes")
    held: Natural = Field(4, description="searches for the query's scale per ascent")
    boundary: Natural = Field(6, description="queries of a walk along the decision boundary")
    votes: Count = Field(500, description="votes to score a proposal")
    reach: Annotated[float, Field(gt=0, le=1)] = Field(
        0.997, description="fraction of the radius to search"
    )


class MemorySoundnessSettings(Effort):
    """Certificates at input-dependent scales, attacked without memory and with it."""

    max: Count = Field(200, description="certificates to attack, evenly spread")
    orders: Natural = Field(100, description="random orders of the memory")
    seeds: Count = Field(5, description="seeds of the scale search for confirmation")
    budget: str | None = Field(
        None, description="budget of the confirming votes; default: the table's"
    )
    seed: Natural = Field(0, description="seed of the audit")
    scale_seed: Natural = Field(0, description="seed of the search that found the table's scales")


class Ascent(Settings):
    """Projected ascent through the noise, and lines to other inputs."""

    steps: Count = Field(40, description="ascent steps")
    copies: Count = Field(64, description="noise samples per step")
    inputs: Natural = Field(3, description="other inputs to search towards, along lines")
    seed: Natural = Field(0, description="seed of the audit")


class Search(Ascent):
    """How hard to search one ball: ascents from each of ``starts``, vertices, lines."""

    starts: tuple[Start, ...] = Field(STARTS, description="starting points of the ascents")
    directions: Natural = Field(16, description="random vertices of the ball")


class Votes(Settings):
    """How candidates are judged."""

    screen: Count = Field(250, description="votes to find the worst candidate per input")
    votes: Count = Field(10_000, description="fresh votes to judge it")
    seed: Natural = Field(0, description="seed of the audit")


class FalsificationSettings(Search, Votes):
    """Attacks on certificates inside their own radius."""

    max: Count = Field(200, description="certificates to attack per table")
    alpha: Probability = Field(
        0.001, description="failure probability of all answers of a verdict together"
    )


class AttackAccuracySettings(Ascent, Votes):
    """Accuracy under attack at each radius."""

    max: Count | None = Field(None, description="inputs to attack; default: all")
    radii: str | None = Field(
        None, description="0,0.25,... or START:STOP:STEP; default: 8 values up to twice the largest"
    )
    steps: Count = Field(20, description="ascent steps")
    copies: Count = Field(32, description="noise samples per step")
    inputs: Natural = Field(2, description="other inputs to search towards, along lines")
    votes: Count = Field(1000, description="fresh votes per prediction")


class CoverageSettings(Settings):
    """Failure rates of confidence procedures at known class probability."""

    n: Count = Field(100_000, description="samples per input")
    alpha: Probability = Field(0.001, description="failure probability of the procedures")
    scale: Positive = Field(0.5, description="noise scale")
    look: Count = Field(1000, description="votes per look of the simulated rules")
    runs: Count = Field(200_000, description="simulated inputs at each class probability")
    points: Count = Field(200, description="points of the exact curves")
    looks: Count = Field(4, description="looks of 10 votes each whose paths are enumerated")
    seed: Natural = Field(0, description="seed of the simulation")


class HonestySettings(Settings):
    """Whole tables, and choices made on test inputs."""

    budget: str | None = Field(None, description="budget of the stores' certificates")
    radii: str | None = Field(None, description="0,0.25,... or START:STOP:STEP; default: a grid")
    repeats: Count = Field(20, description="random splits to average over")
    seed: Natural = Field(0, description="seed of the splits")


class NumericsSettings(Settings):
    """The same certificates in other arithmetic."""

    max: Count = Field(50, description="inputs")
    n: Count = Field(10_000, description="votes per input, a multiple of the look")
    look: Count = Field(1000, description="votes per random stream")
    alpha: Probability = Field(0.001, description="failure probability per certificate")
    steps: Count = Field(256, description="grid steps per unit, a power of 2")
    seed: Natural = Field(0, description="seed of the streams, as for `smoothcert sample`")


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
        description="noises with their scales",
        json_schema_extra={"positional": True, "metavar": "NOISE"},
    )
    d: Count = Field(64, description="dimension")
    n: Count = Field(100_000, description="draws per bound")
    margin: Positive = Field(0.05, description="relative excess of a radius that must be detected")
    alpha: Probability = Field(0.001, description="probability of calling a right formula broken")
    seed: Natural = Field(0, description="seed of the draws")


class StreamsSettings(Settings):
    """Whether any noise is used twice."""

    dataset: DatasetName
    noise: str = Field(description="noise with its scale, such as gaussian-0.25")
    scaling: str = Field("fixed", description="noise scales: fixed, ascent-K900, ...")
    budget: str = Field("fixed-2000", description="how many samples, such as fixed-2000")
    max: Count = Field(5, description="inputs")
    look: Count = Field(1000, description="votes per look")
    seed: Natural = Field(0, description="seed of every step")
