"""Claims of ISS read from its tables: samples, average radii and times of budgets on models.

A row stands at the paper's own setting where the table found the paper's row for it (data set,
architecture, training, sigma and budget). Rows are of our own votes, and of published
certificates that were replayed (iss_replay: the paper's kind of model, other weights).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from smoothcert.report.claims import (
    CHECKS,
    LEVEL,
    OPPOSITE,
    SAME,
    Claim,
    Finding,
    Measured,
    conclude,
    not_run,
    printed_half_unit,
)
from smoothcert.report.evidence import Evidence, Line, radii, value
from smoothcert.report.sampling_error import inputs_of_row, mean_half_width, together

TABLES = ("iss_table1", "iss_table4", "iss_table5", "iss_replay")
_MISSING = "the tables of ISS here have no such budget"
_ISS = re.compile(r"iss_(?P<kind>ad|rd)(?P<bound>[\d.]+)-(?P<kbar>\d+)")
_FIXED = re.compile(r"fixed-(\d+)")


@dataclass(frozen=True)
class Budgeted:
    """A row of a table: ``bound`` is 0 for a fixed size, ``kbar`` what is drawn at most."""

    table: str
    model: str
    dataset: str
    row: Line
    kind: str
    bound: float
    kbar: int

    @property
    def samples(self) -> float:
        return value(self.row, "samples") or float("nan")

    @property
    def acr(self) -> float:
        return value(self.row, "acr") or 0.0

    @property
    def paper(self) -> bool:
        """Whether the paper's row stands beside it, and the samples are those of its procedure.

        A replay takes an abstention for a class of probability 1/2, to which a relative decline
        gives nearly all samples.
        """
        replayed = self.table == "iss_replay" and self.kind == "rd"
        return value(self.row, "samples_paper") is not None and not replayed

    @property
    def share(self) -> float:
        """Of the desired samples."""
        return self.samples / self.kbar


def rows(evidence: Evidence) -> list[Budgeted]:
    """Published ISS and fixed budgets of all tables, each once a model."""
    found: dict[tuple[str, str], Budgeted] = {}
    for name in TABLES:
        for row in evidence.rows(name):
            slug = row.get("budget", "")
            iss, fixed = _ISS.fullmatch(slug), _FIXED.fullmatch(slug)
            if not (iss or fixed) or value(row, "samples") is None:
                continue
            model = row.get("model") or ", ".join(
                row.get(k, "") for k in ("dataset", "training", "noise")
            )
            dataset = row.get("dataset") or model.split("_")[0].split(",")[0]
            one = (
                Budgeted(
                    name, model, dataset, row, iss["kind"], float(iss["bound"]), int(iss["kbar"])
                )
                if iss
                else Budgeted(
                    name, model, dataset, row, "fixed", 0.0, int(fixed[1]) if fixed else 0
                )
            )
            # The same budget with votes of its own is the same measurement again.
            found.setdefault((model, slug), one)
    return list(found.values())


def _chosen(evidence: Evidence, kind: str, bound: float, dataset: str = "") -> list[Budgeted]:
    """Rows of a bound: those with the paper's row beside them if any, of its data set."""
    every = [b for b in rows(evidence) if b.kind == kind and b.bound == bound]
    own = [b for b in every if b.paper and b.dataset.startswith(dataset)]
    return own or every


def _evidence(evidence: Evidence, found: Sequence[Budgeted]) -> str:
    return evidence.link(found[0].table) if found else ""


@CHECKS(
    "iss",
    r"average samples as a fraction of kbar at (?P<u>U|U_RD)=(?P<b>[\d.]+) \(called roughly\)",
)
def fraction(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    dataset = "cifar10" if "CIFAR-10" in claim.section else "imagenet"
    kind, bound = "rd" if match["u"] == "U_RD" else "ad", float(match["b"])
    found = _chosen(evidence, kind, bound, dataset)
    own = [b for b in found if b.paper and b.dataset.startswith(dataset)]
    stated = claim.number
    if own:
        mean = sum(b.share for b in own) / len(own)
        half = together(_half(b.row, "samples") / b.kbar for b in own) / len(own)
        text = f"{mean:.3f} on average over {len(own)} models ({_spread(own)})"
        measured = [Measured(text, True, abs(mean - stated) <= 0.05 + half, LEVEL)]
    else:
        measured = [Measured(f"{b.share:.3f} on {b.model}", False, False, LEVEL) for b in found]
    why = "average samples, selection included, over kbar; met if the mean over the models is"
    why += f" within 0.05 of {claim.value}, and our sampling error (95%)"
    return conclude(measured, _evidence(evidence, found), why, _MISSING)


def _half(row: Line, key: str) -> float:
    low, high = value(row, f"{key}_low"), value(row, f"{key}_high")
    return 0.0 if low is None or high is None else (high - low) / 2


def _spread(found: Sequence[Budgeted]) -> str:
    return f"{min(b.share for b in found):.2f} to {max(b.share for b in found):.2f}"


@CHECKS("iss", r"speed-up at a certified-radius cost of at most (?P<b>[\d.]+) \(.*\)"
        r"|speed-up on ImageNet at a cost of at most (?P<c>[\d.]+) \(.*\)")  # fmt: skip
def speed_up(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Desired over average samples, the least of the models."""
    bound = float(match["b"] or match["c"])
    dataset = "imagenet" if match["c"] else ""
    found = _chosen(evidence, "ad", bound, dataset)
    measured = []
    for b in found:
        factor = 1 / b.share
        lost = value(b.row, "mad")
        text = f"{factor:.2f} times on {b.model}" + ("" if lost is None else f", MAD {lost:.3f}")
        own = b.paper and b.dataset.startswith(dataset)
        agrees = factor > claim.number
        measured.append(Measured(text, own, agrees, SAME if agrees else OPPOSITE))
    why = (
        f"desired over average samples at U = {bound:g}; met if above {claim.value} for every model"
    )
    return conclude(measured, _evidence(evidence, found), why, _MISSING)


@CHECKS("iss", "speed-ups are higher on CIFAR-10 than on ImageNet")
def speed_order(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    shares: dict[tuple[float, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    found = [b for b in rows(evidence) if b.kind == "ad"]
    for b in found:
        shares[b.bound, b.kbar][b.dataset.split("-")[0]].append(1 / b.share)
    both = {k: s for k, s in shares.items() if {"cifar10", "imagenet"} <= s.keys()}
    if not both:
        return not_run("no budget was run on CIFAR-10 and on ImageNet here")
    own = all(b.paper for b in found if b.dataset in ("cifar10", "imagenet"))
    measured = []
    for (bound, kbar), by in sorted(both.items()):
        low, high = max(by["imagenet"]), min(by["cifar10"])
        text = f"U {bound:g}, kbar {kbar:,}: at least {high:.1f} against at most {low:.1f}"
        measured.append(Measured(text, own, high > low, SAME if high > low else OPPOSITE))
    why = "least of CIFAR-10 against largest of ImageNet at equal budget"
    return conclude(measured, _evidence(evidence, found), why, _MISSING)


def _fixed_at(evidence: Evidence, model: str, key: str, samples: float) -> float | None:
    """A number of the fixed sizes of a model at this many samples, between its neighbours."""
    points = {}
    for b in rows(evidence):
        amount = value(b.row, key)
        if b.kind == "fixed" and b.model == model and amount is not None:
            points[b.samples] = amount
    x = np.array(sorted(points))
    if len(x) < 2 or not x[0] * 0.98 <= samples <= x[-1]:
        return None
    return float(np.interp(np.log(samples), np.log(x), [points[v] for v in x]))


def _pairs(evidence: Evidence, key: str) -> list[tuple[Budgeted, float, float]]:
    """(ISS row, its number, that of a fixed size of as many samples), absolute declines."""
    found = []
    for b in rows(evidence):
        own = value(b.row, key)
        if b.kind == "fixed" or own is None:
            continue
        other = _fixed_at(evidence, b.model, key, b.samples)
        if other is not None:
            found.append((b, own, other))
    return found


_EQUAL = "the fixed size of as many samples is read between the fixed sizes of the same model"


@CHECKS("iss", "ISS is above IAS in ACR at every equal time")
def above_at_equal_time(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    pairs = _pairs(evidence, "acr")
    measured = _by_model(
        [(b, own - other, own > other) for b, own, other in pairs], "above", "{:+.4f} at the least"
    )
    why = f"samples stand for time; {_EQUAL}; met if every pair is above"
    return conclude(measured, _evidence(evidence, [b for b, *_ in pairs]), why, _NO_PAIR)


_NO_PAIR = "no fixed sizes around the average samples of an ISS budget here"


def _by_model(
    pairs: Sequence[tuple[Budgeted, float, bool]], word: str, least: str
) -> list[Measured]:
    models: dict[str, list[tuple[Budgeted, float, bool]]] = defaultdict(list)
    for pair in pairs:
        models[pair[0].model].append(pair)
    measured = []
    for model, own in models.items():
        met = sum(ok for *_, ok in own)
        text = f"{word} in {met} of {len(own)} pairs on {model}, "
        text += least.format(min(gap for _, gap, _ in own))
        direction = SAME if met == len(own) else OPPOSITE if met == 0 else "in part"
        papers = all(b.paper for b, *_ in own)
        measured.append(Measured(text, papers, met == len(own), direction))
    return measured


@CHECKS("iss", "ISS is slightly below IAS at low radii and above at high radii")
def along_radii(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    pairs = []
    for b in rows(evidence):
        if b.kind != "ad":
            continue
        gaps = []
        for key in radii(b.row, "certified_").values():
            own, other = value(b.row, key), _fixed_at(evidence, b.model, key, b.samples)
            if own is not None and other is not None and max(own, other) > 0:
                gaps.append(own - other)
        if len(gaps) > 1:
            pairs.append((b, gaps[-1], gaps[0] <= 0 < gaps[-1]))
    measured = _by_model(
        pairs, "below first, above last", "{:+.1f} points at the last radius at the least"
    )
    why = f"accuracy at the first and the last radius that is reached; {_EQUAL}"
    return conclude(measured, _evidence(evidence, [b for b, *_ in pairs]), why, _NO_PAIR)


@CHECKS("iss", "average samples of ISS-10-0.05 on ImageNet sigma 0.5 .*")
def average_samples(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    found = _chosen(evidence, "ad", 0.05, "imagenet")
    measured = [
        Measured(
            f"{b.samples:,.0f} of {b.kbar:,} on {b.model}",
            b.paper and b.dataset == "imagenet" and "0.5" in b.model,
            abs(b.samples - claim.number) <= 5_000, LEVEL,
        )
        for b in found
    ]  # fmt: skip
    return conclude(measured, _evidence(evidence, found), "met within 5,000", _MISSING)


# --- average radii and minutes of named budgets ---------------------------------------------

# Words of a claim -> (kind, bound, kbar, sigma) of its budget.
_NAMED = {
    "ISS ACR on ImageNet in 250 minutes": ("ad", 0.05, 100_000, 1.0),
    "IAS ACR on ImageNet in 250 minutes": ("fixed", 0.0, 26_000, 1.0),
    "ACR of ISS-AD-50-0.10 at sigma 1 in 796 minutes": ("ad", 0.10, 500_000, 1.0),
    "ACR of IAS in 1,000 minutes": ("fixed", 0.0, 104_000, 1.0),
    "minutes of the standard certification IAS-10, ImageNet sigma 1": ("fixed", 0.0, 100_000, 1.0),
    "minutes of ISS-10-0.05, ImageNet sigma 1": ("ad", 0.05, 100_000, 1.0),
    "minutes of IAS-10 on ImageNet, both sigma": ("fixed", 0.0, 100_000, None),
    "minutes of ISS-10-0.05 on ImageNet (called roughly)": ("ad", 0.05, 100_000, None),
    "minutes of ISS-10-0.1 on ImageNet (called roughly)": ("ad", 0.10, 100_000, None),
}


def _like(evidence: Evidence, claim: Claim) -> tuple[list[Budgeted], bool]:
    """Our rows of the claim's budget and True; else those of its kind of the largest size."""
    kind, bound, kbar, sigma = _NAMED[claim.claim]
    every = [b for b in rows(evidence) if b.kind == kind and b.bound == bound]
    own = [
        b for b in every
        if b.paper and b.dataset == "imagenet" and b.kbar == kbar
        and (sigma is None or f"-{sigma:.2f}" in b.model)
    ]  # fmt: skip
    if own:
        return own, True
    exact = [b for b in every if b.kbar == kbar]
    largest: dict[str, Budgeted] = {}
    for b in sorted(exact or every, key=lambda b: b.kbar):
        largest[b.model] = b
    return list(largest.values()), False


@CHECKS("iss", r"(?:ISS|IAS) ACR on ImageNet in .*|ACR of (?:ISS|IAS).* minutes")
def radius_of(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    found, own = _like(evidence, claim)
    measured = []
    for b in found:
        text = f"{b.acr:.3f} with {b.row['budget']} on {b.model}"
        measured.append(Measured(text, own, own and _near(claim, b), LEVEL))
    why = "ACR of the budget that took this time in the paper; met within the sampling error of"
    why += " both sides, of ours alone where the table does not say its inputs"
    return conclude(measured, _evidence(evidence, found), why, _MISSING)


def _near(claim: Claim, b: Budgeted) -> bool:
    half, n = _half(b.row, "acr"), inputs_of_row(b.row)
    theirs = 0.0 if n is None else mean_half_width(half, n, 500)
    allowed = together((half, theirs)) + printed_half_unit(claim.value)
    return abs(b.acr - claim.number) <= allowed


@CHECKS("iss", "minutes of .*")
def minutes(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Of another machine, and so never at the paper's setting."""
    names = {b.model for b in _like(evidence, claim)[0]}
    kind, bound, *_ = _NAMED[claim.claim]
    measured = []
    for name in TABLES:
        for row in evidence.rows(name):
            model = ", ".join(row.get(k, "") for k in ("dataset", "training", "noise"))
            iss = _ISS.fullmatch(row.get("budget", ""))
            same = (iss["kind"], float(iss["bound"])) == (kind, bound) if iss else (
                kind == "fixed" and bool(_FIXED.fullmatch(row.get("budget", "")))
            )  # fmt: skip
            took = value(row, "time")
            if model in names and same and row.get("votes") == "own" and took is not None:
                text = f"{took:.3g} min for {row['budget']} on {model}"
                measured.append(Measured(text, False, False, LEVEL))
    why = "minutes are of the machine and of its number of inputs; only votes sampled for that"
    why += " budget alone are timed"
    return conclude(
        measured, _evidence(evidence, rows(evidence)), why, "no budget of this kind was timed here"
    )


@CHECKS("iss", "runtime is roughly proportional to the average number of samples")
def proportional(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    rates: dict[str, list[float]] = defaultdict(list)
    for name in TABLES[:3]:
        for row in evidence.rows(name):
            took, drawn = value(row, "time"), value(row, "samples")
            if row.get("votes") == "own" and took and drawn:
                model = ", ".join(row.get(k, "") for k in ("dataset", "training", "noise"))
                rates[model].append(took / drawn * 100_000)
    measured = []
    for model, each in rates.items():
        if len(each) > 1:
            off = max(abs(r / median(each) - 1) for r in each)
            text = f"{min(each):.3g} to {max(each):.3g} min for 100,000 samples on {model}"
            measured.append(Measured(text, False, off <= 0.2, SAME if off <= 0.2 else OPPOSITE))
    why = "budgets sampled for themselves; met if none is a fifth off the median rate"
    link = evidence.first(*(f"tables/{name}.csv" for name in TABLES))
    return conclude(measured, link, why, "fewer than two budgets of a model were timed here")


@CHECKS("iss", "time of ISS-20-0.05 as a fraction of IAS-20, ImageNet sigma 1")
def fraction_of_time(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    found = [b for b in rows(evidence) if (b.kind, b.bound, b.kbar) == ("ad", 0.05, 200_000)]
    measured = [
        Measured(f"{b.share:.2f} of the samples on {b.model}", False, False, LEVEL) for b in found
    ]
    return conclude(
        measured, _evidence(evidence, found), "samples stand for time",
        "no budget with kbar = 200,000 here; the paper has it in a figure only",
    )  # fmt: skip


@CHECKS("iss", "samples taken as exact p_A for the histogram")
def histogram(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    sizes: dict[str, int] = {}
    for b in rows(evidence):
        if b.kind == "fixed" and b.table == "iss_table1":
            sizes[b.model] = max(b.kbar, sizes.get(b.model, 0))
    measured = [Measured(f"{n:,} votes on {m}", False, False, LEVEL) for m, n in sizes.items()]
    link = evidence.first("figures/iss_fig4.png", "tables/iss_table1.csv")
    return conclude(measured, link, "votes that our histogram of p_A takes", _MISSING)


@CHECKS("iss", "k0 / kbar that performs well everywhere")
def stage_one(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return not_run(
        "figure 6 (lower) is drawn here for several k0 / kbar and has no table; what performs"
        " well everywhere is not defined"
    )
