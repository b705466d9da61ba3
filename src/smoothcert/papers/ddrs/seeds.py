"""Does a difference outlast another seed of training? The central comparisons, seed by seed.

What DDRS gains over the fixed scale, and how much of it one scale for all inputs gains as well;
what training with scales of the inputs' own adds; what SmoothAdv, MACER and Consistency gain over
Cohen. Both sides of a difference have the same seed of training, the same inputs and the same noise
of certification, so that from seed to seed only the trained networks change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import LEVEL, Estimate
from smoothcert.certificates.runs import Run, find, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.options import SeedOptions
from smoothcert.papers.ddrs.series import inputs_note
from smoothcert.papers.training.gain import ABOVE
from smoothcert.report import names as readable
from smoothcert.report.numbers import PERCENT, SPREAD, Number, Row, gain, points
from smoothcert.report.output import Files
from smoothcert.report.printing import number
from smoothcert.report.table import Column, Table
from smoothcert.scaling import Ascent, AscentMean, NominalScale, Scaling

# What a comparison is of: the inputs' own scales; the shift of the scale that they bring; what is
# beyond it; training with them; another method of training
DS, SHIFT, BEYOND, DS2, METHOD = KINDS = ("DS", "shift", "beyond the shift", "DS2", "method")
ALL_ABOVE, ALL_BELOW, DIFFERS = "above", "below", "sign differs"


def seeds(files: Files, options: SeedOptions) -> Table:
    """One row a comparison and measure: the difference for each seed, its mean and spread."""
    rows, of, notes = compare(read_runs(files.some()), options.radius)
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("sigma", "σ"),
        Column("comparison", "comparison"),
        Column("measure", "of"),
        *(Column(column_of(k), f"seed {k}", measured=True) for k in of),
        Column("mean_inputs", "mean [95% CI, test inputs]", measured=True),
        Column("mean_seeds", "mean [95% CI, seeds]", measured=True),
        Column("spread", "spread of seeds (sd)", measured=True),
        Column("verdict", "for every seed"),
    )
    return Table(options.title or "", columns, rows, (*notes, *NOTES))


NOTES = (
    "Differences are paired: same inputs and same training seed on both sides. DS: per-input"
    " scales (Algorithm 1). DS's mean σ: the same model with ONE scale for all inputs, the mean"
    " of DS's. DS2: also trained with per-input scales.",
    "Mean over seeds: with a 95% CI for test-set sampling (these trainings) and one for training"
    " seeds (these inputs; Student's t, one difference per seed). The CSV file has the CIs of"
    " single seeds.",
    "For every seed: above 0, or below, for all of them; else the sign differs. For two equal"
    " methods, three seeds agree in sign with probability 1/4.",
)


def compare(runs: Sequence[Run], radius: float) -> tuple[list[Row], list[int], list[str]]:
    """The rows of all data sets, scales and budgets, their seeds, and what was certified.

    Raises SmoothcertError where no comparison has two seeds, or a record does not say the seed.
    """
    rows: list[Row] = []
    seeds: set[int] = set()
    notes: list[str] = []
    for _, members in groupby(sorted(runs, key=_family), key=_family):
        family = names.common(list(members))
        pairs = sorted(_pairs(_arms(family)), key=lambda pair: KINDS.index(pair.kind))
        found = [row for pair in pairs for row in pair.rows(radius)]
        if found:
            notes.append(f"{family[0].dataset}, {family[0].arch}: {inputs_note(family)}")
        rows += found
        seeds.update(*(pair.seeds for pair in pairs))
    if not rows:
        raise SmoothcertError(
            "ddrs_seeds: expected runs to compare, each with two or more training seeds; found none"
        )
    return rows, sorted(seeds), list(dict.fromkeys(notes))


def column_of(seed: int) -> str:
    """The column of the differences with one seed of training."""
    return f"seed_{seed}"


def _family(run: Run) -> tuple[str, ...]:
    """What must agree between runs that are compared, whatever their methods."""
    scale = number(run.trained.scale) if run.trained else ""
    return tuple(str(v) for v in (run.dataset, run.arch, scale, run.noise, run.budget))


@dataclass(frozen=True)
class Arm:
    """One way to train and to choose the scales; ``runs`` by the seed of training."""

    training: Training
    scaling: Scaling
    runs: dict[int, Run]

    @property
    def title(self) -> str:
        """``Cohen``, ``Cohen-DS``, ``Cohen at DS's mean σ``."""
        method, tuned = readable.method(self.training.method), self.training.variant
        if isinstance(self.scaling, Ascent):
            method += "-DS2" if self.training.schedule == "ds2" else "-DS"
        return method + readable.variant(tuned) + " at DS's mean σ" * self.is_mean

    @property
    def is_mean(self) -> bool:
        return isinstance(self.scaling, AscentMean)

    @property
    def is_plain(self) -> bool:
        """At the fixed scale, in training and certification."""
        return isinstance(self.scaling, NominalScale) and self.training == self.training.ancestor


def _arms(runs: Sequence[Run]) -> list[Arm]:
    arms: dict[tuple[Training, str | None], Arm] = {}
    for run in sorted(runs, key=names.order):
        if run.trained is None:
            raise SmoothcertError(f"{run.path}: the training of its model is unknown")
        training = run.trained.seedless
        key = training, run.scaling
        arm = arms.setdefault(key, Arm(training, names.scaling(run), {}))
        seed = find(run.record.get("votes", {}).get("model", {}), "seed")
        if not isinstance(seed, int):
            raise SmoothcertError(f"{run.path}: its record does not state the training seed")
        arm.runs[seed] = run
    return list(arms.values())


@dataclass(frozen=True)
class Pair:
    """Two arms, ``first`` minus ``second``, both with each of these seeds."""

    first: Arm
    second: Arm
    seeds: tuple[int, ...]

    def rows(self, radius: float) -> Iterator[Row]:
        """Of the ACR, and of certified accuracy at ``radius``."""
        pairs = [(self.first.runs[k].table, self.second.runs[k].table) for k in self.seeds]
        tables = [table for pair in pairs for table in pair]
        radii = np.array([metrics.certified_radius(table) for table in tables])
        reached = np.array([metrics.certified(table, [radius])[0] for table in tables], np.float64)
        each = [metrics.acr_difference(*pair) for pair in pairs]
        whole = _mean(radii, metrics.largest_radius(tables))
        yield self._row("ACR", each, whole, gain, Number(_spread(each), unit=SPREAD))
        each = [metrics.accuracy_difference(*pair, [radius])[0] for pair in pairs]
        spread = Number(100 * _spread(each), unit=PERCENT)
        yield self._row(f"% at {number(radius)}", each, _mean(reached, 1.0), points, spread)

    def _row(
        self,
        measure: str,
        each: Sequence[Estimate],
        whole: Estimate,
        show: Callable[[Estimate], Number],
        spread: Number,
    ) -> Row:
        run = self.first.runs[self.seeds[0]]
        values = [float(one.value) for one in each]
        half = stdtrit(len(each) - 1, (1 + LEVEL) / 2) * _spread(each) / math.sqrt(len(each))
        of_seeds = Estimate(whole.value, whole.value - half, whole.value + half, whole.inputs)
        return {
            "dataset": run.dataset,
            "arch": run.arch,
            "sigma": number(self.first.training.scale),
            "budget": run.budget,
            "comparison": f"{self.first.title} minus {self.second.title}",
            "kind": self.kind,
            "measure": measure,
            **{
                column_of(k): replace(show(one), brief=True)
                for k, one in zip(self.seeds, each, strict=True)
            },
            "mean_inputs": replace(show(whole), brief=False),
            "mean_seeds": replace(show(of_seeds), brief=False),
            "spread": spread,
            "verdict": verdict(values),
        }

    @property
    def kind(self) -> str:
        """Of KINDS."""
        if self.first.is_mean:
            return SHIFT
        if self.second.is_mean:
            return BEYOND
        if not isinstance(self.first.scaling, Ascent):
            return METHOD
        return DS if self.first.training == self.second.training else DS2


def _pairs(arms: Sequence[Arm]) -> Iterator[Pair]:
    """Those of the module's docstring, in the order of the arms; of two seeds or more."""
    for first in arms:
        for second in arms:
            seeds = tuple(sorted(first.runs.keys() & second.runs.keys()))
            if len(seeds) > 1 and _compared(first, second):
                yield Pair(first, second, seeds)


def _compared(first: Arm, second: Arm) -> bool:
    one, other = first.training, second.training
    if one == other and isinstance(second.scaling, AscentMean):
        return first.scaling == second.scaling.ascent
    if one == other:
        own = isinstance(first.scaling, Ascent | AscentMean)
        return own and isinstance(second.scaling, NominalScale)
    if one.schedule == "ds2":
        same = replace(other, variant="") == one.ancestor and first.scaling == second.scaling
        return same and isinstance(first.scaling, Ascent)
    above = one.method in ABOVE and replace(one, method="cohen") == other
    return above and first.is_plain and second.is_plain


def _mean(values: NDArray[np.float64], most: float) -> Estimate:
    """Over the seeds, values [2 seeds, N] with the two sides in turn: first minus second."""
    return metrics.mean_difference(values[::2].mean(0), values[1::2].mean(0), most=most)


def _spread(each: Sequence[Estimate]) -> float:
    """The standard deviation between seeds."""
    return float(np.std([one.value for one in each], ddof=1))


def verdict(values: Sequence[float]) -> str:
    """Whether the differences have one sign, and which."""
    if all(value > 0 for value in values):
        return ALL_ABOVE
    return ALL_BELOW if all(value < 0 for value in values) else DIFFERS
