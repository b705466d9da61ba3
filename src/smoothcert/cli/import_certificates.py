"""``smoothcert import-certificates``: a published table as a vote store with one look."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from smoothcert.certificates.published import import_certificates
from smoothcert.cli.command import Command, place, positional
from smoothcert.core.settings import Count, Positive, Probability


class ImportCertificates(Command):
    """Read a published certificate table as a vote store with one look.

    The table does not say its noise scale; its alpha is found where it can be told.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert import-certificates cohen_0.25.tsv.gz --scale 0.25 --out votes.npz"
    )

    table: Path = positional(help="a table in the format of Cohen's logs (.gz)", metavar="TSV")
    scale: Positive = Field(description="Gaussian noise scale")
    n: Count = Field(100_000, description="samples")
    alpha: Probability | None = Field(None, description="default: found from the radii")
    out: Path = place(help="the vote store", metavar="NPZ")

    def run(self) -> None:
        store = import_certificates(self.table, self.scale, self.n, self.alpha)
        store.write(self.out)
        width = store.extra["count_high"] - store.extra["count_low"] + 1
        sure = store.selection.dense(store.n_classes).any(1)
        print(
            f"{self.out}: {len(store)} rows, {int(sure.sum())} certified, alpha"
            f" {store.identity['published']['alpha']:g}; counts known to within"
            f" {int(width[sure].max(initial=0))} of {self.n} at worst"
        )


COMMAND = ImportCertificates
