"""Claims of DDRS about every radius, every model or every input, and of the search itself."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run
from smoothcert.core.confidence import clopper_pearson_upper
from smoothcert.noise import NOISES
from smoothcert.papers.ddrs.claims import by_data
from smoothcert.report.claims import (
    CHECKS,
    NEITHER,
    OPPOSITE,
    SAME,
    Claim,
    Finding,
    Measured,
    conclude,
)
from smoothcert.report.evidence import Evidence, Line, radii, value

ACCURACY = "accuracy_percent_"
_TINY = 1e-9  # of percents that differ by rounding only


def _own(rows: Iterable[Line]) -> bool:
    papers = [row.get("paper", "") for row in rows]
    return bool(papers) and all(text.startswith("DDRS") for text in papers)


def _cells(evidence: Evidence, method: str) -> dict[str, dict[tuple[str, float], float]]:
    """By data: (sigma, radius) -> accuracy in percent, best over K."""
    found: dict[str, dict[tuple[str, float], float]] = defaultdict(dict)
    for row in evidence.rows("ddrs_appendix"):
        if row["method"] != method:
            continue
        for radius, key in radii(row, ACCURACY).items():
            amount = value(row, key)
            if amount is not None:
                kept, cell = found[row["data"]], (row["sigma"], radius)
                kept[cell] = max(amount, kept.get(cell, 0.0))
    return found


def _order(claim: Claim, evidence: Evidence, method: str, base: str, most: float) -> Finding:
    """``method`` above ``base`` per sigma and radius; at most the share ``most`` of cells below."""
    first, second = _cells(evidence, method), _cells(evidence, base)
    measured = []
    for data in first:
        both = [c for c in first[data] if c in second.get(data, {})]
        both = [c for c in both if max(first[data][c], second[data][c]) > 0]
        if not both:
            continue
        signs = Counter(int(np.sign(round(first[data][c] - second[data][c], 9))) for c in both)
        rows = [
            r for r in evidence.rows("ddrs_appendix")
            if r["data"] == data and r["method"] in (method, base)
        ]  # fmt: skip
        agrees = signs[1] > signs[-1] and signs[-1] <= most * len(both)
        direction = SAME if agrees else OPPOSITE if signs[-1] >= signs[1] else "in part"
        text = f"{signs[1]} cells above, {signs[0]} equal, {signs[-1]} below on {data}"
        measured.append(Measured(text, _own(rows), agrees, direction))
    allowed = "no cell" if most == 0 else f"at most {most:.0%} of the cells"
    why = (
        f"{method} against {base} for each sigma and radius, the best K at each, cells where"
        f" both are 0 left out; met if {allowed} may be below and more are above"
    )
    return conclude(
        measured, evidence.link("ddrs_appendix"), why, f"no {method} beside {base} per sigma here"
    )


@CHECKS("ddrs", "Cohen-DS above Cohen at almost all radii .*")
def cohen_ds(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _order(claim, evidence, "Cohen-DS", "Cohen", 0.1)


@CHECKS("ddrs", r"(Cohen|MACER)-DS2 improves .*all trained models.*")
def ds2(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _order(claim, evidence, f"{match[1]}-DS2", f"{match[1]}-DS", 0.0)


@CHECKS("ddrs", "SmoothAdv-DS improves on SmoothAdv over all radii and all sigma")
def smoothadv_ds(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _order(claim, evidence, "SmoothAdv-DS", "SmoothAdv", 0.0)


@CHECKS(
    "ddrs",
    "MACER-DS clearly above MACER, most at large radii|l1 certified accuracy improves consistently",
)
def along_radii(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """X-DS at least X at every radius; for MACER the largest gain in the upper half too."""
    base, number = ("MACER", 3) if "MACER" in match[0] else ("Yang", 4)
    measured = []
    for data, own, rows in by_data(evidence, [f"ddrs_table{number}"], "cifar10"):
        if base not in rows or f"{base}-DS" not in rows:
            continue
        gains = {}
        for radius, key in radii(rows[base], ACCURACY).items():
            fixed, best = value(rows[base], key), value(rows[f"{base}-DS"], key)
            if fixed is not None and best is not None and max(fixed, best) > 0:
                gains[radius] = best - fixed
        below = [r for r, g in gains.items() if g < -_TINY]
        peak = max(gains, key=lambda r: gains[r])
        agrees = not below and max(gains.values()) > 0
        if base == "MACER":
            agrees = agrees and peak > np.median(list(gains))
        lost = f"below at {', '.join(f'{r:g}' for r in below)}" if below else "never below"
        text = f"{lost} of {len(gains)} radii, most at {peak:g} ({gains[peak]:+.1f}) on {data}"
        direction = SAME if agrees else OPPOSITE if 2 * len(below) >= len(gains) else "in part"
        measured.append(Measured(text, own, agrees, direction))
    why = "best sigma and K at each radius; met if below at none and above at some"
    if base == "MACER":
        why += ", with the largest gain above the middle radius"
    return conclude(
        measured, evidence.link(f"ddrs_table{number}"), why, f"no {base}-DS beside {base} here"
    )


@CHECKS("ddrs", "certified accuracy rises consistently with K, most at large radii .*")
def with_steps(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """From one K to the next, at every radius."""
    sweeps: dict[tuple[str, ...], dict[int, Line]] = defaultdict(dict)
    for row in evidence.rows("ddrs_appendix"):
        if row["K"] and "-DS" in row["method"]:
            model = tuple(row[k] for k in ("data", "method", "sigma"))
            sweeps[model].setdefault(int(row["K"].replace(",", "")), row)
    measured = []
    for (data, method, sigma), rows in sweeps.items():
        if len(rows) < 2:
            continue
        changes = []
        for before, after in pairwise(rows[k] for k in sorted(rows)):
            for key in radii(before, ACCURACY).values():
                a, b = value(before, key), value(after, key)
                if a is not None and b is not None and max(a, b) > 0:
                    changes.append(b - a)
        up, down = sum(c > _TINY for c in changes), sum(c < -_TINY for c in changes)
        agrees = up > 0 and down == 0
        text = f"{method}, {sigma} on {data}: {up} steps up, {down} down"
        direction = SAME if agrees else OPPOSITE if down >= up else "in part"
        measured.append(Measured(text, _own(rows.values()), agrees, direction))
    why = "every step from one K to the next at every radius; met if none is down"
    return conclude(measured, evidence.link("ddrs_appendix"), why, "no model with several K here")


# --- claims about single inputs, from the certificates themselves ---------------------------


def _ascents(evidence: Evidence) -> list[tuple[Run, Run]]:
    """(fixed, ascent) pairs whose ascent has the most steps, one a model."""
    best: dict[tuple[str, ...], tuple[int, Run, Run]] = {}
    for fixed, run in evidence.searched:
        steps = re.fullmatch(r"ascent(?:_n\d+)?-K(\d+)", run.scaling or "")
        if steps:
            key = tuple(map(str, (run.dataset, run.arch, run.training, run.noise, run.budget)))
            if key not in best or best[key][0] < int(steps[1]):
                best[key] = (int(steps[1]), fixed, run)
    return [(fixed, run) for _, fixed, run in best.values()]


def _papers(run: Run) -> bool:
    """Whether DDRS has this data set and network."""
    return (run.dataset, run.arch) in (
        ("cifar10", "resnet18"), ("cifar10", "resnet18_stem7"), ("imagenet", "resnet50")
    ) and (run.n, run.alpha) == (100_000, 0.001)  # fmt: skip


def _folder(evidence: Evidence, runs: list[Run]) -> str:
    """The certificates of the first run."""
    return runs[0].path.relative_to(evidence.results).as_posix() if runs else ""


@CHECKS("ddrs", "data-dependent classifier predicts as the sigma_0 classifier for every input .*")
def same_prediction(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    counts = []
    for fixed, run in _ascents(evidence):
        a, b = metrics.common_inputs([fixed.table, run.table])
        both = (a.predict >= 0) & (b.predict >= 0)
        lost = (a.predict >= 0) & (b.predict < 0)
        other = (a.predict != b.predict) & both
        counts.append((run, len(a), int(other.sum()) + int(lost.sum()), int(lost.sum())))
    words = "{bad:,} of {all:,} inputs with another prediction ({extra:,} of them an abstention)"
    why = (
        "certified predictions at the ascent's scale (most K) against those at sigma_0, input by"
        " input; met if none differs and none is lost to an abstention"
    )
    return _totals(evidence, counts, words, why)


@CHECKS("ddrs", "optimized sigma can at worst give the radius that sigma_0 gives")
def no_loss(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """A loss is proven where even the upper bound on the new radius is below the old one."""
    counts = []
    for fixed, run in _ascents(evidence):
        a, b = metrics.common_inputs([fixed.table, run.table])
        if run.alpha is None or not {"count", "n", "sigma"} <= b.columns.keys():
            continue
        noise = NOISES.parse(str(run.noise))
        upper = clopper_pearson_upper(b.columns["count"], b.columns["n"], run.alpha)
        most = noise.radius(upper, b.columns["sigma"], 1)
        held = a.predict >= 0
        proven = held & (a.predict == b.predict) & (most < a.radius)
        smaller = held & (b.radius < a.radius)
        counts.append((run, int(held.sum()), int(proven.sum()), int(smaller.sum())))
    words = "{bad:,} of {all:,} certificates with a proven loss ({extra:,} smaller, proven or not)"
    why = (
        "a loss is proven where the upper bound (same level) on the radius at the ascent's scale"
        " is below the certified radius at sigma_0; met if there is none"
    )
    return _totals(evidence, counts, words, why)


def _totals(
    evidence: Evidence, counts: list[tuple[Run, int, int, int]], words: str, why: str
) -> Finding:
    """Sums over the models of (run, all, bad, extra), at the paper's setting if there is any."""
    measured: list[Measured] = []
    own = [c for c in counts if _papers(c[0])]
    shown = own or counts
    if shown:
        _, alls, bads, extras = zip(*shown, strict=True)
        every, bad, extra = sum(alls), sum(bads), sum(extras)
        worst = max(shown, key=lambda c: c[2] / max(1, c[1]))
        text = words.format(bad=bad, all=every, extra=extra) + f" over {len(shown)} models"
        if bad:
            text += f"; most {worst[2]:,}, {_name(worst[0])}"
        measured = [Measured(text, bool(own), bad == 0, OPPOSITE if bad else SAME)]
    link = _folder(evidence, [max(shown, key=lambda c: c[2])[0]] if shown else [])
    return conclude(measured, link, why, _NO_PAIR)


_NO_PAIR = "no certificates at an ascent's scales beside those at sigma_0 here"


def _name(run: Run) -> str:
    return f"{run.dataset} {run.training} {run.scaling}"


@CHECKS("ddrs", "inputs whose certified regions overlap with a different prediction, .*")
def overlaps(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Certificates that the memory changed in tables 1 to 4; the audit of whole tables beside."""
    measured = []
    for number in (1, 2, 3, 4):
        for data, own, rows in by_data(evidence, [f"ddrs_table{number}"], "cifar10"):
            changed = total = 0
            for row in rows.values():
                at = re.fullmatch(r"([\d,]+) of ([\d,]+)", row.get("memory") or "")
                if at:
                    changed += int(at[1].replace(",", ""))
                    total += int(at[2].replace(",", ""))
            if total:
                text = f"table {number}: the memory changed {changed:,} of {total:,} on {data}"
                direction = OPPOSITE if changed else SAME
                measured.append(Measured(text, own, changed == 0, direction))
    audit = [(path, found) for path, found in evidence.audits if "intersect" in found["promise"]]
    shown = (
        audit[0][0]
        if audit
        else evidence.first(*(f"tables/ddrs_table{n}.csv" for n in (1, 2, 3, 4)))
    )
    why = "the memory changes a certificate where its ball meets an earlier one of another class"
    if audit:
        words = Counter(found["verdict"] for _, found in audit)
        why += f"; audits of whole tables: {', '.join(f'{n} {w}' for w, n in words.items())}"
    return conclude(measured, shown, why, "the memory was not applied here")


@CHECKS(
    "ddrs",
    r"SmoothAdv with sigma 0.25 certifies nothing at radius 1.0 and above, SmoothAdv-DS does",
)
def beyond_reach(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    measured, shown = [], []
    for fixed, run in _ascents(evidence):
        if run.training != "smoothadv-fs-0.25" or run.noise != "gaussian-0.25":
            continue
        own, other = (
            100 * float(metrics.certified_accuracy(r.table, [1.0]).value[0]) for r in (run, fixed)
        )
        agrees = other == 0 and own > 0
        direction = SAME if agrees else OPPOSITE if own == 0 or other > own else "in part"
        text = f"fixed {other:.1f}, {run.scaling} {own:.1f} percent at 1.0 on {run.dataset}"
        measured.append(Measured(text, _papers(run), agrees, direction))
        shown.append(run)
    why = (
        "certified accuracy at radius 1.0; met if 0 at the fixed scale and above 0 with the ascent"
    )
    return conclude(
        measured, _folder(evidence, shown), why, "no SmoothAdv model of sigma 0.25 here"
    )


@CHECKS("ddrs", r"example (\d): optimized sigma where the fixed one is ([\d.]+)")
def example(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Whether the scales that the ascent gives from this sigma_0 reach the example's."""
    reached: dict[str, list[Run]] = defaultdict(list)
    for _, run in _ascents(evidence):
        same = run.sigma == float(match[2]) and run.noise_name == "gaussian"
        if same and "sigma" in run.table.columns:
            reached[f"{run.dataset}, {run.arch}"].append(run)
    measured, shown = [], []
    for data, runs in reached.items():
        low = min(float(r.table.columns["sigma"].min()) for r in runs)
        high = max(float(r.table.columns["sigma"].max()) for r in runs)
        inside = low <= claim.number <= high
        text = f"scales of {low:.3f} to {high:.3f} on {data} ({len(runs)} models)"
        measured.append(Measured(text, False, inside, SAME if inside else OPPOSITE))
        shown += runs
    why = "which image it is, is not said: whether the scales found from this sigma_0 reach it"
    return conclude(measured, _folder(evidence, shown), why, _NO_PAIR)


def _grids(evidence: Evidence) -> dict[tuple[str, ...], dict[int, tuple[Run, Run]]]:
    """By model: n of a greedy grid -> (fixed, grid)."""
    found: dict[tuple[str, ...], dict[int, tuple[Run, Run]]] = defaultdict(dict)
    for fixed, run in evidence.searched:
        at = re.fullmatch(r"grid-n(\d+)", run.scaling or "")
        if at:
            key = tuple(map(str, (run.dataset, run.training, run.noise, run.budget)))
            found[key][int(at[1])] = (fixed, run)
    return found


@CHECKS("ddrs", "grid search with n = 1, 2, 4, 10 samples is worse than a fixed sigma, .*")
def grid_below(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    climbs = {
        tuple(map(str, (r.dataset, r.training, r.noise, r.budget))): (f, r)
        for f, r in _ascents(evidence)
    }  # fmt: skip
    measured, shown = [], []
    for key, grids in _grids(evidence).items():
        if key not in climbs:
            continue
        fixed, ascent = climbs[key]
        up = metrics.acr_difference(ascent.table, fixed.table)
        downs = [metrics.acr_difference(r.table, f.table) for f, r in grids.values()]
        below = sum(float(d.value) < 0 for d in downs)
        agrees = below == len(downs) and float(up.value) > 0
        some = below > 0 or float(up.value) > 0
        text = (
            f"grid below the fixed scale in {below} of {len(downs)} n, ascent"
            f" {float(up.value):+.4f} from it in ACR ({key[0]} {key[1]})"
        )
        own = _papers(ascent) and set(grids) >= {1, 2, 4, 10}
        measured.append(
            Measured(text, own, agrees, SAME if agrees else "in part" if some else OPPOSITE)
        )
        shown.append(next(iter(grids.values()))[1])
    why = "paired differences of ACR from the fixed scale; met if every grid is below it and the"
    why += " ascent above"
    return conclude(measured, _folder(evidence, shown), why, "no grid beside an ascent here")


@CHECKS("ddrs", "grid search improves with the number of samples n")
def grid_samples(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    measured, shown = [], []
    for key, grids in _grids(evidence).items():
        if len(grids) < 2:
            continue
        values = [
            float(metrics.average_certified_radius(grids[n][1].table).value) for n in sorted(grids)
        ]
        agrees = all(b >= a for a, b in pairwise(values)) and values[-1] > values[0]
        gain = metrics.acr_difference(grids[max(grids)][1].table, grids[min(grids)][1].table)
        text = (
            "ACR "
            + ", ".join(f"{v:.3f} (n = {n})" for n, v in zip(sorted(grids), values, strict=True))
            + f"; last minus first {float(gain.value):+.4f},"
            f" 95% {float(gain.low):+.4f} to {float(gain.high):+.4f} ({key[0]} {key[1]})"
        )
        told = not float(gain.low) <= 0 <= float(gain.high)
        direction = (
            SAME
            if agrees
            else NEITHER
            if not told
            else OPPOSITE
            if values[-1] < values[0]
            else "in part"
        )
        run = grids[max(grids)][1]
        own = _papers(run) and set(grids) >= {1, 2, 4, 10}
        measured.append(Measured(text, own, agrees, direction))
        shown.append(run)
    why = "ACR of the greedy grid by n; met if it never falls and ends higher"
    return conclude(
        measured, _folder(evidence, shown), why, "no grid with two numbers of samples here"
    )
