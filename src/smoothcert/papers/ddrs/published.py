"""DDRS's baselines of fixed scale, beside certificates that others published of the same methods.

Context, without a verdict: on CIFAR-10 the networks differ, on ImageNet the models may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from smoothcert.certificates import CertificateTable, metrics, read_certificates
from smoothcert.datasets import published
from smoothcert.datasets.published import PublishedTable
from smoothcert.papers.ddrs.cells import RADII, accuracies, accuracy_at, accuracy_columns
from smoothcert.papers.ddrs.published_models import METHODS, baselines
from smoothcert.papers.ddrs.runs import APPENDICES, TABLES
from smoothcert.papers.iss.published import read_rows
from smoothcert.report import names
from smoothcert.report.numbers import GAIN, PERCENT, POINTS, RADIUS, Key, Label, Number, Row, acr
from smoothcert.report.output import Files, Options
from smoothcert.report.printing import number
from smoothcert.report.reference import Cell, cells, inputs_behind
from smoothcert.report.table import Column, Table

DIFFERENCE = "published minus DDRS"
_NETWORKS = {"cifar10": "resnet18", "imagenet": "resnet50"}  # of DDRS, section 4


@dataclass(frozen=True)
class _Log:
    """A published table, as read; ``among`` is from how many of its scale it was chosen."""

    of: PublishedTable
    table: CertificateTable
    among: int = 1

    @property
    def acr(self) -> float:
        return float(metrics.average_certified_radius(self.table).value)


def baseline(files: Files, options: Options) -> Table:
    """Three rows a scale, and the best over scales: published, printed by DDRS, the difference."""
    listed = baselines(str(row["published"]) for row in read_rows(files.some(), "record"))
    chosen = sorted(_chosen(listed), key=lambda log: (*_family(log.of), log.of.sigma))
    rows: list[Row] = []
    for (dataset, method, _), group in groupby(chosen, key=lambda log: _family(log.of)):
        logs = list(group)
        for log in logs:
            theirs = cells(
                "ddrs", APPENDICES[method], dataset=dataset, method=method, sigma=log.of.sigma
            )
            rows += _rows([log], theirs)
        if len(logs) > 1:
            rows += _rows(logs, cells("ddrs", TABLES[method], dataset=dataset, method=method))
    radii = np.array(
        sorted({r for row in rows for r in _radii(str(row["dataset"]))}), dtype=np.float64
    )
    columns = (
        Column("dataset", "data"),
        Column("method", "method"),
        Column("sigma", "σ"),
        Column("whose", "whose"),
        Column("arch", "network"),
        Column("training", "training", show=names.training),
        Column("among", "chosen from"),
        Column("inputs", "inputs"),
        Column("acr", "ACR", measured=True),
        *accuracy_columns(radii, strict=False),
    )
    notes = (
        "Context only, no verdict. On CIFAR-10 DDRS uses ResNet-18; the published models are"
        " ResNet-110. On ImageNet both are ResNet-50, and DDRS states that its SmoothAdv models are"
        " the released ones, with the attacks shown here; it does not state the source of its Cohen"
        " models.",
        "Accuracy in percent at l2 radii in pixels of [0,1], by plain counting, differences in"
        " points; 95% intervals of the published accuracies are in the CSV file. The radii in"
        " Cohen's own logs use α = 0.01 except at σ = 0.12: table published_certificates.",
        "Chosen from: SmoothAdv's authors published several CIFAR-10 models per σ, one per attack;"
        " we show the one with the largest ACR on these inputs. DDRS trained with one attack of"
        " radius 0.25, smaller than most of them.",
        "One σ: DDRS's appendix H, which prints no ACR. Best of several σ: its tables 1 to 3, with"
        " the accuracy of the best σ at each radius, on the inputs shared by all models of the row."
        " The published ACR is the area under that curve, which is the ACR of no single classifier."
        " DDRS prints a larger ACR than its appendix allows for one model: see figure ddrs_acr.",
    )
    return Table("", columns, rows, notes)


def _family(one: PublishedTable) -> tuple[str, str, str]:
    return one.dataset, METHODS.get(one.method, "SmoothAdv"), one.authors


def _radii(dataset: str) -> list[float]:
    """The radii at which DDRS prints."""
    return [float(r) for r in metrics.parse_radii(RADII[dataset])]


def _chosen(listed: Iterable[str]) -> Iterator[_Log]:
    """One table a family and scale: that of the largest ACR."""
    found = [published.table(name) for name in listed]

    def key(one: PublishedTable) -> tuple[object, ...]:
        return *_family(one), one.sigma

    for _, group in groupby(sorted(found, key=key), key=key):
        logs = [_Log(one, read_certificates(published.fetch(one))) for one in group]
        yield replace(max(logs, key=lambda log: log.acr), among=len(logs))


def _rows(logs: Sequence[_Log], theirs: Sequence[Cell]) -> list[Row]:
    """Of one table, or of the best of several at each radius."""
    one = logs[0].of
    radii = np.array(_radii(one.dataset))
    tables = [log.table for log in logs]
    if len(logs) == 1:
        radius = metrics.average_certified_radius(tables[0])
        accuracy = metrics.certified_accuracy(tables[0], radii)
    else:
        tables = metrics.common_inputs(tables)
        radius, accuracy = metrics.envelope_area(tables), metrics.envelope(tables, radii)
    labels: dict[Key, Label] = {"dataset": one.dataset, "method": _family(one)[1]}
    ours: dict[Key, Label | Number] = {
        **labels,
        "sigma": _scales(log.of.sigma for log in logs),
        "whose": one.authors,
        "arch": one.arch,
        "inputs": len(tables[0]),
        "acr": acr(radius),
        **accuracies(accuracy, radii),
    }
    if len(logs) == 1:
        ours["training"] = one.training
        if logs[0].among > 1:
            ours["among"] = logs[0].among
    printed: dict[Key, Label | Number] = {
        **labels,
        "sigma": ours["sigma"] if len(logs) == 1 else _scales(_sigmas(theirs[0])),
        "whose": theirs[0].source,
        "arch": _NETWORKS[one.dataset],
        "inputs": inputs_behind()["ddrs", one.dataset],
    }
    difference: dict[Key, Label | Number] = {**labels, "sigma": ours["sigma"], "whose": DIFFERENCE}
    for cell in theirs:
        key: Key = "acr" if cell.radius is None else accuracy_at(cell.radius)
        measured = ours[key]
        if cell.value is None:
            continue
        assert isinstance(measured, Number)
        units = (RADIUS, GAIN) if cell.radius is None else (PERCENT, POINTS)
        printed[key] = Number(cell.value, unit=units[0])
        difference[key] = Number(measured.value - cell.value, unit=units[1])
    return [ours, printed, difference]


def _sigmas(cell: Cell) -> list[float]:
    """The scales of which a row of tables 1 to 3 is the best."""
    every = cells("ddrs", APPENDICES[str(cell.method)], dataset=cell.dataset, method=cell.method)
    return sorted({one.sigma for one in every if one.sigma is not None})


def _scales(sigmas: Iterable[float]) -> str:
    shown = [number(sigma) for sigma in sigmas]
    return shown[0] if len(shown) == 1 else f"best of {', '.join(shown)}"
