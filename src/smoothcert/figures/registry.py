"""The figures by name; a module of this package registers its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from smoothcert.tables.base import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smoothcert.runs import Run
    from smoothcert.tables.base import Options

    FigureMaker = Callable[[Sequence[Run], Options], Figure]

FIGURES: Registry[FigureMaker] = Registry("figure")
