"""Scales of the inputs' own with a proof (dual smoothing) beside those without, at equal samples.

What a deployed classifier can promise: fixed smoothing; the best of several fixed scales, chosen on
other inputs; DDRS with a memory, whose answers depend on the order of the queries; dual smoothing,
one function of the input. Beside them what is no classifier: the envelope of the fixed scales, and
the largest of their radii at each input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert import datasets
from smoothcert.certificates import CertificateTable, memory, metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.certificates.selection import held_out
from smoothcert.noise import NOISES
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import accuracies, accuracy_columns, data, data_note, radii_for
from smoothcert.report import names as readable
from smoothcert.report.numbers import Key, Label, Number, Row, acr, gain, share
from smoothcert.report.output import Files
from smoothcert.report.printing import number
from smoothcert.report.table import Column, Table

FIXED, BEST, ENVELOPE, ORACLE = "fixed", "best fixed", "envelope", "per-input maximum"
DDRS, MEMORY, DUAL, EXPERTS = "DDRS", "DDRS, memory", "dual, one model", "dual, experts"
_ONE, _NONE = "one function of x", "no classifier"
Numbers = dict[Key, Label | Number]


@dataclass(frozen=True)
class Line:
    """A way to certify the N inputs of a comparison. ``promise``: what it is a classifier of.

    ``table`` is None where no single table says it; ``radius`` [N] is 0 where wrong.
    """

    kind: str
    choice: str
    promise: str
    run: Run | None = None
    table: CertificateTable | None = None


@dataclass(frozen=True)
class Comparison:
    """Runs on the same inputs with the same number of samples, those for the level included."""

    samples: int
    runs: list[Run]

    @property
    def title(self) -> str:
        """What is compared."""
        return f"{data(self.runs[0])}, {self.samples:,} samples"

    @property
    def fixed(self) -> list[Run]:
        """Models at the scale of their training."""
        return [run for run in self.runs if run.scaling == "fixed" and names.own_scale(run)]

    def lines(self) -> Iterator[Line]:
        """The rows that are single classifiers, in the order of the table."""
        for run in self.fixed:
            yield Line(FIXED, f"fixed σ = {number(run.sigma or 0.0)}", _ONE, run, run.table)
        for run in self.runs:
            start = f"from σ₀ = {number(run.sigma or 0.0)}"
            if names.scaling(run).name == "ascent":
                name = f"DDRS {start}, K {names.steps(run)}"
                yield Line(DDRS, name, "another classifier at each x", run, run.table)
                for order, backwards in (("as in the data set", False), ("reversed", True)):
                    table = remembered(run, backwards)
                    what = f"{name}, memory, queries {order}"
                    yield Line(MEMORY, what, "depends on earlier queries", run, table)
        for run in self.runs:
            if is_routed(run):
                kind = EXPERTS if names.scaling(run).experts else DUAL
                yield Line(kind, f"dual smoothing: {levels_of(run)}", _ONE, run, run.table)


def levels_of(run: Run) -> str:
    """Which networks an estimator chooses among, at which scales, and under which noise."""
    part = names.scaling(run)
    of = "experts" if part.experts else readable.training(run.training or "")
    scales = ", ".join(number(scale) for scale in part.levels(run.sigma or 0.0))
    tau = number(run.table.columns["level_scale"][0].item())
    return f"{of} at σ {scales}; τ = {tau}"


def compared(runs: Sequence[Run]) -> list[Comparison]:
    """The runs by data, architecture, method and samples an input; those of one kind are left."""
    found = []

    def key(run: Run) -> tuple[str, ...]:
        return (*map(str, (run.dataset, run.arch, names.base(run))), f"{samples(run):09d}")

    for _, members in groupby(sorted(runs, key=key), key=key):
        group = names.common(sorted(members, key=names.order))
        if len({names.scaling(run).name for run in group}) > 1:
            found.append(Comparison(samples(group[0]), group))
    return found


def samples(run: Run) -> int:
    """Votes behind a certificate's bounds: for the class, and for the level where one is chosen."""
    return (run.n or 0) + (names.scaling(run).cost.forward if is_routed(run) else 0)


def is_routed(run: Run) -> bool:
    """Whether an estimator chooses the scales."""
    return bool(names.scaling(run).levels(1.0))


def remembered(run: Run, backwards: bool) -> CertificateTable:
    """The certificates after a memory (DDRS, Algorithm 3) that met the inputs in one order."""
    loaded = datasets.load(str(run.dataset), run.record.get("split") or "test")
    points = loaded.images[run.table.idx].numpy()
    order = np.argsort(run.table.idx, kind="stable")
    return memory.apply(run.table, points, order[::-1] if backwards else order)


def uncapped(run: Run) -> Estimate:
    """ACR of a dual run as if the level were known: no certificate; what the cap costs."""
    noise, table = NOISES.parse(str(run.noise)), run.table
    d = math.prod(datasets.info(str(run.dataset)).shape)
    radius = noise.radius(table.columns["p_lower"], table.columns["sigma"], d)
    return metrics.mean(np.where(table.correct == 1, radius, 0.0), least=0.0)


def dual(files: Files, options: AccuracyOptions) -> Table:
    """One row a way to certify, by data and samples."""
    chosen = names.check(read_runs(files.some()))
    comparisons = compared(chosen)
    radii = radii_for(chosen, options.radii)
    columns = (
        Column("data", "data"),
        Column("choice", "certified with"),
        Column("promise", "what is certified"),
        Column("acr", "ACR", measured=True),
        Column("minus_best", "minus best fixed, held out", measured=True),
        Column("uncapped", "ACR, level given", measured=True),
        Column("abstained", "abstains, %", measured=True),
        *accuracy_columns(radii, options.strict),
    )
    rows: list[Row] = []
    notes: list[str] = []
    for one in comparisons:
        rows += _rows(one, radii, options.strict)
        notes.append(data_note(one.fixed, len(one.runs[0].table)))
    return Table(options.title or "", columns, rows, (*dict.fromkeys(notes), *_NOTES))


def _rows(one: Comparison, radii: NDArray[np.float64], strict: bool) -> Iterator[Row]:
    fixed = [run.table for run in one.fixed]
    best = held_out(fixed, radii, strict)
    lines = list(one.lines())

    def row(line: Line, numbers: Numbers, accuracy: Estimate | None = None) -> Row:
        labels: Numbers = {} if line.run is None else dict(names.axes(line.run))
        about: Numbers = {"kind": line.kind, "choice": line.choice, "promise": line.promise}
        steps = {} if accuracy is None else accuracies(accuracy, radii)
        return {**labels, "data": one.title, **about, **numbers, **steps}

    def single(line: Line) -> Row:
        assert line.table is not None
        accuracy = metrics.certified_accuracy(line.table, radii, strict)
        return row(line, _measured(line, line.table, best.radius), accuracy)

    yield from (single(line) for line in lines if line.kind == FIXED)
    if len(fixed) > 1:
        held = metrics.proportion(best.certified.sum(1), best.certified.shape[1])
        envelope = metrics.envelope(fixed, radii, strict)
        area, largest = metrics.envelope_area(fixed), metrics.per_input_maximum(fixed)
        yield row(Line(BEST, "best fixed, held out", _ONE), {"acr": acr(best.acr)}, held)
        yield row(Line(ENVELOPE, "envelope of the fixed", _NONE), {"acr": acr(area)}, envelope)
        yield row(Line(ORACLE, "largest fixed radius at each input", _NONE), {"acr": acr(largest)})
    yield from (single(line) for line in lines if line.kind != FIXED)


def _measured(line: Line, table: CertificateTable, best: NDArray[np.float64]) -> Numbers:
    reach = metrics.certified_radius(table)
    same = np.array_equal(reach, best)
    return {
        "acr": acr(metrics.average_certified_radius(table)),
        **({} if same else {"minus_best": gain(metrics.mean_difference(reach, best))}),
        **({"uncapped": acr(uncapped(line.run))} if line.run and is_routed(line.run) else {}),
        "abstained": share(metrics.abstention_rate(table)),
    }


_NOTES = (
    "Samples: votes for the class and, for dual smoothing, for the level; each selection takes 100"
    " more. α is that of the whole certificate and is not split (docs/methods/dual.md)."
    " Differences are paired on the same inputs; brackets: 95% CIs.",
    "Fixed: models at their training scale. Best fixed: the one with the largest ACR on the other"
    " half of the inputs. The envelope takes the best model at each radius on the same inputs, and"
    " the largest radius at each input uses the label: neither is a classifier.",
    "DDRS certifies, at each input, a classifier that uses the input's scale everywhere. With a"
    " memory (Algorithm 3) its answers hold for later queries; no order-free variant is"
    " implemented. Dual smoothing: a smoothed estimator votes for the level of an input; the radius"
    " is the smaller of the level's and the class's. ACR, level given: not capped by the level's"
    " radius, so it certifies nothing; the difference is the cost of the proof.",
)
