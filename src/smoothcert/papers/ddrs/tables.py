"""DDRS, Tables 1-4: fixed against data-dependent noise scales, best over sigma and K.

A method has two rows. The paper's: at each radius the best of all sigma and K, chosen on the
inputs that measure it. And held out: chosen on the other half of the inputs. ACR stands in three
columns, because three numbers go by that name and differ (metrics.py). A method with one run has
one row.

Rows have labels that no column shows: ``selection`` ("per radius", "one model", "held out",
"paired") and ``base``, the method that DS and DS2 start from; and the counts behind "changed by
memory" as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.certificates.selection import HeldOut, held_out, held_out_area, paired_difference
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import (
    accuracies,
    accuracy_at,
    accuracy_columns,
    compared,
    data,
    data_note,
    radii_for,
)
from smoothcert.papers.ddrs.printed_acr import above
from smoothcert.report.numbers import (
    POINTS,
    SAMPLES,
    SECONDS,
    Key,
    Label,
    Number,
    Row,
    acr,
    gain,
    points,
    share,
)
from smoothcert.report.output import Files
from smoothcert.report.printing import norm
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.table import Column, Table

PER_RADIUS, ONE_MODEL, HELD_OUT, PAIRED = "per radius", "one model", "held out", "paired"


def table1(files: Files, options: AccuracyOptions) -> Table:
    """Cohen, Cohen-DS, Cohen-DS2."""
    return _table(files, options, "Cohen")


def table2(files: Files, options: AccuracyOptions) -> Table:
    """SmoothAdv, SmoothAdv-DS, SmoothAdv-DS2."""
    return _table(files, options, "SmoothAdv")


def table3(files: Files, options: AccuracyOptions) -> Table:
    """MACER, MACER-DS, MACER-DS2."""
    return _table(files, options, "MACER")


def table4(files: Files, options: AccuracyOptions) -> Table:
    """Yang (uniform noise, l1) and Yang-DS."""
    return _table(files, options, names.YANG)


@dataclass(frozen=True)
class Method:
    """The runs of one method on their common inputs, and what the two choices give."""

    label: str
    runs: list[Run]
    envelope: Estimate  # [R]
    choice: HeldOut

    @property
    def tables(self) -> list[CertificateTable]:
        return [run.table for run in self.runs]


def methods(group: Sequence[Run], radii: NDArray[np.float64], strict: bool) -> list[Method]:
    """The methods of a group of :func:`groups`, all on the inputs that all its runs have.

    Runs at another fixed scale than the training's make a method with the plain ones: the best
    of more fixed scales.
    """
    by_label: dict[str, list[Run]] = {}
    for run in names.common(sorted(group, key=names.order)):
        by_label.setdefault(names.label(run), []).append(run)
    for name in [label for label in by_label if "another fixed scale" in label]:
        others = by_label.pop(name)
        base = str(names.base(others[0]))
        by_label[f"{base} (more fixed scales)"] = [*by_label.get(base, []), *others]
    made = []
    for label, runs in by_label.items():
        tables = [run.table for run in runs]
        best = metrics.envelope(tables, radii, strict)
        made.append(Method(label, runs, best, held_out(tables, radii, strict)))
    return made


def groups(runs: Sequence[Run], base: str) -> list[list[Run]]:
    """Runs that differ in sigma, K and the kind of training only.

    Runs that take every noisy copy stand beside those of each sampled budget.
    """
    chosen = sorted(names.check(runs, [base]), key=_family)
    every = [run for run in chosen if names.takes_every_copy(run)]
    sampled = [run for run in chosen if not names.takes_every_copy(run)]
    families = [list(members) for _, members in groupby(sampled or every, key=_family)]
    for members in families if sampled else ():
        members += [r for r in every if _family(r)[:2] == _family(members[0])[:2]]
    return families


def _family(run: Run) -> tuple[str, ...]:
    budget = "" if names.takes_every_copy(run) else run.budget
    return tuple(str(v) for v in (run.dataset, run.arch, budget))


def _table(files: Files, options: AccuracyOptions, base: str) -> Table:
    families = groups(read_runs(files.some()), base)
    chosen = [run for family in families for run in family]
    radii = radii_for(chosen, options.radii)
    columns = (
        Column("data", "data"),
        Column("method", "method"),
        Column("choice", "choice of model and K"),
        Column("models", "models"),
        Column("memory", "changed by memory"),
        Column("acr_model", "ACR of one model", measured=True),
        Column("acr_area", "area under the curve", measured=True),
        Column("acr_oracle", "per-input maximum", measured=True),
        *accuracy_columns(radii, options.strict),
        Column("optimism_mean", "optimism, mean", measured=True),
        Column("optimism_max", "optimism, most", measured=True),
        *(_COST if base == names.YANG else ()),
        Column("paper", "paper"),
    )
    rows: list[Row] = []
    notes: list[str] = []
    for family in families:
        made = methods(family, radii, options.strict)
        drawn = [run for run in family if not names.takes_every_copy(run)] or family
        among = [run for run in chosen if not names.takes_every_copy(run)]
        common: Row = {"data": data(drawn[0], among), "base": base}
        for method in made:
            rows += _rows(method, radii, common)
        plain = next((m for m in made if m.label == base), None)
        if plain is not None:
            rows += [_difference(m, plain, radii, common) for m in made if m is not plain]
        by_label = {m.label: m for m in made}
        if {f"{base}-DS", f"{base}-DS2"} <= by_label.keys():
            rows.append(_difference(by_label[f"{base}-DS2"], by_label[f"{base}-DS"], radii, common))
        notes.append(data_note(drawn, len(made[0].tables[0])))
    unit = norm(chosen[0].norm)
    notes += _notes(rows, options.strict, base, unit)
    return Table(options.title or "", columns, rows, tuple(notes))


# What the votes of an input cost, where methods differ in it.
_COST = (
    Column("samples", "samples per input", measured=True),
    Column("seconds", "votes per input (s)", measured=True),
)


def _cost(runs: Sequence[Run]) -> Row:
    """Means over inputs and models, without the search for scales; nothing where not recorded."""
    drawn = [run.table.optional("samples") for run in runs]
    spent = [float(run.table.columns["time"].mean()) for run in runs]
    row: dict[Key, Label | Number] = {}
    if all(column is not None for column in drawn):
        mean = float(np.mean([column.mean() for column in drawn if column is not None]))
        row["samples"] = Number(mean, unit=SAMPLES)
    if all(spent):
        row["seconds"] = Number(float(np.mean(spent)), unit=SECONDS)
    return row


def _rows(method: Method, radii: NDArray[np.float64], common: Row) -> list[Row]:
    """The paper's choice and the held-out one."""
    runs, tables, choice = method.runs, method.tables, method.choice
    each = [metrics.average_certified_radius(table) for table in tables]
    best = max(range(len(each)), key=lambda m: float(each[m].value))
    reference, paper = names.paper_best(runs)
    oracle = reference.metric("ACR") if isinstance(reference, PaperRow) else None
    gap = 100 * (method.envelope.value - choice.certified.mean(1))[method.envelope.value > 0]
    several = len(runs) > 1
    common = {**common, **names.shared(runs), "method": method.label, "models": _models(runs)}
    rows: list[Row] = [
        {
            **common,
            "selection": PER_RADIUS if several else ONE_MODEL,
            "choice": "per radius, same inputs"
            if several
            else f"one model: {names.model_name(runs[0])}",
            **_memory(runs),
            **(_cost(runs) if common["base"] == names.YANG else {}),
            "acr_model": acr(each[best]),
            "acr_area": acr(metrics.envelope_area(tables)),
            "acr_oracle": acr(metrics.per_input_maximum(tables), oracle),
            **accuracies(method.envelope, radii, reference),
            "paper": paper,
        },
        {
            **common,
            "selection": HELD_OUT,
            "choice": f"held out: {_chosen(runs, choice)}",
            "memory": None,
            "acr_model": acr(choice.acr),
            "acr_area": acr(held_out_area(tables)),
            **{
                accuracy_at(r): share(metrics.proportion(int(hits.sum()), len(hits)), brief=True)
                for r, hits in zip(radii, choice.certified, strict=True)
            },
            "optimism_mean": Number(float(gap.mean()) if len(gap) else 0.0, unit=POINTS),
            "optimism_max": Number(float(gap.max(initial=0.0)), unit=POINTS),
            "paper": None,
        },
    ]
    return rows if several else rows[:1]


def _difference(method: Method, plain: Method, radii: NDArray[np.float64], common: Row) -> Row:
    """Held out, paired: what a method gains over the fixed scale."""
    ours, theirs = method.choice, plain.choice
    return {
        **common,
        **names.shared([*method.runs, *plain.runs]),
        "method": minus(method.label, plain.label),
        "selection": PAIRED,
        "choice": "held out, paired",
        "models": None,
        "memory": None,
        "acr_model": gain(metrics.mean_difference(ours.radius, theirs.radius)),
        **{
            accuracy_at(r): points(paired_difference(ours.certified[i], theirs.certified[i]))
            for i, r in enumerate(radii)
        },
        "paper": None,
    }


def minus(method: str, base: str) -> str:
    """The name of the row of their difference."""
    return f"{method} minus {base}"


def _models(runs: Sequence[Run]) -> str:
    """``3 σ x 9 K``, or their number where they are no grid."""
    symbol = names.symbol(runs[0])
    scales, counts = {run.sigma for run in runs}, {names.steps(run) for run in runs}
    if len(scales) * len(counts) != len(runs):
        return str(len(runs))
    return f"{len(scales)} {symbol}" + ("" if counts == {None} else f" x {len(counts)} K")


def _memory(runs: Sequence[Run]) -> Row:
    """How many certificates the memory changed, over all runs; not needed for one scale."""
    if all(names.scaling(run).name == "fixed" for run in runs):
        return {"memory": None}
    changes = [names.memory_changes(run) for run in runs]
    if None in changes:
        return {"memory": "not applied"}
    changed, total = sum(c or 0 for c in changes), sum(len(run.table) for run in runs)
    return {"memory": f"{changed} of {total}", "changed_by_memory": Number(changed, inputs=total)}


def _chosen(runs: Sequence[Run], choice: HeldOut) -> str:
    """The model of best ACR on either half."""
    return " and ".join(dict.fromkeys(names.model_name(runs[int(m)]) for m in choice.best))


def _notes(rows: Sequence[Row], strict: bool, base: str, unit: str) -> tuple[str, ...]:
    symbol = "λ" if base == names.YANG else "σ"
    notes = [
        f"Columns {'>' if strict else '≥'} r: percent classified correctly with a certified"
        f" {unit} radius {'>' if strict else '≥'} r, in pixels of"
        f" [0,1] images; an abstention is wrong. Brackets: 95% CIs (test-set sampling);"
        " the CSV file has those of the accuracies.",
        f"Per radius, same inputs: the best {symbol} and K at each radius, chosen on the same"
        " inputs, as in the paper. Held out: chosen on one half of the inputs and measured on the"
        " other, both ways; the models named have the best ACR there. Optimism: the first minus"
        " the second in points, mean and maximum over the radii at which anything is certified.",
        "ACR of one model: the mean radius (0 where wrong), as the paper defines it, of the best"
        " model on the same inputs, or held out. Area under the curve: of the accuracies in the"
        " row. Per-input maximum: an oracle picks the best model for each input, so it certifies"
        " no classifier.",
        "Minus rows: paired on the same inputs, in points; * where the 95% CI excludes 0 (each"
        " separately).",
        "Changed by memory: certificates that Algorithm 3 trimmed or relabelled, out of all"
        " in the method's runs; - where all inputs share one scale, which needs no memory.",
    ]
    if base in names.TABLES:
        too_large, printed = above(names.TABLES[base])
        notes.append(
            f"The paper's ACR is the per-input maximum: {too_large} of the {printed} that its"
            " table prints exceed what any one model and K in its appendix H can have."
        )
    if compared(rows):
        notes.append(
            "After the slash: the paper's value."
            + (
                " Its numbers do not show which of the three ACRs table 4 prints."
                if base == names.YANG
                else ""
            )
        )
    if any(row["paper"] is not None and not compared([row]) for row in rows):
        notes.append(
            "Where the column paper gives a reason, the paper's value is not shown: values are"
            " shown only for the paper's own data, architecture and settings (ResNet-18 on"
            " CIFAR-10, ResNet-50 on ImageNet, n = 100,000)."
        )
    if base == names.YANG:
        notes.append(
            "Radius λ (2 p_A - 1) with a lower bound on p_A, so a fixed λ certifies less than λ:"
            " at r = 1.0 a model with λ at most 1 has 0 (the paper prints 0 on ImageNet but 46 for"
            " Yang on CIFAR-10; rounding stored radii to three digits would explain it)."
        )
        notes += _beside_yang(rows)
    return tuple(notes)


def _beside_yang(rows: Sequence[Row]) -> list[str]:
    """What the rows that the paper has not are."""
    made = {str(row["method"]) for row in rows}
    notes = [
        "Samples and seconds: means over inputs and models, for the votes only, on the machine that"
        " drew them."
    ]
    if any("λ > 1" in name for name in made):
        notes.append("λ > 1: wider noise than the paper tries, in training and certification.")
    if any("[0, 1]" in name for name in made):
        notes.append(
            "Inputs in [0, 1]: the same votes, read with the box constraint (Voracek and Hein"
            " 2023); this helps only beyond a radius of 1."
        )
    if any(name.startswith(names.SPLITTING) for name in made):
        notes.append(
            f"{names.SPLITTING}: splitting noise (Levine and Feizi 2021), every one of its 2 λ q"
            " noisy copies classified once: no sampling error and no α. For perturbations that"
            " keep pixels on the grid of 1/q."
        )
    return notes
