"""The baseline rows of Zhang et al. 2020 (Tables 2 and 3), from the logs that they were made of.

Table 2's baseline is Cohen et al.'s, at the best of their noise scales; Table 3's that of
Salman et al., whose l2 radii are divided by the square root of the dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothcert import datasets
from smoothcert.certificates.published import import_certificates
from smoothcert.certificates.replay import record
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.datasets import published
from smoothcert.datasets.published import PublishedTable
from smoothcert.noise import Gaussian, Noise
from smoothcert.noise.centripetal_l2 import CentripetalL2
from smoothcert.papers.iss.published import read_rows
from smoothcert.report import names
from smoothcert.report.numbers import PERCENT, POINTS, Key, Label, Metric, Number, Row
from smoothcert.report.output import Files, Options
from smoothcert.report.reference import Cell, cells
from smoothcert.report.table import Column, Table

_D = 3072  # of an input of CIFAR-10
_BEST = "best at each radius"


def table2(files: Files, options: Options) -> Table:
    """At l2 radii."""
    return _baseline("table2", files, 1.0)


def table3(files: Files, options: Options) -> Table:
    """At linf radii."""
    return _baseline("table3", files, 1 / math.sqrt(_D))


def _baseline(table: str, files: Files, factor: float) -> Table:
    """A row a log, and for each data set the best of them at each radius, beside the paper's."""
    printed = cells("zhang", table, method="Baseline", metric="certified_accuracy")
    radii = sorted({cell.radius for cell in printed if cell.radius is not None})
    rows: list[Row] = []
    read = sorted(read_rows(files.some(), "record"), key=lambda row: str(row["dataset"]))
    for dataset, group in groupby(read, key=lambda row: str(row["dataset"])):
        logs = [_at(row, radii, factor) for row in group]
        rows += [*logs, _best(dataset, logs, [c for c in printed if c.dataset == dataset])]
    linf = factor != 1
    columns = (
        Column("dataset", "data"),
        Column("training", "model", show=names.training),
        *(
            Column(_accuracy(r), f"≥ {255 * r:.0f}/255" if linf else f"≥ {r:g}", measured=True)
            for r in radii
        ),
        Column("verdict", "as printed"),
    )
    notes = (
        "Certified accuracy (%) of the logs that "
        + ("Salman et al." if linf else "Cohen et al.")
        + " published, plain counting; in the last row of a data set the best model at each radius,"
        " and after a slash the baseline that Zhang et al. print. As printed: to the nearest whole"
        " percent. The interval is for the best model and ignores the selection.",
        "linf radii are l2 radii over the square root of 3,072; all 10,000 inputs; the paper does"
        " not state how many it uses."
        if linf
        else "Cohen's radii use α = 0.01 except at σ = 0.12, although 0.001 is stated.",
    )
    return Table("", columns, rows, notes)


def _accuracy(radius: float) -> Metric:
    return Metric("accuracy_percent", radius)


def _at(row: dict[Key, Label | Number], radii: Sequence[float], factor: float) -> Row:
    """The row with its accuracy at the paper's radii; 0 beyond the largest radius of its noise."""
    known = {
        round(key.radius, 9): one
        for key, one in row.items()
        if isinstance(key, Metric) and key.radius is not None and isinstance(one, Number)
    }
    labels = ("published", "dataset", "arch", "training", "noise", "sigma", "alpha")
    inputs = published.table(str(row["published"])).rows
    none = Number(0.0, 0.0, 0.0, inputs, "percent")
    return {
        **{key: row[key] for key in labels},
        **{_accuracy(r): known.get(round(r / factor, 9), none) for r in radii},
    }


def _best(dataset: str, logs: Sequence[Row], printed: Sequence[Cell]) -> Row:
    row: dict[Key, Label | Number] = {"dataset": dataset, "training": _BEST}
    met = 0
    for cell in printed:
        assert cell.radius is not None
        key = _accuracy(cell.radius)
        each = [one for log in logs if isinstance(one := log[key], Number)]
        top = max(each, key=lambda one: one.value)
        row[key] = Number(top.value, top.low, top.high, top.inputs, top.unit, cell)
        met += cell.value is not None and abs(top.value - cell.value) <= 0.5 + 1e-9
    return {**row, "verdict": f"{met} of {len(printed)}", "selection": _BEST}


# --- what centripetal noise of equal energy gives for the same probabilities ------------------

_SHARES = (0.5, 0.9)  # k in shares of the dimension


def equal_energy(files: Files, options: Options) -> Table:
    """For each data set both kinds of noise on the published p_A, and the paper's gain."""
    printed = cells("zhang", "table2", metric="certified_accuracy")
    radii = sorted({cell.radius for cell in printed if cell.radius is not None})
    listed = [published.table(str(row["published"])) for row in read_rows(files.some(), "record")]
    rows: list[Row] = []
    for dataset in dict.fromkeys(one.dataset for one in listed):
        logs = [_bounds(one) for one in listed if one.dataset == dataset]
        theirs, base = (
            {float(c.radius or 0): c for c in printed if (c.dataset, c.method) == (dataset, method)}
            for method in ("Ours", "Baseline")
        )
        d = math.prod(datasets.info(dataset).shape)
        gaussian = _envelope(logs, Gaussian(1.0), 1.0, d, radii)
        rows.append(_row(dataset, "Gaussian", gaussian))
        for share in _SHARES:
            noise = CentripetalL2(1.0, int(share * d))
            exact = noise.with_table(noise.build_table(d))
            unit = math.sqrt(d / noise.energy(d))
            again = _envelope(logs, exact, unit, d, radii)
            rows.append(_row(dataset, f"centripetal, k = {noise.k:,}", again, gaussian))
        gains = {
            r: ours - other
            for r in theirs.keys() & base.keys()
            if (ours := theirs[r].value) is not None and (other := base[r].value) is not None
        }
        rows.append(
            {
                "dataset": dataset,
                "noise": "the paper's gain, as printed",
                **{_accuracy(float(r)): Number(gain, unit=POINTS) for r, gain in gains.items()},
            }
        )
    columns = (
        Column("dataset", "data"),
        Column("noise", "noise"),
        *(Column(_accuracy(r), f"≥ {r:g}", measured=True) for r in radii),
    )
    notes = (
        "Certified accuracy (%) at l2 radii, the best of Cohen's noise scales at each, from the"
        " votes behind his published radii. Centripetal noise: the same lower bounds of p_A, the"
        " exact radius, the scale at which E||z||^2 is the Gaussian's; in points above Gaussian.",
        "No sampling: the effect of k alone, if the classifier is equally confident under both"
        " noises.",
        'The paper\'s gain: its row "Ours" minus its baseline, over a searched scale.',
    )
    return Table("", columns, rows, notes)


class _Bounds(NamedTuple):
    sigma: float
    p_lower: NDArray[np.float64]
    correct: NDArray[np.bool_]


def _bounds(one: PublishedTable) -> _Bounds:
    votes = record(import_certificates(published.fetch(one), one.sigma, one.n, one.alpha))
    p = clopper_pearson_lower(votes.low, votes.size, one.alpha)
    return _Bounds(one.sigma, np.where(votes.correct, p, 0.5), votes.correct)


def _envelope(
    logs: Sequence[_Bounds], noise: Noise, unit: float, d: int, radii: list[float]
) -> dict[float, float]:
    """The largest certified accuracy in percent over the logs, at each radius.

    ``unit``: the noise's scale where the Gaussian's is 1.
    """
    reach = [
        (log.sigma * unit * noise.standard_radius(log.p_lower, d), log.correct) for log in logs
    ]
    return {r: max(100 * float((ok & (at >= r)).mean()) for at, ok in reach) for r in radii}


def _row(
    dataset: str, noise: str, found: dict[float, float], base: dict[float, float] | None = None
) -> Row:
    unit = PERCENT if base is None else POINTS
    less = base or dict.fromkeys(found, 0.0)
    numbers: dict[Key, Label | Number] = {
        _accuracy(r): Number(found[r] - less[r], unit=unit) for r in found
    }
    return {"dataset": dataset, "noise": noise, **numbers}
