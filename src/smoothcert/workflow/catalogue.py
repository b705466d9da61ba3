"""The catalogue: every section, table and figure, in the order of the page.

A new output is an entry in its paper's ``outputs.py``; a new paper a folder and a line here.
Imports nothing heavy: the Snakefile reads it at every start.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from smoothcert.papers.cohen.outputs import SECTION as COHEN
from smoothcert.papers.iss.outputs import SECTION as ISS
from smoothcert.report.output import Output, Section

SECTIONS: tuple[Section, ...] = (COHEN, ISS)


def outputs() -> list[Output]:
    """Every table and figure."""
    return [output for section in SECTIONS for output in section.outputs]


def target(output: Output) -> str:
    """The name by which Snakemake makes it: its own, with its kind where both kinds have it."""
    same = [one for one in outputs() if one.name == output.name]
    return output.name if len(same) == 1 else f"{output.name}_{output.kind}"


def function(name: str) -> Callable[..., Any]:
    """The function that ``"module:function"`` names."""
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found
