"""Options of the figures that show images, and of the comparison of seeds."""

from __future__ import annotations

from pydantic import Field

from smoothcert.core.settings import Count, Length, Natural
from smoothcert.papers.cohen.options import Titled


class ImageOptions(Titled):
    """What a reader may choose of a figure of inputs under their noise."""

    rows: Count = Field(
        3, description="inputs shown; 3 are the smallest, the nearest and the largest scale"
    )
    seed: Natural | None = Field(None, description="of the noise drawn; that of the search")
    scaling: str | None = Field(
        None, description="of several in the table of scales; that of the certificates, or the last"
    )


class MoreImageOptions(ImageOptions):
    """The same, with more inputs."""

    rows: Count = Field(8, description="inputs shown, at even ranks of their scale")


class SeedOptions(Titled):
    """What a reader may choose of the comparison of seeds."""

    radius: Length = Field(0.5, description="at which certified accuracy is compared")
