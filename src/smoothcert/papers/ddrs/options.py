"""Options of the figures that show images, and of the comparison of seeds."""

from __future__ import annotations

from pydantic import Field

from smoothcert.core.settings import Count, Length, Natural
from smoothcert.papers.cohen.options import Titled


class ImageOptions(Titled):
    """What a reader may choose of a figure of inputs under their noise."""

    rows: Count = Field(
        3, description="number of inputs; 3 shows the smallest, the nearest and the largest scale"
    )
    seed: Natural | None = Field(None, description="seed of the noise; default: that of the search")
    scaling: str | None = Field(
        None,
        description="which scaling in the table of scales; default: that of the"
        " certificates, or the last",
    )


class MoreImageOptions(ImageOptions):
    """The same, with more inputs."""

    rows: Count = Field(8, description="number of inputs, evenly spaced in the rank of their scale")


class SeedOptions(Titled):
    """What a reader may choose of the comparison of seeds."""

    radius: Length = Field(0.5, description="at which certified accuracy is compared")
