"""``smoothcert ship RESULTS --out DIR``: a run's tables, page, pictures and votes, for the docs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import place
from smoothcert.cli.overview import MadeBy
from smoothcert.core.archive import pack
from smoothcert.report.ship import ship
from smoothcert.workflow import bundle


class Ship(MadeBy):
    """Copy a run's tables, page, compressed figures and votes into the documentation."""

    epilog: ClassVar[str] = "example: smoothcert ship results/smoke --out docs/results/smoke"

    out: Path = place(help="folder to write; emptied first", metavar="DIR")

    def run(self) -> None:
        page = self.page()
        about = bundle.about(page.results, shlex.split(self.words))
        written = ship(page, self.out, self.words)
        pack(self.out / bundle.ARCHIVE, page.results, bundle.files(page.results), about)
        print(f"{self.out}: {len(written) + 1} files")


COMMAND = Ship
