"""What a check is: it reads a results folder and says what a claim comes to there.

A claim is *reproduced* or *not reproduced* only by a measurement on the paper's own data set,
architecture and settings, or where it needs no data. The same comparison on other data is
*different data*: its number stands there with its direction, and nothing is claimed. Without
evidence it is *not run*.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smoothcert.reporting.claims.evidence import Evidence

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
DIFFERENT, NOT_RUN = "different data", "not run"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, DIFFERENT, NOT_RUN)
SAME, OPPOSITE, NEITHER = "same direction", "opposite direction", "no difference told apart"
LEVEL = "a level, no direction"


@dataclass(frozen=True)
class Claim:
    """A row of claims.csv: ``papers`` is its result against the papers' own tables."""

    paper: str
    section: str
    claim: str
    value: str
    unit: str
    papers: str
    note: str

    @property
    def stated(self) -> str:
        """Value and unit."""
        return f"{self.value} {self.unit}".strip()

    @property
    def number(self) -> float:
        """The stated value; ValueError where it is none. ``3/10`` is a fraction."""
        above, _, below = self.value.partition("/")
        return float(above) / float(below or 1)


@dataclass(frozen=True)
class Finding:
    """What a claim comes to: ours, the verdict, the file that shows it, and why."""

    ours: str
    verdict: str
    evidence: str
    why: str


@dataclass(frozen=True)
class Measured:
    """One comparison of ours, on one data set and model.

    ``papers_own``: data, architecture and settings are the paper's. ``agrees``: it meets the
    claim, by the check's rule. ``direction``: SAME, OPPOSITE, NEITHER or LEVEL.
    """

    text: str
    papers_own: bool
    agrees: bool
    direction: str


def conclude(measured: Sequence[Measured], evidence: str, why: str, missing: str) -> Finding:
    """The verdict of several comparisons: of those at the paper's own settings, if there are."""
    own = [m for m in measured if m.papers_own]
    if own:
        verdict = REPRODUCED if all(m.agrees for m in own) else NOT_REPRODUCED
        return Finding("; ".join(_text(m) for m in own), verdict, evidence, why)
    if measured:
        return Finding("; ".join(_text(m) for m in measured), DIFFERENT, evidence, why)
    return Finding("", NOT_RUN, "", missing)


def closed_form(ours: str, agrees: bool, evidence: str, why: str) -> Finding:
    """Of a claim that needs no data."""
    return Finding(ours, REPRODUCED if agrees else NOT_REPRODUCED, evidence, why)


def not_run(why: str) -> Finding:
    return Finding("", NOT_RUN, "", why)


def _text(one: Measured) -> str:
    return one.text if one.direction == LEVEL else f"{one.text} ({one.direction})"


def toward(value: float, stated: float, low: float | None = None, high: float | None = None) -> str:
    """Direction of a difference; NEITHER for 0 or where its 95% interval holds 0."""
    if value == 0 or (low is not None and high is not None and low <= 0 <= high):
        return NEITHER
    return SAME if (value > 0) == (stated > 0) else OPPOSITE


def printed_half_unit(text: str) -> float:
    """Half a unit of the last printed digit: ``40.1`` -> 0.05, ``0.193`` -> 0.0005."""
    _, _, decimals = text.partition(".")
    return 0.5 * 10.0 ** -len(decimals)


Check = Callable[[Claim, "re.Match[str]", "Evidence"], Finding]


@dataclass
class Checks:
    """Checks by paper, section and the claim's words: ``@check("ddrs", "X at (r)")``."""

    members: list[tuple[str, str, re.Pattern[str], Check]] = field(default_factory=list)

    def __call__(self, paper: str, words: str, section: str = "") -> Callable[[Check], Check]:
        """``words`` is a regular expression of the whole claim, ``section`` one that its section
        begins with."""

        def register(check: Check) -> Check:
            self.members.append((paper, section, re.compile(words), check))
            return check

        return register

    def of(self, claim: Claim) -> list[tuple[Check, re.Match[str]]]:
        """The checks of a claim: one, or none where nobody wrote any."""
        found = []
        for paper, section, words, check in self.members:
            if paper != claim.paper or not claim.section.startswith(section):
                continue
            match = words.fullmatch(claim.claim)
            if match:
                found.append((check, match))
        return found


CHECKS = Checks()
