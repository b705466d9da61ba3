"""``smoothcert report TABLE``: one certificate table as one page."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.certificates.runs import read_run
from smoothcert.cli.command import Command, data_dir_place, place, positional
from smoothcert.core.files import write_text
from smoothcert.report.one_table import html


class Report(Command):
    """Show a certificate table as one self-contained HTML page.

    It shows the curve with its intervals, the accuracy of the base and the smoothed classifier,
    the inputs that abstain, and some images if the data is available.
    """

    epilog: ClassVar[str] = "example: smoothcert report certificates.tsv"

    file: Path = positional(help="certificate table", metavar="TABLE")
    data_dir: Path | None = data_dir_place()
    out: Path | None = place(None, "page to write; default: TABLE with .html", "HTML")

    def run(self) -> None:
        out = self.out or self.file.with_suffix(".html")
        write_text(out, html(read_run(self.file), str(self.data_dir) if self.data_dir else None))
        print(out)


COMMAND = Report
