"""Both bounds on the votes of every certificate of the run that has one size for all inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from smoothcert.budget import BUDGETS, Both, Fixed
from smoothcert.certificates import CertificateTable, make_table
from smoothcert.certificates.certification import certify
from smoothcert.certificates.runs import AXES, Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.papers.sound.table import Pair, Pairs
from smoothcert.report.output import Files
from smoothcert.votes import VoteStore

TOP, BOTH = "top class only", "both bounds"


def pairs(files: Files) -> Pairs:
    """One pair a vote store: its largest fixed budget, and the same votes under both bounds."""
    made, left_out = _under_both(files, "both")
    return Pairs([Pair(run, after, (TOP, BOTH)) for run, after in made], left_out)


def scales(files: Files) -> Pairs:
    """What scales of an input's own change, under each bound: against the fixed scale."""
    made, left_out = _under_both(files, "scales")
    found = []
    for fixed in made:
        for other in made:
            apart = [axis for axis in AXES if fixed[0].axes[axis] != other[0].axes[axis]]
            if apart == ["scaling"] and fixed[0].scaling == "fixed":
                found += [
                    Pair(fixed[i], other[i], (f"fixed scale, {what}", f"per-input scale, {what}"))
                    for i, what in enumerate((TOP, BOTH))
                ]
    return Pairs(found, left_out)


def _under_both(files: Files, group: str) -> tuple[list[tuple[Run, Run]], list[str]]:
    """The run of the largest fixed budget of each vote store, as it is and under both bounds."""
    stores = {path.parent.parts[-5:]: path for path in files[f"{group}_votes"]}
    largest: dict[tuple[str, ...], Run] = {}
    for run in read_runs(files[group]):
        budget = BUDGETS.parse(str(run.budget))
        key = tuple(str(run.axes[axis]) for axis in AXES[:-1])
        if isinstance(budget, Fixed) and budget.n > (largest[key].n or 0 if key in largest else 0):
            largest[key] = run
    made, left_out = [], []
    for key, run in largest.items():
        drawn = (*key[:3], NOISES.parse(key[3]).drawn_as.slug, key[4])
        try:
            made.append((run, _both(run, stores[drawn], files[f"{group}_tables"])))
        except SmoothcertError as error:
            left_out.append(f"Left out: {error}.")
    return made, left_out


def _both(run: Run, votes: Path, tables: tuple[Path, ...]) -> Run:
    """The certificates of the same votes at the same n, alpha and n0."""
    one = BUDGETS.parse(str(run.budget))
    budget = Both(one.n, one.alpha, one.n0)
    store = VoteStore.read(votes)
    noise = _with_table(NOISES.parse(str(run.noise)), store.d, tables)
    table = certify(store, budget, noise)
    return replace(run, table=_timed(table, run.table), budget=budget.slug)


def _with_table(noise: Noise, d: int, tables: tuple[Path, ...]) -> Noise:
    """The noise with its table, {shape}/{d}.json, where there is one."""
    for path in tables:
        if (path.parent.name, path.stem) == (noise.tabulated, str(d)):
            return noise.with_table_file(path)
    return noise


def _timed(table: CertificateTable, like: CertificateTable) -> CertificateTable:
    """The same samples take the same time."""
    columns = {name: value for name, value in table.columns.items() if name != "correct"}
    seconds = dict(zip(like.idx.tolist(), like.columns["time"].tolist(), strict=True))
    columns["time"] = np.array([seconds.get(i, 0.0) for i in table.idx.tolist()])
    return make_table(**columns)
