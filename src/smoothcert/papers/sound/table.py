"""The table of what changes with a sound method: pairs of runs, one of a paper's and one of ours.

Each comparison (comparisons.py) gives pairs of runs on the same inputs, so that their difference is
paired.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run
from smoothcert.papers.cohen.table import correction
from smoothcert.papers.ddrs.cells import accuracy_at
from smoothcert.papers.iss.tables import samples_of
from smoothcert.papers.sound.comparisons import COMPARISONS, Comparison
from smoothcert.report import names
from smoothcert.report.numbers import (
    Key,
    Label,
    Metric,
    Number,
    Row,
    acr,
    gain,
    points,
    samples,
    share,
)
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

RADII = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
BEFORE, AFTER = "before", "after"  # the label ``role``


@dataclass(frozen=True)
class Pair:
    """A run as in the paper and a sound one for the same purpose; ``names`` in print."""

    before: Run
    after: Run
    names: tuple[str, str]


@dataclass(frozen=True)
class Pairs:
    """The pairs of a comparison, and a line on each that cannot be made."""

    pairs: list[Pair]
    left_out: list[str] = field(default_factory=list)


def compare(files: Files, options: Options) -> Table:
    """Two rows a pair: the paper's (once for all its pairs), then the sound one with its gains."""
    rows: list[Row] = []
    left_out: list[str] = []
    for one in COMPARISONS:
        if any(files[group] for group in {str(need.group) for need in one.needs}):
            found = pairs(one, files)
            shown: list[Run] = []
            for pair in found.pairs:
                before, after = _rows(one, pair)
                rows += [after] if any(pair.before is run for run in shown) else [before, after]
                shown.append(pair.before)
            left_out += found.left_out
    columns = (
        Column("question", "question"),
        Column("dataset", "data"),
        Column("training", "training", show=names.training),
        Column("noise", "noise", show=names.noise),
        Column("scaling", "noise scale", show=names.scaling),
        Column("method", "method"),
        Column("inputs", "inputs"),
        *(Column(accuracy_at(r), f"≥ {r:g}", measured=True) for r in RADII),
        *(Column(difference_at(r), f"≥ {r:g}, gain") for r in RADII),
        Column("correction", "correction"),
        Column("abstained", "abstain %", measured=True),
        Column("samples", "samples", measured=True),
        Column("acr", "ACR", measured=True),
        Column("gain", "ACR, gain", measured=True),
    )
    return Table("", columns, rows, (*_NOTES, *dict.fromkeys(left_out)))


def pairs(comparison: Comparison, files: Files) -> Pairs:
    """What the files give a comparison."""
    module, _, name = comparison.make.partition(":")
    made: Callable[[Files], Pairs] = getattr(importlib.import_module(module), name)
    return made(files)


_NOTES = (
    "Certified accuracy (% of inputs, correct with radius ≥ r) with 95% CIs (test-set sampling)."
    " Gain: the sound method minus the paper's on the same inputs, paired; * 95% CI excludes 0.",
    "Correction: points of certified accuracy to subtract for certificates that may be wrong, with"
    " joint confidence 0.999, at the level of the table.",
)


def difference_at(radius: float) -> Metric:
    """The gain in certified accuracy at a radius, in points."""
    return Metric("gain_points", float(radius))


def _rows(comparison: Comparison, pair: Pair) -> Iterable[Row]:
    before, after = metrics.common_inputs([pair.before.table, pair.after.table])
    for run, table, name, role in (
        (pair.before, before, pair.names[0], BEFORE),
        (pair.after, after, pair.names[1], AFTER),
    ):
        accuracy = metrics.certified_accuracy(table, RADII)
        row: dict[Key, Label | Number] = {
            "question": comparison.question,
            **dict(run.axes.items()),
            "method": name,
            "role": role,
            "inputs": len(table),
            **{accuracy_at(r): share(accuracy[i]) for i, r in enumerate(RADII)},
            "abstained": share(metrics.abstention_rate(table)),
            "acr": acr(metrics.average_certified_radius(table)),
        }
        if run.alpha is not None:
            row["correction"] = correction(len(table), run.alpha)
        if {"n", "n0"} <= table.columns.keys():
            drawn = metrics.mean(samples_of(run).astype(np.float64))
            row["samples"] = samples(drawn)
        if run is pair.after:
            more = metrics.accuracy_difference(after, before, RADII)
            row |= {difference_at(r): points(more[i]) for i, r in enumerate(RADII)}
            row["gain"] = gain(metrics.acr_difference(after, before))
        yield row
