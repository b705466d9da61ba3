"""Options of tables and figures, and of those of certified accuracy."""

from __future__ import annotations

from pydantic import Field

from smoothcert.report.output import Options


class Titled(Options):
    """What a reader may choose of any table or figure."""

    title: str | None = Field(None, description="heading")


class AccuracyOptions(Titled):
    """What a reader may choose of a table or figure of certified accuracy."""

    radii: str | tuple[str | float, ...] | None = Field(
        None, description="0,0.25,... or START:STOP:STEP; default: a grid that fits the data"
    )
    strict: bool = Field(False, description="count radius > r instead of >= r")
