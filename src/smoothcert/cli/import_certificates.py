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

    Accepts radii in the format of Cohen's logs, counts (a column count instead of radius),
    or class counts and a label without a header. Alpha is inferred from the radii where
    possible. The class of a row counts as already selected: use the store for replays.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert import-certificates cohen_0.25.tsv.gz --scale 0.25 --out votes.npz"
    )

    table: Path = positional(help="a table in the format of Cohen's logs (.gz)", metavar="TSV")
    scale: Positive | None = Field(
        None,
        description="Gaussian noise scale; default: column sigma, else sigma_0.25 in the"
        " name or the path",
    )
    n: Count | None = Field(
        None, description="votes per input; default: column n, the sum of class counts, else 100000"
    )
    alpha: Probability | None = Field(
        None, description="failure probability; default: column alpha, else inferred from the radii"
    )
    out: Path = place(help="vote store to write", metavar="NPZ")

    def run(self) -> None:
        store = import_certificates(self.table, self.scale, self.n, self.alpha)
        store.write(self.out)
        width = store.extra["count_high"] - store.extra["count_low"] + 1
        sure = store.selection.dense(store.n_classes).any(1)
        level = store.identity["published"]["alpha"]
        known = "" if level is None else f", alpha {level:g}"
        print(
            f"{self.out}: {len(store)} rows, {int(sure.sum())} with a class, scale"
            f" {store.scale[0]:g}{known}; counts known to within"
            f" {int(width[sure].max(initial=0))} of {store.look} at worst"
        )


COMMAND = ImportCertificates
