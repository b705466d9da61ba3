"""The specifications of a search for noise scales, and of votes that an estimator puts together."""

from __future__ import annotations

from pydantic import Field

from smoothcert.compute.arithmetic import Precision
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Count, Seed, Settings, same
from smoothcert.datasets.spec import DatasetName, Rows
from smoothcert.sampling.spec import EngineName, SampleSpec
from smoothcert.scaling import SCALINGS, Scaling


class ScalesSpec(Rows):
    """All that decides a table of scales beside its model and data."""

    dataset: DatasetName
    noise: str = Field(
        description="the noise at sigma_0, where the search starts, such as gaussian-0.25"
    )
    scalings: tuple[str, ...] = Field(
        min_length=1,
        description="slugs of one search, such as ascent-K100 ascent-K900; kinds: "
        + ", ".join(name for name in SCALINGS if name != "fixed"),
    )
    batch: Count | None = Field(
        None, description="inputs per batch; default: from the input size and device"
    )
    engine: EngineName = Field(
        "auto",
        description="engine that runs the network and its derivative; auto is onnxruntime on a"
        " CPU if it can run the network, else torch",
    )
    seed: Seed = 0
    code: str | None = None

    def parse(self) -> list[Scaling]:
        """The scalings; raises SmoothcertError unless they differ and are of one search."""
        parts = [SCALINGS.parse(slug) for slug in self.scalings]
        if len(set(parts)) < len(parts):
            raise SmoothcertError(f"scalings: {', '.join(self.scalings)}: one appears twice")
        for part in parts:
            if part.search is None:
                raise SmoothcertError(f"scaling {part.slug!r}: there is no scale to search for")
            if part.search != parts[0].search:
                raise SmoothcertError(
                    f"expected scalings of one search: {parts[0].slug!r} belongs to"
                    f" {parts[0].search!r}, {part.slug!r} to {part.search!r}"
                )
        return parts


class RouteSpec(Settings):
    """All that decides a routed store beside the estimator and the votes of its levels."""

    noise: str = Field(
        description="noise of the estimator, with its scale tau, such as gaussian-0.50"
    )
    n: Count = Field(1000, description="estimator votes per input")
    n0: Count = Field(100, description="estimator votes that select the level")
    scaling: str = Field("dual", description="scaling slug recorded in the store")
    of: str | None = Field(
        None, description="noise recorded in the store; default: that of the first level"
    )
    batch: Count | None = same(SampleSpec, "batch")
    engine: EngineName = same(SampleSpec, "engine")
    precision: Precision = same(SampleSpec, "precision")
    seed: int = same(SampleSpec, "seed")
    code: str | None = None
