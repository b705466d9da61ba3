"""Gaussian noise in float32 against Gaussian noise on a grid, right for every base classifier."""

from __future__ import annotations

from smoothcert.certificates.runs import Run, read_runs
from smoothcert.noise import NOISES
from smoothcert.papers.sound.table import Pair, Pairs
from smoothcert.report import names
from smoothcert.report.output import Files


def pairs(files: Files) -> Pairs:
    """Of each model, scale and budget: l2 certificates by either noise, each from its own votes."""
    runs = read_runs(files["grid"])
    made: list[Pair] = []
    for after in runs:
        if NOISES.parse(str(after.noise)).grid is not None:
            made += [
                Pair(before, after, (names.noise(str(before.noise)), names.noise(str(after.noise))))
                for before in runs
                if before.noise_name == "gaussian" and _same(before) == _same(after)
            ]
    return Pairs(made)


def _same(run: Run) -> tuple[object, ...]:
    return (run.dataset, run.arch, run.training, run.sigma, run.scaling, run.budget)
