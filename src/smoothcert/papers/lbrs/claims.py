"""Claims of LBRS: the verdicts of ``smoothcert lbrs claims`` and the settings of its sweeps.

The spiral is drawn, and is the paper's as far as the paper says (it gives neither its size nor
its turns). MNIST is the paper's at its scale; another data set is different data.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from scipy.special import roots_hermitenorm

from smoothcert.lbrs.classifier import Linear
from smoothcert.lbrs.results import curve, pick, read_accuracies
from smoothcert.report.claims import (
    CHECKS,
    LEVEL,
    OPPOSITE,
    SAME,
    Claim,
    Finding,
    Measured,
    closed_form,
    conclude,
)
from smoothcert.report.evidence import Evidence, Line

_TABLE = "lbrs_claims"
_MISSING = "tables/lbrs_claims.csv is not here"
_RULE = "the rules are in smoothcert.papers.lbrs.verdicts; met if every row holds"


def _judged(
    evidence: Evidence, wanted: Callable[[Line], bool], papers: tuple[str, ...], why: str = _RULE
) -> Finding:
    """The rows that decide a claim; ``papers``: how the paper's data sets are named."""
    measured = []
    for row in evidence.rows(_TABLE):
        if not wanted(row):
            continue
        holds = row["verdict"] == "holds"
        direction = SAME if holds else OPPOSITE if row["verdict"] == "fails" else "in part"
        text = f"{row['verdict']} on {row['data']}: {row['measured']}"
        measured.append(Measured(text, row["data"].startswith(papers), holds, direction))
    return conclude(measured, evidence.link(_TABLE), why, _MISSING)


@CHECKS("lbrs", "certified radii and accuracy increase on synthetic, MNIST and CIFAR-10 data")
def abstract(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Radii on the spiral; accuracy under attack on two image tasks, in every row."""

    def wanted(row: Line) -> bool:
        return row["claim"].startswith(("LBRS certifies larger", "LBRS keeps its accuracy"))

    rows = [row for row in evidence.rows(_TABLE) if wanted(row)]
    if not rows:
        return conclude([], "", _RULE, _MISSING)
    failing = sorted({f"{r['claim']} ({r['data']})" for r in rows if r["verdict"] != "holds"})
    data = sorted({r["data"].split(",")[0] for r in rows})
    own = all(any(d.startswith(name) for d in data) for name in ("spiral", "mnist", "cifar10:"))
    text = f"{len(rows) - len(failing)} of {len(rows)} rows hold on {', '.join(data)}"
    if failing:
        text += f"; not: {failing[0]}" + (f" and {len(failing) - 1} more" if failing[1:] else "")
    direction = SAME if not failing else OPPOSITE if len(failing) == len(rows) else "in part"
    why = f"radii on the spiral, accuracy under attack on the images; {_RULE}"
    one = Measured(text, own, not failing, direction)
    return conclude([one], evidence.link(_TABLE), why, _MISSING)


@CHECKS("lbrs", "average radius, average true radius and clean accuracy rise together with alpha")
def together(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _judged(
        evidence,
        lambda row: (
            row["data"] == "spiral"
            and (
                row["claim"].startswith("clean accuracy rises")
                or "Theorem 6 throughout" in row["claim"]
            )
        ),
        ("spiral",),
    )


@CHECKS("lbrs", "the smoothed classifier tends to the 1-nearest neighbour as alpha grows")
def nearest(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _judged(
        evidence, lambda row: row["claim"].startswith("LBRS tends to the 1-NN"), ("spiral",)
    )


@CHECKS("lbrs", "unbiased smoothing leaves the SVM unchanged")
def unbiased(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """Proposition 5 for a linear score: its mean over Gaussian noise, by quadrature."""
    weight, x = np.array([1.5, -0.7]), np.random.default_rng(0).normal(size=(200, 2))
    svm, sigma = Linear(weight, 0.3), 0.5
    nodes, weights = roots_hermitenorm(16)
    along = weight / np.linalg.norm(weight)  # noise across it changes no linear score
    scores = np.stack([svm.score_and_slope(x + sigma * t * along, "l2")[0] for t in nodes], axis=1)
    gap = float(np.abs(scores @ weights / weights.sum() - svm.score_and_slope(x, "l2")[0]).max())
    return closed_form(
        f"mean score within {gap:.0e} of the score at 200 points", gap < 1e-9,
        evidence.first("figures/lbrs_fig1.png"),
        "proposition 5 for the library's linear classifier under Gaussian noise, by quadrature",
    )  # fmt: skip


@CHECKS("lbrs", "accuracy of a constant function on the balanced binary task, .*")
def constant(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _judged(
        evidence, lambda row: row["claim"].startswith("normal smoothing falls to 0.5"), ("mnist",)
    )


@CHECKS("lbrs", "(sigma|alpha) at the corner of figure 3")
def corner(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The largest setting that keeps the base's clean accuracy, of those measured."""
    paths = sorted((evidence.results / "lbrs" / "first").glob("seed-*.csv"))
    if not paths:
        return conclude([], "", "", "no accuracies of the first image task here")
    method = "ns" if match[1] == "sigma" else "lbrs"
    data = next((r["data"] for r in evidence.rows(_TABLE) if ":" in r["data"]), "the first task")
    clean = pick(read_accuracies(paths), norm="l2", attack="transfer", radius=0.0)
    settings, accuracy = curve(pick(clean, method=method, head="tanh"), "parameter")
    means = accuracy.mean(axis=1)
    kept = np.flatnonzero(means >= means[0] - 0.01)
    last = (
        int(np.flatnonzero(np.diff(kept) != 1)[0]) if (np.diff(kept) != 1).any() else len(kept) - 1
    )
    at, after = settings[kept[last]], settings[min(kept[last] + 1, len(settings) - 1)]
    agrees = bool(at <= claim.number <= after)
    text = f"accuracy within 0.01 of {means[0]:.3f} up to {at:g}, not at {after:g}, on {data}"
    one = Measured(text, data.startswith("mnist"), agrees, LEVEL)
    why = "the corner: the last setting that costs at most 0.01 of clean accuracy; met if the"
    why += " stated value is between it and the next one measured"
    return conclude([one], evidence.first("figures/lbrs_fig3.png"), why, _MISSING)


@CHECKS("lbrs", "10-LBRS keeps its accuracy to larger l2 attacks than 0.05-NS")
def longer(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _judged(
        evidence,
        lambda row: (
            row["claim"].startswith("LBRS keeps its accuracy to larger l2")
            and "made against the CNN" in row["data"]
            and row["figure"] == "4"
        ),
        ("mnist",),
        f"attacks made against the CNN, as in the paper; {_RULE}",
    )


@CHECKS("lbrs", "the gain of LBRS over NS relative to the CNN is larger for l-infinity attacks")
def larger_gain(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    return _judged(
        evidence,
        lambda row: row["claim"].startswith("the gain of LBRS over NS") and row["figure"] == "4",
        ("mnist",),
    )


@CHECKS("lbrs", "CIFAR-10 gives the same conclusions with lower accuracies")
def second_task(claim: Claim, match: re.Match[str], evidence: Evidence) -> Finding:
    """The verdicts of figures 5 and 6 against those of figures 3 and 4."""
    images = [row for row in evidence.rows(_TABLE) if row["figure"] in ("3", "4", "5", "6")]
    verdicts: dict[str, dict[str, str]] = {}
    for row in images:
        task = "first" if row["figure"] in ("3", "4") else "second"
        _, _, attack = row["data"].partition(",")
        verdicts.setdefault(row["claim"] + attack, {})[task] = row["verdict"]
    both = {key: v for key, v in verdicts.items() if len(v) == 2}
    if not both:
        return conclude([], "", "", "no second image task here")
    equal = sum(v["first"] == v["second"] for v in both.values())
    data = [next(r["data"] for r in images if r["figure"] in f).split(",")[0] for f in ("34", "56")]
    own = data[0].startswith("mnist") and data[1].startswith("cifar10:")
    text = f"{equal} of {len(both)} verdicts of {data[1]} are those of {data[0]}"
    agrees = equal == len(both)
    one = Measured(text, own, agrees, SAME if agrees else "in part" if equal else OPPOSITE)
    why = f"verdict by verdict, not by accuracy; {_RULE.split(';')[0]}"
    return conclude([one], evidence.link(_TABLE), why, _MISSING)
