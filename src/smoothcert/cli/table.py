"""``smoothcert table NAME --out BASE FILE...``: BASE.csv, BASE.md, BASE.tex and its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from smoothcert.cli.outputs import OutputCommand, catalogued
from smoothcert.report.numbers import write_numbers
from smoothcert.report.write import to_markdown, write_table
from smoothcert.workflow.catalogue import target


class Table(OutputCommand):
    """Make a table of the catalogue, as CSV, Markdown and LaTeX.

    FILE is a certificate table, or GROUP=FILE for tables made from several kinds of files.
    """

    kind: ClassVar[Literal["table", "figure"]] = "table"
    epilog: ClassVar[str] = (
        "example: smoothcert table cohen_table --out cohen results/smoke/certificates/digits/"
        "tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed/fixed-10000.tsv"
    )

    def run(self) -> None:
        output = catalogued(self.name, self.kind)
        table = self.made(output)
        if not table.title:
            table = replace(table, title=output.title)
        write_table(self.out, table)
        if self.numbers:
            write_numbers(self.numbers, table.numbers(target(output)))
        print(to_markdown(table), end="")


COMMAND = Table
