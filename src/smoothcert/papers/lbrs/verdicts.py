"""The claims of the LBRS paper, each beside the numbers that decide it, as rows of data.

Each claim has its rule below; it is about the data of its row only, under the settings that were
run. Accuracies are means over seeds and draws of the reserved points, with the smallest and
largest in brackets.

Labels of a row: ``id`` of the claim, ``task`` (``spiral``, ``first``, ``second``), ``dataset``,
``positive``, ``norm`` and ``attack`` where it is about one, ``verdict`` and ``direction`` in the
words of report/claims.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smoothcert.lbrs.results import read_spiral
from smoothcert.lbrs.settings import HEADS
from smoothcert.lbrs.spiral import NORMS, averages
from smoothcert.papers.lbrs.accuracies import complete, curve, pick, read_rows, read_task
from smoothcert.report.claims import DIFFERENT, IN_PART, NOT_REPRODUCED, OPPOSITE, REPRODUCED, SAME
from smoothcert.report.numbers import RADIUS, Key, Label, Metric, Number, Row, frame
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

FIGURES = {"first": ("3", "4"), "second": ("5", "6")}  # of the sweep, of the attacks
ATTACKS = {
    "transfer": "attacks made against the CNN",
    "adaptive": "attacks made against each classifier",
}
# The paper's data; the spiral is the paper's as far as the paper describes it.
_PAPERS = {("spiral", "spiral"), ("first", "mnist"), ("second", "cifar10")}
# Differences of averages below this are taken for rounding and chance of single inputs.
_SLACK = 0.005
_FAILS = {SAME: "it holds", IN_PART: "it holds in part", OPPOSITE: "it fails"}

Numbers = dict[Key, Number]


def verdicts(files: Files, options: Options) -> Table:
    """One row a claim and data set."""
    rows = list(_spiral(read_spiral(files.one("spiral"))))
    for task in FIGURES:
        paths = files[task]
        if paths:
            about = read_task(paths)
            numbers = frame(task, read_rows(paths))
            rows += _images(task, about.dataset, about.positive, numbers)
    columns = (
        Column("claim", "claim"),
        Column("where", "section"),
        Column("data", "data"),
        Column("measured", "measured"),
        Column("conclusion", "verdict", csv="verdict"),
        Column("figure", "figure"),
    )
    notes = (
        "Each claim has a rule (smoothcert.papers.lbrs.verdicts); a verdict holds for the data of"
        " its row and the settings of the run.",
        "Accuracies are means over seeds and draws of the reserved points, the range in"
        " brackets. NS: normal smoothing; alpha: the bias.",
    )
    return Table("", columns, rows, notes)


def _row(
    claim: str,
    text: str,
    holds: tuple[bool, bool],
    measured: str,
    numbers: Numbers,
    task: str = "spiral",
    dataset: str = "spiral",
    **labels: Label,
) -> Row:
    """``holds``: as claimed, and at least in part."""
    direction = SAME if holds[0] else IN_PART if holds[1] else OPPOSITE
    verdict = DIFFERENT
    if (task, dataset) in _PAPERS:
        verdict = REPRODUCED if holds[0] else NOT_REPRODUCED
    about: dict[Key, Label | Number] = dict(labels.items())
    return {
        "id": claim,
        "claim": text,
        "where": "5.1",
        "data": dataset,
        "task": task,
        "dataset": dataset,
        **about,
        "measured": measured,
        "verdict": verdict,
        "direction": direction,
        "conclusion": verdict if verdict == REPRODUCED else f"{verdict}, {direction}",
        **numbers,
    }


def _spiral(out: dict[str, NDArray]) -> Iterator[Row]:
    accuracy = {n: (out[f"predict_{n}"] == out["label"]).mean(axis=1) for n in NORMS}
    rising = all(_rises(a) for a in accuracy.values())
    yield _row(
        "accuracy_rises", "clean accuracy rises with alpha", (rising, False),
        "; ".join(f"{n} {a[0]:.3f} -> {a[-1]:.3f}" for n, a in accuracy.items()),
        {k: v for n, a in accuracy.items() for k, v in _ends(f"{n}_accuracy", a).items()},
        figure="2",
    )  # fmt: skip

    base_correct = out["base_predict"] == out["label"]
    for claim, form, text in (
        (
            "radii_rise_throughout",
            "published",
            "both average radii rise with alpha (Theorem 6 throughout)",
        ),
        (
            "radii_rise",
            "tight",
            "both average radii rise with alpha (tighter form, the SVM alone at 0)",
        ),
    ):
        texts, whole, part = [], [], []
        numbers: Numbers = {}
        for norm in NORMS:
            if f"{form}_{norm}" not in out:
                continue
            for values, name in zip(averages(out, form, norm), ("avg", "true avg"), strict=True):
                dip = float(np.max(np.maximum.accumulate(values) - values))
                texts.append(
                    f"{norm} {name} {values[0]:.3f} -> {values[-1]:.3f}, largest dip {dip:.3f}"
                )
                metric = f"{norm}_{'true_' if name == 'true avg' else ''}average_radius"
                numbers |= _ends(metric, values, RADIUS)
                numbers[f"{metric}_dip"] = Number(dip, unit=RADIUS)
                whole.append(_rises(values))
                part.append(values[-1] > values[0])
        if texts:
            holds = all(whole), all(part)
            yield _row(claim, text, holds, "; ".join(texts), numbers, form=form, figure="2")
    texts, better = [], []
    numbers = {}
    for norm in NORMS:
        alone = float((out[f"base_{norm}"] * base_correct).mean())
        best = max(float(averages(out, f, norm)[1][1:].max()) for f in _forms(out, norm))
        texts.append(f"{norm} true average: SVM alone {alone:.3f}, best LBRS {best:.3f}")
        numbers[f"{norm}_true_average_radius_svm"] = Number(alone, unit=RADIUS)
        numbers[f"{norm}_true_average_radius_best"] = Number(best, unit=RADIUS)
        better.append(best > alone)
    yield _row(
        "certifies_larger", "LBRS certifies larger radii than the base classifier",
        (all(better), any(better)), "; ".join(texts), numbers, where="abstract", figure="2",
    )  # fmt: skip
    differ = float((out["predict_l2"][-1] != out["oracle_predict"]).mean())
    yield _row(
        "tends_to_1nn", "LBRS tends to the 1-NN as alpha grows", (differ == 0, differ < 0.01),
        f"{differ:.1%} of predictions differ at alpha {out['bias'][-1]:g}",
        {"different_predictions": Number(differ, inputs=len(out["label"]))}, figure="1, 2",
    )  # fmt: skip


def _forms(out: dict[str, NDArray], norm: str) -> list[str]:
    return [form for form in ("published", "tight") if f"{form}_{norm}" in out]


def _rises(values: NDArray) -> bool:
    return bool(values[-1] > values[0] and (np.diff(values) >= -_SLACK).all())


def _ends(metric: str, values: NDArray, unit: str = "") -> Numbers:
    """Where a curve begins and ends."""
    return {
        f"{metric}_first": Number(float(values[0]), unit=unit),
        f"{metric}_last": Number(float(values[-1]), unit=unit),
    }


def _images(task: str, dataset: str, positive: str, numbers: pd.DataFrame) -> list[Row]:
    sweep, attack = FIGURES[task]
    name = f"{dataset}:{positive}"
    about: dict[str, str] = {"task": task, "dataset": dataset, "positive": positive}
    at_sweep = {**about, "data": name, "where": "5.2", "figure": sweep}
    at_attack = {**about, "where": "5.2", "figure": attack}
    rows = [_falls(numbers, at_sweep), _goes_to_nearest(numbers, at_sweep)]
    kept = {
        (kind, norm): _keeps(part, {**at_attack, "norm": norm, "attack": kind,
                                    "data": f"{name}, {words}"})
        for kind, words in ATTACKS.items()
        for norm in ("l2", "linf")
        if len(part := pick(numbers, norm=norm, attack=kind))
    }  # fmt: skip
    for (kind, norm), row in kept.items():
        if kind == "transfer" and ("adaptive", norm) in kept:
            other = kept["adaptive", norm]["direction"]
            itself = f"; under {ATTACKS['adaptive']} itself {_FAILS[str(other)]}"
            row = {**row, "measured": f"{row['measured']}{itself}"}
        rows.append(row)
    gains = {norm: _gain(pick(numbers, norm=norm, attack="transfer")) for norm in ("l2", "linf")}
    l2, linf = gains["l2"], gains["linf"]
    if l2 is not None and linf is not None:
        rows.append(
            _row(
                "gains_more_in_linf", "the gain of LBRS over NS is larger for linf attacks",
                (linf > l2 and linf > 0, False),
                "mean gain over the attack radii, tanh head, attacks made against the CNN: "
                f"l2 {l2:+.3f}; linf {linf:+.3f}",
                {"l2_gain": Number(l2), "linf_gain": Number(linf)},
                **{**at_attack, "data": name},
            )
        )  # fmt: skip
    return rows


def _falls(numbers: pd.DataFrame, labels: dict[str, str]) -> Row:
    clean = pick(numbers, norm="l2", attack="transfer", radius=0.0, method="ns")
    sigma, soft = curve(pick(clean, head="tanh"), "parameter")
    _, hard = curve(pick(clean, head="hard"), "parameter")
    end = int(np.argmin(np.abs(sigma - 0.5)))
    return _row(
        "ns_falls", "normal smoothing falls to 0.5 for sigma up to 0.5",
        (soft[end].mean() < 0.55, soft[-1].mean() < 0.55),
        f"sigma {sigma[end]:g}: {_spread(soft[end])} by mean probability, {_spread(hard[end])} "
        f"by majority; sigma {sigma[-1]:g}: {_spread(soft[-1])}",
        {
            **_numbers("ns_mean_probability", soft[end]),
            **_numbers("ns_majority", hard[end]),
            **_numbers("ns_mean_probability_at_largest_sigma", soft[-1]),
        },
        **labels,
    )  # fmt: skip


def _goes_to_nearest(numbers: pd.DataFrame, labels: dict[str, str]) -> Row:
    """At the largest bias, at every radius of the sweep."""
    transfer = pick(numbers, norm="l2", attack="transfer")
    radii = sorted(pick(transfer, method="lbrs", parameter=0.0).radius.unique())
    gaps: dict[str, float] = {}
    for head in HEADS:
        apart = []
        for radius in radii:
            here = pick(transfer, radius=radius)
            bias, lbrs = curve(pick(here, method="lbrs", head=head), "parameter")
            _, nearest = curve(pick(here, method="1nn"), "radius")
            apart.append(float(np.abs(lbrs[-1] - nearest[0]).max()))
        gaps[head] = max(apart)
    text = ", ".join(f"{head} head {gap:.3f}" for head, gap in gaps.items())
    return _row(
        "goes_to_1nn", "LBRS goes to the accuracy of the 1-NN",
        (max(gaps.values()) < 0.01, min(gaps.values()) < 0.01),
        f"largest difference at alpha {bias[-1]:g}: {text}",
        {f"{head}_gap": Number(gap) for head, gap in gaps.items()},
        **labels,
    )  # fmt: skip


def _keeps(numbers: pd.DataFrame, labels: dict[str, str]) -> Row:
    """Of either head: ahead of NS at the largest radius and on average over the radii above 0.

    In part: on average only. The base network is named too, for NS may only equal it.
    """
    radius, ns = _method(numbers, "ns", "tanh")
    texts, ahead = [], []
    found: Numbers = {}
    for text, method, head in (
        ("CNN", "cnn", None),
        ("NS", "ns", "tanh"),
        ("LBRS logit", "lbrs", "logit"),
        ("LBRS tanh", "lbrs", "tanh"),
        ("1-NN", "1nn", None),
    ):
        _, values = _method(numbers, method, head)
        mean = float(values[1:].mean())
        texts.append(f"{text} {mean:.3f}, {_spread(values[-1])}")
        metric = f"{text.lower().replace(' ', '_')}_accuracy"
        found[f"{metric}_mean"] = Number(mean)
        found |= _numbers(metric, values[-1], float(radius[-1]))
        if method == "lbrs":
            on_average = values[1:].mean() > ns[1:].mean() + _SLACK
            ahead.append((on_average and values[-1].mean() > ns[-1].mean() + _SLACK, on_average))
    return _row(
        "keeps_accuracy", f"LBRS keeps its accuracy to larger {labels['norm']} attacks than NS",
        (any(a for a, _ in ahead), any(a for _, a in ahead)),
        f"mean over the radii, and at {radius[-1]:g}: {'; '.join(texts)}",
        found,
        **labels,
    )  # fmt: skip


def _gain(numbers: pd.DataFrame) -> float | None:
    if numbers.empty:
        return None
    _, ns = _method(numbers, "ns", "tanh")
    _, lbrs = _method(numbers, "lbrs", "tanh")
    return float(lbrs[1:].mean() - ns[1:].mean())


def _method(numbers: pd.DataFrame, method: str, head: str | None) -> tuple[NDArray, NDArray]:
    """Accuracy along the radius at the setting that was measured at every radius."""
    chosen = pick(numbers, method=method, head=head)
    # A fixed one; under adaptive attacks the largest. The CNN and the 1-NN have none.
    full = complete(chosen)
    return curve(chosen if not full else pick(chosen, parameter=max(full)), "radius")


def _numbers(metric: str, values: NDArray, radius: float | None = None) -> Numbers:
    """The mean of repeats, the smallest and the largest."""
    of = {"": values.mean(), "_smallest": values.min(), "_largest": values.max()}
    return {Metric(f"{metric}{end}", radius): Number(float(v)) for end, v in of.items()}


def _spread(values: NDArray) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} [{values.min():.3f}, {values.max():.3f}]"
