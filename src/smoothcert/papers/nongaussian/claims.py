"""Claims of Zhang et al.: their tables, their toy example, their noise in closed form."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from smoothcert.certificates import metrics
from smoothcert.noise import Gaussian, GaussianLinf
from smoothcert.papers.nongaussian.figures import norm_moments
from smoothcert.papers.nongaussian.study.results import read_points
from smoothcert.papers.nongaussian.study.toy import ToyPoint, frontier
from smoothcert.report.claims import (
    CHECKS,
    OPPOSITE,
    SAME,
    Claim,
    Finding,
    Measured,
    closed_form,
    conclude,
    not_run,
)
from smoothcert.report.evidence import Evidence, Line, radii, value

_BEST = "best at each radius, on these inputs"
_MISSING = "no run of both noises on one model here"


def _groups(evidence: Evidence, number: int) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for row in evidence.rows(f"nongaussian_table{number}"):
        found[", ".join((row["dataset"], row["arch"], row["training"]))].append(row)
    return found


def _first(rows: list[Line], noise: str, choice: str) -> Line | None:
    return next(
        (r for r in rows if r["noise"].startswith(noise) and r["choice"].startswith(choice)), None
    )


@CHECKS(
    "zhang", "above the (?:Laplace|Gaussian) baseline at every (?P<norm>l1|l2|l-infinity) radius.*"
)
def above(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """At every radius that either reaches; paired and chosen on other inputs beside it."""
    number = {"l1": 1, "l2": 2, "l-infinity": 3}[match["norm"]]
    measured = []
    for data, rows in _groups(evidence, number).items():
        base, ours = _first(rows, "Baseline:", _BEST), _first(rows, "Ours:", _BEST)
        if base is None or ours is None:
            continue
        gaps = []
        for key in list(radii(base, "accuracy_percent_").values())[1:]:
            a, b = value(base, key), value(ours, key)
            if a is not None and b is not None and max(a, b) > 0:
                gaps.append(b - a)
        if not gaps:
            continue
        up, down = sum(g > 0 for g in gaps), sum(g < 0 for g in gaps)
        agrees = up == len(gaps)
        text = f"above at {up}, below at {down} of {len(gaps)} radii on {data}"
        text += f" ({min(gaps):+.1f} to {max(gaps):+.1f} points)"
        paired = _first(rows, "Ours minus baseline", "chosen on the other half")
        if paired is not None and value(paired, "acr") is not None:
            text += (
                f"; ACR, chosen on other inputs {value(paired, 'acr'):+.4f},"
                f" 95% {value(paired, 'acr_low'):+.4f} to {value(paired, 'acr_high'):+.4f}"
            )
        own = any(
            row.get(f"{k}_paper") for row in (base, ours) for k in row if not k.endswith("_paper")
        )
        direction = SAME if agrees else OPPOSITE if down >= up else "in part"
        measured.append(Measured(text, own, agrees, direction))
    why = (
        "best run of each noise at each radius above 0, as in the paper; met if above at every one"
    )
    return conclude(measured, evidence.link(f"nongaussian_table{number}"), why, _MISSING)


@CHECKS("zhang", "above the baseline for every training sigma_0 and l-infinity radius")
def every_model(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """From the certificates, one model at a time (figure 4)."""
    from smoothcert.papers.nongaussian.tables import groups

    linf = [run for run in evidence.runs if run.norm == "linf"]
    if not linf:
        return not_run(_MISSING)
    at = metrics.parse_radii("2/255,4/255,6/255,8/255,10/255,12/255")
    measured = []
    for group in groups(linf, "linf"):
        for model in sorted({str(run.training) for run in group["method"]}):
            own = [r for r in group["method"] if r.training == model]
            base = [r for r in group["baseline"] if r.training == model]
            if not base:
                continue
            tables = metrics.common_inputs([r.table for r in (*own, *base)])
            ours = metrics.envelope(tables[: len(own)], at).value
            theirs = metrics.envelope(tables[len(own) :], at).value
            reached = (ours > 0) | (theirs > 0)
            up, count = int((ours > theirs)[reached].sum()), int(reached.sum())
            down = int((ours < theirs)[reached].sum())
            text = f"{model} on {own[0].dataset}: above at {up}, below at {down} of {count} radii"
            direction = SAME if up == count else OPPOSITE if down >= up else "in part"
            measured.append(Measured(text, False, up == count, direction))
    why = "best run of each noise on one model, 2/255 to 12/255; which sigma_0 the paper has is"
    why += " not in its text"
    link = evidence.first("figures/nongaussian_fig4.png", "tables/nongaussian_table3.csv")
    return conclude(measured, link, why, _MISSING)


@CHECKS("zhang", "no non-trivial l-infinity certificate on ImageNet")
def none_on_imagenet(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Accuracy above 1 percent at 1/255 or beyond would be one."""
    measured = []
    for data, rows in _groups(evidence, 3).items():
        if not data.startswith("imagenet"):
            continue
        keys = list(radii(rows[0], "accuracy_percent_").items())
        most = max(value(row, k) or 0.0 for row in rows for r, k in keys if r > 0)
        agrees = most <= 1.0
        text = f"at most {most:.1f} percent at any radius above 0 on {data}"
        measured.append(Measured(text, True, agrees, SAME if agrees else OPPOSITE))
    return conclude(
        measured, evidence.link("nongaussian_table3"), "met if at most 1 percent is certified",
        "needs ImageNet",
    )  # fmt: skip


_TOY = "nongaussian/toy.csv"


@CHECKS("zhang", "toy example: equation (13 gives the best .*|12 is worse than equation 11)")
def toy(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Points of equal accuracy on the frontiers, as far as they can be told apart."""
    path = evidence.results / _TOY
    if not path.exists():
        return not_run(f"{_TOY} is not here")
    points = read_points(path, ToyPoint)
    best = match[1].startswith("13")
    rivals = [("eq13", "eq11"), ("eq13", "eq12")] if best else [("eq11", "eq12")]
    texts, agrees = [], True
    for high, low in rivals:
        above = below = count = 0
        for attack in sorted({q.attack for q in points}):
            a, b = ({q.accuracy: q for q in frontier(points, f, attack)} for f in (high, low))
            for accuracy in a.keys() & b.keys():
                first, second = a[accuracy], b[accuracy]
                error = 3 * float(np.hypot(first.robustness_error, second.robustness_error))
                gap, count = first.robustness - second.robustness, count + 1
                above += gap > error
                below += gap < -error
        agrees = agrees and count > 0 and below == 0 and above > 0
        texts.append(
            f"equation {high[2:]} above {low[2:]} at {above}, below at {below} of {count} points"
        )
    return closed_form(
        "; ".join(texts), agrees, _TOY,
        "frontiers at equal accuracy term, three standard errors; met if never below and above"
        " somewhere (attack radii and k are ours)",
    )  # fmt: skip


@CHECKS(
    "zhang",
    "raising k lowers the mean of the noise norm with little loss of variance; lowering sigma .*",
)
def moments(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Both ways to halve the mean, d = 100 as in figure 1."""
    d = 100
    mean, variance = norm_moments(d, np.array(0.0), np.array(1.0))
    ks = np.linspace(0, d - 1, 9_901)
    means, variances = norm_moments(d, ks, np.array(1.0))
    i = int(np.abs(means - mean / 2).argmin())
    _, shrunk = norm_moments(d, np.array(0.0), np.array(0.5))
    kept, rest = float(variances[i] / variance), float(shrunk / variance)
    return closed_form(
        f"the mean halved by k = {ks[i]:.0f}: variance {kept:.1%} is left; by sigma: {rest:.1%}",
        kept > 0.9 and abs(rest - 0.25) < 1e-9,
        evidence.first("figures/nongaussian_fig1.png"),
        f"norm of equation 11 in d = {d}; met if k keeps nine tenths of the variance and sigma a"
        " quarter",
    )  # fmt: skip


@CHECKS("zhang", r"an l-infinity radius r costs an l2 radius of sqrt\(d\) r with any eq. 11 noise")
def through_l2(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The radii of one p_A under Gaussian noise (equation 11 with k = 0) in both norms."""
    d, p = 3072, 0.99
    l2, linf = (float(n.standard_radius(p, d)) for n in (Gaussian(1.0), GaussianLinf(1.0)))
    return closed_form(
        f"{l2 / linf:.2f} times in d = {d:,}", abs(l2 / linf - d**0.5) < 1e-9, "",
        "radii that the library certifies for p_A = 0.99 in the two norms",
    )  # fmt: skip
