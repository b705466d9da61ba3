"""DDRS, appendix F: seconds an input with a fixed and with data-dependent noise scales.

The time of the votes is in a run's certificate table, that of the memory in its record, and that
of the search in the record of the table of scales, which is read from where the workflow has it:
in ``scales/`` beside the ``certificates/`` or ``memory/`` that hold the run.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from smoothcert.certificates.runs import Run
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import data
from smoothcert.report.table import UNKNOWN, Column, Entry, Options, Table, words
from smoothcert.report.table_registry import TABLES

# Data set and architecture -> the words of the paper's claims.
_PAPER = {("cifar10", "resnet18"): "CIFAR-10", ("cifar10", "resnet18_stem7"): "CIFAR-10",
          ("imagenet", "resnet50"): "ImageNet"}  # fmt: skip


@TABLES.member("ddrs_times")
def times(runs: Sequence[Run], options: Options) -> Table:
    """One row a run with scales of its own, beside the fixed one of the same model and budget.

    Raises SmoothcertError if there is none, a record cannot be read, or is of another model.
    """
    chosen = sorted(names.check(runs, [*names.BASES.values(), names.YANG]), key=_key)
    searched = [run for run in chosen if names.scaling(run).search is not None]
    if not searched:
        raise SmoothcertError("ddrs_times: found no run with data-dependent noise scales")
    columns = (
        Column("data", "data"),
        Column("training", "training"),
        Column("scaling", "scaling"),
        Column("budget", "budget"),
        Column("device", "device"),
        Column("passes", "passes: search / votes"),
        Column("fixed", "votes at σ_0 (s)", measured=True),
        Column("votes", "votes at own scales (s)", measured=True),
        Column("search", "search (s)", measured=True),
        Column("memory", "memory (s)", measured=True),
        Column("overhead", "overhead (%)", measured=True),
    )
    rows = [_row(run, _fixed_run(run, chosen)) for run in searched]
    return Table(options.title or "Appendix F of DDRS: seconds an input", columns, rows, _notes())


def _notes() -> tuple[str, ...]:
    printed = "; ".join(
        f"{name} {fixed:g} and {own:g} s, {100 * (own / fixed - 1):.1f}%"
        for name, (fixed, own) in paper_seconds().items()
    )
    return (
        "Seconds an input, means over the inputs, by the clock of the machine that ran it: votes"
        " for class and radius, at the fixed scale and at the inputs' own; the search of the"
        " scale with its votes for c_A; the memory. Overhead: search and memory in percent of the"
        " votes at the fixed scale (of those at the own scales where there is no such run); the"
        " two kinds of votes are the same work, so that their difference is the clock's. Without"
        " a record of the search there is no time of it (-).",
        "Passes of one noisy sample through the network, a backward pass counted as one more.",
        f"Paper, fixed and data-dependent (search and memory included): {printed}, on a Quadro"
        " RTX-6000; its K is lost in the text. It stands after the slash for its own networks.",
    )


def _row(run: Run, fixed: Run | None) -> dict[str, Entry]:
    part = names.scaling(run)
    record = scales_record(run)
    search = None if record is None else _search_seconds(record, run)
    own, plain = _votes(run), None if fixed is None else _votes(fixed)
    memory = run.record.get("memory", {}).get("seconds")
    memory = None if memory is None else memory / run.record["memory"]["inputs"]
    base = plain or own
    # The memory costs nothing where it was not needed; a search without a time is unknown.
    extra = None if search is None or not base else 100 * (search + (memory or 0.0)) / base
    device = run.record.get("device")
    other = record["identity"].get("device") if record else device
    if other != device:
        extra, device = None, f"{device}; search: {other}"
    samples = run.table.optional("samples")
    drawn = "unknown" if samples is None else f"{int(samples.mean()):,}"
    paper = paper_seconds().get(_PAPER.get((run.dataset or "", run.arch or ""), ""))
    theirs = None if paper is None else round(100 * (paper[1] / paper[0] - 1), 1)
    return {
        "data": words(data(run)),
        "training": words(run.training),
        "scaling": words(run.scaling),
        "budget": words(run.budget),
        "device": words(device),
        "passes": words(f"{part.cost.evaluations:,} / {drawn}"),
        "fixed": _seconds(plain),
        "votes": _seconds(own),
        "search": _seconds(search),
        "memory": _seconds(memory),
        "overhead": _percent(extra, theirs),
    }


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
        raise SmoothcertError(f"{path}: of another model than {run.path}")
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


def paper_seconds() -> dict[str, tuple[float, float]]:
    """The paper's seconds an input (fixed, data-dependent) by data set, from its appendix F."""
    found: dict[str, tuple[float, float]] = {}
    file = resources.files("smoothcert.papers") / "reference_data" / "claims.csv"
    with file.open(encoding="utf-8") as text:
        rows = [r for r in csv.DictReader(text) if "seconds to certify" in r["claim"]]
    for name in dict.fromkeys(_PAPER.values()):
        own = [r for r in rows if r["paper"] == "ddrs" and name in r["claim"]]
        plain, dependent = (
            next(float(r["value"]) for r in own if r["claim"].endswith(end))
            for end in ("fixed sigma", "data-dependent")
        )
        found[name] = (plain, dependent)
    return found


def _seconds(value: float | None) -> Entry:
    if value is None:
        return Entry(UNKNOWN)
    return Entry(f"{value:.3g}", "", "", (value, None, None, None))


def _percent(value: float | None, paper: float | None) -> Entry:
    if value is None:
        return Entry(UNKNOWN)
    printed = "" if paper is None else f"{paper:g}"
    return Entry(f"{value:.1f}", "", printed, (value, None, None, paper))
