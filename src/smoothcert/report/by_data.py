"""The claims that compare, judged on each data set of a run by itself: rows of numbers.

It is the ledger's reading (ledger.py) with the numbers of one data set at a time, so that runs on
several data sets can stand side by side (side_by_side.py). Levels have no direction and no row.
"""

from __future__ import annotations

import os
from pathlib import Path

from smoothcert.compute.lazy import pandas as pd
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.report.claims import LEVEL, Claim, Evidence, Finding, judge, origin, read_claims
from smoothcert.report.numbers import Number
from smoothcert.report.parts import promise
from smoothcert.report.reference import PAPERS

CLAIMS, PROMISES = "tables/claims_by_data.csv", "tables/promises.csv"
SEVERAL = "several"  # data sets: of a claim that compares them
COLUMNS = (
    "paper", "section", "claim", "stated", "check", "data", "verdict", "direction", "value", "low",
    "high", "unit", "papers_choice", "origin", "ours",
)  # fmt: skip
_NUMBERS = ("value", "low", "high", "papers_choice")


def by_data(evidence: Evidence) -> pd.DataFrame:
    """One row a claim and data set, with the columns COLUMNS.

    ``value``, ``low``, ``high``: what the direction is of, with its 95% interval where one is
    known; of several comparisons on the data set the smallest; a gain is the one chosen on other
    inputs, and ``papers_choice`` the one chosen as the paper does. ``origin``: of claims.ORIGINS.
    """
    claims = [claim for claim in read_claims() if claim.check]
    parts = {name: evidence.on(name) for name in evidence.datasets}
    rows = []
    for claim in claims:
        found = [(name, judge(claim, part)) for name, part in parts.items()]
        found = [(name, one) for name, one in found if one.direction != LEVEL]
        whole = found or [(SEVERAL, judge(claim, evidence))]
        rows += [_row(claim, name, one) for name, one in whole if one.direction != LEVEL]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(claim: Claim, data: str, found: Finding) -> tuple[object, ...]:
    number = found.least.number if found.least is not None else None
    gain = found.least.gain if found.least is not None else None
    shown = number or Number(float("nan"))
    return (
        PAPERS[claim.paper][1], claim.section, claim.claim, claim.stated, claim.check, data,
        found.verdict, found.direction, shown.value, shown.low, shown.high, shown.unit,
        None if gain is None else gain.chosen, "" if gain is None else origin(gain), found.ours,
    )  # fmt: skip


def promises(evidence: Evidence) -> pd.DataFrame:
    """One row a verdict of the audits: promise, subject, verdict, whether it is ours, evidence."""
    rows = [
        (promise(one), one.subject, one.verdict, "ours" if one.ours else "", one.evidence)
        for _, one in evidence.audits
    ]
    return pd.DataFrame(rows, columns=["promise", "subject", "verdict", "whose", "evidence"])


def write_by_data(results: str | os.PathLike[str], base: str | os.PathLike[str]) -> list[Path]:
    """Write ``base``_by_data.csv and, beside it, promises.csv, atomically; returns their paths."""
    evidence = Evidence(Path(results))
    paths = [Path(f"{base}_by_data.csv"), Path(base).with_name("promises.csv")]
    for path, table in zip(paths, (by_data(evidence), promises(evidence)), strict=True):
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    return paths


def read_by_data(results: str | os.PathLike[str], name: str = CLAIMS) -> pd.DataFrame:
    """A table of :func:`write_by_data` from a folder of results, or a shipped one; empty texts
    are "".

    Raises SmoothcertError where it is not there or is no such table.
    """
    path = Path(results, name)
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values={n: [""] for n in _NUMBERS})
    except FileNotFoundError:
        raise SmoothcertError(
            f"{path}: no such file; write it with smoothcert overview claims {results} --out"
            f" {Path(results, 'tables/claims')}"
        ) from None
    except (OSError, ValueError) as error:
        raise SmoothcertError(f"{path}: cannot be read: {error}") from None
    missing = [column for column in COLUMNS if column not in table and name == CLAIMS]
    if missing:
        raise SmoothcertError(f"{path}: lacks the column {missing[0]!r}; found {list(table)}")
    return table
