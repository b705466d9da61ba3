"""ISS as published against budgets whose bounds hold: fresh votes, sequential, both bounds."""

from __future__ import annotations

from itertools import groupby

from smoothcert.budget import BUDGETS, BothIss, BothSequential, Iss, IssFresh, Sequential
from smoothcert.budget.base import Budget
from smoothcert.certificates.runs import AXES, Run, read_runs
from smoothcert.papers.sound.table import Pair, Pairs
from smoothcert.report import names
from smoothcert.report.output import Files


def pairs(files: Files) -> Pairs:
    """Of each model: every ISS budget with an absolute decline against every sound one."""
    runs = sorted(read_runs(files["iss"]), key=_model)
    made: list[Pair] = []
    for _, group in groupby(runs, key=_model):
        members = list(group)
        made += [
            Pair(before, after, (names.budget(str(before.budget)), names.budget(str(after.budget))))
            for before in members
            for after in members
            if _published(_budget(before)) and _sound(_budget(after), _budget(before))
        ]
    return Pairs(made)


def _model(run: Run) -> tuple[str, ...]:
    return tuple(str(run.axes[axis]) for axis in AXES[:-1])


def _budget(run: Run) -> Budget:
    return BUDGETS.parse(str(run.budget))


def _published(budget: Budget) -> bool:
    return type(budget) is Iss and budget.ad > 0


def _sound(budget: Budget, published: Budget) -> bool:
    """Of the same largest size: ISS's own rule made sound, and rules with its aim."""
    if budget.n != published.n:
        return False
    if isinstance(budget, IssFresh | BothIss):
        assert isinstance(published, Iss)
        return budget.ad == published.ad
    return isinstance(budget, Sequential | BothSequential) and budget.mode in ("price", "ad")
