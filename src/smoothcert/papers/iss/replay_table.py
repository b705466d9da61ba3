"""Published certificates replayed under other budgets, as a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.replay import Replay, default_radii
from smoothcert.papers.iss.options import ReplayTableOptions
from smoothcert.papers.iss.replays import Recorded, compared, read_recorded, replays, row
from smoothcert.papers.iss.tables import accuracies, accuracy_columns
from smoothcert.report import names
from smoothcert.report.numbers import Row, gain
from smoothcert.report.output import Files
from smoothcert.report.table import Column, Table


def replayed(files: Files, options: ReplayTableOptions) -> Table:
    """One row a model and budget; differences are against the model's first budget, paired."""
    models = [read_recorded(file, options) for file in files.some()]
    runs = [
        (model, replays(model, compared(model.size, options.look), options)) for model in models
    ]
    radii = (
        default_radii([one for _, group in runs for one in group])
        if options.radii is None
        else metrics.parse_radii(options.radii)
    )
    rows = [
        _row(model, one, group[0], radii, options.strict) for model, group in runs for one in group
    ]
    shown = {model.slugs: model.name for model in models}
    columns = (
        Column("model", "recorded votes of", show=shown.__getitem__),
        Column("budget", "budget", show=names.budget),
        Column("samples", "samples", measured=True),
        Column("mad", "MAD"),
        Column("acr", "ACR", measured=True),
        Column("difference", "ACR difference", measured=True),
        *accuracy_columns(radii, options.strict),
    )
    notes = (
        "A replay draws recorded votes again without replacement: a simulation with real class"
        " probabilities, no new certificate. The certified class is taken as chosen.",
        "Abstentions of a published table stay abstentions and cost the samples of a class of"
        " probability 1/2.",
        "ACR difference: against the first budget of the same model, paired over inputs.",
        "After a slash the paper's value, where it is of the same kind of model.",
    )
    return Table(options.title or "", columns, rows, notes)


def _row(
    model: Recorded, one: Replay, first: Replay, radii: NDArray[np.float64], strict: bool
) -> Row:
    _, difference = one.against(first)
    return {
        **row(model, one, {"model": model.slugs}),
        **({} if one is first else {"difference": gain(difference)}),
        **accuracies(one.certified_accuracy(radii, strict), radii, model.paper(one)),
    }
