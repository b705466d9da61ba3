"""``smoothcert compare BEFORE AFTER``: what another version of a model did to the certificates."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from smoothcert.certificates import read_certificates
from smoothcert.certificates.change import Change, change
from smoothcert.cli.command import Command, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.core.settings import Length, Natural
from smoothcert.report.printing import percent, percent_interval, radius, radius_interval


class Compare(Command):
    """Compare two certificate tables on the same inputs: paired differences, lost certificates.

    Differences are AFTER minus BEFORE with 95% CIs (test-set sampling). An input has
    lost its certificate where BEFORE certifies it at the radius (in its true class, where labels
    are known) and AFTER does not, or certifies another class.
    """

    epilog: ClassVar[str] = "example: smoothcert compare v1.tsv v2.tsv --radius 0.25 --out lost.tsv"

    before: Path = positional(help="certificate table", metavar="BEFORE")
    after: Path = positional(help="certificate table", metavar="AFTER")
    radius: Length = Field(0.0, description="smallest radius at which a certificate counts")
    show: Natural = Field(10, description="number of lost inputs to print")
    out: Path | None = place(None, "write all lost and gained inputs as a table", "TSV")

    def run(self) -> None:
        before, after = read_certificates(self.before), read_certificates(self.after)
        for path, table in ((self.before, before), (self.after, after)):
            if len(table) == 0:
                raise SmoothcertError(f"{path}: no rows; expected at least one certificate")
        found = change(before, after, self.radius)
        at = f" at radius {self.radius:g}" if self.radius else ""
        share = f"{percent(found.share.value)} points {percent_interval(found.share)}"
        print(f"{found.inputs} inputs in both; {len(found.lost)} lost their certificate{at},"
              f" {len(found.gained)} gained one: {share}")  # fmt: skip
        if found.acr is not None:
            said = f"{radius(found.acr.value)} {radius_interval(found.acr)}"
            print(f"average certified radius, difference: {said}")
        if found.lost:
            print("\n".join(_lines(found.lost[: self.show], "lost")))
        if self.out:
            rows = [*_lines(found.lost, "lost"), *_lines(found.gained, "gained")[1:]]
            write_text(self.out, "\n".join(rows) + "\n")


def _lines(rows: list[Change], what: str) -> list[str]:
    head = "idx\tlabel\tpredict_before\tradius_before\tpredict_after\tradius_after\tchange"
    return [head, *("\t".join(map(str, (*row, what))) for row in rows)]


COMMAND = Compare
