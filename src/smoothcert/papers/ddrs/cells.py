"""What the tables of DDRS share: their radii, the data of a row, what was certified."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate, Radii
from smoothcert.certificates.runs import Run
from smoothcert.report.numbers import Metric, Number, Row, share
from smoothcert.report.printing import number
from smoothcert.report.reference import NotComparable
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.table import Column

RADII = {
    "cifar10": "0:2.5:0.25",
    "imagenet": "0,0.25,0.5,0.75,1,1.5,2,2.5,3,3.5,4",
    "l1": "0,0.25,0.5,0.75,1,1.5,2",
}


def radii_for(runs: Sequence[Run], given: Radii | None) -> NDArray[np.float64]:
    """Those given; else the paper's for its data sets, and a grid that fits other data."""
    if given is not None:
        return metrics.parse_radii(given)
    if all(run.norm == "l1" for run in runs):
        # Noise that is wider than the paper's reaches further than its radii.
        far = metrics.default_radii([run.table for run in runs], most=8)
        paper = metrics.parse_radii(RADII["l1"])
        return np.concatenate([paper, far[far > paper[-1]]])
    radii: set[float] = set()
    for dataset in dict.fromkeys(run.dataset for run in runs):
        tables = [run.table for run in runs if run.dataset == dataset]
        known = RADII.get(dataset or "")
        grid = metrics.parse_radii(known) if known else metrics.default_radii(tables, most=11)
        radii |= set(grid.tolist())
    return np.array(sorted(radii))


def accuracy_at(radius: float) -> Metric:
    """Certified accuracy at a radius, as rows name it."""
    return Metric("accuracy_percent", float(radius))


def accuracy_columns(radii: NDArray[np.float64], strict: bool) -> list[Column]:
    """A column a radius."""
    sign = ">" if strict else "≥"
    return [Column(accuracy_at(r), f"{sign} {number(r)}") for r in radii]


def accuracies(
    accuracy: Estimate,
    radii: NDArray[np.float64],
    reference: PaperRow | NotComparable | None = None,
    brief: bool = True,
) -> Row:
    """Certified accuracies [R], if ``brief`` in print without intervals, beside the paper's."""
    return {
        accuracy_at(r): share(
            accuracy[i],
            reference.at(float(r)) if isinstance(reference, PaperRow) else None,
            brief=brief,
        )
        for i, r in enumerate(radii)
    }


def source(reference: PaperRow | NotComparable) -> str:
    """Where the paper's numbers are from, or why there are none."""
    return reference.source if isinstance(reference, PaperRow) else reference.reason


def compared(rows: Sequence[Row]) -> bool:
    """Whether a number of the paper stands beside one of ours."""
    return any(isinstance(n, Number) and n.paper is not None for row in rows for n in row.values())


def data(run: Run, among: Sequence[Run] = ()) -> str:
    """Data and architecture, and the samples an input where those of a table differ."""
    samples = f", n = {run.n:,}" if run.n and len({other.n for other in among}) > 1 else ""
    return f"{run.dataset or run.path.name}, {run.arch or 'unknown'}{samples}"


def data_note(runs: Sequence[Run], inputs: int) -> str:
    """What was certified, with how many samples."""
    alphas = ", ".join(sorted({f"{run.alpha:g}" for run in runs if run.alpha is not None}))
    sizes = ", ".join(f"{n:,}" for n in sorted({run.n for run in runs if run.n is not None}))
    seeds = ", ".join(sorted({str(run.record["seed"]) for run in runs if "seed" in run.record}))
    seed = f", seed {seeds}" if seeds else ""
    return (
        f"{data(runs[0])}: {inputs:,} test inputs common to all runs, {sizes or 'unknown'} samples"
        f" per input, α {alphas or 'unknown'}{seed}."
    )
