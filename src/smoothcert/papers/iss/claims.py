"""Claims of ISS: of samples, radii and times of budgets on models, and in closed form.

A row of our own votes stands at the paper's own setting where its table found the paper's row for
it (data set, architecture, training, sigma and budget). A row of published certificates that were
replayed (iss_table1_published, ...) says so itself, in its label papers_own.

What needs no data evaluates equations 3 to 5 (closed_form.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
import pandas as pd

from smoothcert.budget import BUDGETS, Budget, Fixed, Iss
from smoothcert.budget.psi import Decline, psi
from smoothcert.noise import Gaussian
from smoothcert.papers.iss.closed_form import (
    ALPHA,
    BOUND,
    EXAMPLES,
    FITTED_SCALE,
    KBAR,
    crossing,
    decline,
    size,
)
from smoothcert.papers.iss.tables import method_name
from smoothcert.report import names
from smoothcert.report.claims import (
    IN_PART,
    LEVEL,
    OPPOSITE,
    SAME,
    Claim,
    Evidence,
    Finding,
    Measured,
    check,
    closed_form,
    conclude,
    not_run,
    once,
)
from smoothcert.report.numbers import GAIN, POINTS, Number
from smoothcert.report.reference import cells, inputs_behind
from smoothcert.report.sampling_error import mean_half_width, together

TABLES = (
    *(f"iss_table{number}" for number in (1, 4, 5)),
    *(f"iss_table{number}_published" for number in (1, 4, 5)),
)
_MISSING = "the ISS tables here have no such budget"


# --- the rows of the tables ------------------------------------------------------------------


def kind_of(budget: Budget) -> tuple[str, float]:
    """(ad or rd, bound) of the published rule, (fixed, 0) of a fixed size; ("", 0) of others."""
    if budget == Fixed(budget.n):
        return "fixed", 0.0
    if isinstance(budget, Iss) and budget == Iss(budget.n, ad=budget.ad, rd=budget.rd):
        return ("ad", budget.ad) if budget.ad else ("rd", budget.rd)
    return "", 0.0


@dataclass(frozen=True)
class Budgeted:
    """A row of a table: one budget on one model. ``numbers`` are those of the frame."""

    output: str
    dataset: str
    model: str  # data set, training and noise as people read them
    key: tuple[str, ...]  # the model, with its architecture
    sigma: float
    budget: Budget
    votes: str  # own: sampled for this budget alone; published: replayed
    judged: str  # whether the row is of the paper's own model, where it says so
    numbers: pd.DataFrame

    @cached_property
    def kind(self) -> tuple[str, float]:
        return kind_of(self.budget)

    @property
    def kbar(self) -> int:
        """What is drawn at most."""
        return self.budget.n

    def number(self, metric: str, column: str = "value") -> float | None:
        """A number of a metric without a radius; None where there is none."""
        chosen = self.numbers[self.numbers.metric == metric][column].dropna()
        return None if chosen.empty else float(chosen.iloc[0])

    def half_width(self, metric: str) -> float:
        """Of its interval; 0 where there is none."""
        low, high = self.number(metric, "low"), self.number(metric, "high")
        return 0.0 if low is None or high is None else (high - low) / 2

    @cached_property
    def samples(self) -> float:
        return self.number("samples") or float("nan")

    @cached_property
    def acr(self) -> float:
        return self.number("acr") or 0.0

    @cached_property
    def accuracy(self) -> dict[float, float]:
        """Certified accuracy in percent by radius, rising."""
        part = self.numbers[self.numbers.metric == "accuracy_percent"].sort_values("radius")
        return dict(zip(part.radius, part.value, strict=True))

    @property
    def share(self) -> float:
        """Samples as a share of the desired ones."""
        return self.samples / self.kbar

    @cached_property
    def papers_own(self) -> bool:
        """Whether the paper's row stands beside it, and the samples are those of its procedure."""
        if self.judged:
            return self.judged == "True"
        return self.number("samples", "paper") is not None


@once
def rows(evidence: Evidence) -> list[Budgeted]:
    """All rows of all tables, in their order; each budget, model and kind of votes once."""
    unique: dict[tuple[object, ...], Budgeted] = {}
    for output in TABLES:
        for _, part in evidence.of(output).groupby("row", sort=False):
            labels = part.iloc[0].fillna("")
            axes = tuple(str(labels[axis]) for axis in ("dataset", "arch", "training", "noise"))
            if not labels.budget:
                continue
            dataset, _, training, noise = axes
            one = Budgeted(
                output=output,
                dataset=dataset,
                model=names.model(dataset, training, noise),
                key=axes,
                sigma=float(labels.sigma or "nan"),
                budget=BUDGETS.parse(labels.budget),
                votes=str(labels.get("votes", "")),
                judged=str(labels.get("papers_own", "")),
                numbers=part,
            )
            unique.setdefault((axes, labels.budget, one.votes), one)
    return list(unique.values())


@once
def compared(evidence: Evidence) -> list[Budgeted]:
    """Published ISS and fixed budgets with their samples, each once a model, own votes or not."""
    unique: dict[tuple[object, ...], Budgeted] = {}
    for one in rows(evidence):
        if one.kind[0] and one.number("samples") is not None:
            unique.setdefault((one.key, one.budget), one)
    return list(unique.values())


def _chosen(evidence: Evidence, kind: str, bound: float, on: str | None = None) -> list[Budgeted]:
    """Rows of a bound: those with the paper's row beside them if any, else all of its data set."""
    every = [b for b in compared(evidence) if b.kind == (kind, bound)]
    return (
        [b for b in every if _own(b, on)] or [b for b in every if on in (None, b.dataset)] or every
    )


def _own(b: Budgeted, on: str | None) -> bool:
    return b.papers_own and on in (None, b.dataset)


def _file(shown: Sequence[Budgeted]) -> str:
    """The table that shows the first."""
    return f"tables/{shown[0].output.removesuffix('_table')}.csv" if shown else ""


# --- samples ---------------------------------------------------------------------------------


@check
def sample_share(claim: Claim, evidence: Evidence, kind: str, bound: float, on: str) -> Finding:
    """Average over desired samples at a bound, on the models of a data set."""
    chosen = _chosen(evidence, kind, bound, on)
    own = [b for b in chosen if _own(b, on)]
    if own:
        mean = sum(b.share for b in own) / len(own)
        half = together(b.half_width("samples") / b.kbar for b in own) / len(own)
        spread = f"{min(b.share for b in own):.2f} to {max(b.share for b in own):.2f}"
        text = f"{mean:.3f} on average over {len(own)} models ({spread})"
        measured = [Measured(text, True, abs(mean - claim.number) <= 0.05 + half, LEVEL)]
    else:
        measured = [Measured(f"{b.share:.3f} on {b.model}", False, False, LEVEL) for b in chosen]
    why = (
        "average samples, including selection, over kbar; met if the mean over models is"
        f" within 0.05 of {claim.value} and our sampling error (95%)"
    )
    return conclude(measured, _file(chosen), why, _MISSING)


@check
def speed_up(claim: Claim, evidence: Evidence, bound: float, on: str | None = None) -> Finding:
    """Desired over average samples, of every model."""
    chosen = _chosen(evidence, "ad", bound, on)
    measured = []
    for b in chosen:
        factor, lost = 1 / b.share, b.number("mad")
        text = f"{factor:.2f} times on {b.model}" + ("" if lost is None else f", MAD {lost:.3f}")
        agrees = factor > claim.number
        low, high = b.number("samples", "low"), b.number("samples", "high")
        ends = (b.kbar / high if high else None, b.kbar / low if low else None)
        number, direction = Number(factor, *ends), SAME if agrees else OPPOSITE
        measured.append(Measured(text, _own(b, on), agrees, direction, number))
    why = (
        f"desired over average samples at U = {bound:g}; met if above {claim.value} for every model"
    )
    return conclude(measured, _file(chosen), why, _MISSING)


@check
def speed_up_order(claim: Claim, evidence: Evidence, high: str, low: str) -> Finding:
    """Whether speed-ups on one data set are above those on another, at equal budgets."""
    chosen = [b for b in compared(evidence) if b.kind[0] == "ad"]
    factors: dict[tuple[float, int], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for b in chosen:
        factors[b.kind[1], b.kbar][b.dataset.split("-")[0]].append(1 / b.share)
    both = {at: by for at, by in factors.items() if {high, low} <= by.keys()}
    if not both:
        return not_run("no budget was run on both CIFAR-10 and ImageNet here")
    own = all(b.papers_own for b in chosen if b.dataset in (high, low))
    measured = []
    for (bound, kbar), by in sorted(both.items()):
        least, most = min(by[high]), max(by[low])
        text = f"U {bound:g}, kbar {kbar:,}: at least {least:.1f} against at most {most:.1f}"
        agrees = least > most
        measured.append(Measured(text, own, agrees, SAME if agrees else OPPOSITE))
    why = "smallest on CIFAR-10 against largest on ImageNet at equal budget"
    return conclude(measured, _file(chosen), why, _MISSING)


@check
def average_samples(claim: Claim, evidence: Evidence, slug: str, sigma: float) -> Finding:
    """Of a budget on the paper's ImageNet model."""
    chosen = _chosen(evidence, *kind_of(BUDGETS.parse(slug)), "imagenet")
    measured = [
        Measured(
            f"{b.samples:,.0f} of {b.kbar:,} on {b.model}",
            _own(b, "imagenet") and b.sigma == sigma,
            abs(b.samples - claim.number) <= 5_000,
            LEVEL,
        )
        for b in chosen
    ]
    return conclude(measured, _file(chosen), "met within 5,000", _MISSING)


@check
def samples_for_time(claim: Claim, evidence: Evidence, slug: str) -> Finding:
    """A budget's share of the samples where the paper states a share of the time."""
    budget = BUDGETS.parse(slug)
    chosen = [b for b in compared(evidence) if b.budget == budget]
    measured = [
        Measured(f"{b.share:.2f} of the samples on {b.model}", False, False, LEVEL) for b in chosen
    ]
    missing = f"no budget with kbar = {budget.n:,} here; the paper shows it only in a figure"
    return conclude(measured, _file(chosen), "samples as a proxy for time", missing)


@check
def histogram_votes(claim: Claim, evidence: Evidence) -> Finding:
    """The votes behind the histogram of figure 4."""
    sizes: dict[str, int] = {}
    for b in compared(evidence):
        if b.kind[0] == "fixed" and b.output == "iss_table1":
            sizes[b.model] = max(b.kbar, sizes.get(b.model, 0))
    measured = [Measured(f"{n:,} votes on {m}", False, False, LEVEL) for m, n in sizes.items()]
    link = evidence.first("figures/iss_fig4.png", "tables/iss_table1.csv")
    return conclude(measured, link, "votes in our histogram of p_A", _MISSING)


@check
def stage_one_share(claim: Claim, evidence: Evidence) -> Finding:
    """The k0 / kbar of figure 6, lower."""
    return not_run(
        "figure 6 (lower) shows several k0 / kbar; what performs well everywhere is not defined"
    )


# --- ISS against fixed sizes of as many samples ----------------------------------------------

_EQUAL = "fixed budgets of the same model, interpolated to equal samples"
_NO_PAIR = "no fixed budgets below and above the average samples of an ISS budget here"


@check
def above_fixed(claim: Claim, evidence: Evidence) -> Finding:
    """ACR of each ISS budget against that of a fixed size of as many samples."""
    every = compared(evidence)
    pairs = [
        (b, b.acr - other, b.acr > other)
        for b in every
        if b.kind[0] != "fixed"
        and b.number("acr") is not None
        and (other := _fixed(every, b, lambda f: f.number("acr"))) is not None
    ]
    measured = _by_model(pairs, "above", "at least {:+.4f}", GAIN)
    why = f"samples as a proxy for time; {_EQUAL}; met if every pair is above"
    return conclude(measured, _file([b for b, *_ in pairs]), why, _NO_PAIR)


@check
def below_then_above_fixed(claim: Claim, evidence: Evidence) -> Finding:
    """Accuracy at the first and the last radius that is reached."""
    every = compared(evidence)
    pairs = []
    for b in every:
        if b.kind[0] != "ad":
            continue
        gaps = []
        for radius, ours in b.accuracy.items():
            other = _fixed(every, b, lambda f, radius=radius: f.accuracy.get(radius))  # type: ignore[misc]
            if other is not None and max(ours, other) > 0:
                gaps.append(ours - other)
        if len(gaps) > 1:
            pairs.append((b, gaps[-1], gaps[0] <= 0 < gaps[-1]))
    words = "at least {:+.1f} points at the last radius"
    measured = _by_model(pairs, "below first, above last", words, POINTS)
    why = f"accuracy at the first and the last reached radius; {_EQUAL}"
    return conclude(measured, _file([b for b, *_ in pairs]), why, _NO_PAIR)


def _fixed(
    every: Sequence[Budgeted], like: Budgeted, number: Callable[[Budgeted], float | None]
) -> float | None:
    """A number of the fixed sizes of a model at as many samples, between its neighbours."""
    points = {
        b.samples: amount
        for b in every
        if b.kind[0] == "fixed" and b.key == like.key and (amount := number(b)) is not None
    }
    x = np.array(sorted(points))
    if len(x) < 2 or not x[0] * 0.98 <= like.samples <= x[-1]:
        return None
    return float(np.interp(np.log(like.samples), np.log(x), [points[v] for v in x]))


def _by_model(
    pairs: Sequence[tuple[Budgeted, float, bool]], word: str, least: str, unit: str
) -> list[Measured]:
    models: dict[tuple[str, ...], list[tuple[Budgeted, float, bool]]] = defaultdict(list)
    for pair in pairs:
        models[pair[0].key].append(pair)
    measured = []
    for every in models.values():
        group = [pair for pair in every if pair[0].papers_own] or every
        met = sum(ok for *_, ok in group)
        text = f"{word} in {met} of {len(group)} pairs on {group[0][0].model}, "
        number = Number(min(gap for _, gap, _ in group), unit=unit)
        text += least.format(number.value)
        direction = SAME if met == len(group) else OPPOSITE if met == 0 else IN_PART
        own = all(b.papers_own for b, *_ in group)
        measured.append(Measured(text, own, met == len(group), direction, number))
    return measured


# --- average radii and minutes of named budgets ----------------------------------------------


def _like(evidence: Evidence, slug: str, sigma: float | None) -> tuple[list[Budgeted], bool]:
    """Rows of the paper's budget on its ImageNet models and True; else those of its kind, of its
    size or the largest of each model."""
    budget = BUDGETS.parse(slug)
    every = [b for b in compared(evidence) if b.kind == kind_of(budget)]
    exact = [b for b in every if method_name(b.budget) == method_name(budget)]
    own = [b for b in exact if _own(b, "imagenet") and sigma in (None, b.sigma)]
    if own:
        return own, True
    largest = {b.key: b for b in sorted(exact or every, key=lambda b: b.kbar)}
    return list(largest.values()), False


@check
def budget_acr(claim: Claim, evidence: Evidence, slug: str, sigma: float) -> Finding:
    """ACR of the budget that took the stated time in the paper."""
    chosen, own = _like(evidence, slug, sigma)
    measured = [
        Measured(
            f"{b.acr:.3f} on {b.model} ({names.budget(b.budget.slug)})",
            own,
            own and _near(claim, b),
            LEVEL,
        )
        for b in chosen
    ]
    why = (
        "ACR of the budget with this time in the paper; met if within the sampling error of both"
        " sides"
    )
    return conclude(measured, _file(chosen), why, _MISSING)


def _near(claim: Claim, b: Budgeted) -> bool:
    half, inputs = b.half_width("acr"), b.number("acr", "inputs")
    theirs = inputs_behind()["iss", b.dataset]
    paper = 0.0 if inputs is None else mean_half_width(half, int(inputs), theirs)
    return abs(b.acr - claim.number) <= together((half, paper)) + claim.step / 2


@check
def budget_minutes(
    claim: Claim, evidence: Evidence, slug: str, sigma: float | None = None
) -> Finding:
    """Of another machine, and so never at the paper's setting."""
    models = {b.key for b in _like(evidence, slug, sigma)[0]}
    kind = kind_of(BUDGETS.parse(slug))
    every = [b for b in _timed(evidence) if b.kind == kind]
    timed = [b for b in every if b.key in models] or every
    measured = [
        Measured(
            f"{b.number('time'):.3g} min on {b.model} ({names.budget(b.budget.slug)})",
            False,
            False,
            LEVEL,
        )
        for b in timed
    ]
    why = (
        "times depend on the machine and the number of inputs; only votes sampled for that"
        " budget alone are timed"
    )
    return conclude(measured, _file(timed), why, "no timed budget of this kind here")


@check
def minutes_by_samples(claim: Claim, evidence: Evidence) -> Finding:
    """Whether the budgets of a model that were timed have one rate."""
    timed = _timed(evidence)
    rates: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for b in timed:
        rates[b.key].append((b.number("time") or 0.0) / b.samples * 100_000)
    measured = []
    for key, each in rates.items():
        if len(each) > 1:
            off = max(abs(r / median(each) - 1) for r in each)
            model = next(b.model for b in timed if b.key == key)
            text = f"{min(each):.3g} to {max(each):.3g} min for 100,000 samples on {model}"
            measured.append(Measured(text, False, off <= 0.2, SAME if off <= 0.2 else OPPOSITE))
    why = "separately sampled budgets; met if all are within a fifth of the median rate"
    return conclude(measured, _file(timed), why, "fewer than two timed budgets of a model here")


def _timed(evidence: Evidence) -> list[Budgeted]:
    """Budgets whose votes were sampled for them alone."""
    return [b for b in rows(evidence) if b.votes == "own" and b.number("time") and b.samples > 0]


# --- closed form -----------------------------------------------------------------------------

_LOW, _HIGH = EXAMPLES
_SETTING = (
    f"kbar {KBAR:,} and bound {BOUND} as stated, sigma {FITTED_SCALE:g} and alpha {ALPHA:g} fitted"
    " (not stated)"
)
# The bound as printed, 0.0042, is anything from 0.00415 to 0.00425.
_BOUNDS = (0.00415, BOUND, 0.00425)
_PRINTED = (
    f"met within the rounding of the printed values, of the bound ({BOUND}) and of the number"
)
# All three printed sizes (35,000, 50,000, 65,000) are multiples of 5,000.
_HALF_SIZE = 2_500
_SIZES = {_LOW: 35_000, _HIGH: 65_000}
_FIXED = 50_000


def _figure(evidence: Evidence, number: int) -> str:
    return evidence.first(f"figures/iss_fig{number}.png", "tables/iss_table3.csv")


def _met(values: Sequence[float], claim: Claim, half: float | None = None) -> bool:
    """Whether the values at the ends of the printed bound and the stated number's rounding meet."""
    half = claim.step / 2 if half is None else half
    return min(values) <= claim.number + half and max(values) >= claim.number - half


@check
def equal_decline_size(claim: Claim, evidence: Evidence, *at: float) -> Finding:
    """The size of equal decline at a class probability, or the mean of several."""
    low, middle, high = (sum(size(p, u) for p in at) / len(at) for u in reversed(_BOUNDS))
    why = f"equation 5, {_SETTING}; {_PRINTED} (sizes: multiples of 5,000)"
    why += "" if len(at) == 1 else "; the mean of the two sizes, so both rules cost the same"
    text = f"{middle:,.0f} ({low:,.0f} to {high:,.0f} for the rounding of the bound)"
    agrees = _met((low, middle, high), claim, _HALF_SIZE)
    return closed_form(text, agrees, _figure(evidence, 3), why)


@check
def bound_of_sizes(claim: Claim, evidence: Evidence) -> Finding:
    """The declines at the printed sizes."""
    at = {
        p: [decline(p, k + error) for error in (_HALF_SIZE, 0, -_HALF_SIZE)]
        for p, k in _SIZES.items()
    }
    text = ", ".join(f"{v[1]:.5f} at {p:g}" for p, v in at.items())
    why = f"equation 3 at 35,000 and 65,000 samples, {_SETTING}; {_PRINTED}"
    return closed_form(text, all(_met(v, claim) for v in at.values()), _figure(evidence, 3), why)


@check
def decline_of_fixed(claim: Claim, evidence: Evidence, multiple: bool = False) -> Finding:
    """The decline of x2 at 50,000 samples, or as a multiple of the bound."""
    lost = decline(_HIGH, _FIXED)
    values = [lost / u for u in _BOUNDS] if multiple else [lost]
    text = f"{values[1]:.3f}" if multiple else f"{lost:.5f}"
    why = f"equation 3, {_SETTING}; {_PRINTED}"
    return closed_form(text, _met(values, claim), _figure(evidence, 3), why)


@check
def radius_exchanged(claim: Claim, evidence: Evidence, which: str) -> Finding:
    """What ISS, at the printed sizes, changes against 50,000 samples each: ``lost`` by x1,
    ``gained`` by x2, and on ``average``."""
    lost = decline(_LOW, _SIZES[_LOW]) - decline(_LOW, _FIXED)
    gained = decline(_HIGH, _FIXED) - decline(_HIGH, _SIZES[_HIGH])
    ours = {"lost": lost, "gained": gained, "average": (gained - lost) / 2}[which]
    half, why = claim.step / 2, f"equation 3 at the printed sizes, {_SETTING}"
    if which == "average":
        half = 0.0005
        why += "; the paper computes it from two terms rounded to 0.001"
    return closed_form(f"{ours:.5f}", _met([ours], claim, half), _figure(evidence, 3), why)


@check
def ahead_from(claim: Claim, evidence: Evidence) -> Finding:
    """Where the curves of figure 4 cross 0."""
    each = {scale: crossing(scale) for scale in (0.25, 0.5, 1.0)}
    near = any(abs(p - claim.number) <= 0.01 for p in each.values())
    text = ", ".join(f"{p:.3f} (sigma {s:g})" for s, p in each.items())
    why = (
        "mean radius by class probability, k0 = 1,000, alpha 0.001; met if within 0.01 for a sigma"
    )
    return closed_form(text, near, _figure(evidence, 4), why)


@check
def no_samples_below_half(claim: Claim, evidence: Evidence) -> Finding:
    """Sizes of both declines for p_A up to 1/2."""
    grid = np.linspace(0, 0.5, 501)
    most = max(int(_sizes(grid, Decline(**{kind: 0.05})).max()) for kind in ("ad", "rd"))
    text = f"at most {most} over 501 values of p_A up to 0.5"
    why = "equation 5 for U_AD = 0.05 and U_RD = 0.05"
    return closed_form(text, most == 0, _figure(evidence, 6), why)


@check
def shapes_of_sizes(claim: Claim, evidence: Evidence) -> Finding:
    """Sizes by p_A: rising for AD; falling, then rising for RD."""
    grid = np.linspace(0.51, 1.0, 491)
    ad, rd = _sizes(grid, Decline(ad=0.05)), _sizes(grid, Decline(rd=0.01))
    least = int(rd.argmin())
    rising = bool((np.diff(ad) >= 0).all())
    # Sizes are whole numbers: the last one may be up or down by one.
    falls, climbs = np.diff(rd[: least + 1]) <= 1, np.diff(rd[least:]) >= -1
    turns = 0 < least < len(rd) - 1 and bool(falls.all() and climbs.all())
    text = (
        f"AD {'never falls' if rising else 'falls somewhere'}; RD {rd[0]:,.0f} at 0.51, least"
        f" {rd[least]:,.0f} at {grid[least]:.3f}, {rd[-1]:,.0f} at 1"
    )
    why = "equation 5, U_AD = 0.05 and U_RD = 0.01, steps of 0.001 in p_A"
    return closed_form(text, rising and turns, _figure(evidence, 6), why)


def _sizes(grid: np.ndarray, bound: Decline) -> np.ndarray:
    return psi(grid, bound, Gaussian(1.0), FITTED_SCALE, 1, kbar=KBAR, alpha=ALPHA)


@check
def decline_at_certainty(claim: Claim, evidence: Evidence) -> Finding:
    """The printed MAD is the decline at p_A = 1, without sampling noise."""
    ours = decline(1.0, 104_000, whole=500_000, scale=1.0) / 0.05
    why = (
        "decline at p_A = 1 from 500,000 to 104,000 samples at sigma 1, over U = 0.05: the printed"
        " MADs are these"
    )
    file = evidence.first("tables/iss_table1.csv")
    return closed_form(f"{ours:.2f}", ours > claim.number, file, why)


@check
def bounds_of_table4(claim: Claim, evidence: Evidence) -> Finding:
    """The bounds in the row names of the paper's own table 4."""
    methods = (cell.method or "" for cell in cells("iss", "table4"))
    bounds = sorted({m.rpartition("-")[2] for m in methods if m.startswith("ISS-RD")})
    agrees = bounds == sorted(claim.value.split(" and "))
    file = evidence.first("tables/iss_table4.csv")
    return closed_form(" and ".join(bounds), agrees, file, "the row names of the paper's table 4")
