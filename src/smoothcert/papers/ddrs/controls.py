"""Does data-dependent smoothing do anything? DDRS against controls that adapt to no input.

A gain over the fixed scale sigma_0 can be a shift of the scale that all inputs would like. So
each way of choosing scales is compared, on the same inputs and with as many samples, with the
fixed scale, with ONE scale for all inputs (the mean of what the ascent gives them), with the best
fixed scale (chosen on the other half of the inputs), and, for models trained with data-dependent
scales (DS2), with a model that was fine-tuned as long at the fixed scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.certificates.selection import held_out
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.appendix import mean_scale
from smoothcert.papers.ddrs.cells import data, data_note
from smoothcert.papers.ddrs.comparable import papers_own
from smoothcert.report import names as readable
from smoothcert.report.numbers import Row, acr, gain
from smoothcert.report.output import Files
from smoothcert.report.printing import number
from smoothcert.report.table import Column, Table
from smoothcert.scaling import AscentMean

# Scalings that give all inputs one scale: controls themselves, compared with sigma_0 only.
_SHARED = ("fixed", "ramp", "ascent-mean", "grid-one")
NEAR = 0.05  # how far one scale may be from the mean of a search that has no control of its own
_WORDS = {
    "fixed": "one scale: {sigma}",
    "ascent": "DS: Algorithm 1",
    "ascent-sound": "sound ascent",
    "ascent-mean": "one scale: the mean of DS's",
    "ramp": "one scale: a constant ramp",
    "grid": "per-input grid, soft",
    "grid-hard": "per-input grid, votes",
    "grid-one": "one scale: best of a grid by votes",
}


def controls(files: Files, options: Titled) -> Table:
    """One row a way of choosing the scales, for each method, sigma_0 and budget.

    A greedy grid has a number that no column shows, ``minus_fewest``: its ACR minus that of the
    grid of the fewest samples.
    """
    chosen = names.check(read_runs(files.some()))
    columns = (
        Column("data", "data"),
        Column("training", "training", show=readable.training),
        Column("choice", "choice of the scale"),
        Column("scaling", "scaling", show=readable.scaling),
        Column("mean_sigma", "mean scale (sd)"),
        Column("memory", "changed by memory"),
        Column("acr", "ACR", measured=True),
        Column("minus_fs", "minus σ_0", measured=True),
        Column("minus_mean", "minus one scale, its mean", measured=True),
        Column("minus_fixed", "minus best fixed scale", measured=True),
        Column("minus_tuned", "minus fine-tuned for as long", measured=True),
        Column("verdict", "verdict"),
    )
    rows: list[Row] = []
    notes: list[str] = []
    for _, members in groupby(sorted(chosen, key=_group), key=_group):
        group = list(members)
        comparison = Comparison.of(group)
        if comparison is None:
            trained = group[0].trained
            notes.append(
                f"Left out: {data(group[0])}, {trained.slug if trained else 'unknown'},"
                f" {group[0].budget}: no run at the fixed training scale to compare with."
            )
            continue
        rows += comparison.rows()
        notes.append(data_note(group, len(comparison.plain.table)))
    return Table(options.title or "", columns, rows, (*dict.fromkeys(notes), *_NOTES))


_NOTES = (
    "ACR differences are paired: same inputs, same number of samples; brackets: 95% CIs (test-set"
    " sampling), each separately. An abstention counts as radius 0.",
    "σ_0: the training scale (λ for uniform noise) for all inputs, of the model trained at the"
    " fixed scale. One scale, its mean: the same model with ONE scale for all inputs, the mean of"
    " those found by the row's search: ascent-mean of the same K, else the run with the nearest"
    f" single scale, if within {NEAR:.0%}. Best fixed scale: among all fixed scales of the table,"
    " chosen on the other half of the inputs.",
    "Fine-tuned for as long: the model trained further at the fixed scale, for as many epochs as"
    " DS2; certified with the same scaling if there is such a run, else at σ_0, which is shown but"
    " does not count as this control in the verdict.",
    "Verdict. No gain, loss: relative to σ_0. Gain: above σ_0 with one scale for all inputs, so"
    " per-input adaptation cannot explain it. Other rows above σ_0: beyond controls: also above"
    " each control; as controls: no detectable difference to one of them; below a control;"
    " control missing: no run with one scale at its mean, or for DS2 none fine-tuned for as long"
    " with the same scaling.",
)


def _group(run: Run) -> tuple[str, ...]:
    """What must agree between runs that are compared: data, model family, sigma_0, budget."""
    trained = run.trained
    sigma_0 = number(trained.scale) if trained else ""
    return tuple(str(v) for v in (run.dataset, run.arch, names.base(run), run.budget, sigma_0))


@dataclass(frozen=True)
class Comparison:
    """The runs of one method, sigma_0 and budget on their common inputs; ``plain``: at sigma_0."""

    runs: list[Run]
    plain: Run

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Comparison | None:
        """None if no run is at the fixed scale of training."""
        ordered = names.common(sorted(runs, key=names.order))
        plain = [r for r in ordered if _is_fixed(r) and names.own_scale(r) and _kind(r) == "fs"]
        return cls(ordered, plain[0]) if plain else None

    def rows(self) -> list[Row]:
        """The plain run first, then the best fixed scale, then the other runs."""
        fixed = self._fixed_runs()
        rows = [self._row(self.plain)]
        if len(fixed) > 1:
            rows += [self._row(run) for run in fixed if run is not self.plain]
            rows.append(self._best_fixed_row(fixed))
        return rows + [self._row(r) for r in self.runs if not (_is_fixed(r) and _kind(r) == "fs")]

    def _row(self, run: Run) -> Row:
        part, steps = names.scaling(run), names.steps(run)
        differences = {
            name: metrics.mean_difference(metrics.certified_radius(run.table), other)
            for name, other in self._controls(run).items()
        }
        words = _WORDS.get(part.name, part.name).format(sigma=number(run.sigma or 0.0))
        start = " (σ_0)" if run is self.plain else ""
        fewest = self._fewest(run)
        return {
            **names.axes(run),
            "data": data(run),
            "choice": words + start + ("" if steps is None else f", K {steps}"),
            "search": names.search(run),
            "search_n": samples(run),
            "papers_own": papers_own(run),
            "trained": _kind(run),
            "K": steps,
            "mean_sigma": mean_scale(run),
            "memory": names.memory_changes(run),
            "acr": acr(metrics.average_certified_radius(run.table)),
            **{f"minus_{name}": gain(d) for name, d in differences.items()},
            **({} if fewest is None else {"minus_fewest": gain(fewest)}),
            "verdict": None if run is self.plain else self._verdict(run, differences),
        }

    def _verdict(self, run: Run, differences: dict[str, Estimate]) -> str:
        needed = [] if names.scaling(run).name in _SHARED else ["mean"]
        if _kind(run) == "ds2":
            needed.append("tuned")
            if not self._same_tuned(run):  # compared for what it is, but not a fair control
                differences = {k: d for k, d in differences.items() if k != "tuned"}
        return verdict(differences, needed)

    def _best_fixed_row(self, fixed: Sequence[Run]) -> Row:
        radius, chosen = self._best_fixed(fixed)
        most = metrics.largest_radius([run.table for run in fixed])
        difference = metrics.mean_difference(
            radius, metrics.certified_radius(self.plain.table), most=most
        )
        return {
            **names.shared(fixed),
            "data": data(self.plain),
            "training": self.plain.training,
            "choice": f"best fixed of {len(fixed)}, held out: {chosen}",
            "selection": "held out",
            "scaling": "fixed",
            "mean_sigma": None,
            "memory": None,
            "acr": acr(metrics.mean(radius, least=0.0, most=most)),
            "minus_fs": gain(difference),
            "verdict": verdict({"fs": difference}, []),
        }

    def _controls(self, run: Run) -> dict[str, NDArray[np.float64]]:
        """The radii [N] of what ``run`` is compared with, by the name of the control."""
        if run is self.plain:
            return {}
        radii = {"fs": metrics.certified_radius(self.plain.table)}
        shared = names.scaling(run).name in _SHARED
        mean = self._mean_of(run)
        if mean is not None and not shared:
            radii["mean"] = metrics.certified_radius(mean.table)
        fixed = self._fixed_runs()
        if len(fixed) > 1 and not (shared and _kind(run) == "fs"):
            radii["fixed"] = self._best_fixed(fixed)[0]
        tuned = self._tuned(run)
        if tuned is not None:
            radii["tuned"] = metrics.certified_radius(tuned.table)
        return radii

    def _fixed_runs(self) -> list[Run]:
        return [run for run in self.runs if _is_fixed(run) and _kind(run) == "fs"]

    def _best_fixed(self, fixed: Sequence[Run]) -> tuple[NDArray[np.float64], str]:
        choice = held_out([run.table for run in fixed], np.array([0.0]))
        sigmas = dict.fromkeys(number(fixed[int(m)].sigma or 0.0) for m in choice.best)
        return choice.radius, " and ".join(sigmas)

    def _mean_of(self, run: Run) -> Run | None:
        """The run of the same model with one scale for all inputs, the mean of those of ``run``.

        For the ascent the one made for it; else the nearest within ``NEAR``, if there is one.
        """
        part = names.scaling(run)
        shared = [
            other
            for other in self.runs
            if other.training == run.training and names.scaling(other).name in _SHARED
        ]
        for other in shared:
            mean = names.scaling(other)
            if isinstance(mean, AscentMean) and mean.ascent == part:
                return other
        wanted = _mean_scale(run)
        if wanted is None:
            return None
        away = [
            (abs(scale / wanted - 1), i)
            for i, other in enumerate(shared)
            if (scale := _mean_scale(other)) is not None
        ]
        return shared[min(away)[1]] if away and min(away)[0] <= NEAR else None

    def _tuned(self, run: Run) -> Run | None:
        """For a DS2 model: the fine-tuned one with the same scaling, else at the fixed scale."""
        if _kind(run) != "ds2":
            return None
        tuned = [other for other in self.runs if _kind(other) == "ft" and names.own_scale(other)]
        same = [other for other in tuned if other.scaling == run.scaling]
        return next(iter([*same, *filter(_is_fixed, tuned)]), None)

    def _same_tuned(self, run: Run) -> bool:
        tuned = self._tuned(run)
        return tuned is not None and tuned.scaling == run.scaling

    def _fewest(self, run: Run) -> Estimate | None:
        """ACR of a greedy grid minus that of the same model's with the fewest samples."""
        if names.search(run) != "grid":
            return None
        grids = [
            other
            for other in self.runs
            if names.search(other) == "grid"
            and (other.training, other.noise) == (run.training, run.noise)
        ]
        fewest = min(grids, key=samples)
        return None if fewest is run else metrics.acr_difference(run.table, fewest.table)


def samples(run: Run) -> int:
    """n of a search: samples a step or a point."""
    n = getattr(names.scaling(run), "n", 0)
    return int(n)


def verdict(differences: dict[str, Estimate], needed: Sequence[str]) -> str:
    """A word for the differences in ACR to sigma_0 (``fs``) and to controls; see the notes.

    ``needed``: the controls without which a gain over sigma_0 says little; none for what is a
    control itself.
    """
    plain = differences["fs"]
    if float(plain.low) <= 0:
        return "loss" if float(plain.high) < 0 else "no gain"
    others = [d for name, d in differences.items() if name != "fs"]
    if any(float(d.high) < 0 for d in others):
        return "below a control"
    if any(float(d.low) <= 0 for d in others):
        return "as controls"
    if not needed:
        return "gain"
    missing = [name for name in needed if name not in differences]
    return "control missing" if missing else "beyond controls"


def _mean_scale(run: Run) -> float | None:
    scales = run.table.optional("sigma")
    return None if scales is None else float(scales.mean())


def _kind(run: Run) -> str:
    trained = run.trained
    if trained is None:
        return ""
    return "ft" if "_ft" in trained.variant else trained.schedule


def _is_fixed(run: Run) -> bool:
    return names.scaling(run).name == "fixed"
