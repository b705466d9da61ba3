"""Pieces of the page that notebooks show too: claims and audits, counted and one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from markupsafe import Markup

from smoothcert.report import claims as claim_words
from smoothcert.report.ledger import Row, count
from smoothcert.report.render import part
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, NOT_RUN, Verdict

AUDITED = (BROKEN, HOLDS, NOT_FOUND, NOT_RUN)  # in the order of the page

Href = Callable[[str], str]  # a file's path below the results -> its address; "" for no link
Found = Sequence[tuple[str, Verdict]]  # (file of an audit, verdict)


def claim_counts(rows: Sequence[Row]) -> Markup:
    """A line a paper, and one of all."""
    by = count(rows)
    if len(by) > 1:
        by["all"] = Counter(row.finding.verdict for row in rows)
    caption = "Claims of the papers by verdict"
    return part("counts", caption, "paper", claim_words.VERDICTS, by.items())


def claims(rows: Sequence[Row], href: Href) -> Markup:
    """Every claim of one paper."""
    return part("claims", f"Claims of {rows[0].paper}", rows, href)


def promise(one: Verdict) -> str:
    """What is promised, and by whom."""
    whose = "ours" if one.ours else one.procedure
    return f"{one.promise} ({whose})" if whose else one.promise


def promise_counts(found: Found) -> Markup:
    """A line a promise, the most often broken first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, one in found:
        counts[promise(one)][one.verdict] += 1
    rows = sorted(counts.items(), key=lambda item: (-item[1][BROKEN], item[0]))
    return part("counts", "Promises by verdict", "promise", AUDITED, rows)


def verdicts(found: Found, href: Href) -> Markup:
    """Every verdict with its evidence, broken promises first."""
    ordered = sorted(found, key=lambda item: AUDITED.index(item[1].verdict))
    return part("verdicts", "Every verdict of the audits", ordered, href)
