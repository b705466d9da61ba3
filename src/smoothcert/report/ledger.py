"""The ledger: one row a claim of claims.csv, in its order, with what it comes to in a run."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.report.claims import VERDICTS, Claim, Evidence, Finding, judge, read_claims
from smoothcert.report.reference import PAPERS

COLUMNS = (
    "paper",
    "section",
    "claim",
    "stated",
    "papers",
    "ours",
    "verdict",
    "direction",
    "evidence",
    "why",
)


@dataclass(frozen=True)
class Row:
    """A claim and what it comes to."""

    claim: Claim
    finding: Finding

    @property
    def paper(self) -> str:
        """The paper's name in print."""
        return PAPERS[self.claim.paper][1]

    @property
    def anchor(self) -> str:
        """Its place on the page: a name that stays the same while the claim's words do."""
        words = f"{self.claim.paper} {self.claim.section} {self.claim.claim}".lower()
        return re.sub(r"[^a-z0-9]+", "-", words).strip("-")

    @property
    def fields(self) -> tuple[str, ...]:
        """In the order of COLUMNS."""
        c, f = self.claim, self.finding
        about = (self.paper, c.section, c.claim, c.stated, c.papers)
        return (*about, f.ours, f.verdict, f.direction, f.evidence, f.why)


def ledger(results: str | os.PathLike[str], papers: Iterable[str] = PAPERS) -> list[Row]:
    """The claims of ``papers`` (keys of PAPERS) with their verdicts from what lies in ``results``.

    Raises SmoothcertError for a folder that is none or a file in it that cannot be read.
    """
    folder, wanted = Path(results), set(papers)
    if not folder.is_dir():
        raise SmoothcertError(f"{folder}: not a results folder")
    evidence = Evidence(folder)
    return [Row(one, judge(one, evidence)) for one in read_claims() if one.paper in wanted]


def write_ledger(base: str | os.PathLike[str], rows: Sequence[Row]) -> list[Path]:
    """Write ``base``.csv and ``base``.md, atomically; returns their paths."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.fields for row in rows)
    paths = []
    for suffix, text in ((".csv", out.getvalue()), (".md", to_markdown(rows))):
        path = Path(base).with_name(Path(base).name + suffix)
        write_text(path, text)
        paths.append(path)
    return paths


def to_markdown(rows: Sequence[Row]) -> str:
    """Counts by paper, then every claim, as pipe tables."""
    counts = count(rows)
    lines = [
        "### Claims of the papers",
        "",
        line(("paper", *VERDICTS)),
        line(["---"] + ["---:"] * len(VERDICTS)),
        *(line((paper, *(str(by[v]) for v in VERDICTS))) for paper, by in counts.items()),
        "",
        line(COLUMNS),
        line(["---"] * len(COLUMNS)),
        *(line(row.fields) for row in rows),
        "",
        "- reproduced, not reproduced: on the paper's own data set, architecture and settings, or"
        " where no data is needed. Different data (or model, or settings): the same comparison"
        " here, with its direction. Not run: no result in this folder tests it.",
        "- papers: the claim checked against the papers' own tables.",
        "",
    ]
    return "\n".join(lines)


def count(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Verdicts by paper, every verdict named."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row.paper, dict.fromkeys(VERDICTS, 0))[row.finding.verdict] += 1
    return counts


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"
