"""``smoothcert figure NAME --out BASE FILE...``: BASE.pdf, BASE.png and its numbers."""

from __future__ import annotations

from typing import ClassVar, Literal

from smoothcert.cli.outputs import OutputCommand, catalogued, function
from smoothcert.report.numbers import write_numbers
from smoothcert.report.style import save
from smoothcert.workflow.catalogue import target


class Figure(OutputCommand):
    """Make a figure of the catalogue, as PDF and PNG.

    FILE is a certificate table, or GROUP=FILE for figures made from several kinds of files.
    """

    kind: ClassVar[Literal["table", "figure"]] = "figure"
    epilog: ClassVar[str] = (
        "example: smoothcert figure cohen_figure --out cohen results/smoke/certificates/digits/"
        "tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed/fixed-10000.tsv"
    )

    def run(self) -> None:
        output = catalogued(self.name, self.kind)
        picture = self.made(output)
        assert output.draw is not None
        for path in save(function(output.draw)(picture), self.out, output.title):
            print(path)
        if self.numbers:
            write_numbers(self.numbers, picture.numbers.assign(output=target(output)))


COMMAND = Figure
