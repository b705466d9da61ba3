"""What the tables of DDRS share: their radii, the cell of a difference, what was certified."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run
from smoothcert.report.printing import fixed, number
from smoothcert.report.table import Entry

RADII = {
    "cifar10": "0:2.5:0.25",
    "imagenet": "0,0.25,0.5,0.75,1,1.5,2,2.5,3,3.5,4",
    "l1": "0,0.25,0.5,0.75,1,1.5,2",
}


def default_radii(runs: Sequence[Run]) -> NDArray[np.float64]:
    """The paper's radii for its data sets, else a grid that fits the data."""
    if all(run.norm == "l1" for run in runs):
        return metrics.parse_radii(RADII["l1"])
    radii: set[float] = set()
    for dataset in dict.fromkeys(run.dataset for run in runs):
        tables = [run.table for run in runs if run.dataset == dataset]
        known = RADII.get(dataset or "")
        own = metrics.parse_radii(known) if known else metrics.default_radii(tables, most=11)
        radii |= set(own.tolist())
    return np.array(sorted(radii))


def key(radius: float) -> str:
    """The column of a radius."""
    return f"accuracy_percent_{number(float(radius))}"


def signed(estimate: Estimate) -> Entry:
    """A difference of radii, its interval rounded outwards."""
    value, low, high = (float(v) for v in (estimate.value, estimate.low, estimate.high))
    ends = f"[{with_sign(low, 4, ROUND_FLOOR)}, {with_sign(high, 4, ROUND_CEILING)}]"
    return Entry(with_sign(value, 4), ends, "", (value, low, high, None))


def with_sign(value: float, decimals: int, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number with its sign, and without one where it prints as 0."""
    text = fixed(value, decimals, rounding)
    return text if text.startswith("-") or not text.strip("0.") else f"+{text}"


def without_interval(entry: Entry) -> Entry:
    """Without its interval in print; the CSV has it."""
    return Entry(entry.text, "", entry.paper, entry.numbers)


def data(run: Run, of: Sequence[Run] = ()) -> str:
    """Data and architecture, and the samples an input where those of a table differ."""
    samples = f", n = {run.n:,}" if run.n and len({other.n for other in of}) > 1 else ""
    return f"{run.dataset or run.path.name}, {run.arch or 'unknown'}{samples}"


def data_note(group: Sequence[Run], inputs: int) -> str:
    """What was certified, with how many samples."""
    first = group[0]
    alphas = ", ".join(sorted({f"{run.alpha:g}" for run in group if run.alpha is not None}))
    sizes = ", ".join(f"{n:,}" for n in sorted({run.n for run in group if run.n is not None}))
    seeds = ", ".join(sorted({str(run.record["seed"]) for run in group if "seed" in run.record}))
    seed = f", seed {seeds}" if seeds else ""
    return (
        f"{data(first)}: {inputs:,} test inputs that all runs have, {sizes or 'unknown'} samples"
        f" an input, α {alphas or 'unknown'}{seed}."
    )
