"""How a specification names a data set and the inputs that it takes of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from smoothcert.core.settings import Count, Settings
from smoothcert.datasets import DATASETS

YOURS = (
    "your own: a folder, a file, package.module:function, or JSON with a path and how to read it"
)
DatasetName = Annotated[str, Field(description=f"data set: {', '.join(DATASETS)}, or {YOURS}")]


class Rows(Settings):
    """Which inputs of a data set: every ``skip``-th of a split, of these the first ``max``."""

    split: str = Field("test", description="split of the data set: train or test")
    skip: Count = Field(1, description="use every N-th input")
    max: Count | None = Field(None, description="use at most this many inputs; default: all")
