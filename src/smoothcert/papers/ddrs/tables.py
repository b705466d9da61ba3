"""DDRS, Tables 1-4: fixed against data-dependent noise scales, best over sigma and K.

A method has two rows. The paper's: at each radius the best of all sigma and K, chosen on the
inputs that measure it. And held out: chosen on the other half of the inputs. ACR stands in three
columns, because three numbers go by that name and differ (metrics.py). A method with one run has
one row.
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
from smoothcert.certificates.selection import HeldOut, held_out, held_out_area, paired_difference
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import (
    data,
    data_note,
    default_radii,
    key,
    signed,
    with_sign,
    without_interval,
)
from smoothcert.report.printing import norm, number
from smoothcert.report.reference import Row
from smoothcert.report.table import UNKNOWN, Column, Entry, Options, Table, acr, share, words
from smoothcert.report.table_registry import TABLES


@TABLES.member("ddrs_table1")
def table1(runs: Sequence[Run], options: Options) -> Table:
    """Cohen, Cohen-DS, Cohen-DS2."""
    return _table(runs, options, ["Cohen"], "Table 1 of DDRS: Cohen")


@TABLES.member("ddrs_table2")
def table2(runs: Sequence[Run], options: Options) -> Table:
    """SmoothAdv, SmoothAdv-DS, SmoothAdv-DS2."""
    return _table(runs, options, ["SmoothAdv"], "Table 2 of DDRS: SmoothAdv")


@TABLES.member("ddrs_table3")
def table3(runs: Sequence[Run], options: Options) -> Table:
    """MACER, MACER-DS, MACER-DS2."""
    return _table(runs, options, ["MACER"], "Table 3 of DDRS: MACER")


@TABLES.member("ddrs_table4")
def table4(runs: Sequence[Run], options: Options) -> Table:
    """Yang (uniform noise, l1) and Yang-DS."""
    return _table(runs, options, [names.YANG], "Table 4 of DDRS: uniform noise")


@dataclass(frozen=True)
class Method:
    """The runs of one method on their common inputs, and what the two choices give."""

    label: str
    runs: list[Run]
    tables: list[CertificateTable]
    envelope: Estimate  # [R]
    choice: HeldOut


def methods(group: Sequence[Run], radii: NDArray[np.float64], strict: bool) -> list[Method]:
    """The methods of a group of :func:`groups`, all on the inputs that all its runs have.

    Runs at another fixed scale than the training's make a method with the plain ones: the best
    of more fixed scales.
    """
    ordered = sorted(group, key=names.order)
    tables = dict(
        zip(map(id, ordered), metrics.common_inputs([r.table for r in ordered]), strict=True)
    )
    by_label: dict[str, list[Run]] = {}
    for run in ordered:
        by_label.setdefault(names.label(run), []).append(run)
    for name in [label for label in by_label if "another fixed scale" in label]:
        plain = by_label.get(str(names.base(by_label[name][0])), [])
        others = by_label.pop(name)
        by_label[f"{names.base(others[0])} (more fixed scales)"] = [*plain, *others]
    found = []
    for label, runs in by_label.items():
        own = [tables[id(run)] for run in runs]
        best = metrics.envelope(own, radii, strict)
        found.append(Method(label, runs, own, best, held_out(own, radii, strict)))
    return found


def groups(runs: Sequence[Run], bases: Sequence[str]) -> list[list[Run]]:
    """Runs that differ in sigma, K and the kind of training only."""
    chosen = sorted(names.check(runs, bases), key=_family)
    return [list(members) for _, members in groupby(chosen, key=_family)]


def _family(run: Run) -> tuple[str, ...]:
    return tuple(str(v) for v in (run.dataset, run.arch, names.base(run), run.budget))


def _table(runs: Sequence[Run], options: Options, bases: Sequence[str], title: str) -> Table:
    found = groups(runs, bases)
    chosen = [run for group in found for run in group]
    radii = default_radii(chosen) if options.radii is None else metrics.parse_radii(options.radii)
    sign = ">" if options.strict else "≥"
    columns = (
        Column("data", "data"),
        Column("method", "method"),
        Column("choice", "choice of model and K"),
        Column("models", "models"),
        Column("memory", "changed by memory"),
        Column("acr_model", "ACR of one model", measured=True),
        Column("acr_area", "area under the curve", measured=True),
        Column("acr_oracle", "per-input maximum", measured=True),
        *(Column(key(r), f"{sign} {number(r)}", measured=True) for r in radii),
        Column("optimism_mean", "optimism, mean", measured=True),
        Column("optimism_max", "optimism, most", measured=True),
        Column("paper", "paper"),
    )
    rows: list[dict[str, Entry]] = []
    notes: list[str] = []
    for group in found:
        made = methods(group, radii, options.strict)
        for method in made:
            rows += _rows(method, radii, data(method.runs[0], chosen))
        plain = next((m for m in made if m.label == names.base(m.runs[0])), None)
        if plain is not None:
            others = [m for m in made if m is not plain]
            rows += [_difference(m, plain, radii, data(m.runs[0], chosen)) for m in others]
        notes.append(data_note(group, len(made[0].tables[0])))
    unit = norm(chosen[0].norm)
    return Table(
        options.title or f"{title}, certified accuracy (%) at {unit} radii",
        columns,
        rows,
        (*notes, *_notes(rows, options.strict, bases, unit)),
    )


def _rows(method: Method, radii: NDArray[np.float64], of: str) -> list[dict[str, Entry]]:
    """The paper's choice and the held-out one."""
    runs, tables, choice = method.runs, method.tables, method.choice
    each = [metrics.average_certified_radius(table) for table in tables]
    best = max(range(len(each)), key=lambda m: float(each[m].value))
    reference, source = names.paper_best(runs)
    row = reference if isinstance(reference, Row) else None
    common = {"data": words(of), "method": words(method.label)}
    gap = 100 * (method.envelope.value - choice.certified.mean(1))[method.envelope.value > 0]
    only = f"one model: {names.model_name(runs[0])}"
    measured = [
        {
            **common,
            "choice": words("per radius, same inputs" if len(runs) > 1 else only),
            "models": words(_models(runs)),
            "memory": words(_memory(runs)),
            "acr_model": acr(each[best]),
            "acr_area": acr(metrics.envelope_area(tables)),
            "acr_oracle": acr(
                metrics.per_input_maximum(tables), row.metric("ACR") if row else None
            ),
            **{
                key(r): without_interval(
                    share(method.envelope[i], row.at(float(r)) if row else None)
                )
                for i, r in enumerate(radii)
            },
            "optimism_mean": Entry(UNKNOWN),
            "optimism_max": Entry(UNKNOWN),
            "paper": words(source),
        },
        {
            **common,
            "choice": words(f"held out: {_chosen(runs, choice)}"),
            "models": words(_models(runs)),
            "memory": Entry(UNKNOWN),
            "acr_model": acr(metrics.mean(choice.radius, least=0.0)),
            "acr_area": acr(held_out_area(tables)),
            "acr_oracle": Entry(UNKNOWN),
            **{
                key(r): without_interval(share(metrics.proportion(int(hits.sum()), len(hits))))
                for r, hits in zip(radii, choice.certified, strict=True)
            },
            "optimism_mean": _points(float(gap.mean()) if len(gap) else 0.0),
            "optimism_max": _points(float(gap.max(initial=0.0))),
            "paper": Entry(UNKNOWN),
        },
    ]
    return measured if len(runs) > 1 else measured[:1]


def _difference(
    method: Method, plain: Method, radii: NDArray[np.float64], of: str
) -> dict[str, Entry]:
    """Held out, paired: what a method gains over the fixed scale."""
    ours, theirs = method.choice, plain.choice
    return {
        "data": words(of),
        "method": words(f"{method.label} minus {plain.label}"),
        "choice": words("held out, paired"),
        **dict.fromkeys(
            ("models", "memory", "acr_area", "acr_oracle", "optimism_mean", "optimism_max",
             "paper"), Entry(UNKNOWN),
        ),
        "acr_model": signed(metrics.mean(ours.radius - theirs.radius)),
        **{
            key(r): _starred(paired_difference(ours.certified[i], theirs.certified[i]))
            for i, r in enumerate(radii)
        },
    }  # fmt: skip


def _starred(estimate: Estimate) -> Entry:
    """A difference of accuracies in points, with a star if its interval leaves out 0."""
    value, low, high = (100 * float(v) for v in (estimate.value, estimate.low, estimate.high))
    star = "*" if low > 0 or high < 0 else ""
    return Entry(f"{with_sign(value, 1)}{star}", "", "", (value, low, high, None))


def _points(value: float) -> Entry:
    return Entry(f"{value:.1f}", "", "", (value, None, None, None))


def _models(runs: Sequence[Run]) -> str:
    """``3 σ x 9 K``, or their number where they are no grid."""
    symbol = "λ" if runs[0].noise_name == "uniform" else "σ"
    scales, counts = {run.sigma for run in runs}, {names.steps(run) for run in runs}
    if len(scales) * len(counts) != len(runs):
        return str(len(runs))
    return f"{len(scales)} {symbol}" + ("" if counts == {None} else f" x {len(counts)} K")


def _memory(runs: Sequence[Run]) -> str | None:
    """How many certificates the memory changed, over all runs; not needed for one scale."""
    if all(names.scaling(run).name == "fixed" for run in runs):
        return None
    changes = [names.memory_changes(run) for run in runs]
    if None in changes:
        return "not applied"
    return f"{sum(c or 0 for c in changes)} of {sum(len(run.table) for run in runs)}"


def _chosen(runs: Sequence[Run], choice: HeldOut) -> str:
    """The model of best ACR on either half."""
    return " and ".join(dict.fromkeys(names.model_name(runs[int(m)]) for m in choice.best))


def _notes(
    rows: list[dict[str, Entry]], strict: bool, bases: Sequence[str], unit: str
) -> tuple[str, ...]:
    symbol = "λ" if bases == [names.YANG] else "σ"
    notes = [
        f"Columns {'>' if strict else '≥'} r: percent classified correctly with a certified"
        f" {unit} radius {'>' if strict else '≥'} r, in pixels of"
        f" [0,1] images; an abstention is wrong. Brackets: 95% intervals for the number of inputs;"
        " those of the accuracies are in the CSV file.",
        f"Per radius, same inputs: the best {symbol} and K at each radius, chosen on the inputs"
        " that measure it, as in the paper. Held out: chosen on one half of the inputs and"
        " measured on the other, both ways round; the models named have the best ACR there."
        " Optimism: the first minus the second in points, mean and largest over the radii at"
        " which anything is certified.",
        "ACR of one model: the mean radius (0 where wrong), as the paper defines it, of the model"
        " with the best on the same inputs, or held out. Area under the curve: of the accuracies"
        " in the row. Per-input maximum: an oracle takes the best model for each input, so that it"
        " is no certificate of any classifier.",
        "Minus rows: paired on the same inputs, in points; * where the 95% interval leaves out 0"
        " (each by itself).",
        "Changed by memory: certificates that Algorithm 3 trimmed or relabelled, of all that the"
        " method's runs have; - where every input has one scale, which needs no memory.",
    ]
    if any(entry.paper for row in rows for entry in row.values()):
        notes.append(
            "After the slash: the paper's value. Its ACR stands beside the per-input maximum:"
            + (
                " which of the three table 4 prints cannot be told from its numbers."
                if bases == [names.YANG]
                else " the 15 printed in tables 1 to 3 are above what appendix H allows any one"
                " model and K, and five of them above the area under the envelope."
            )
        )
    reasons = {row["paper"].text for row in rows} - {UNKNOWN}
    if any(not text.startswith("DDRS") for text in reasons):
        notes.append(
            "Where the column paper gives a reason, no paper's value stands beside ours: it is"
            " shown for the paper's own data, architecture and settings only (ResNet-18 on"
            " CIFAR-10, ResNet-50 on ImageNet, n = 100,000)."
        )
    if bases == [names.YANG]:
        notes.append(
            "Radius λ (2 p_A - 1) with p_A bounded from below, so that a fixed λ certifies less"
            " than λ: at r = 1.0 a model with λ at most 1 has 0 (the paper prints 46 for Yang on"
            " CIFAR-10, which rounding of stored radii to three digits would explain, and 0 on"
            " ImageNet)."
        )
    return tuple(notes)
