"""``smoothcert published NAME``: what a published certificate table says, and budgets on it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, data_dir_place, place, positional
from smoothcert.datasets import published
from smoothcert.papers.iss.options import PublishedOptions
from smoothcert.papers.iss.published import measure
from smoothcert.report.numbers import frame, write_numbers


class Published(Command, PublishedOptions):
    """Summarize a published certificate table: accuracies, ACR, and replays of its votes under
    other budgets."""

    epilog: ClassVar[str] = (
        "example: smoothcert published imagenet_resnet50_consistency_train0.50_sigma0.50"
        " --out x.csv"
    )

    name: str = positional(
        help="name of a published table (list: smoothcert data published)",
        metavar="NAME",
        specified=True,
    )
    data_dir: Path | None = data_dir_place()
    download: bool = place(False, "download it if it is missing")
    out: Path = place(help="file for the numbers", metavar="FILE.csv")

    def run(self) -> None:
        """Verify, measure, write; and say the level of its radii."""
        one = published.table(self.name)
        file = published.fetch(one, self.data_dir, self.download)
        rows = measure(one, file, self)
        write_numbers(self.out, frame("published", rows))
        print(
            f"{one.name}: {one.rows:,} inputs, alpha {one.alpha:g}, by {one.authors}"
            f" ({one.licence}); {len(rows)} rows: {self.out}"
        )


COMMAND = Published
