"""What the choice among published models is worth: the three meanings of an average radius.

Papers print the best of several models at each radius, chosen on the inputs that measure it, and
call several numbers ACR: of one model, of the best at each radius (the area under that curve), and
of the best for each input, which only an oracle could choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from smoothcert.certificates import CertificateTable, metrics, read_certificates
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.selection import held_out, held_out_area
from smoothcert.datasets import published
from smoothcert.datasets.published import PublishedTable
from smoothcert.papers.cohen.table import correction
from smoothcert.papers.ddrs.cells import accuracy_at
from smoothcert.papers.iss.published import read_rows
from smoothcert.report import names
from smoothcert.report.numbers import Key, Label, Row, acr, share
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

_RADII = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0])
ONE, HERE, ELSEWHERE, ORACLE = (
    "one model: the one with the largest ACR",
    "the best at each radius, on these inputs",
    "the same, chosen on the other half of the inputs",
    "the best for each input (an oracle)",
)


def choices(files: Files, options: Options) -> Table:
    """Four rows a family of models that differ in noise scale and attack only."""
    listed = [published.table(str(row["published"])) for row in read_rows(files.some(), "record")]
    rows: list[Row] = []
    for (dataset, arch, method), group in groupby(sorted(listed, key=_family), key=_family):
        members = list(group)
        if len(members) > 1:
            labels: dict[Key, Label] = {"dataset": dataset, "arch": arch, "training": method}
            rows += _family_rows({**labels, "models": len(members)}, members)
    columns = (
        Column("dataset", "data"),
        Column("training", "training", show=names.method),
        Column("models", "models"),
        Column("inputs", "inputs"),
        Column("choice", "choice"),
        Column("acr", "ACR", measured=True),
        *(Column(accuracy_at(r), f"≥ {r:g}", measured=True) for r in _RADII),
        Column("correction", "correction"),
    )
    notes = (
        "Published certificates, plain counting. Some paper reports each of these choices as an"
        " ACR; only the first is the ACR of a classifier.",
        "Correction: points of certified accuracy to subtract for certificates that may be wrong,"
        " with joint confidence 0.999, at the level of the radii.",
    )
    return Table("", columns, rows, notes)


def _family(one: PublishedTable) -> tuple[str, str, str]:
    method = "smoothadv" if one.method.startswith("smoothadv") else one.method
    return one.dataset, one.arch, method


def _family_rows(labels: dict[Key, Label], members: Sequence[PublishedTable]) -> list[Row]:
    paths: list[Path] = [published.fetch(one) for one in members]
    tables = metrics.common_inputs([read_certificates(path) for path in paths])
    inputs = len(tables[0])
    best = max(tables, key=_acr)
    choice = held_out(tables, _RADII)
    elsewhere = [metrics.proportion(int(row.sum()), inputs) for row in choice.certified]
    alpha = max(one.alpha for one in members)
    one = metrics.certified_accuracy(best, _RADII)
    here = metrics.envelope(tables, _RADII)

    def row(
        kind: str, radius: Estimate, accuracy: Sequence[Estimate] | None, more: Row | None = None
    ) -> Row:
        found = (
            {} if accuracy is None else dict(zip(map(accuracy_at, _RADII), accuracy, strict=True))
        )
        return {
            **labels,
            "inputs": inputs,
            "choice": kind,
            "acr": acr(radius),
            **{key: share(estimate) for key, estimate in found.items()},
            **(more or {}),
        }

    each = range(len(_RADII))
    return [
        row(
            ONE, metrics.average_certified_radius(best), [one[i] for i in each],
            {"correction": correction(inputs, alpha)},
        ),
        row(HERE, metrics.envelope_area(tables), [here[i] for i in each]),
        row(ELSEWHERE, held_out_area(tables), elsewhere),
        row(ORACLE, metrics.per_input_maximum(tables), None),
    ]  # fmt: skip


def _acr(table: CertificateTable) -> float:
    return float(metrics.average_certified_radius(table).value)
