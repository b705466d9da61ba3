"""What the published certificate tables say: accuracy and ACR, and the level of their radii."""

from __future__ import annotations

import numpy as np

from smoothcert.certificates import metrics
from smoothcert.datasets import published
from smoothcert.papers.ddrs.cells import accuracy_at
from smoothcert.papers.iss.published import ALPHA, read_rows
from smoothcert.report import names
from smoothcert.report.numbers import GAIN, Key, Label, Metric, Number, Row
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

_RADII = np.array([*metrics.radius_grid(0, 1, "0.25"), 1.5, 2.0, 2.5, 3.0])


def records(files: Files, options: Options) -> Table:
    """One row a published table; its ACR at the stated level too, where its own is another."""
    strict = {str(row["published"]): row for row in read_rows(files.some(), "at level 0.001")}
    rows = [
        _row(row, strict.get(str(row["published"]))) for row in read_rows(files.some(), "record")
    ]
    rows.sort(key=lambda row: (str(row["dataset"]), str(row["training"])))
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training", show=names.training),
        Column("authors", "published by"),
        Column("inputs", "inputs"),
        Column("alpha", "α of the radii"),
        Column("abstained", "abstain %", measured=True),
        Column("acr", "ACR", measured=True),
        Column("stricter", "ACR at α = 0.001, minus"),
        *(Column(accuracy_at(r), f"≥ {r:g}") for r in _RADII),
    )
    other = [row for row in rows if "stricter" in row]
    notes = (
        "Accuracy in percent, at l2 radii in pixels of [0,1]; plain counting of published rows.",
        f"All runs state α = {ALPHA:g}. The radii of {len(other)} of them fit only α = 0.01: they"
        " lie on its lattice, not on the other. Another column shows their ACR at 0.001.",
        "The tables are in the data directory or downloaded; this project does not include them.",
    )
    return Table("", columns, rows, notes)


def _row(row: dict[Key, Label | Number], strict: Row | None) -> Row:
    one = published.table(str(row["published"]))
    at = {accuracy_at(r) for r in _RADII}
    new: dict[Key, Label | Number] = {
        key: value for key, value in row.items() if not isinstance(key, Metric) or key in at
    }
    new |= {"authors": one.authors, "inputs": one.rows, "alpha": f"{one.alpha:g}"}
    if strict is not None:
        ours, theirs = strict["acr"], row["acr"]
        assert isinstance(ours, Number)
        assert isinstance(theirs, Number)
        new["stricter"] = Number(ours.value - theirs.value, inputs=theirs.inputs, unit=GAIN)
    return new
