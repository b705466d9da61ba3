"""The catalogue: every section, table and figure, in the order of the page.

A new output is an entry in its paper's ``outputs.py``; a new paper a folder and a line here.
Imports nothing heavy: the Snakefile reads it at every start.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from smoothcert.audits.outputs import SECTION as AUDITS
from smoothcert.papers.cohen.outputs import SECTION as COHEN
from smoothcert.papers.ddrs.outputs import SECTION as DDRS
from smoothcert.papers.iss.outputs import SECTION as ISS
from smoothcert.papers.lbrs.outputs import SECTION as LBRS
from smoothcert.papers.nongaussian.outputs import SECTION as NONGAUSSIAN
from smoothcert.papers.sound.outputs import SECTION as SOUND
from smoothcert.papers.training.outputs import SECTION as TRAINING
from smoothcert.report.output import Need, Output, Section

SECTIONS: tuple[Section, ...] = (COHEN, TRAINING, DDRS, ISS, LBRS, NONGAUSSIAN, SOUND, AUDITS)


def outputs() -> list[Output]:
    """Every table and figure, as declared."""
    return [output for section in SECTIONS for output in section.outputs]


def expanded(config: Mapping[str, Any], section: Section) -> list[Output]:
    """The tables and figures of a section under a configuration: each variant an output."""
    return [
        one
        for output in section.outputs
        for one in (
            [output]
            if output.variants is None
            else [variant(output, name) for name in function(output.variants)(config)]
        )
    ]


def variant(output: Output, name: str) -> Output:
    """One variant of an output: its names and needs with ``name`` in place of ``{variant}``, its
    title with what people call it."""

    def of(need: Need) -> Need:
        select = None if need.select is None else partial(need.select, variant=name)
        return replace(need, of=need.of.replace("{variant}", name), select=select)

    called = name if output.called is None else function(output.called)(name)
    return replace(
        output,
        name=output.name.replace("{variant}", name),
        title=output.title.replace("{variant}", called),
        needs=tuple(of(need) for need in output.needs),
        variants=None,
    )


def find(name: str, kind: str) -> Output | None:
    """The table or figure of a name, or the variant that it names."""
    for output in outputs():
        if output.kind != kind:
            continue
        if output.name == name:
            return output
        before, mark, after = output.name.partition("{variant}")
        if mark and name.startswith(before) and name.endswith(after) and name != before + after:
            return variant(output, name.removeprefix(before).removesuffix(after))
    return None


def target(output: Output) -> str:
    """The name by which Snakemake makes it: its own, with its kind where both kinds have it."""
    if output.target is not None:
        return output.target
    same = [one for one in outputs() if one.name == output.name]
    return f"{output.name}_{output.kind}" if len(same) > 1 else output.name


def function(name: str) -> Callable[..., Any]:
    """The function that ``"module:function"`` names."""
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found
