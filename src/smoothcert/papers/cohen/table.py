"""Certified accuracy and ACR for one noise scale each, and the best over the scales.

The table of Cohen et al. 2019 (and, for each sigma, of DDRS appendix H). Its reference is the
row "Cohen" of DDRS, because the tables of Cohen et al. themselves are for other architectures.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs.cells import accuracies, accuracy_columns, source
from smoothcert.papers.ddrs.comparable import cohen_row, settings_of
from smoothcert.report import names
from smoothcert.report.numbers import POINTS, Number, Row, acr, share
from smoothcert.report.output import Files
from smoothcert.report.printing import number
from smoothcert.report.reference import Cell, NotComparable
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.table import Column, Table


def cohen(files: Files, options: AccuracyOptions) -> Table:
    """One row a run, and for runs that differ in the noise scale only, the best of them."""
    runs = read_runs(files.some())
    radii = (
        metrics.default_radii([run.table for run in runs], most=11)
        if options.radii is None
        else metrics.parse_radii(options.radii)
    )
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training", show=names.training),
        Column("noise", "noise", show=names.noise),
        Column("budget", "budget", show=names.budget),
        Column("inputs", "inputs"),
        Column("n", "n"),
        Column("alpha", "α"),
        Column("acr", "ACR", measured=True),
        Column("abstain_percent", "abstain %", measured=True),
        *accuracy_columns(radii, options.strict),
        Column("paper", "paper"),
    )
    rows: list[Row] = []
    for _, members in groupby(runs, key=same_but_sigma):
        group = list(members)
        rows += [_single(run, radii, options.strict) for run in group]
        if len({run.sigma for run in group}) > 1 and len(group) > 1:
            rows += _best(group, radii, options.strict)
    return Table(options.title or "", columns, rows, _notes(rows, options.strict))


def same_but_sigma(run: Run) -> tuple[str, ...]:
    """What the runs of one envelope have in common."""
    parts = (run.dataset, run.arch, run.recipe, run.noise_name, run.scaling, run.budget)
    return tuple(str(part) for part in parts)


def _single(run: Run, radii: NDArray[np.float64], strict: bool) -> Row:
    reference = cohen_row(settings_of(run))
    accuracy = metrics.certified_accuracy(run.table, radii, strict)
    return {
        **_names(run),
        "acr": acr(metrics.average_certified_radius(run.table), _metric(reference, "ACR")),
        "abstain_percent": share(metrics.abstention_rate(run.table)),
        **accuracies(accuracy, radii, reference, brief=False),
        "paper": source(reference),
    }


def _best(group: list[Run], radii: NDArray[np.float64], strict: bool) -> list[Row]:
    """The envelope with the area under it, and the mean of the per-input maximum."""
    tables = metrics.common_inputs([run.table for run in group])
    sigmas = [run.sigma for run in group if run.sigma is not None]
    reference = _best_reference(group, sigmas)
    name = f"best of {', '.join(number(s) for s in sigmas)}"
    common = {**_names(group[0]), "training": group[0].recipe, "inputs": len(tables[0])}
    return [
        {
            **common,
            "noise": f"{name}: envelope",
            "acr": acr(metrics.envelope_area(tables)),
            **accuracies(metrics.envelope(tables, radii, strict), radii, reference, brief=False),
            "paper": source(reference),
        },
        {
            **common,
            "noise": f"{name}: per-input maximum",
            "acr": acr(metrics.per_input_maximum(tables), _metric(reference, "ACR")),
            "paper": source(reference),
        },
    ]


def _best_reference(group: list[Run], sigmas: list[float]) -> PaperRow | NotComparable:
    """Comparable if each run of the envelope is, and the paper chose among the same sigmas."""
    each = [cohen_row(settings_of(run)) for run in group]
    reason = next((r for r in each if isinstance(r, NotComparable)), None)
    return reason or cohen_row(settings_of(group[0]), best_of=sigmas)


def _names(run: Run) -> Row:
    return {
        "dataset": run.dataset or run.path.name,
        "arch": run.arch,
        "training": run.training,
        "noise": run.noise,
        "budget": run.budget,
        "inputs": len(run.table),
        "n": run.n,
        "alpha": None if run.alpha is None else f"{run.alpha:g}",
    }


def _metric(reference: PaperRow | NotComparable, name: str) -> Cell | None:
    return reference.metric(name) if isinstance(reference, PaperRow) else None


def correction(inputs: int, alpha: float) -> Number:
    """Points of certified accuracy to give up for certificates that may be wrong."""
    return Number(-100 * metrics.correction(inputs, alpha), inputs=inputs, unit=POINTS)


def _notes(rows: Sequence[Row], strict: bool) -> tuple[str, ...]:
    notes = [
        "Accuracies are percent of inputs classified correctly with a certified"
        f" radius {'>' if strict else '≥'} r, in pixels of [0,1] images; an abstention is wrong.",
        "Brackets: 95% CIs (test-set sampling; Wilson for proportions, Student's t for"
        " ACR, Gaffke's where few are certified). Certified radii and ACR are rounded down.",
    ]
    if any(isinstance(n, Number) and n.paper for row in rows for n in row.values()):
        notes.append(
            "After the slash: the paper's value. Cohen's method is compared with the rows in"
            " DDRS (ResNet-18 on CIFAR-10, ResNet-50 on ImageNet)."
        )
    if any("different" in str(row["paper"]) or "not in" in str(row["paper"]) for row in rows):
        notes.append(
            "The column paper states why a row has no paper's value: values are shown only for"
            " the paper's own data, architecture and settings."
        )
    if any("envelope" in str(row["noise"]) for row in rows):
        notes.append(
            "Envelope: the best noise scale at each radius, chosen on these inputs; its ACR is"
            " the area under it. Per-input maximum: an oracle picks the scale for each input."
            " Neither is the ACR of one classifier."
        )
    return tuple(notes)
