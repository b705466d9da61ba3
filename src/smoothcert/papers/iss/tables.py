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
from smoothcert.certificates.runs import Run
from smoothcert.noise import NOISES, Noise
from smoothcert.report import printing
from smoothcert.report.reference import Cell, Row, cells
from smoothcert.report.table import Column, Entry, Options, Table, acr, share, words
from smoothcert.report.table_registry import TABLES

# Data set, architecture and training of the paper's tables (its Table 2).
_PAPER = {"table1": ("imagenet", "resnet50", "consistency"),
          "table4": ("imagenet", "resnet50", "consistency"),
          "table5": ("cifar10", "resnet110", "macer")}  # fmt: skip


@TABLES.member("iss")
def iss(runs: Sequence[Run], options: Options) -> Table:
    """One row a budget, for each model and noise; runs must be of the same inputs to compare."""
    tables = [run.table for run in runs]
    strict = options.strict
    radii = (
        metrics.default_radii(tables, most=14)
        if options.radii is None
        else metrics.parse_radii(options.radii)
    )
    rows = []
    for _, group in groupby(runs, key=_model):
        members = sorted(group, key=lambda run: str(run.budget))
        reference = _largest_fixed(members)
        rows += [_row(run, reference, radii, strict) for run in members]
    sign = ">" if strict else "≥"
    columns = (
        Column("dataset", "data"), Column("training", "training"), Column("noise", "noise"),
        Column("budget", "budget"), Column("samples", "samples", measured=True),
        Column("votes", "votes"), Column("time", "time (min)", measured=True),
        Column("mad", "MAD"), Column("acr", "ACR", measured=True),
        *(Column(f"certified_{r:g}", f"{sign} {r:g}", measured=True) for r in radii),
    )  # fmt: skip
    return Table(
        options.title or "Input-specific and sequential sample sizes",
        columns,
        rows,
        (
            "samples: average noise samples an input, selection included; the paper's counts"
            " leave out stage 1 of inputs that end without a certificate.",
            "votes: own: sampled for this budget alone, time measured; shared: read from a store"
            " of a larger budget, time in proportion to the samples. Minutes are of all inputs.",
            "MAD: largest decline of a radius against the largest fixed budget, as drawn; - if"
            " none is as large.",
            f"accuracy (%) at radius {sign} r, with intervals for the number of inputs.",
            _comparison(rows),
        ),
    )


def _comparison(rows: Sequence[dict[str, Entry]]) -> str:
    if any(row["acr"].paper for row in rows):
        return (
            "After a slash: the paper's value; its weights were never released, and its times are"
            " of another machine."
        )
    return (
        "Different data or training than the paper's (ImageNet ResNet-50 Consistency, CIFAR-10"
        " ResNet-110 MACER), so that no number of it stands beside these."
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


def _row(
    run: Run, reference: Run | None, radii: NDArray[np.float64], strict: bool
) -> dict[str, Entry]:
    paper = paper_row(run)
    row = {
        "dataset": words(run.dataset),
        "training": words(run.training),
        "noise": words(run.noise),
        "budget": words(run.budget),
        "votes": words(_votes(run)),
        "time": _time(run, cell(paper, "time_min")),
        "mad": words(f"{_decline(run, reference):.3f}" if _covers(reference, run) else None),
        "acr": acr(metrics.average_certified_radius(run.table), cell(paper, "ACR")),
    }
    if {"n", "n0"} <= run.table.columns.keys():
        mean = metrics.mean(samples_of(run).astype(np.float64))
        row["samples"] = samples(mean, cell(paper, "avg_samples"))
    accuracy = metrics.certified_accuracy(run.table, radii, strict)
    for i, r in enumerate(radii):
        row[f"certified_{r:g}"] = share(accuracy[i], paper.at(float(r)) if paper else None)
    return row


def _votes(run: Run) -> str | None:
    """Whether the votes were sampled for this budget alone; None where no record says so."""
    sampled_for = run.record.get("votes", {}).get("budget")
    if sampled_for is None:
        return None
    return "own" if sampled_for == run.budget else "shared"


def _time(run: Run, paper: Cell | None) -> Entry:
    minutes = float(run.table.columns["time"].sum()) / 60
    printed = (paper.text or "") if paper else ""
    return Entry(
        f"{minutes:.3g}", "", printed, (minutes, None, None, paper.value if paper else None)
    )


def _covers(reference: Run | None, run: Run) -> TypeGuard[Run]:
    """Whether the fixed budget is at least as large as the most that ``run`` may draw."""
    if reference is None or reference.n is None:
        return False
    return run.budget is None or BUDGETS.parse(run.budget).n <= reference.n


def samples(estimate: Estimate, paper: Cell | None) -> Entry:
    """An average number of samples."""
    value, low, high = (float(v) for v in (estimate.value, estimate.low, estimate.high))
    return Entry(
        f"{value:,.0f}", f"[{low:,.0f}, {high:,.0f}]", (paper.text or "") if paper else "",
        (value, low, high, paper.value if paper else None),
    )  # fmt: skip


def _decline(run: Run, reference: Run) -> float:
    ours, theirs = metrics.common_inputs([run.table, reference.table])
    lost = np.where(theirs.predict >= 0, theirs.radius - ours.radius, 0.0)
    return float(lost.max(initial=0.0))


def cell(row: Row | None, metric: str) -> Cell | None:
    """The paper's value of ``metric`` in its row, if there are both."""
    return row.metric(metric) if row else None


def paper_row(run: Run) -> Row | None:
    """The paper's row for this model and budget, or None: another model, or not in a table."""
    trained = run.trained
    if trained is None or run.budget is None or run.scaling not in ("fixed", None):
        return None
    method = method_name(BUDGETS.parse(run.budget))
    if method is None or trained.schedule != "fs" or trained.scale != run.sigma:
        return None
    for name, (dataset, arch, training) in _PAPER.items():
        if (run.dataset, run.arch, trained.method) == (dataset, arch, training):
            found = cells("iss", name, method=method, sigma=run.sigma)
            if found:
                return Row(found)
    return None


def method_name(budget: Budget) -> str | None:
    """The paper's name of a budget: ``ISS-AD-10-0.05``, ``IAS-3.3``; None if it has none."""
    if budget.alpha != 0.001:
        return None
    if isinstance(budget, IssFresh):
        return None
    if isinstance(budget, Iss):
        kind, bound = ("AD", budget.ad) if budget.ad else ("RD", budget.rd)
        return f"ISS-{kind}-{budget.n / 10_000:g}-{bound:.2f}"
    return f"IAS-{budget.n / 10_000:.1f}" if isinstance(budget, Fixed) else None


def mapping_times(scale: float = 0.5, kbar: int = 100_000, repeats: int = 5) -> Table:
    """Table 3: seconds (processor time, best of ``repeats``) to build the mapping cold."""
    rows = []
    noise = NOISES.parse(f"gaussian-{printing.number(scale)}")
    for bound in (0.01, 0.05, 0.10):
        row = {"bound": words(printing.number(bound))}
        for kind in ("ad", "rd"):
            decline = Decline(ad=bound / scale) if kind == "ad" else Decline(rd=bound)
            best = min(_seconds(decline, noise, kbar) for _ in range(repeats))
            paper = cells("iss", "table3", method=f"ISS-{kind.upper()}-{bound:.2f}")[0]
            row[kind] = Entry(f"{best:.4f}", "", paper.text or "", (best, None, None, paper.value))
        rows.append(row)
    columns = (Column("bound", "U"), Column("ad", "AD (s)", measured=True),
               Column("rd", "RD (s)", measured=True))  # fmt: skip
    note = f"kbar {kbar:,}, σ {scale:g}, 501 grid points, sizes in steps of 1; one core."
    return Table("Table 3 of ISS: time to build the sample-size mapping", columns, rows, (note,))


def _seconds(decline: Decline, noise: Noise, kbar: int) -> float:
    table.cache_clear()
    start = time.process_time()
    table(decline, noise, 1, kbar, 0.001, 1)
    return time.process_time() - start
