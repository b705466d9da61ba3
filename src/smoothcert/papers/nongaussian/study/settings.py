"""Settings of what is computed without a classifier."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from smoothcert.core.settings import Count, Natural, Positive, Probability, Settings, Several

DRAWN = 0.99  # the class probability of the ablation's figure


class AblationPoints(Settings):
    """Which points of the ablation are computed."""

    d: Several[Annotated[int, Field(ge=2)]] = Field(
        default=(64, 784, 3072), description="dimensions"
    )
    shares: Several[Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98), description="k as fractions of d"
    )
    p: Several[Annotated[float, Field(gt=0.5, lt=1)]] = Field(
        default=(0.6, 0.9, 0.99, 0.999), description="class probabilities"
    )
    numbers: Count = Field(
        default=300_000_000,
        description="maximum number of random numbers per point of the mixed noise",
    )


class ToyPoints(Settings):
    """Which points of the toy example are searched; the paper states none of these."""

    attacks: Several[Positive] = Field(default=(0.1, 0.2), description="linf attack radii")
    accuracies: Several[Probability] = Field(
        default=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99),
        description="values of the accuracy term",
    )
    k: Several[Annotated[float, Field(ge=0, lt=5)]] = Field(
        default=(0, 0.25, 0.5, 1, 2, 3, 4, 4.5), description="real exponents"
    )


class AblationSettings(AblationPoints):
    """The job of the ablation."""

    seed: Natural = Field(default=0, description="seed of all draws")


class ToySettings(ToyPoints):
    """The job of the toy example."""

    seed: Natural = Field(default=0, description="seed of all draws")


class NongaussianSettings(Settings):
    """The section ``nongaussian`` of the configuration; its seed is the configuration's."""

    ablation: AblationPoints = AblationPoints()
    toy: ToyPoints = ToyPoints()

    @field_validator("ablation")
    @classmethod
    def _drawn(cls, ablation: AblationPoints) -> AblationPoints:
        if DRAWN not in ablation.p:
            raise ValueError(f"p: expected {DRAWN:g} among them, for which the figure is drawn")
        return ablation
