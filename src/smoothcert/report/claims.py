"""Claims of the papers, judged in one place: a claim is a row of data with a check.

``papers/claims.csv`` has a row a claim; its column ``check`` is a call such as
``gain("Cohen-DS", "Cohen", at=0.5)``. A check reads the numbers of a run (:class:`Evidence`) and
returns what it measured; :func:`conclude` turns that into a verdict, the same way for all.

*reproduced* and *not reproduced* are said only of a measurement on the paper's own data,
architecture and settings, or where no data is needed. The same comparison elsewhere is
*different data*, with its direction: same, opposite, or not distinguishable. Without evidence a
claim is *not run*.
"""

from __future__ import annotations

import ast
import csv
import importlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from smoothcert.compute.lazy import pandas as pd
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.numbers import Number, frame, read_numbers
from smoothcert.report.reference import PAPERS
from smoothcert.report.verdict import Verdict, read_verdicts

_T = TypeVar("_T")

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
DIFFERENT, NOT_RUN = "different data", "not run"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, DIFFERENT, NOT_RUN)
SAME, OPPOSITE, NEITHER = "same direction", "opposite direction", "not distinguishable"
IN_PART = "in part"  # of several comparisons, some have the claim's direction and some do not
LEVEL = ""  # a level has no direction
DIRECTIONS = (SAME, OPPOSITE, NEITHER, IN_PART, LEVEL)
# Where a gain comes from (:func:`origin`)
NO_GAIN, OPTIMISM, UNCLEAR = "no gain", "optimism of the choice", NEITHER
SHIFT, LONGER, REMAINS = "shift of the noise scale", "longer training", "remains"
NO_CONTROL = "no control run"
ORIGINS = (NO_GAIN, UNCLEAR, OPTIMISM, SHIFT, LONGER, REMAINS, NO_CONTROL)


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
    check: str

    @property
    def stated(self) -> str:
        """Value and unit."""
        return f"{self.value} {self.unit}".strip()

    @property
    def number(self) -> float:
        """The stated value; ValueError where it is none. ``3/10`` is a fraction."""
        above, _, below = self.value.partition("/")
        return float(above) / float(below or 1)

    @property
    def step(self) -> float:
        """A unit of the last printed digit: ``40.1`` -> 0.1."""
        return 10.0 ** -len(self.value.partition(".")[2])


@dataclass(frozen=True)
class Gain:
    """A gain of one method over another, by what could be behind it.

    ``chosen`` as the paper chooses (scale and steps on the test inputs); ``held_out`` chosen on
    other inputs, paired. ``controls`` by SHIFT or LONGER: the gain over a model that has that and
    nothing else of the method (one scale for all inputs with the same mean; as long a training);
    None where one that is needed was not run.
    """

    chosen: float
    held_out: Number
    controls: Mapping[str, Sequence[Number]] | None


def origin(gain: Gain) -> str:
    """What a gain comes from, of ORIGINS: the first of these that its numbers do not rule out.

    Not positive: no gain. Chosen on other inputs it is not above 0 (95%): optimism of the choice
    where the paper's choice gives more than that interval, else not distinguishable. A control that
    it is not above (95%), at some scale: that control. Above every control: it remains.
    """
    low, high = _ends(gain.held_out)
    if gain.chosen <= 0:
        return NO_GAIN
    if low <= 0:
        return OPTIMISM if gain.chosen > high else UNCLEAR
    if gain.controls is None:
        return NO_CONTROL
    for name, numbers in gain.controls.items():
        if any(_ends(one)[0] <= 0 for one in numbers):
            return name
    return REMAINS


def _ends(number: Number) -> tuple[float, float]:
    low, high = number.low, number.high
    return -math.inf if low is None else low, math.inf if high is None else high


@dataclass(frozen=True)
class Measured:
    """One comparison of ours, on one data set and model.

    ``number`` is what ``direction`` is of, where it is one number; ``gain`` how it splits up.

    ``text`` says what was measured, on what. ``papers_own``: data, architecture and settings are
    the paper's. ``agrees``: it meets the claim, by the check's rule. ``direction``: of DIRECTIONS.
    """

    text: str
    papers_own: bool
    agrees: bool
    direction: str
    number: Number | None = None
    gain: Gain | None = None


@dataclass(frozen=True)
class Finding:
    """What a claim comes to: ours, verdict, direction, the file that shows it, and why.

    ``least`` is, of the comparisons behind it, the one of the smallest number; None without any.
    """

    ours: str
    verdict: str
    direction: str = LEVEL
    evidence: str = ""
    why: str = ""
    least: Measured | None = None


def conclude(measured: Sequence[Measured], evidence: str, why: str, missing: str) -> Finding:
    """The verdict of several comparisons: of those at the paper's own settings, if there are."""
    own = [m for m in measured if m.papers_own]
    shown = own or measured
    if not shown:
        return not_run(missing)
    said = {m.direction for m in shown}
    direction = said.pop() if len(said) == 1 else IN_PART
    ours = "; ".join(m.text if m.direction == LEVEL else f"{m.text} ({m.direction})" for m in shown)
    verdict = DIFFERENT
    if own:
        verdict = REPRODUCED if all(m.agrees for m in own) else NOT_REPRODUCED
    least = min((m for m in shown if m.number is not None), key=_value, default=shown[-1])
    return Finding(ours, verdict, direction, evidence, why, least)


def _value(one: Measured) -> float:
    return math.inf if one.number is None else one.number.value


def closed_form(ours: str, agrees: bool, evidence: str, why: str) -> Finding:
    """Of a claim that needs no data."""
    return Finding(ours, REPRODUCED if agrees else NOT_REPRODUCED, LEVEL, evidence, why)


def not_run(why: str) -> Finding:
    return Finding("", NOT_RUN, LEVEL, "", why)


def toward(value: float, stated: float, low: float | None = None, high: float | None = None) -> str:
    """Direction of a difference; NEITHER for 0 or where its 95% interval holds 0."""
    if value == 0 or (low is not None and high is not None and low <= 0 <= high):
        return NEITHER
    return SAME if (value > 0) == (stated > 0) else OPPOSITE


@dataclass
class Evidence:
    """A results folder: the result frame of the run (report/numbers.py) and its verdicts."""

    results: Path
    found: dict[str, Any] = field(default_factory=dict, repr=False)  # by function of it

    @cached_property
    def outputs(self) -> dict[str, pd.DataFrame]:
        """The numbers of each output that was made, with its own labels."""
        files = sorted((self.results / "numbers").glob("*.csv"))
        return {path.stem: read_numbers([path]) for path in files}

    def on(self, dataset: str) -> Evidence:
        """The same with the numbers of one data set only."""
        part = replace(self, found={})
        part.outputs = {
            name: numbers[numbers.dataset == dataset]
            for name, numbers in self.outputs.items()
            if "dataset" in numbers
        }
        return part

    @property
    def datasets(self) -> list[str]:
        """Those that some number is of."""
        labelled = [numbers for numbers in self.outputs.values() if "dataset" in numbers]
        return sorted({name for numbers in labelled for name in numbers.dataset.dropna()})

    @property
    def numbers(self) -> pd.DataFrame:
        """All of them."""
        each = list(self.outputs.values())
        return pd.concat(each, ignore_index=True) if each else frame("", [])

    def of(self, output: str, **labels: Any) -> pd.DataFrame:
        """The numbers of one output whose labels have these values; empty if it was not made."""
        found = self.outputs.get(output)
        found = frame(output, []) if found is None else found
        for name, value in labels.items():
            if name not in found:
                return found.iloc[:0]
            found = found[found[name] == value]
        return found

    def first(self, *paths: str) -> str:
        """The first of these files, from the folder, that is there; or nothing."""
        return next((path for path in paths if (self.results / path).exists()), "")

    @cached_property
    def audits(self) -> list[tuple[str, Verdict]]:
        """(file from the folder, verdict) of every audit."""
        paths = sorted((self.results / "audits").glob("**/*.json"))
        return [
            (path.relative_to(self.results).as_posix(), verdict)
            for path in paths
            for verdict in read_verdicts(path).verdicts
        ]


def once(function: Callable[[Evidence], _T]) -> Callable[[Evidence], _T]:
    """Decorator: what is found in an evidence is looked for once, by however many checks."""

    @wraps(function)
    def found(evidence: Evidence) -> _T:
        name = f"{function.__module__}.{function.__qualname__}"
        if name not in evidence.found:
            evidence.found[name] = function(evidence)
        return evidence.found[name]

    return found


Check = Callable[..., Finding]  # (claim, evidence, *arguments of the call in claims.csv)
_CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Decorator: a check by its name, which the column ``check`` of claims.csv calls."""
    if function.__name__ in _CHECKS and _CHECKS[function.__name__] is not function:
        raise ValueError(f"two checks are called {function.__name__}")
    _CHECKS[function.__name__] = function
    return function


def read_claims() -> list[Claim]:
    """The claims of the four papers, in the order of the papers."""
    columns = {**{name: name for name in Claim.__dataclass_fields__}, "papers": "result"}
    text = (resources.files("smoothcert.papers") / "claims.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return [Claim(**{name: row[column] for name, column in columns.items()}) for row in rows]


def judge(claim: Claim, evidence: Evidence) -> Finding:
    """What the claim's check says, which stands in the ``claims.py`` of its paper's folder.

    Raises SmoothcertError for a call that names no check.
    """
    if not claim.check:
        return not_run("no check exists for this claim")
    importlib.import_module(f"smoothcert.papers.{PAPERS[claim.paper][0]}.claims")
    try:
        call = ast.parse(claim.check, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        words = [ast.literal_eval(a) for a in call.args]
        named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        function = _CHECKS[call.func.id]
    except (AssertionError, SyntaxError, ValueError, KeyError) as error:
        raise SmoothcertError(
            f"claims.csv: {claim.claim!r}: check {claim.check!r}: expected one of"
            f" {', '.join(sorted(_CHECKS))} ({error})"
        ) from None
    return function(claim, evidence, *words, **named)
