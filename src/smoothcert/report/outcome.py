"""What a run comes to, counted for the words at the head of the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smoothcert import datasets
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import parts
from smoothcert.report.claims import DIFFERENT, NOT_REPRODUCED
from smoothcert.report.ledger import Row
from smoothcert.report.made import Made
from smoothcert.report.reference import inputs_behind
from smoothcert.report.verdict import BROKEN


@dataclass(frozen=True)
class Outcome:
    """Claims and promises by verdict, and those that failed by name.

    ``data``: every data set of the run and what it is; ``missing``: those of the papers' tables
    (``papers_data``) that are not among them. ``directions``: of the claims
    that were compared on other data. ``broken``: (promise, how often), those that this project
    calls sound in ``ours`` instead. ``published``: certificate tables of others that were replayed.
    """

    data: dict[str, str]
    networks: tuple[str, ...]
    papers_data: tuple[str, ...]
    missing: tuple[str, ...]
    made: Made
    claims: Counter[str]
    directions: Counter[str]
    failed: tuple[Row, ...]
    promises: Counter[str]
    broken: tuple[tuple[str, int], ...]
    ours: tuple[tuple[str, int], ...]
    published: int

    @property
    def time(self) -> str:
        """Of all measured jobs, one after the other."""
        return duration(self.made.total)


def outcome(
    rows: Sequence[Row], audited: parts.Audited, made: Made, data: Sequence[str], published: int = 0
) -> Outcome:
    """Of the ledger, the verdicts of the audits and what made the results.

    ``data``: the names of the data sets; ``published``: how many published tables were replayed.
    """
    broken = [one for _, one in audited if one.verdict == BROKEN]
    papers = sorted({dataset for _, dataset in inputs_behind()})
    return Outcome(
        data={name: title(name) for name in data},
        networks=tuple(made.values.get("arch", ())),
        papers_data=tuple(_name(one) for one in papers),
        missing=tuple(_name(one) for one in papers if one not in data),
        made=made,
        claims=Counter(row.finding.verdict for row in rows),
        directions=Counter(r.finding.direction for r in rows if r.finding.verdict == DIFFERENT),
        failed=tuple(row for row in rows if row.finding.verdict == NOT_REPRODUCED),
        promises=Counter(one.verdict for _, one in audited),
        broken=_counted(parts.promise(one) for one in broken if not one.ours),
        ours=_counted(parts.promise(one) for one in broken if one.ours),
        published=published,
    )


def title(dataset: str) -> str:
    """``digits`` -> "scikit-learn's handwritten digits, 8x8 grey"; nothing of a user's own."""
    try:
        return datasets.info(dataset).title
    except SmoothcertError:
        return ""


def _name(dataset: str) -> str:
    """``cifar10`` -> "CIFAR-10"."""
    return re.split(r",| \(", title(dataset))[0]


def duration(seconds: float) -> str:
    """As people say it: "40 seconds", "12 minutes", "3.6 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"


def _counted(promises: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(promises).most_common())
