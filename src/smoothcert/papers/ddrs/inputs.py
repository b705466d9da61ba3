"""DDRS, section 3.4: what scales of their own do to single inputs, against the fixed scale.

The paper asks that every input keep its prediction, and says that no radius is lost. Both are
looked at input by input, in the certificates before any memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.confidence import clopper_pearson_upper
from smoothcert.noise import NOISES
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import data
from smoothcert.papers.ddrs.comparable import papers_own
from smoothcert.report import names as readable
from smoothcert.report.numbers import RADIUS, Key, Metric, Number, Row, share
from smoothcert.report.output import Files
from smoothcert.report.table import Column, Table

BEYOND = 1.0  # a radius that a fixed scale of 0.25 cannot certify


def inputs(files: Files, options: Titled) -> Table:
    """One row a run with scales of its own, beside the fixed one of the same model and budget.

    Certified accuracy at BEYOND, of both, is measured and no column shows it.
    """
    runs = read_runs(files.some())
    chosen = sorted(
        names.check(runs), key=lambda run: (data(run), str(names.base(run)), names.order(run))
    )
    columns = (
        Column("data", "data"),
        Column("training", "training", show=readable.training),
        Column("noise", "noise", show=readable.noise),
        Column("scaling", "scaling", show=readable.scaling),
        Column("budget", "budget", show=readable.budget),
        Column("tested", "inputs", measured=True),
        Column("other_prediction", "different prediction", measured=True),
        Column("abstains", "of which abstentions", measured=True),
        Column("certified", "certified at σ_0", measured=True),
        Column("smaller", "radius smaller", measured=True),
        Column("proven_loss", "proven smaller", measured=True),
        Column("least_scale", "smallest scale", measured=True),
        Column("most_scale", "largest scale", measured=True),
    )
    pairs = [(run, _fixed(run, chosen)) for run in chosen if names.scaling(run).name != "fixed"]
    rows = [_row(run, fixed) for run, fixed in pairs if fixed is not None]
    notes = (
        "Per-input scales against the fixed scale σ_0 of the same model, with equal samples, before"
        " any memory. Different prediction: among inputs with a prediction at σ_0; an abstention"
        " at the per-input scale counts.",
        "Proven smaller: the upper bound on the radius at the per-input scale (same level as the"
        " lower one) is below the certified radius at σ_0, and the prediction is the same.",
    )
    return Table(options.title or "", columns, rows, notes)


def _fixed(run: Run, runs: Sequence[Run]) -> Run | None:
    """The run of the same model, noise and budget at the fixed scale."""
    wanted = names.axes(replace(run, scaling="fixed"))
    return next((other for other in runs if names.axes(other) == wanted), None)


def _row(run: Run, fixed: Run) -> Row:
    at_0, own = metrics.common_inputs([fixed.table, run.table])
    raw = own.optional("predict_raw")
    predict = own.predict if raw is None else raw
    raw = own.optional("radius_raw")
    radius = own.radius if raw is None else raw
    held = at_0.predict >= 0
    lost = held & (predict < 0)
    other = held & (predict != at_0.predict)
    total, certified = len(own), int(held.sum())
    numbers: dict[Key, Number] = {
        "tested": Number(total, inputs=total),
        "other_prediction": Number(int(other.sum()), inputs=total),
        "abstains": Number(int(lost.sum()), inputs=total),
        "certified": Number(certified, inputs=total),
        "smaller": Number(int((held & (radius < at_0.radius)).sum()), inputs=certified),
    }
    count, n, scales = (own.optional(name) for name in ("count", "n", "sigma"))
    if scales is not None:
        ends = {"least_scale": scales.min(), "most_scale": scales.max()}
        numbers |= {k: Number(float(v), inputs=total, unit=RADIUS) for k, v in ends.items()}
    if run.alpha is not None and count is not None and n is not None and scales is not None:
        upper = clopper_pearson_upper(count, n, run.alpha)
        most = NOISES.parse(str(run.noise)).radius(upper, scales, 1)
        proven = held & (at_0.predict == predict) & (most < at_0.radius)
        numbers |= {"proven_loss": Number(int(proven.sum()), inputs=certified)}
    return {
        **names.axes(run),
        "data": data(run),
        "search": names.search(run),
        "K": names.steps(run),
        "papers_own": papers_own(run),
        **numbers,
        Metric("accuracy_percent", BEYOND): _beyond(run),
        Metric("accuracy_percent_fixed", BEYOND): _beyond(fixed),
    }


def _beyond(run: Run) -> Number:
    return share(metrics.certified_accuracy(run.table, [BEYOND])[0])
