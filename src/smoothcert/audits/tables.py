"""Tables of the audits of statistical honesty and of numerics, from the rows that they wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from smoothcert.audits.described import described
from smoothcert.core.slugs import number
from smoothcert.report.curves import ACCURACY
from smoothcert.report.numbers import Metric, Number, read_numbers, rows_of
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

_RUN = ("dataset", "training", "noise", "scaling")


def together(files: Files, options: Options) -> Table:
    """Two rows a vote store: each certificate at alpha, and all of them at once at alpha / N.

    A third row has certified accuracy at alpha less what may be wrong (Cohen et al. 2019, section
    4, with the exact binomial quantile at 1 - alpha).
    """
    rows = _part(files, "together")
    people = {row["subject"]: described(row, _RUN) for row in rows}
    columns = (
        Column("subject", "certificates", show=lambda slugs: people[slugs]),
        Column("level", "failure probability"),
        Column("inputs", "inputs"),
        Column("any_wrong", "P(any wrong) at most"),
        Column("abstained", "abstained"),
        Column("acr", "ACR", measured=True),
        *(Column(m, f"≥ {number(r)}") for m, r in _metrics(rows, ACCURACY)),
    )
    notes = (
        "All rows use the same votes. α/N: all certificates of the table are jointly correct with"
        " probability 1 - α (Bonferroni). Last row: accuracy of the first row minus the share that"
        " may be wrong with probability above α (exact binomial quantile); it bounds the accuracy"
        " on these inputs and says nothing about any single one.",
        "Brackets: 95% CIs (test-set sampling).",
    )
    return Table("Per-input and joint certificates", columns, rows, notes)


def optimism(files: Files, options: Options) -> Table:
    """A row for each choice and number of folds: what choosing on the test inputs adds."""
    rows = _part(files, "optimism")
    columns = (
        Column("subject", "certificates"),
        Column("settings", "settings"),
        Column("folds", "folds"),
        Column("inputs", "inputs"),
        Column("acr", "best ACR: optimism", measured=True),
        *(Column(m, f"≥ {number(r)}") for m, r in _metrics(rows, "points")),
    )
    notes = (
        "Points of certified accuracy by which the best setting at each radius, chosen on the"
        " test inputs, exceeds one chosen on held-out inputs (cross-validation, averaged over"
        " random folds). Brackets: 95% CIs (test-set sampling).",
    )
    return Table("Optimism from choosing on test inputs (points)", columns, rows, notes)


def arithmetic(files: Files, options: Options) -> Table:
    """A row a variant of the arithmetic: what it changed of the certificates, and its cost."""
    rows = rows_of(read_numbers([files.one()]))
    columns = (
        Column("variant", "arithmetic"),
        Column("votes", "votes changed (per million)"),
        Column("predictions", "predictions changed"),
        Column("radii", "radii changed"),
        Column("largest", "largest change"),
        Column("acr", "ACR", measured=True),
        Column("carried", "ACR carried over"),
        Column("microseconds", "µs per vote"),
    )
    first, inputs = rows[0], _inputs(rows[0])
    notes = (
        f"{described(first, ('dataset', 'arch', 'training', 'noise'))}; {inputs} inputs,"
        f" {int(str(first['n'])):,} votes each, the same noise in every row except the grid's."
        " Carried over: the first row's certificates transferred soundly to this row's classifier,"
        " using the fraction of votes that differ (α split in two).",
        "µs: CPU time on a CPU (one thread), wall time on a GPU; excluding drawing the noise.",
    )
    shown = [{**row, **_changed(row, inputs * int(str(row["n"])))} for row in rows]
    return Table("The same certificates in other arithmetic", columns, shown, notes)


def _changed(row: dict[Any, Any], votes: int) -> dict[str, str | None]:
    """The counts of a row as they are printed; None where it met other noise."""

    def text(name: str, style: str, factor: float = 1.0) -> str | None:
        one = row.get(name)
        return format(factor * one.value, style) if isinstance(one, Number) else None

    changed = row.get("votes_changed")
    return {
        "votes": None if changed is None else f"{1e6 * changed.value / votes:.1f}",
        "predictions": text("predictions_changed", ".0f"),
        "radii": text("radii_changed", ".0f"),
        "largest": text("largest_change", ".2g"),
        "carried": text("acr_carried", ".4f"),
        "microseconds": text("seconds", ".1f", 1e6),
    }


def _part(files: Files, part: str) -> list[dict[Any, Any]]:
    """The rows of one part of what honesty wrote, with the number of inputs as a label."""
    numbers = read_numbers([files.one()])
    rows = rows_of(numbers[numbers.part == part])
    return [{**row, "inputs": _inputs(row)} for row in rows]


def _inputs(row: dict[Any, Any]) -> int:
    return next(int(n.inputs or 0) for n in row.values() if isinstance(n, Number))


def _metrics(rows: Iterable[dict[Any, Any]], name: str) -> list[tuple[Metric, float]]:
    """A metric at each of the radii at which the rows have it, rising."""
    keys = {key for row in rows for key in row if isinstance(key, Metric) and key.name == name}
    return sorted(((key, key.radius or 0.0) for key in keys), key=lambda pair: pair[1])
