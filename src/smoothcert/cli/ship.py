"""``smoothcert ship RESULTS --out DIR``: a run's tables, page, pictures and votes, for the docs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import place
from smoothcert.cli.overview import OfResults
from smoothcert.core.archive import pack
from smoothcert.report.ship import ship
from smoothcert.workflow import bundle


class Ship(OfResults):
    """Copy a run's tables, page, compressed figures and votes into the documentation."""

    epilog: ClassVar[str] = "example: smoothcert ship results/smoke --out docs/results/smoke"

    made_by: str | None = place(
        None, "snakemake arguments that made it; default: the preset", "WORDS"
    )
    out: Path = place(help="folder to write; emptied first", metavar="DIR")

    def run(self) -> None:
        page = self.page()
        made_by = self.made_by or f"--config preset={page.preset}"
        about = bundle.about(page.results, shlex.split(made_by))
        written = ship(page, self.out, made_by)
        pack(self.out / bundle.ARCHIVE, page.results, bundle.files(page.results), about)
        print(f"{self.out}: {len(written) + 1} files")


COMMAND = Ship
