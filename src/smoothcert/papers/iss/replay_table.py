"""Replays of recorded votes under other budgets, as a table; see :mod:`smoothcert.certificates.replay`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.replay import Replay
from smoothcert.certificates.runs import Run
from smoothcert.papers.iss.tables import cell, paper_row, samples
from smoothcert.report.table import Column, Entry, Options, Table, acr, share, words


@dataclass(frozen=True)
class Replayed:
    """Replays of one model's votes; ``run`` (if known) says which, for the paper's row."""

    name: str
    replays: Sequence[Replay]
    run: Run | None = None


def replayed(models: Sequence[Replayed], options: Options) -> Table:
    """One row a model and budget; differences are against the model's first budget, paired."""
    radii = _radii(models) if options.radii is None else metrics.parse_radii(options.radii)
    rows = [
        _row(model, one, radii, options.strict) for model in models for one in model.replays
    ]  # fmt: skip
    sign = ">" if options.strict else "≥"
    columns = (
        Column("model", "recorded votes of"), Column("budget", "budget"),
        Column("samples", "samples", measured=True), Column("mad", "MAD"),
        Column("acr", "ACR", measured=True),
        Column("difference", "ACR difference"),
        *(Column(f"certified_{r:g}", f"{sign} {r:g}", measured=True) for r in radii),
    )  # fmt: skip
    notes = (
        "A replay draws recorded votes again without replacement: a simulation with real class"
        " probabilities, no new certificate. The certified class is taken as chosen.",
        "Abstentions of a published table stay abstentions and cost the samples of a class of"
        " probability 1/2.",
        "ACR difference: against the first budget of the same model, paired over inputs.",
        "After a slash the paper's value, where it is of the same kind of model.",
    )
    return Table(options.title or "Budgets replayed on recorded votes", columns, rows, notes)


def _radii(models: Sequence[Replayed]) -> NDArray[np.float64]:
    top = max(float(one.radius.max(initial=0.0)) for model in models for one in model.replays)
    step = 0.25 if top < 2 else 0.5
    return metrics.radius_grid(0, step * int(top / step), step)


def _row(
    model: Replayed, one: Replay, radii: NDArray[np.float64], strict: bool
) -> dict[str, Entry]:
    paper = paper_row(replace(model.run, budget=one.budget.slug)) if model.run else None
    _, gain = one.against(model.replays[0])
    difference = Entry()
    if one is not model.replays[0]:
        value, low, high = (float(v) for v in (gain.value, gain.low, gain.high))
        difference = Entry(f"{value:+.4f} [{low:+.4f}, {high:+.4f}]")
    row = {
        "model": words(model.name),
        "budget": words(one.budget.slug),
        "samples": samples(one.average_samples(), cell(paper, "avg_samples")),
        "mad": words(f"{one.mad():.3f}"),
        "acr": acr(one.acr(), cell(paper, "ACR")),
        "difference": difference,
    }
    accuracy = one.certified_accuracy(radii, strict)
    for i, r in enumerate(radii):
        row[f"certified_{r:g}"] = share(accuracy[i], paper.at(float(r)) if paper else None)
    return row
