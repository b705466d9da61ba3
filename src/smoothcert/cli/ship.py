"""``smoothcert ship RESULTS --out DIR``: a run's tables, page and pictures, for the docs."""

from __future__ import annotations

from pathlib import Path

from smoothcert.cli.command import place
from smoothcert.cli.overview import OfResults
from smoothcert.report.ship import ship


class Ship(OfResults):
    """A run's tables, its page and lighter pictures, to be kept with the documents."""

    out: Path = place(help="is emptied first", metavar="DIR")

    def run(self) -> None:
        print(f"{self.out}: {len(ship(self.page(), self.out))} files")


COMMAND = Ship
