"""DDRS's l1 certificates against the box constraint on their votes, and splitting noise."""

from __future__ import annotations

from itertools import groupby

from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.ddrs import runs as ddrs
from smoothcert.papers.sound.table import Pair, Pairs
from smoothcert.report import names
from smoothcert.report.output import Files


def pairs(files: Files) -> Pairs:
    """Of each data set and network: every run of uniform noise against the box on its own votes,
    and against splitting noise of its width; one with scales of its own also against the widest.

    Where no splitting noise has its width, against all.
    """
    runs = [run for run in read_runs(files["l1"]) if ddrs.base(run) == ddrs.YANG]
    made: list[Pair] = []
    for _, group in groupby(sorted(runs, key=_network), key=_network):
        members = list(group)
        split = [run for run in members if ddrs.takes_every_copy(run)]
        for before in members:
            if before.noise_name == "uniform":
                after = [r for r in members if _boxed(r, before)] + _beside(before, split)
                made += [Pair(before, run, (_name(before), _name(run))) for run in after]
    return Pairs(made)


def _network(run: Run) -> tuple[str, str]:
    return str(run.dataset), str(run.arch)


def _boxed(run: Run, before: Run) -> bool:
    """Whether a run reads the very votes of ``before`` with the box constraint."""
    same = (run.training, run.sigma, run.scaling, run.budget)
    return run.noise_name == "uniform_box" and same == (
        before.training, before.sigma, before.scaling, before.budget
    )  # fmt: skip


def _beside(before: Run, split: list[Run]) -> list[Run]:
    widest = max((run.sigma or 0.0 for run in split), default=0.0)
    widths = {before.sigma} if before.scaling == "fixed" else {before.sigma, widest}
    return [run for run in split if run.sigma in widths] or split


def _name(run: Run) -> str:
    return f"{names.noise(str(run.noise))}, {names.budget(str(run.budget))}"
