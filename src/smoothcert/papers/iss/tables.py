"""ISS, Tables 1, 4 and 5: budgets side by side on one model, and Table 3: time of the mapping.

Average samples count everything drawn for an input, selection included. MAD is the largest
decline of a radius against the largest fixed budget among the runs, as drawn: the paper prints
the decline without sampling noise, which is at most U by construction.

A budget's votes are its own (sampled for it alone, as far as it asked) or shared (read from a
store that was sampled for a larger one); only for the former is the time measured.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from smoothcert.budget import BUDGETS, Budget, Fixed, Iss, IssFresh
from smoothcert.budget.psi import Decline, table
from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training
from smoothcert.noise import NOISES, Noise
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.iss.options import MappingOptions
from smoothcert.report import names, printing
from smoothcert.report.numbers import (
    DECLINE,
    MINUTES,
    SECONDS,
    Key,
    Label,
    Metric,
    Number,
    Row,
    acr,
    samples,
    share,
)
from smoothcert.report.output import Files
from smoothcert.report.reference import Cell, cells
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.table import Column, Table

# Data set, architecture and training of the paper's tables (its Table 2).
_PAPER = {"table1": ("imagenet", "resnet50", "consistency"),
          "table4": ("imagenet", "resnet50", "consistency"),
          "table5": ("cifar10", "resnet110", "macer")}  # fmt: skip


def budgets(files: Files, options: AccuracyOptions) -> Table:
    """One row a budget, for each model and noise; runs must be of the same inputs to compare."""
    runs = read_runs(files.some())
    radii = (
        metrics.default_radii([run.table for run in runs], most=14)
        if options.radii is None
        else metrics.parse_radii(options.radii)
    )
    rows: list[Row] = []
    for _, group in groupby(runs, key=_model):
        members = sorted(group, key=lambda run: str(run.budget))
        reference = _largest_fixed(members)
        rows += [_row(run, reference, radii, options.strict) for run in members]
    columns = (
        Column("dataset", "data"),
        Column("training", "training", show=names.training),
        Column("noise", "noise", show=names.noise),
        Column("budget", "budget", show=names.budget),
        Column("inputs", "inputs"),
        Column("samples", "samples", measured=True),
        Column("votes", "votes"),
        Column("time", "time (min)", measured=True),
        Column("mad", "MAD"),
        Column("acr", "ACR", measured=True),
        *accuracy_columns(radii, options.strict),
    )
    sign = ">" if options.strict else "≥"
    notes = (
        "samples: average noise samples per input, including selection; the paper's counts"
        " omit stage 1 of inputs that get no certificate.",
        "votes: own: sampled for this budget alone, with measured time; shared: read from the"
        " store of a larger budget, with time proportional to samples. Minutes are for all inputs.",
        "MAD: maximum absolute decline of a radius relative to the largest fixed budget; - if"
        " no fixed budget is as large.",
        f"accuracy (%) at radius {sign} r, with 95% CIs (test-set sampling).",
        _comparison(rows),
    )
    return Table(options.title or "", columns, rows, notes)


def accuracy_columns(radii: NDArray[np.float64], strict: bool) -> list[Column]:
    """A column a radius."""
    return [Column(certified(r), f"{'>' if strict else '≥'} {r:g}", measured=True) for r in radii]


def accuracies(accuracy: Estimate, radii: NDArray[np.float64], paper: PaperRow | None) -> Row:
    """Certified accuracy at each radius [R], beside the paper's."""
    return {
        certified(r): share(accuracy[i], paper.at(float(r)) if paper else None)
        for i, r in enumerate(radii)
    }


class _Certified(Metric):
    """Heads a column of the CSV as ``certified_0.5``, with no more digits than needed."""

    @property
    def key(self) -> str:
        return f"certified_{self.radius:g}"


def certified(radius: float) -> Metric:
    """Certified accuracy at a radius, as the rows name it."""
    return _Certified("accuracy_percent", float(radius))


def _comparison(rows: Sequence[Row]) -> str:
    if any(isinstance(row["acr"], Number) and row["acr"].paper for row in rows):
        return (
            "After a slash: the paper's value, for a network trained in the same way; its times are"
            " from another machine."
        )
    return (
        "Data or training differ from the paper's (ImageNet ResNet-50 Consistency, CIFAR-10"
        " ResNet-110 MACER), so its numbers are not shown."
    )


def samples_of(run: Run) -> NDArray[np.int64]:
    """Noise samples drawn for each input, [N]; raises KeyError where the table has no n."""
    drawn = run.table.optional("samples")
    if drawn is not None:
        return drawn
    n, n0 = run.table.columns["n"], run.table.columns["n0"]
    # The published rule counts its selection votes among n.
    return n if (run.budget or "").startswith("iss_") else n + n0


def _model(run: Run) -> tuple[str, ...]:
    return tuple(str(v) for v in (run.dataset, run.arch, run.training, run.noise, run.scaling))


def _largest_fixed(runs: list[Run]) -> Run | None:
    fixed = [r for r in runs if r.budget and isinstance(BUDGETS.parse(r.budget), Fixed)]
    return max(fixed, key=lambda r: r.n or 0, default=None)


def _row(run: Run, reference: Run | None, radii: NDArray[np.float64], strict: bool) -> Row:
    paper = paper_row(run)
    table = run.table
    minutes = Number(
        float(table.columns["time"].sum()) / 60, unit=MINUTES, paper=cell(paper, "time_min")
    )
    row: dict[Key, Label | Number] = {
        "dataset": run.dataset,
        "arch": run.arch,
        "training": run.training,
        "noise": run.noise,
        "sigma": run.sigma,
        "scaling": run.scaling,
        "budget": run.budget,
        "inputs": len(table),
        "votes": _votes(run),
    }
    if {"n", "n0"} <= table.columns.keys():
        mean = metrics.mean(samples_of(run).astype(np.float64))
        row["samples"] = samples(mean, cell(paper, "avg_samples"))
    row["time"] = minutes
    row["mad"] = (
        Number(_decline(run, reference), inputs=len(table), unit=DECLINE)
        if _covers(reference, run)
        else None
    )
    row["acr"] = acr(metrics.average_certified_radius(table), cell(paper, "ACR"))
    return {**row, **accuracies(metrics.certified_accuracy(table, radii, strict), radii, paper)}


def _votes(run: Run) -> str | None:
    """Whether the votes were sampled for this budget alone; None where no record says so."""
    sampled_for = run.record.get("votes", {}).get("budget")
    if sampled_for is None:
        return None
    return "own" if sampled_for == run.budget else "shared"


def _covers(reference: Run | None, run: Run) -> TypeGuard[Run]:
    """Whether the fixed budget is at least as large as the most that ``run`` may draw."""
    if reference is None or reference.n is None:
        return False
    return run.budget is None or BUDGETS.parse(run.budget).n <= reference.n


def _decline(run: Run, reference: Run) -> float:
    ours, theirs = metrics.common_inputs([run.table, reference.table])
    lost = np.where(theirs.predict >= 0, theirs.radius - ours.radius, 0.0)
    return float(lost.max(initial=0.0))


def cell(row: PaperRow | None, metric: str) -> Cell | None:
    """The paper's value of ``metric`` in its row, if there are both."""
    return row.metric(metric) if row else None


def paper_row(run: Run) -> PaperRow | None:
    """The paper's row for this model and budget, or None: another model, or not in a table."""
    if run.scaling not in ("fixed", None):
        return None
    return printed_row(run.dataset, run.arch, run.training, run.sigma, run.budget)


def printed_row(
    dataset: str | None,
    arch: str | None,
    training: str | None,
    sigma: float | None,
    budget: str | None,
) -> PaperRow | None:
    """The same of slugs, certified at noise scale ``sigma`` with one scale for all inputs."""
    try:
        trained = Training.parse(training) if training else None
    except SmoothcertError:
        trained = None
    if trained is None or budget is None or trained.schedule != "fs" or trained.scale != sigma:
        return None
    method = method_name(BUDGETS.parse(budget))
    if method is None:
        return None
    for name in tables_of(dataset, arch, trained.method):
        found = cells("iss", name, method=method, sigma=sigma)
        if found:
            return PaperRow(found)
    return None


def tables_of(dataset: str | None, arch: str | None, method: str) -> list[str]:
    """The paper's tables that are of a kind of model."""
    return [name for name, model in _PAPER.items() if model == (dataset, arch, method)]


def method_name(budget: Budget) -> str | None:
    """The paper's name of a budget: ``ISS-AD-10-0.05``, ``IAS-3.3``; None if it has none."""
    if budget.alpha != 0.001:
        return None
    if isinstance(budget, IssFresh):
        return None
    if isinstance(budget, Iss):
        if budget != Iss(budget.n, ad=budget.ad, rd=budget.rd):
            return None  # another stage 1
        kind, bound = ("AD", budget.ad) if budget.ad else ("RD", budget.rd)
        return f"ISS-{kind}-{budget.n / 10_000:g}-{bound:.2f}"
    return f"IAS-{budget.n / 10_000:.1f}" if isinstance(budget, Fixed) else None


def mapping_times(files: Files, options: MappingOptions, repeats: int = 5) -> Table:
    """Table 3: seconds (processor time, best of ``repeats``) to build the mapping cold."""
    noise = NOISES.parse(f"gaussian-{printing.number(options.scale)}")
    rows: list[Row] = []
    for bound in (0.01, 0.05, 0.10):
        row: dict[Key, Label | Number] = {"bound": printing.number(bound)}
        for kind in ("ad", "rd"):
            decline = Decline(ad=bound / options.scale) if kind == "ad" else Decline(rd=bound)
            best = min(_seconds(decline, noise, options.kbar) for _ in range(repeats))
            paper = cells("iss", "table3", method=f"ISS-{kind.upper()}-{bound:.2f}")[0]
            row[kind] = Number(best, unit=SECONDS, paper=paper)
        rows.append(row)
    columns = (
        Column("bound", "U"),
        Column("ad", "AD (s)", measured=True),
        Column("rd", "RD (s)", measured=True),
    )
    note = (
        f"kbar {options.kbar:,}, σ {options.scale:g}, 501 grid points, sizes in steps of 1;"
        " one core."
    )
    return Table("", columns, rows, (note,))


def _seconds(decline: Decline, noise: Noise, kbar: int) -> float:
    table.cache_clear()
    start = time.process_time()
    table(decline, noise, 1, kbar, 0.001, 1)
    return time.process_time() - start
