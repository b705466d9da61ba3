"""DDRS, appendix H: every model and K by itself, with the paper's row where it is comparable."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import (
    accuracies,
    accuracy_columns,
    compared,
    data,
    data_note,
    radii_for,
    source,
)
from smoothcert.report import names as readable
from smoothcert.report.numbers import Row, acr
from smoothcert.report.output import Files
from smoothcert.report.printing import fixed, norm, number
from smoothcert.report.table import Column, Table


def appendix(files: Files, options: AccuracyOptions) -> Table:
    """One row a model and K; ACR is that of the model, on all its inputs."""
    chosen = names.check(read_runs(files.some()))
    chosen = sorted(chosen, key=lambda run: (data(run), str(names.base(run)), names.order(run)))
    radii = radii_for(chosen, options.radii)
    columns = (
        Column("data", "data"),
        Column("method", "method"),
        Column("training", "training", show=readable.training),
        Column("sigma", "σ (λ)"),
        Column("K", "K"),
        Column("mean_sigma", "mean scale (sd)"),
        Column("budget", "budget", show=readable.budget),
        Column("memory", "changed by memory"),
        Column("acr", "ACR", measured=True),
        *accuracy_columns(radii, options.strict),
        Column("paper", "paper"),
    )
    rows = [_row(run, radii, options.strict) for run in chosen]
    notes = [
        data_note(list(group), inputs)
        for (_, inputs), group in groupby(chosen, key=lambda run: (data(run), len(run.table)))
    ]
    norms = ", ".join(dict.fromkeys(norm(run.norm) for run in chosen))
    notes = [*dict.fromkeys(notes), *_notes(rows, options.strict, norms)]
    return Table(options.title or "", columns, rows, tuple(notes))


def _row(run: Run, radii: NDArray[np.float64], strict: bool) -> Row:
    reference = names.paper_row(run)
    return {
        **names.axes(run),
        "data": data(run),
        "method": names.label(run),
        "sigma": None if run.sigma is None else number(run.sigma),
        "K": names.steps(run),
        "search": names.search(run),
        "mean_sigma": mean_scale(run),
        "memory": names.memory_changes(run),
        "acr": acr(metrics.average_certified_radius(run.table)),
        **accuracies(metrics.certified_accuracy(run.table, radii, strict), radii, reference),
        "paper": source(reference),
    }


def mean_scale(run: Run) -> str | None:
    """Mean (and standard deviation, unless all are one) of the inputs' own noise scales."""
    scales = run.table.optional("sigma")
    if scales is None:
        return None
    mean = fixed(float(scales.mean()), 3)
    if (scales == scales[0]).all():
        return mean
    return f"{mean} ({fixed(float(scales.std(ddof=1)), 3)})"


def _notes(rows: list[Row], strict: bool, norms: str) -> tuple[str, ...]:
    notes = [
        f"Columns {'>' if strict else '≥'} r: percent classified correctly with a certified"
        f" {norms} radius {'>' if strict else '≥'} r, in pixels of"
        f" [0,1] images; an abstention is wrong. Brackets: 95% CI (test-set sampling);"
        " the CSV file has those of the accuracies. No selection.",
        "Mean scale: mean of the per-input noise scales. Changed by memory: certificates that"
        " Algorithm 3 trimmed or relabelled; - where no memory was applied (a single scale needs"
        " none).",
    ]
    if compared(rows):
        notes.append(
            "After the slash: the paper's value. Its appendix prints no ACR; its rows"
            " MACER-DS2 (n=1), σ 0.25, K 200 and 300 are identical, and Cohen-DS on"
            " CIFAR-10 moves faster than its stated step size allows."
        )
    return tuple(notes)
