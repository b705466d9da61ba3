"""``smoothcert ship RESULTS --out DIR``: a run's tables, page and pictures, for the docs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import place
from smoothcert.cli.overview import OfResults
from smoothcert.report.ship import ship


class Ship(OfResults):
    """Copy a run's tables, page and compressed figures into the documentation."""

    epilog: ClassVar[str] = "example: smoothcert ship results/smoke --out docs/results/smoke"

    made_by: str | None = place(
        None, "snakemake arguments that made it; default: the preset", "WORDS"
    )
    out: Path = place(help="folder to write; emptied first", metavar="DIR")

    def run(self) -> None:
        page = self.page()
        made_by = self.made_by or f"--config preset={page.preset}"
        print(f"{self.out}: {len(ship(page, self.out, made_by))} files")


COMMAND = Ship
