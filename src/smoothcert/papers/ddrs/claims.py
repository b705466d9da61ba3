"""Checks of the claims of DDRS.

Ours is the paper's own choice (the best sigma and K at each radius; for ACR the mean of the
per-input maximum, which is what the paper prints); what is chosen on other inputs stands beside.
In a call, ``at`` is a radius (None: ACR) and ``on`` the paper's data set.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pandas as pd

from smoothcert.core.slugs import number
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.tables import HELD_OUT, PAIRED, minus
from smoothcert.report.claims import (
    IN_PART,
    LEVEL,
    LONGER,
    NEITHER,
    OPPOSITE,
    SAME,
    SHIFT,
    Claim,
    Evidence,
    Finding,
    Gain,
    Measured,
    check,
    closed_form,
    conclude,
    not_run,
    toward,
)
from smoothcert.report.numbers import GAIN, POINTS, Number, each
from smoothcert.report.sampling_error import accuracy_half_width, mean_half_width, together
from smoothcert.scaling import Ascent, Grid

BASES = ("Cohen", "SmoothAdv", "MACER")
TABLES = {"Cohen": 1, "SmoothAdv": 2, "MACER": 3, "Yang": 4}
# The methods that the paper has on each data set: a best of fewer is another comparison.
_PAPER_BASES = {"cifar10": {"Cohen", "SmoothAdv", "MACER"}, "imagenet": {"Cohen", "SmoothAdv"}}
_GRIDS = {"1", "2", "4", "10"}  # samples of the paper's grid searches
_TINY = 1e-9  # of percents that differ by rounding only
_RULE = (
    "at the paper's setting: met if within both sides' sampling error (95%, independent"
    " inputs) and the paper's rounding"
)
_MISSING = "the tables have no row for these methods (or none at this radius)"
_NO_PAIR = "no certificates at an ascent's scales to compare with those at sigma_0"


def table_of(method: str) -> str:
    """The table that has a method: ``Cohen-DS`` -> ``ddrs_table1``."""
    return f"ddrs_table{TABLES[method.split('-')[0]]}"


def _link(output: str) -> str:
    return f"tables/{output}.csv"


def _tables(evidence: Evidence) -> str:
    return evidence.first(*(_link(f"ddrs_table{n}") for n in (1, 2, 3)))


@dataclass(frozen=True)
class Group:
    """Tables 1 to 4 on one data set and model: the numbers of the paper's choice.

    ``papers_own``: of the named data set, with numbers of the paper beside ours.
    """

    data: str
    papers_own: bool
    numbers: pd.DataFrame

    def cell(
        self, method: str, at: float | None, acr: str = "acr_oracle", selection: str | None = None
    ) -> pd.Series | None:
        """A method's ACR, or its accuracy at a radius; None where it was not measured."""
        n = self.numbers[self.numbers.method == method]
        n = n[(n.selection != PAIRED) if selection is None else (n.selection == selection)]
        at_radius = (n.metric == "accuracy_percent") & (n.radius == at)
        n = n[n.metric == acr] if at is None else n[at_radius]
        return None if n.empty else n.iloc[0]

    @property
    def methods(self) -> list[str]:
        return list(self.numbers[self.numbers.selection != PAIRED].method.unique())


def _groups(evidence: Evidence, tables: Iterable[str], on: str) -> list[Group]:
    """By data set and model; if ``on`` is there at the paper's own settings, only that."""
    numbers = pd.concat([evidence.of(name) for name in tables], ignore_index=True)
    if numbers.empty:
        return []
    numbers = numbers[numbers.selection != HELD_OUT]
    groups = []
    for data, part in numbers.groupby("data", sort=False):
        own = part[(part.selection != PAIRED) & (part.dataset == on)]
        groups.append(Group(str(data), bool(own.source.notna().any()), part))
    return [group for group in groups if group.papers_own] or groups


def _within(claim: Claim, amount: float, cells: Sequence[pd.Series]) -> bool:
    """Whether a number meets the stated one: sampling error of both sides, and rounding."""
    halves = []
    for cell in cells:
        half = (cell.high - cell.low) / 2
        if pd.isna(cell.paper):
            return False
        theirs = int(cell.paper_inputs)
        if cell.metric == "accuracy_percent":
            halves += [half, accuracy_half_width(cell.paper, theirs)]
        else:
            halves += [half, mean_half_width(half, int(cell.inputs), theirs)]
    return abs(amount - claim.number) <= together(halves) + claim.step / 2 * len(cells)


def _words(amount: float, at: float | None) -> str:
    return f"{amount:+.3f}" if at is None else f"{amount:+.1f} points"


@check
def gain(
    claim: Claim, evidence: Evidence, x: str, y: str, *, at: float | None = None,
    on: str = "cifar10",
) -> Finding:  # fmt: skip
    """X over Y."""
    measured = []
    for group in _groups(evidence, [table_of(x)], on):
        first, second = group.cell(x, at), group.cell(y, at)
        if first is None or second is None:
            continue
        amount = first.value - second.value
        text = f"{_words(amount, at)} on {group.data}"
        ends: tuple[float | None, float | None] = (None, None)
        held = group.cell(minus(x, y), at, "acr_model", PAIRED)
        if held is not None:
            text += (
                f"; selected on held-out inputs {_words(held.value, at)},"
                f" 95% {held.low:+.3g} to {held.high:+.3g}"
            )
            ends = (held.low, held.high) if (held.value > 0) == (amount > 0) else ends
        agrees = group.papers_own and amount > 0 and _within(claim, amount, [first, second])
        direction = toward(amount, claim.number, *ends)
        number, split = Number(amount, unit=GAIN if at is None else POINTS), None
        if held is not None:
            number = replace(number, value=held.value, low=held.low, high=held.high)
            split = Gain(amount, number, _controls(evidence, group, x, y))
        measured.append(Measured(text, group.papers_own, bool(agrees), direction, number, split))
    return conclude(measured, _link(table_of(x)), f"a gain; {_RULE}", _MISSING)


def _controls(evidence: Evidence, group: Group, x: str, y: str) -> dict[str, list[Number]] | None:
    """The gains in ACR, at every sigma_0, of the ascent of most steps over what adapts to no
    input: one scale, its mean, and for DS2 a model that was fine-tuned for as long."""
    about = group.numbers.iloc[0]
    method = next((slug for slug, name in names.BASES.items() if name == about.base), None)
    table = evidence.of(
        "ddrs_controls_table", **{n: about[n] for n in ("dataset", "arch") if n in about}
    )
    if method is None or table.empty:
        return None
    ascents = table[table.training.str.startswith(f"{method}-") & (table.search == "ascent")]
    steps = ascents.K.astype(int)
    ascents = ascents[steps == steps.max()]
    ds2 = x.endswith("-DS2")
    wanted = {} if y.endswith("-DS") else {SHIFT: "minus_mean"}
    wanted |= {LONGER: "minus_tuned"} if ds2 else {}
    if ds2 and "ft" not in set(ascents.trained):
        return None  # compared with one at the fixed scale only
    own = ascents[ascents.trained == ("ds2" if ds2 else "fs")]
    found = {
        name: [Number(one.value, one.low, one.high, unit=GAIN) for one in each(part)]
        for name, metric in wanted.items()
        if len(part := own[own.metric == metric])
    }
    return found if found.keys() == wanted.keys() else None


@check
def level(
    claim: Claim, evidence: Evidence, x: str, *, at: float | None = None, on: str = "cifar10"
) -> Finding:
    """A number of X."""
    measured = []
    for group in _groups(evidence, [table_of(x)], on):
        cell = group.cell(x, at)
        if cell is None:
            continue
        shown = f"{cell.value:.3f}" if at is None else f"{cell.value:.1f} percent"
        agrees = group.papers_own and _within(claim, cell.value, [cell])
        text = f"{shown} on {group.data}"
        measured.append(Measured(text, group.papers_own, agrees, LEVEL))
    return conclude(measured, _link(table_of(x)), _RULE, _MISSING)


def _best(group: Group, at: float, endings: Sequence[str]) -> tuple[pd.Series, set[str]] | None:
    """The largest accuracy of Cohen, SmoothAdv, MACER with one of these endings, and which of the
    three are there."""
    cells = {(base, end): group.cell(base + end, at) for base in BASES for end in endings}
    there = {key: cell for key, cell in cells.items() if cell is not None}
    if not there:
        return None
    best = max(there.values(), key=lambda cell: (cell.value, cell.method))
    return best, {base for base, _ in there}


def _in_tables_1_to_3(evidence: Evidence, on: str) -> list[Group]:
    return _groups(evidence, [table_of(base) for base in BASES], on)


@check
def over_best(claim: Claim, evidence: Evidence, *, at: float, on: str, training: bool) -> Finding:
    """The best data-dependent result over the best fixed one; with DS2 where training counts."""
    measured = []
    for group in _in_tables_1_to_3(evidence, on):
        fixed = _best(group, at, [""])
        ours = _best(group, at, ["-DS", "-DS2"] if training else ["-DS"])
        if fixed is None or ours is None:
            continue
        (baseline, bases), (best, _) = fixed, ours
        amount = best.value - baseline.value
        own = group.papers_own and bases >= _PAPER_BASES[on]
        agrees = own and amount > 0 and _within(claim, amount, [best, baseline])
        text = f"{amount:+.1f} points on {group.data} ({best.method} over {baseline.method})"
        number, direction = Number(amount, unit=POINTS), toward(amount, claim.number)
        measured.append(Measured(text, own, bool(agrees), direction, number))
    why = f"best over the available training methods, each at its best sigma and K; {_RULE}"
    return conclude(measured, _tables(evidence), why, _MISSING)


@check
def highest_ds2(claim: Claim, evidence: Evidence, *, at: float, on: str) -> Finding:
    """The highest accuracy of a DS2 model."""
    measured = []
    for group in _in_tables_1_to_3(evidence, on):
        found = _best(group, at, ["-DS2"])
        if found is None:
            continue
        best, bases = found
        own = group.papers_own and bases >= _PAPER_BASES[on]
        agrees = own and _within(claim, best.value, [best])
        text = f"{best.value:.1f} percent on {group.data} ({best.method})"
        measured.append(Measured(text, own, agrees, LEVEL))
    return conclude(measured, _tables(evidence), _RULE, _MISSING)


@check
def acr_order(claim: Claim, evidence: Evidence, x: str, y: str, *, below: bool = False) -> Finding:
    """The ACR of X above that of Y (or below it)."""
    wanted = -1.0 if below else 1.0
    measured = []
    for group in _groups(evidence, [table_of(x)], "cifar10"):
        first, second = group.cell(x, None), group.cell(y, None)
        if first is None or second is None:
            continue
        gap = first.value - second.value
        text = f"{first.value:.3f} against {second.value:.3f} on {group.data}"
        number, direction = Number(gap, unit=GAIN), toward(gap, wanted)
        measured.append(Measured(text, group.papers_own, gap * wanted > 0, direction, number))
    why = "order of the two per-input maxima, the ACR that the paper reports"
    return conclude(measured, _link(table_of(x)), why, _MISSING)


@check
def methods(claim: Claim, evidence: Evidence) -> Finding:
    """How many trainings are certified with data-dependent scales here."""
    groups = _in_tables_1_to_3(evidence, "cifar10")
    found = sorted(base for base in BASES if any(f"{base}-DS" in g.methods for g in groups))
    if not found:
        return not_run(_MISSING)
    return closed_form(
        f"{len(found)}: {', '.join(found)}", len(found) == claim.number, _tables(evidence),
        "methods with an X-DS row in tables 1 to 3; needs no data",
    )  # fmt: skip


@check
def pixel_levels(claim: Claim, evidence: Evidence, radius: float) -> Finding:
    """The last whole level below a radius: 127/255 below 0.5."""
    below = int(radius * 255)
    return closed_form(
        f"{below}/255 = {below / 255:.3f}, the largest whole level within {radius:g}",
        claim.value == f"{below}/255", "", "arithmetic",
    )  # fmt: skip


@check
def evaluations(claim: Claim, evidence: Evidence) -> Finding:
    """The cost that the library counts for K = 100, n = 1, and a grid of it."""
    ascent, grid = Ascent(100).cost.evaluations, Grid(1, K=100).cost.evaluations
    return closed_form(
        f"{ascent} for K = 100, n = 1; {grid} for the grid with one sample",
        ascent == claim.number == grid, evidence.first(_link("ddrs_times")),
        "forward and backward passes as counted by the library, without the votes for the"
        " class",
    )  # fmt: skip


@check
def seconds(claim: Claim, evidence: Evidence, how: str) -> Finding:
    """Of an input, at the ``fixed`` or its ``own`` scale; the clock of another machine, and so
    never the paper's own setting."""
    numbers = evidence.of("ddrs_times")
    measured = []
    for data, part in numbers.groupby("data", sort=False) if len(numbers) else ():
        each = part.pivot(index="row", columns="metric", values="value")
        each = each.reindex(columns=["fixed", "total"]).dropna()
        if each.empty:
            continue
        shown = each.fixed if how == "fixed" else each.total
        text = f"{shown.min():.3g} to {shown.max():.3g} s on {data} ({len(each)} runs)"
        if how == "own":
            more = 100 * (each.total / each.fixed - 1)
            text += f", {more.min():.0f} to {more.max():.0f}% over fixed"
        measured.append(Measured(text, False, False, LEVEL))
    why = "times depend on the machine; the paper used a Quadro RTX-6000"
    return conclude(measured, _link("ddrs_times"), why, "no timed run here")


# --- every radius, every model -------------------------------------------------------------


def _accuracies(numbers: pd.DataFrame) -> pd.DataFrame:
    return numbers[numbers.metric == "accuracy_percent"]


def _all_papers(numbers: pd.DataFrame) -> bool:
    """Whether every row has the paper's beside it."""
    return bool(numbers.source.notna().all())


@check
def per_sigma(claim: Claim, evidence: Evidence, x: str, y: str, *, below: float = 0.0) -> Finding:
    """X above Y for each sigma and radius, the best K at each; ``below``: the share of the cells
    that may be below."""
    numbers = evidence.of("ddrs_appendix")
    numbers = numbers[numbers.method.isin([x, y])] if len(numbers) else numbers
    measured = []
    for data, part in numbers.groupby("data", sort=False) if len(numbers) else ():
        best = _accuracies(part).groupby(["sigma", "radius", "method"]).value.max().unstack()
        if not {x, y} <= set(best.columns):
            continue
        both = best[[x, y]].dropna()
        both = both[both.max(axis=1) > 0]
        if both.empty:
            continue
        gaps = (both[x] - both[y]).round(9)
        above, lower = int((gaps > 0).sum()), int((gaps < 0).sum())
        agrees = above > lower and lower <= below * len(gaps)
        direction = SAME if agrees else OPPOSITE if lower >= above else IN_PART
        text = f"{above} cells above, {len(gaps) - above - lower} equal, {lower} below on {data}"
        measured.append(Measured(text, _all_papers(part), agrees, direction))
    allowed = "no cell is" if below == 0 else f"at most {below:.0%} of the cells are"
    why = (
        f"{x} against {y} at each sigma and radius, with the best K, without cells where"
        f" both are 0; met if {allowed} below and more cells are above than below"
    )
    return conclude(
        measured, _link("ddrs_appendix"), why, f"no {x} with {y} at the same sigma here"
    )


@check
def at_every_radius(
    claim: Claim, evidence: Evidence, x: str, y: str, *, most_beyond_middle: bool = False
) -> Finding:
    """X at least Y at every radius; and its largest gain beyond the middle radius."""
    measured = []
    for group in _groups(evidence, [table_of(x)], "cifar10"):
        numbers = _accuracies(group.numbers)
        numbers = numbers[numbers.selection != PAIRED]
        both = numbers.pivot(index="radius", columns="method", values="value")
        if not {x, y} <= set(both.columns):
            continue
        both = both[[x, y]].dropna()
        both = both[both.max(axis=1) > 0]
        if both.empty:
            continue
        gains = both[x] - both[y]
        lower, peak = gains.index[gains < -_TINY], gains.index[int(gains.argmax())]
        agrees = lower.empty and gains.max() > 0
        if most_beyond_middle:
            agrees = agrees and peak > gains.index.to_series().median()
        lost = f"below at {', '.join(f'{r:g}' for r in lower)}" if len(lower) else "never below"
        text = f"{lost} of {len(gains)} radii, most at {peak:g} ({gains[peak]:+.1f})"
        direction = SAME if agrees else OPPOSITE if 2 * len(lower) >= len(gains) else IN_PART
        text = f"{text} on {group.data}"
        measured.append(Measured(text, group.papers_own, bool(agrees), direction))
    why = "best sigma and K at each radius; met if never below and above at least once"
    if most_beyond_middle:
        why += ", with the largest gain above the middle radius"
    return conclude(measured, _link(table_of(x)), why, f"no {x} with {y} here")


@check
def with_steps(claim: Claim, evidence: Evidence) -> Finding:
    """From one K to the next, at every radius."""
    numbers = evidence.of("ddrs_appendix", search="ascent")
    measured = []
    models = ["data", "method", "sigma"]
    for (data, method, sigma), part in numbers.groupby(models, sort=False) if len(numbers) else ():
        # The same K certified with another budget comes later: the first is kept.
        first = part.drop_duplicates(["K", "metric", "radius"])
        sweep = _accuracies(first).assign(K=first.K.astype(int))
        by_k = sweep.pivot(index="K", columns="radius", values="value").sort_index()
        if len(by_k) < 2:
            continue
        changes = [
            after - before
            for _, values in by_k.items()
            for before, after in pairwise(values)
            if max(before, after) > 0
        ]
        up, down = sum(c > _TINY for c in changes), sum(c < -_TINY for c in changes)
        agrees = up > 0 and down == 0
        text = f"{method}, {sigma} on {data}: {up} steps up, {down} down"
        direction = SAME if agrees else OPPOSITE if down >= up else IN_PART
        measured.append(Measured(text, _all_papers(part), agrees, direction))
    why = "every step from one K to the next, at every radius; met if none goes down"
    return conclude(measured, _link("ddrs_appendix"), why, "no model with several K here")


# --- single inputs -------------------------------------------------------------------------

_MODEL = ["dataset", "arch", "training", "noise", "budget"]


def _ascents(numbers: pd.DataFrame) -> pd.DataFrame:
    """The ascents of most steps, one a model, a row each with its numbers as columns."""
    numbers = numbers[numbers.search == "ascent"] if len(numbers) else numbers
    if numbers.empty:
        return pd.DataFrame()
    keep = [*_MODEL, "data", "scaling", "K", "papers_own"]
    about = numbers.groupby("row")[keep].first()
    about = about.assign(steps=about.K.astype(int)).sort_values("steps", kind="stable")
    wide = numbers.pivot(index="row", columns="metric", values="value")
    return about.drop_duplicates(_MODEL, keep="last").sort_index().join(wide)


def _totals(evidence: Evidence, counts: tuple[str, str, str], words: str, why: str) -> Finding:
    """Sums over the models of the numbers ``counts`` (all, bad, extra) of the table of inputs, at
    the paper's setting if there is any; met if none is bad."""
    runs = _ascents(evidence.of("ddrs_inputs"))
    if runs.empty:
        return not_run(_NO_PAIR)
    runs = runs.dropna(subset=list(counts))
    own = runs[runs.papers_own == "yes"]
    shown = runs if own.empty else own
    if shown.empty:
        return not_run(_NO_PAIR)
    every, bad, extra = (int(shown[name].sum()) for name in counts)
    text = words.format(bad=bad, all=every, extra=extra) + f" over {len(shown)} models"
    if bad:
        worst = shown.iloc[int((shown[counts[1]] / shown[counts[0]].clip(lower=1)).argmax())]
        name = f"{worst.dataset} {worst.training} {worst.scaling}"
        text += f"; largest: {int(worst[counts[1]]):,}, {name}"
    measured = [Measured(text, not own.empty, bad == 0, OPPOSITE if bad else SAME)]
    return conclude(measured, _link("ddrs_inputs"), why, _NO_PAIR)


@check
def same_prediction(claim: Claim, evidence: Evidence) -> Finding:
    """Of every input, at its own scale and at sigma_0."""
    words = "{bad:,} of {all:,} inputs predicted differently (abstentions: {extra:,})"
    why = (
        "certified predictions at the ascent's scale (largest K) against those at sigma_0, per"
        " input; met if none differs or becomes an abstention"
    )
    return _totals(evidence, ("tested", "other_prediction", "abstains"), words, why)


@check
def no_loss(claim: Claim, evidence: Evidence) -> Finding:
    """A loss is proven where even the upper bound on the new radius is below the old one."""
    words = "{bad:,} of {all:,} certificates with a proven loss ({extra:,} smaller in all)"
    why = (
        "a loss is proven if the upper bound (same level) on the radius at the ascent's scale"
        " is below the certified radius at sigma_0; met if no loss is proven"
    )
    return _totals(evidence, ("certified", "proven_loss", "smaller"), words, why)


@check
def overlaps(claim: Claim, evidence: Evidence) -> Finding:
    """Certificates that the memory changed in tables 1 to 4; the audit of whole tables beside."""
    measured = []
    for table in TABLES.values():
        for group in _groups(evidence, [f"ddrs_table{table}"], "cifar10"):
            counts = group.numbers[group.numbers.metric == "changed_by_memory"]
            changed, total = int(counts.value.sum()), int(counts.inputs.sum())
            if total:
                text = f"table {table}: the memory changed {changed:,} of {total:,}"
                direction = OPPOSITE if changed else SAME
                text = f"{text} on {group.data}"
                measured.append(Measured(text, group.papers_own, changed == 0, direction))
    audits = [(path, one) for path, one in evidence.audits if "intersecting" in one.numbers]
    tables = evidence.first(*(_link(f"ddrs_table{n}") for n in TABLES.values()))
    why = "the memory changes a certificate if its ball intersects an earlier one of another class"
    if audits:
        words = Counter(one.verdict for _, one in audits)
        why += f"; audits of whole tables: {', '.join(f'{n} {w}' for w, n in words.items())}"
    shown = audits[0][0] if audits else tables
    return conclude(measured, shown, why, "no memory was applied here")


@check
def beyond_reach(claim: Claim, evidence: Evidence, training: str, noise: str) -> Finding:
    """A radius that the fixed scale cannot certify and the ascent does."""
    runs = _ascents(evidence.of("ddrs_inputs", training=training, noise=noise))
    measured = []
    rows: list[Any] = list(runs.itertuples())
    for run in rows:
        own, fixed = run.accuracy_percent, run.accuracy_percent_fixed
        agrees = fixed == 0 and own > 0
        direction = SAME if agrees else OPPOSITE if own == 0 or fixed > own else IN_PART
        text = f"fixed {fixed:.1f}, {run.scaling} {own:.1f} percent at 1.0 on {run.dataset}"
        measured.append(Measured(text, run.papers_own == "yes", agrees, direction))
    why = (
        "certified accuracy at radius 1.0; met if 0 at the fixed scale and positive with the ascent"
    )
    return conclude(measured, _link("ddrs_inputs"), why, "no SmoothAdv model of sigma 0.25 here")


@check
def reached(claim: Claim, evidence: Evidence, start: float) -> Finding:
    """Whether the scales that the ascent gives from this sigma_0 reach the example's."""
    runs = _ascents(evidence.of("ddrs_inputs", noise=f"gaussian-{number(start)}"))
    runs = runs.dropna(subset=["least_scale", "most_scale"]) if len(runs) else runs
    measured = []
    for data, part in runs.groupby("data", sort=False) if len(runs) else ():
        low, high = part.least_scale.min(), part.most_scale.max()
        inside = low <= claim.number <= high
        text = f"scales of {low:.3f} to {high:.3f} on {data} ({len(part)} models)"
        measured.append(Measured(text, False, inside, SAME if inside else OPPOSITE))
    why = "the paper does not identify the image; met if scales from this sigma_0 reach its value"
    return conclude(measured, _link("ddrs_inputs"), why, _NO_PAIR)


# --- grid search ---------------------------------------------------------------------------


def _grids(evidence: Evidence) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """(data and training, its greedy grids by n, its ascent of most steps) of each model that was
    trained with a fixed scale; a row each with the numbers as columns."""
    numbers = evidence.of("ddrs_controls_table", trained="fs")
    if numbers.empty:
        return []
    found = []
    for key, part in numbers.groupby(_MODEL, sort=False):
        grids = part[part.search == "grid"]
        if grids.empty:
            continue
        about = grids.groupby("row")[["search_n", "papers_own"]].first()
        about = about.assign(n=about.search_n.astype(int))
        ends = grids.pivot(index="row", columns="metric", values=["value", "low", "high"])
        ends.columns = ends.columns.map("{0[1]}_{0[0]}".format)
        ascent = _ascents(part)
        found.append((f"{key[0]} {key[2]}", about.join(ends).sort_values("n"), ascent))
    return found


def _papers_grids(grids: pd.DataFrame) -> bool:
    return bool((grids.papers_own == "yes").all()) and set(grids.search_n) >= _GRIDS


@check
def grid_below(claim: Claim, evidence: Evidence) -> Finding:
    """Every greedy grid below the fixed scale, and the ascent above it."""
    measured = []
    for name, grids, ascent in _grids(evidence):
        if ascent.empty:
            continue
        below, up = int((grids.minus_fs_value < 0).sum()), float(ascent.iloc[0].minus_fs)
        agrees = below == len(grids) and up > 0
        some = below > 0 or up > 0
        text = (
            f"grid below the fixed scale for {below} of {len(grids)} n; ascent"
            f" {up:+.4f} ACR relative to it ({name})"
        )
        direction = SAME if agrees else IN_PART if some else OPPOSITE
        measured.append(Measured(text, _papers_grids(grids), agrees, direction))
    why = "paired ACR differences to the fixed scale; met if every grid is below it and the"
    why += " ascent above"
    link = _link("ddrs_controls")
    return conclude(measured, link, why, "no grid with an ascent here")


@check
def grid_samples(claim: Claim, evidence: Evidence) -> Finding:
    """ACR of the greedy grid by its number of samples."""
    measured = []
    for name, grids, _ in _grids(evidence):
        if len(grids) < 2:
            continue
        values, last = list(grids.acr_value), grids.iloc[-1]
        agrees = all(b >= a for a, b in pairwise(values)) and values[-1] > values[0]
        each = ", ".join(f"{v:.3f} (n = {n})" for n, v in zip(grids.n, values, strict=True))
        low, high = last.minus_fewest_low, last.minus_fewest_high
        text = (
            f"ACR {each}; last minus first {last.minus_fewest_value:+.4f},"
            f" 95% {low:+.4f} to {high:+.4f} ({name})"
        )
        told = math.isfinite(low) and not low <= 0 <= high
        direction = OPPOSITE if values[-1] < values[0] else IN_PART
        direction = SAME if agrees else direction if told else NEITHER
        measured.append(Measured(text, _papers_grids(grids), agrees, direction))
    why = "ACR of the greedy grid by n; met if it never falls and ends higher"
    link = _link("ddrs_controls")
    return conclude(measured, link, why, "no grid with two different sample counts here")
