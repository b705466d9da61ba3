"""DDRS's certificates at scales of the inputs' own against dual smoothing with as many samples."""

from __future__ import annotations

from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.ddrs.dual import compared, is_routed, levels_of
from smoothcert.papers.ddrs.runs import scaling
from smoothcert.papers.sound.table import Pair, Pairs
from smoothcert.report import names
from smoothcert.report.output import Files


def pairs(files: Files) -> Pairs:
    """Of each model and sigma_0: every search of DDRS against every estimator.

    What DDRS certifies is another classifier at each input; an estimator's is one.
    """
    made: list[Pair] = []
    for one in compared(read_runs(files["dual"])):
        made += [
            Pair(before, after, (names.scaling(str(before.scaling)), levels_of(after)))
            for before in one.runs
            for after in one.runs
            if scaling(before).search and is_routed(after) and _model(before) == _model(after)
        ]
    return Pairs(made)


def _model(run: Run) -> tuple[str | None, str | None]:
    return run.training, run.noise
