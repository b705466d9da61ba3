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

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run
from smoothcert.certificates.selection import held_out
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.appendix import mean_scale
from smoothcert.papers.ddrs.cells import data, data_note, signed
from smoothcert.report.printing import number
from smoothcert.report.table import UNKNOWN, Column, Entry, Options, Table, acr, words
from smoothcert.report.table_registry import TABLES
from smoothcert.scaling import AscentMean

CONTROLS = ("fs", "mean", "fixed", "tuned")
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


@TABLES.member("ddrs_controls")
def controls(runs: Sequence[Run], options: Options) -> Table:
    """One row a way of choosing the scales, for each method, sigma_0 and budget."""
    chosen = names.check(runs, [*names.BASES.values(), names.YANG])
    columns = (
        Column("data", "data"),
        Column("training", "training"),
        Column("choice", "choice of the scale"),
        Column("scaling", "scaling"),
        Column("mean_sigma", "mean scale (sd)"),
        Column("memory", "changed by memory"),
        Column("acr", "ACR", measured=True),
        Column("minus_fs", "minus σ_0", measured=True),
        Column("minus_mean", "minus one scale, its mean", measured=True),
        Column("minus_fixed", "minus best fixed scale", measured=True),
        Column("minus_tuned", "minus fine-tuned as long", measured=True),
        Column("verdict", "verdict"),
    )
    rows: list[dict[str, Entry]] = []
    notes: list[str] = []
    for _, members in groupby(sorted(chosen, key=_group), key=_group):
        own = list(members)
        comparison = Comparison.of(own)
        if comparison is None:
            trained = own[0].trained
            notes.append(
                f"Left out: {data(own[0])}, {trained.slug if trained else 'unknown'},"
                f" {own[0].budget}: no run at the fixed scale of training to compare with."
            )
            continue
        rows += comparison.rows()
        notes.append(data_note(own, len(comparison.inputs)))
    title = options.title or "Controls of DDRS: where a gain in ACR comes from"
    return Table(title, columns, rows, (*dict.fromkeys(notes), *_NOTES))


_NOTES = (
    "Differences of ACR are paired: same inputs, same number of samples; brackets: 95% intervals"
    " for the number of inputs, each by itself. An abstention counts as radius 0.",
    "σ_0: the scale of training (λ for uniform noise), for all inputs, of the model trained at the"
    " fixed scale. One scale, its mean: the same model with ONE scale for all inputs, the mean of"
    " what the row's search gave them: ascent-mean of the same K, else the run of one scale that"
    f" is nearest, if within {NEAR:.0%}. Best fixed scale: among all fixed scales of the table,"
    " chosen on the other half of the inputs.",
    "Fine-tuned as long: the model that went on training at the fixed scale for as many epochs as"
    " DS2 did; certified with the same scaling if there is such a run, else at σ_0 (marked °).",
    "Verdict. No gain, loss: against σ_0. Gain: above σ_0, of what is one scale for all inputs, so"
    " that no adaptation to the input is behind it. Of the other rows that are above σ_0: beyond"
    " controls: above each control too; as controls: not told apart from one of them; below a"
    " control; control missing: no run of one scale at its mean, or for DS2 none that was"
    " fine-tuned as long with the same scaling.",
)


def _group(run: Run) -> tuple[str, ...]:
    """What must agree between runs that are compared: data, model family, sigma_0, budget."""
    trained = run.trained
    sigma_0 = number(trained.scale) if trained else ""
    return tuple(str(v) for v in (run.dataset, run.arch, names.base(run), run.budget, sigma_0))


@dataclass(frozen=True)
class Comparison:
    """The runs of one method, sigma_0 and budget on their common inputs; ``plain`` is at sigma_0.

    ``radius`` of a run: [N], 0 where wrong, by the id of the run.
    """

    runs: list[Run]
    plain: Run
    radius: dict[int, NDArray[np.float64]]
    tables: dict[int, CertificateTable]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Comparison | None:
        """None if no run is at the fixed scale of training."""
        ordered = sorted(runs, key=names.order)
        plain = [r for r in ordered if _is_fixed(r) and names.own_scale(r) and _kind(r) == "fs"]
        if not plain:
            return None
        common = metrics.common_inputs([run.table for run in ordered])
        tables = dict(zip(map(id, ordered), common, strict=True))
        radius = {
            key: np.where(table.correct == 1, table.radius, 0.0) for key, table in tables.items()
        }
        return cls(ordered, plain[0], radius, tables)

    @property
    def inputs(self) -> NDArray[np.int64]:
        """The common inputs."""
        return self.tables[id(self.plain)].idx

    def rows(self) -> list[dict[str, Entry]]:
        """The plain run first, then the best fixed scale, then the other runs."""
        fixed = self._fixed_runs()
        rows = [self._row(self.plain)]
        if len(fixed) > 1:
            rows += [self._row(run) for run in fixed if run is not self.plain]
            rows.append(self._best_fixed_row(fixed))
        shown = {id(run) for run in fixed}
        return rows + [self._row(run) for run in self.runs if id(run) not in shown]

    def _row(self, run: Run) -> dict[str, Entry]:
        part = names.scaling(run)
        against = self._controls(run)
        differences = {
            name: metrics.mean(self.radius[id(run)] - other) for name, other in against.items()
        }
        text = _WORDS.get(part.name, part.name)
        steps = names.steps(run)
        entries = {f"minus_{n}": Entry(UNKNOWN) for n in CONTROLS} | {
            f"minus_{n}": signed(d) for n, d in differences.items()
        }
        if "tuned" in against and not self._same_tuned(run):
            entries["minus_tuned"] = _marked(entries["minus_tuned"], "°")
        return {
            "data": words(data(run)),
            "training": words(run.training),
            "choice": words(
                text.format(sigma=number(run.sigma or 0.0))
                + (" (σ_0)" if run is self.plain else "")
                + ("" if steps is None else f", K {steps}")
            ),
            "scaling": words(run.scaling),
            "mean_sigma": words(mean_scale(run)),
            "memory": words(names.memory_changes(run)),
            "acr": acr(metrics.mean(self.radius[id(run)], least=0.0)),
            **entries,
            "verdict": words(UNKNOWN if run is self.plain else self._verdict(run, differences)),
        }

    def _verdict(self, run: Run, differences: dict[str, Estimate]) -> str:
        needed = [] if names.scaling(run).name in _SHARED else ["mean"]
        if _kind(run) == "ds2":
            needed.append("tuned")
            if not self._same_tuned(run):  # compared for what it is, but not a fair control
                differences = {k: d for k, d in differences.items() if k != "tuned"}
        return verdict(differences, needed)

    def _best_fixed_row(self, fixed: Sequence[Run]) -> dict[str, Entry]:
        radius, chosen = self._best_fixed(fixed)
        difference = metrics.mean(radius - self.radius[id(self.plain)])
        return {
            "data": words(data(self.plain)),
            "training": words(self.plain.training),
            "choice": words(f"best fixed of {len(fixed)}, held out: {chosen}"),
            "scaling": words("fixed"),
            "mean_sigma": Entry(UNKNOWN),
            "memory": Entry(UNKNOWN),
            "acr": acr(metrics.mean(radius, least=0.0)),
            **{f"minus_{n}": Entry(UNKNOWN) for n in CONTROLS},
            "minus_fs": signed(difference),
            "verdict": words(verdict({"fs": difference}, [])),
        }

    def _controls(self, run: Run) -> dict[str, NDArray[np.float64]]:
        """The radii [N] of what ``run`` is compared with, by the name of the control."""
        if run is self.plain:
            return {}
        found = {"fs": self.radius[id(self.plain)]}
        shared = names.scaling(run).name in _SHARED
        mean = self._mean_of(run)
        if mean is not None and not shared:
            found["mean"] = self.radius[id(mean)]
        fixed = self._fixed_runs()
        if len(fixed) > 1 and not (shared and _kind(run) == "fs"):
            found["fixed"] = self._best_fixed(fixed)[0]
        tuned = self._tuned(run)
        if tuned is not None:
            found["tuned"] = self.radius[id(tuned)]
        return found

    def _fixed_runs(self) -> list[Run]:
        return [run for run in self.runs if _is_fixed(run) and _kind(run) == "fs"]

    def _best_fixed(self, fixed: Sequence[Run]) -> tuple[NDArray[np.float64], str]:
        choice = held_out([self.tables[id(run)] for run in fixed], np.array([0.0]))
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
        own = self._mean_scale(run)
        if own is None:
            return None
        away = [
            (abs(scale / own - 1), i)
            for i, other in enumerate(shared)
            if (scale := self._mean_scale(other)) is not None
        ]
        return shared[min(away)[1]] if away and min(away)[0] <= NEAR else None

    def _mean_scale(self, run: Run) -> float | None:
        scales = self.tables[id(run)].optional("sigma")
        return None if scales is None else float(scales.mean())

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


def verdict(differences: dict[str, Estimate], needed: Sequence[str]) -> str:
    """A word for the differences in ACR to sigma_0 (``fs``) and to controls; see the notes.

    ``needed``: the controls without which a gain over sigma_0 says little; none for what is a
    control itself.
    """
    gain = differences["fs"]
    if float(gain.low) <= 0:
        return "loss" if float(gain.high) < 0 else "no gain"
    others = [d for name, d in differences.items() if name != "fs"]
    if any(float(d.high) < 0 for d in others):
        return "below a control"
    if any(float(d.low) <= 0 for d in others):
        return "as controls"
    if not needed:
        return "gain"
    missing = [name for name in needed if name not in differences]
    return "control missing" if missing else "beyond controls"


def _kind(run: Run) -> str:
    trained = run.trained
    if trained is None:
        return ""
    return "ft" if "_ft" in trained.variant else trained.schedule


def _is_fixed(run: Run) -> bool:
    return names.scaling(run).name == "fixed"


def _marked(entry: Entry, mark: str) -> Entry:
    return Entry(entry.text + mark, entry.interval, entry.paper, entry.numbers)
