"""What ``table`` and ``figure`` have in common: a catalogue entry, its options, its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from smoothcert.cli.command import Command, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.output import Files, Output
from smoothcert.workflow.catalogue import find, function, outputs

__all__ = ["OutputCommand", "catalogued", "function"]


class OutputCommand(Command):
    """The options are those of the output itself (``--options`` as JSON), checked by its model."""

    kind: ClassVar[Literal["table", "figure"]]

    name: str = positional(help="its name; `snakemake --list` lists all", metavar="NAME")
    files: tuple[str, ...] = positional((), help="input files", metavar="FILE")
    out: Path = place(help="output path without extension", metavar="BASE")
    numbers: Path | None = place(None, help="also write its numbers, one per row", metavar="CSV")
    options: dict[str, Any] = Field({}, description="options of this output, as JSON or @FILE")
    radii: str | None = Field(None, description="0,0.25,... or START:STOP:STEP")
    title: str | None = Field(None, description="its heading")
    strict: bool = Field(False, description="count radius > r in place of >= r")

    def made(self, output: Output) -> Any:
        """The table, or what the figure is drawn from."""
        flags = {"radii": self.radii, "title": self.title, "strict": self.strict or None}
        given = {**self.options, **{k: v for k, v in flags.items() if v is not None}}
        if "title" in output.options.model_fields:
            given.setdefault("title", output.title)
        options = output.options.check(given, f"{output.name}")
        return function(output.make)(Files.parse(self.files), options)


def catalogued(name: str, kind: str) -> Output:
    """The table or figure of a name; SmoothcertError lists them where there is none."""
    output = find(name, kind)
    if output is None:
        known = ", ".join(one.name for one in outputs() if one.kind == kind)
        raise SmoothcertError(f"{kind} {name!r}: unknown; expected one of {known}")
    return output
