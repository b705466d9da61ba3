"""Options of the figure of training curves."""

from __future__ import annotations

from pydantic import Field

from smoothcert.report.output import Options


class CurveOptions(Options):
    """What a reader may choose of it."""

    title: str | None = Field(None, description="its heading")
