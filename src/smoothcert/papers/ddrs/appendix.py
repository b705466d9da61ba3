"""DDRS, appendix H: every model and K by itself, with the paper's row where it is comparable."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import data, data_note, default_radii, key, without_interval
from smoothcert.report.printing import fixed, norm, number
from smoothcert.report.reference import Row
from smoothcert.report.table import UNKNOWN, Column, Entry, Options, Table, acr, share, words
from smoothcert.report.table_registry import TABLES


@TABLES.member("ddrs_appendix")
def appendix(runs: Sequence[Run], options: Options) -> Table:
    """One row a model and K; ACR is that of the model, on all its inputs."""
    chosen = names.check(runs, [*names.BASES.values(), names.YANG])
    chosen = sorted(chosen, key=lambda run: (data(run), str(names.base(run)), names.order(run)))
    radii = default_radii(chosen) if options.radii is None else metrics.parse_radii(options.radii)
    sign = ">" if options.strict else "≥"
    columns = (
        Column("data", "data"),
        Column("method", "method"),
        Column("training", "training"),
        Column("sigma", "σ (λ)"),
        Column("K", "K"),
        Column("mean_sigma", "mean scale (sd)"),
        Column("budget", "budget"),
        Column("memory", "changed by memory"),
        Column("acr", "ACR", measured=True),
        *(Column(key(r), f"{sign} {number(r)}", measured=True) for r in radii),
        Column("paper", "paper"),
    )
    rows = [_row(run, radii, options.strict) for run in chosen]
    notes = [
        data_note(list(group), inputs)
        for (_, inputs), group in groupby(chosen, key=lambda run: (data(run), len(run.table)))
    ]
    norms = ", ".join(dict.fromkeys(norm(run.norm) for run in chosen))
    title = options.title or f"Appendix H of DDRS: each model and K, at {norms} radii"
    return Table(
        title, columns, rows, (*dict.fromkeys(notes), *_notes(rows, options.strict, norms))
    )


def _row(run: Run, radii: NDArray[np.float64], strict: bool) -> dict[str, Entry]:
    reference = names.paper_row(run)
    row = reference if isinstance(reference, Row) else None
    accuracy = metrics.certified_accuracy(run.table, radii, strict)
    return {
        "data": words(data(run)),
        "method": words(names.label(run)),
        "training": words(run.training),
        "sigma": words(number(run.sigma) if run.sigma is not None else None),
        "K": words(names.steps(run)),
        "mean_sigma": words(mean_scale(run)),
        "budget": words(run.budget),
        "memory": words(names.memory_changes(run)),
        "acr": acr(metrics.average_certified_radius(run.table)),
        **{
            key(r): without_interval(share(accuracy[i], row.at(float(r)) if row else None))
            for i, r in enumerate(radii)
        },
        "paper": words(row.source if row else getattr(reference, "reason", UNKNOWN)),
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


def _notes(rows: list[dict[str, Entry]], strict: bool, norms: str) -> tuple[str, ...]:
    notes = [
        f"Columns {'>' if strict else '≥'} r: percent classified correctly with a certified"
        f" {norms} radius {'>' if strict else '≥'} r, in pixels of"
        f" [0,1] images; an abstention is wrong. Brackets: 95% interval for the number of inputs;"
        " those of the accuracies are in the CSV file. Nothing is chosen here.",
        "Mean scale: of the inputs' own noise scales. Changed by memory: certificates that"
        " Algorithm 3 trimmed or relabelled; - where the memory was not applied (one scale for"
        " all needs none).",
    ]
    if any(entry.paper for row in rows for entry in row.values()):
        notes.append(
            "After the slash: the paper's value. Its appendix prints no ACR; its rows"
            " MACER-DS2 (n=1), σ 0.25, K 200 and 300 are equal in all cells, and Cohen-DS on"
            " CIFAR-10 moves faster than its stated step size allows."
        )
    return tuple(notes)
