"""The ledger: one row a claim of claims.csv, in its order."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.papers.ddrs import claims as ddrs
from smoothcert.papers.ddrs import claims_cells as ddrs_cells
from smoothcert.papers.iss import claims as iss
from smoothcert.papers.iss import claims_closed as iss_closed
from smoothcert.papers.lbrs import claims as lbrs
from smoothcert.papers.nongaussian import claims as zhang
from smoothcert.report.claims import CHECKS, VERDICTS, Claim, Finding, not_run
from smoothcert.report.evidence import Evidence
from smoothcert.report.reference import PAPERS

COLUMNS = (
    "paper", "section", "claim", "stated", "papers", "ours", "verdict", "evidence", "why",
)  # fmt: skip
_MODULES = (ddrs, ddrs_cells, iss, iss_closed, lbrs, zhang)  # they register their checks


@dataclass(frozen=True)
class Row:
    """A claim and what it comes to."""

    claim: Claim
    finding: Finding

    @property
    def fields(self) -> tuple[str, ...]:
        """In the order of COLUMNS."""
        c, f = self.claim, self.finding
        return (
            PAPERS[c.paper], c.section, c.claim, c.stated, c.papers, f.ours, f.verdict,
            f.evidence, f.why,
        )  # fmt: skip


def read_claims() -> list[Claim]:
    """The claims of the four papers, in the order of the papers."""
    text = (resources.files("smoothcert.papers") / "reference_data" / "claims.csv").read_text(
        "utf-8"
    )
    return [
        Claim(
            row["paper"], row["section"], row["claim"], row["value"], row["unit"], row["result"],
            row["note"],
        )
        for row in csv.DictReader(io.StringIO(text))
    ]  # fmt: skip


def ledger(results: str | os.PathLike[str]) -> list[Row]:
    """Every claim with its verdict from what lies in ``results``.

    Raises SmoothcertError for a folder that is none or a file in it that cannot be read.
    """
    folder = Path(results)
    if not folder.is_dir():
        raise SmoothcertError(f"{folder}: no folder of results")
    evidence = Evidence(folder)
    return [Row(claim, judge(claim, evidence)) for claim in read_claims()]


def judge(claim: Claim, evidence: Evidence) -> Finding:
    """What the claim's check says; "not run" where it has none."""
    found = CHECKS.of(claim)
    if not found:
        return not_run("no check is written for this claim")
    check, match = found[0]
    return check(claim, match, evidence)


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
    """Counts by paper, then a pipe table."""
    counts = count(rows)
    lines = [
        "### Claims of the papers", "",
        _line(("paper", *VERDICTS)), _line(["---"] + ["---:"] * len(VERDICTS)),
        *(_line((paper, *(str(n) for n in by.values()))) for paper, by in counts.items()), "",
        _line(COLUMNS), _line(["---"] * len(COLUMNS)), *(_line(row.fields) for row in rows), "",
        "- reproduced, not reproduced: on the paper's own data set, architecture and settings, or"
        " where no data is needed. Different data (or model, or settings): the same comparison as"
        " it came out here. Not run: nothing in this folder shows it.",
        "- papers: the claim against the papers' own tables.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def count(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Verdicts by paper, every verdict named."""
    found = {PAPERS[row.claim.paper]: dict.fromkeys(VERDICTS, 0) for row in rows}
    for row in rows:
        found[PAPERS[row.claim.paper]][row.finding.verdict] += 1
    return found


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"
