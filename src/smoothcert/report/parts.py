"""Pieces of the page that notebooks show too: claims and audits, counted and one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from smoothcert.report import claims as claim_words
from smoothcert.report.ledger import Row, count
from smoothcert.report.render import part
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, NOT_RUN, Verdict

VERDICTS = (BROKEN, HOLDS, NOT_FOUND, NOT_RUN)  # of the audits, in the order of the page

Href = Callable[[str], str]  # a file's path below the results -> its address; "" for no link
Audited = Sequence[tuple[str, Verdict]]  # (file of an audit, verdict)


def claim_counts(rows: Sequence[Row], anchors: Mapping[str, str] | None = None) -> Markup:
    """A line a paper, and one of all. ``anchors``: a paper's place on the page."""
    by = count(rows)
    if len(by) > 1:
        by["all"] = Counter(row.finding.verdict for row in rows)
    caption = "Claims of the papers by verdict"
    return part("counts", caption, "paper", claim_words.VERDICTS, by.items(), anchors or {})


def claims(rows: Sequence[Row], href: Href) -> Markup:
    """Every claim of one paper."""
    return part("claims", f"Claims of {rows[0].paper}", rows, href)


def promise(one: Verdict) -> str:
    """What is promised, and by whom."""
    whose = "ours" if one.ours else one.procedure
    known = not whose or (whose in one.promise and not one.ours)
    return one.promise if known else f"{one.promise} ({whose})"


def promise_counts(audited: Audited) -> Markup:
    """A line a promise, the most often broken first, then those that hold."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, one in audited:
        counts[promise(one)][one.verdict] += 1
    rows = sorted(counts.items(), key=lambda item: ([-item[1][v] for v in VERDICTS], item[0]))
    return part("counts", "Promises by verdict", "promise", VERDICTS, rows)


def verdicts(audited: Audited, href: Href) -> Markup:
    """Every verdict with its evidence, broken promises first."""
    ordered = sorted(audited, key=lambda item: VERDICTS.index(item[1].verdict))
    return part("verdicts", "All audit verdicts", ordered, href)
