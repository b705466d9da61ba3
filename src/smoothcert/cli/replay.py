"""``smoothcert replay FILE --budget SLUG...``: published certificates under other budgets."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from smoothcert.budget import BUDGETS
from smoothcert.certificates import metrics
from smoothcert.certificates.published import import_certificates
from smoothcert.certificates.replay import Record, Replay, default_radii, record, replay_all
from smoothcert.cli.command import Command, place, positional
from smoothcert.core.files import write_text
from smoothcert.core.settings import Count, Natural, Positive, Probability
from smoothcert.report import printing
from smoothcert.votes import VoteStore

NOTE = (
    "A replay draws the recorded votes again without replacement; it gives no new certificates.\n"
    "The certified class counts as selected. Abstentions (votes unknown) stay abstentions and\n"
    "cost as many samples as a class of probability {abstained:g}. Samples include selection votes."
)


class ReplayVotes(Command):
    """Replay published certificates, or votes with equal sample sizes, under other budgets."""

    epilog: ClassVar[str] = (
        "example: smoothcert replay certificates.tsv --scale 0.50 --budget fixed-100000"
        f" iss_ad0.05-100000 --out replay.csv\n\n{NOTE.format(abstained=0.5)}"
    )

    file: Path = positional(help="a published table (.tsv, .gz) or votes (.npz)", metavar="FILE")
    budget: tuple[str, ...] = Field(
        min_length=1, description="slugs; the first is the baseline of the comparison"
    )
    scale: Positive | None = Field(
        None,
        description="Gaussian noise scale of the table; default: from its column sigma, name or"
        " path",
    )
    n: Count | None = Field(
        None, description="votes per input of the table; default: inferred, else 100000"
    )
    alpha: Probability | None = Field(
        None, description="failure probability of the table; default: inferred from its radii"
    )
    every: Count = Field(1, description="use every K-th input")
    seed: Natural = Field(0, description="seed of the draws")
    repeats: Count = Field(10, description="draws to average over")
    look: Count = Field(200, description="step between sample sizes")
    abstained: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.5, description="class probability of an abstention, see below"
    )
    counts: Literal["lowest", "random"] = Field(
        "lowest", description="which count to use when several print as the same radius"
    )
    radii: str | None = Field(None, description="0,0.25,... or START:STOP:STEP")
    strict: bool = Field(False, description="count radius > r instead of >= r")
    out: Path | None = place(None, help="also write the numbers at full precision", metavar="CSV")

    def run(self) -> None:
        """Replay, print a table, and write it."""
        budgets = [BUDGETS.parse(slug) for slug in self.budget]
        published = record(self._store(), self.every)
        replays = replay_all(
            published,
            budgets,
            repeats=self.repeats,
            seed=self.seed,
            look=self.look,
            abstained=self.abstained,
            counts=self.counts,
        )
        radii = metrics.parse_radii(self.radii) if self.radii else default_radii(replays)
        rows = [_row(one, replays[0], radii, self.strict) for one in replays]
        print(_summary(published))
        print(_table(rows))
        print(NOTE.format(abstained=self.abstained))
        if self.out:
            text = io.StringIO()
            writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_text(self.out, text.getvalue())

    def _store(self) -> VoteStore:
        if self.file.suffix == ".npz":
            return VoteStore.read(self.file)
        return import_certificates(self.file, self.scale, self.n, self.alpha)


def _row(one: Replay, first: Replay, radii: NDArray[np.float64], strict: bool) -> dict[str, object]:
    samples, acr = one.average_samples(), one.acr()
    more, gain = one.against(first)
    accuracy = one.certified_accuracy(radii, strict)
    row: dict[str, object] = {"budget": one.budget.slug}
    for name, estimate in (
        ("samples", samples), ("samples_difference", more),
        ("acr", acr), ("acr_difference", gain),
    ):  # fmt: skip
        row[name] = float(estimate.value)
        row[f"{name}_low"], row[f"{name}_high"] = float(estimate.low), float(estimate.high)
    row |= {"mad": one.mad(), "beyond_record": one.beyond}
    for r, value in zip(radii, accuracy.value, strict=True):
        row[f"accuracy_{r:g}"] = 100 * float(value)
    return row


def _summary(published: Record) -> str:
    return (
        f"{len(published)} inputs, {published.noise.slug}, {published.size:,} recorded votes each;"
        f" {int((published.predict < 0).sum())} abstentions, {int(published.correct.sum())} correct"
    )


def _table(rows: list[dict[str, object]]) -> str:
    """Fixed-width text: differences are against the first budget, paired, with 95% intervals."""
    accuracies = [key for key in rows[0] if key.startswith("accuracy_")]
    head = ["budget", "samples", "ACR", "ACR difference (95%)", "MAD"]
    lines = [head + [key.removeprefix("accuracy_") for key in accuracies]]
    for i, row in enumerate(rows):
        values = {k: float(v) for k, v in row.items() if k != "budget"}  # type: ignore[arg-type]
        difference = "" if i == 0 else (
            f"{values['acr_difference']:+.4f} [{values['acr_difference_low']:+.4f},"
            f" {values['acr_difference_high']:+.4f}]"
        )  # fmt: skip
        lines.append([
            str(row["budget"]), f"{values['samples']:,.0f}", printing.radius(values["acr"]),
            difference, f"{values['mad']:.3f}", *(f"{values[key]:.1f}" for key in accuracies),
        ])  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


COMMAND = ReplayVotes
