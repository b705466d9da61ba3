"""DDRS, appendix F: seconds an input with a fixed and with data-dependent noise scales.

The time of the votes is in a run's certificate table, that of the memory in its record, and that
of the search in the record of the table of scales, which is read from where the workflow has it:
in ``scales/`` beside the ``certificates/`` or ``memory/`` that hold the run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import data
from smoothcert.papers.ddrs.comparable import ARCHITECTURES
from smoothcert.report import names as readable
from smoothcert.report.numbers import PERCENT, SECONDS, Number, Row
from smoothcert.report.output import Files
from smoothcert.report.reference import Cell, value
from smoothcert.report.table import Column, Table

_PRINTED = {"cifar10": "CIFAR-10", "imagenet": "ImageNet"}


def times(files: Files, options: Titled) -> Table:
    """One row a run with scales of its own, beside the fixed one of the same model and budget.

    ``total``, which no column shows, is the sum of votes at the fixed scale, search and memory.
    Raises SmoothcertError if there is no such run, a record cannot be read, or is of another
    model.
    """
    runs = read_runs(files.some())
    chosen = sorted(names.check(runs), key=_key)
    searched = [run for run in chosen if names.scaling(run).search is not None]
    if not searched:
        raise SmoothcertError("ddrs_times: found no run with data-dependent noise scales")
    columns = (
        Column("data", "data"),
        Column("training", "training", show=readable.training),
        Column("scaling", "scaling", show=readable.scaling),
        Column("budget", "budget", show=readable.budget),
        Column("device", "device"),
        Column("passes", "passes: search / votes"),
        Column("fixed", "votes at σ_0 (s)", measured=True),
        Column("votes", "votes at per-input scales (s)", measured=True),
        Column("search", "search (s)", measured=True),
        Column("memory", "memory (s)", measured=True),
        Column("overhead", "overhead (%)", measured=True),
    )
    rows = [_row(run, _fixed_run(run, chosen)) for run in searched]
    return Table(options.title or "", columns, rows, _notes())


def _notes() -> tuple[str, ...]:
    printed = "; ".join(
        f"{_PRINTED[dataset]} {plain.text} and {own.text} s, {_overhead(plain, own).text}%"
        for dataset in _PRINTED
        for plain, own in [printed_seconds(dataset)]
    )
    return (
        "Seconds per input, averaged over inputs, measured on the machine that ran it: votes for"
        " class and radius, at the fixed and at the per-input scales; the scale search with its"
        " votes for c_A; the memory. Overhead: search and memory in percent of the votes at the"
        " fixed scale (or at the per-input scales if there is no such run). Both kinds of votes are"
        " the same work, so their difference is timing noise. Without a"
        " record of the search, its time is missing.",
        "Passes of one noisy sample through the network; a backward pass counts as one more.",
        f"Paper, fixed and data-dependent (search and memory included): {printed}, on a Quadro"
        " RTX-6000; the text does not give its K. Shown after the slash for the paper's networks.",
    )


def _row(run: Run, fixed: Run | None) -> Row:
    record = scales_record(run)
    search = None if record is None else _search_seconds(record, run)
    votes, plain = _votes(run), None if fixed is None else _votes(fixed)
    memory = run.record.get("memory", {}).get("seconds")
    memory = None if memory is None else memory / run.record["memory"]["inputs"]
    # The memory costs nothing where it was not needed; a search without a time is unknown.
    extra = None if search is None else search + (memory or 0.0)
    base = plain or votes
    overhead = None if extra is None or not base else 100 * extra / base
    device = run.record.get("device")
    other = record["identity"].get("device") if record else device
    if other != device:
        overhead, device = None, f"{device}; search: {other}"
    samples = run.table.optional("samples")
    drawn = "unknown" if samples is None else f"{int(samples.mean()):,}"
    paper = None
    if run.arch in ARCHITECTURES.get(run.dataset or "", ()):
        paper = _overhead(*printed_seconds(str(run.dataset)))
    total = None if plain is None or extra is None else plain + extra
    seconds = {"fixed": plain, "votes": votes, "search": search, "memory": memory, "total": total}
    row: Row = {
        **names.axes(run),
        "data": data(run),
        "device": device,
        "passes": f"{names.scaling(run).cost.evaluations:,} / {drawn}",
        **{key: Number(s, unit=SECONDS) for key, s in seconds.items() if s is not None},
    }
    if overhead is None:
        return row
    return {**row, "overhead": Number(overhead, unit=PERCENT, paper=paper)}


def scales_path(run: Run) -> Path | None:
    """Where the workflow has the record of a run's search; None for a table elsewhere."""
    search = names.scaling(run).search
    parents = run.path.resolve().parents
    if search is None or len(parents) < 7 or parents[5].name not in ("certificates", "memory"):
        return None
    axes = (run.dataset, run.arch, run.training, run.noise)
    return parents[6].joinpath("scales", *map(str, axes), f"{search}.json")


def scales_record(run: Run) -> dict[str, Any] | None:
    """The record of the search that gave a run its scales, if there is one.

    Raises SmoothcertError for one that cannot be read, or that is of another model.
    """
    path = scales_path(run)
    if path is None or not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        digest = record["identity"]["model_digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SmoothcertError(f"{path}: no record of a table of scales: {error}") from None
    if run.record.get("model_digest") not in (None, digest):
        raise SmoothcertError(f"{path}: for another model than {run.path}")
    return record


def _search_seconds(record: dict[str, Any], run: Run) -> float | None:
    """Of one input: what this scaling alone would have taken, its votes for c_A included."""
    search = record.get("seconds", {}).get("scalings", {}).get(run.scaling)
    inputs = record.get("inputs")
    return None if search is None or not inputs else float(search) / inputs


def _votes(run: Run) -> float | None:
    """Seconds of an input's votes; None where they were not recorded."""
    mean = float(run.table.columns["time"].mean())
    return mean or None


def _fixed_run(run: Run, runs: Sequence[Run]) -> Run | None:
    """The run of the same model, noise and budget at the fixed scale."""
    same = [r for r in runs if names.scaling(r).search is None and _key(r)[:-1] == _key(run)[:-1]]
    return same[0] if same else None


def _key(run: Run) -> tuple[str, ...]:
    axes = (run.dataset, run.arch, run.training, run.noise, run.budget, run.scaling)
    return tuple(str(axis) for axis in axes)


def printed_seconds(dataset: str) -> tuple[Cell, Cell]:
    """The paper's seconds an input, at the fixed scale and at the inputs' own."""
    fixed, own = (value("ddrs", "appendix_F", dataset=dataset, certify=how) for how in ("FS", "DS"))
    return fixed, own


def _overhead(fixed: Cell, own: Cell) -> Cell:
    """What the paper's own scales cost, in percent of its votes at the fixed one."""
    assert fixed.value is not None
    assert own.value is not None
    percent = 100 * (own.value / fixed.value - 1)
    return replace(own, metric="overhead", text=f"{percent:.1f}", unit="percent")
