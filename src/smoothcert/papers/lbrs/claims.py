"""Claims of LBRS: judged from the rows of ``lbrs_claims`` and the sweeps of figure 3.

The spiral is drawn, and is the paper's as far as the paper says (it gives neither its size nor
its turns). MNIST is the paper's at its scale; another data set is different data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import roots_hermitenorm

from smoothcert.lbrs.classifier import Linear
from smoothcert.papers.lbrs.accuracies import curve
from smoothcert.report.claims import (
    DIFFERENT,
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
)
from smoothcert.report.numbers import each

_TABLE = "lbrs_claims"
_MISSING = f"tables/{_TABLE}.csv does not exist"
_RULE = "rules: smoothcert.papers.lbrs.verdicts; met if every row holds"


def _rows(evidence: Evidence, ids: tuple[str, ...], **labels: Any) -> list[Any]:
    """The rows of the table, one object each with its labels."""
    numbers = evidence.of(_TABLE, **labels)
    return each(numbers[numbers.id.isin(ids)].drop_duplicates("row")) if len(numbers) else []


@check
def lbrs_rows(claim: Claim, evidence: Evidence, *ids: str, why: str = "", **labels: str) -> Finding:
    """All rows of some ids, with these labels."""
    measured = [
        Measured(
            f"{row.data}: {row.measured}",
            row.verdict != DIFFERENT,
            row.direction == SAME,
            row.direction,
        )
        for row in _rows(evidence, ids, **labels)
    ]
    why = f"{why}; {_RULE}" if why else _RULE
    return conclude(measured, evidence.first(f"tables/{_TABLE}.csv"), why, _MISSING)


@check
def lbrs_abstract(claim: Claim, evidence: Evidence) -> Finding:
    """Radii on the spiral; accuracy under attack on two image tasks, in every row."""
    rows = _rows(evidence, ("certifies_larger", "keeps_accuracy"))
    if not rows:
        return not_run(_MISSING)
    failing = sorted({f"{r.claim} ({r.data})" for r in rows if r.direction != SAME})
    data = sorted({_data(r) for r in rows})
    own = {r.task for r in rows if r.verdict != DIFFERENT} == {"spiral", "first", "second"}
    text = f"{len(rows) - len(failing)} of {len(rows)} rows hold on {', '.join(data)}"
    if failing:
        text += f"; not: {failing[0]}" + (f" and {len(failing) - 1} more" if failing[1:] else "")
    direction = SAME if not failing else OPPOSITE if len(failing) == len(rows) else IN_PART
    why = f"radii on the spiral, accuracy under attack on the images; {_RULE}"
    one = Measured(text, own, not failing, direction)
    return conclude([one], evidence.first(f"tables/{_TABLE}.csv"), why, _MISSING)


def _data(row: Any) -> str:
    """``spiral``, ``mnist:8``."""
    return row.dataset if row.task == "spiral" else f"{row.dataset}:{row.positive}"


@check
def lbrs_unbiased(claim: Claim, evidence: Evidence) -> Finding:
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


@check
def lbrs_corner(claim: Claim, evidence: Evidence, method: str) -> Finding:
    """The largest setting that keeps the base's clean accuracy, of those measured."""
    labels = {"norm": "l2", "attack": "transfer", "method": method, "head": "tanh"}
    numbers = evidence.of("lbrs_fig3", **labels)
    if numbers.empty:
        return not_run("no accuracies for the first image task here")
    settings, accuracy = curve(numbers[numbers.radius == 0], "parameter")
    means = accuracy.mean(axis=1)
    kept = means >= means[0] - 0.01
    last = len(kept) - 1 if kept.all() else int(np.argmin(kept)) - 1
    at, after = settings[last], settings[min(last + 1, len(settings) - 1)]
    agrees = bool(at <= claim.number <= after)
    dataset, positive = numbers.dataset.iloc[0], numbers.positive.iloc[0]
    text = f"accuracy within 0.01 of {means[0]:.3f} up to {at:g} but not at {after:g}, on"
    one = Measured(f"{text} {dataset}:{positive}", dataset == "mnist", agrees, LEVEL)
    why = (
        "corner: the last setting that costs at most 0.01 clean accuracy; met if the stated"
        " value is between it and the next one measured"
    )
    return conclude([one], evidence.first("figures/lbrs_fig3.png"), why, "")


def _key(row: Any) -> tuple[str, str, str]:
    """What a row is about; one that is of no norm or attack says nan."""
    return row.id, str(getattr(row, "norm", None)), str(getattr(row, "attack", None))


@check
def lbrs_second_task(claim: Claim, evidence: Evidence) -> Finding:
    """The verdicts of figures 5 and 6 against those of figures 3 and 4."""
    ids = ("ns_falls", "goes_to_1nn", "keeps_accuracy", "gains_more_in_linf")
    tasks = [_rows(evidence, ids, task=task) for task in ("first", "second")]
    first, second = ({_key(r): r.direction for r in rows} for rows in tasks)
    both = first.keys() & second.keys()
    if not both:
        return not_run("no second image task here")
    equal = sum(first[key] == second[key] for key in both)
    one, two = (rows[0] for rows in tasks)
    text = f"{equal} of {len(both)} verdicts on {_data(two)} agree with those on {_data(one)}"
    agrees = equal == len(both)
    direction = SAME if agrees else IN_PART if equal else OPPOSITE
    own = DIFFERENT not in (one.verdict, two.verdict)
    why = f"compares verdicts, not accuracies; {_RULE.split(';')[0]}"
    found = [Measured(text, own, agrees, direction)]
    return conclude(found, evidence.first(f"tables/{_TABLE}.csv"), why, _MISSING)
