"""The claims of the LBRS paper, each beside the numbers that decide it.

A verdict is one of "holds", "in part" and "fails", by a rule written at each claim; it is about
the data named in the row, under the settings that were run. Accuracies are means over seeds and
draws of the reserved points, with the smallest and largest in brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.lbrs.results import curve, pick
from smoothcert.lbrs.spiral import NORMS, averages

Rows = list[dict[str, Any]]
COLUMNS = ("claim", "where", "data", "measured", "verdict", "figure")
# Differences of averages below this are taken for rounding and chance of single inputs.
_SLACK = 0.005


def judge(spiral: dict[str, NDArray], accuracies: dict[str, Rows]) -> list[dict[str, str]]:
    """One row a claim and data set, with the keys COLUMNS.

    ``accuracies`` holds the rows of each image task by its name; figures 3 and 4 belong to the
    first task, 5 and 6 to the second.
    """
    found = list(_spiral(spiral))
    for (name, rows), figures in zip(accuracies.items(), (("3", "4"), ("5", "6")), strict=False):
        found += _images(name, rows, *figures)
    return found


def markdown(found: list[dict[str, str]]) -> str:
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(row[c] for c in COLUMNS) + " |" for row in found]
    return "\n".join(lines) + "\n"


def _row(claim: str, where: str, data: str, measured: str, verdict: str, figure: str) -> dict:
    return dict(zip(COLUMNS, (claim, where, data, measured, verdict, figure), strict=True))


def _verdict(whole: bool, part: bool = False) -> str:
    return "holds" if whole else "in part" if part else "fails"


def _spiral(out: dict[str, NDArray]) -> Iterator[dict[str, str]]:
    accuracy = {n: (out[f"predict_{n}"] == out["label"]).mean(axis=1) for n in NORMS}
    text = "; ".join(f"{n} {a[0]:.3f} -> {a[-1]:.3f}" for n, a in accuracy.items())
    rising = all(_rises(a) for a in accuracy.values())
    yield _row("clean accuracy rises with alpha", "5.1", "spiral", text, _verdict(rising), "2")

    base_correct = out["base_predict"] == out["label"]
    for form, claim in (
        ("published", "both average radii rise with alpha (Theorem 6 throughout)"),
        ("tight", "both average radii rise with alpha (tighter form, the SVM's own at 0)"),
    ):
        texts, whole, part = [], [], []
        for norm in NORMS:
            if f"{form}_{norm}" not in out:
                continue
            for curve_, name in zip(averages(out, form, norm), ("avg", "true avg"), strict=True):
                dip = float(np.max(np.maximum.accumulate(curve_) - curve_))
                texts.append(
                    f"{norm} {name} {curve_[0]:.3f} -> {curve_[-1]:.3f}, largest dip {dip:.3f}"
                )
                whole.append(_rises(curve_))
                part.append(curve_[-1] > curve_[0])
        if texts:
            verdict = _verdict(all(whole), all(part))
            yield _row(claim, "5.1", "spiral", "; ".join(texts), verdict, "2")
    texts, better = [], []
    for norm in NORMS:
        own = float((out[f"base_{norm}"] * base_correct).mean())
        best = max(float(averages(out, f, norm)[1][1:].max()) for f in _forms(out, norm))
        texts.append(f"{norm} true average: SVM alone {own:.3f}, best LBRS {best:.3f}")
        better.append(best > own)
    yield _row(
        "LBRS certifies larger radii than the base classifier", "abstract", "spiral",
        "; ".join(texts), _verdict(all(better), any(better)), "2",
    )  # fmt: skip
    differ = float((out["predict_l2"][-1] != out["oracle_predict"]).mean())
    yield _row(
        "LBRS tends to the 1-NN as alpha grows", "5.1", "spiral",
        f"{differ:.1%} of predictions differ at alpha {out['bias'][-1]:g}",
        _verdict(differ == 0, differ < 0.01), "1, 2",
    )  # fmt: skip


def _forms(out: dict[str, NDArray], norm: str) -> list[str]:
    return [form for form in ("published", "tight") if f"{form}_{norm}" in out]


def _rises(values: NDArray) -> bool:
    return bool(values[-1] > values[0] and (np.diff(values) >= -_SLACK).all())


def _images(name: str, rows: Rows, sweep: str, attack: str) -> Iterator[dict[str, str]]:
    transfer = pick(rows, norm="l2", attack="transfer")
    clean = pick(transfer, radius=0.0)

    sigma, soft = curve(pick(clean, method="ns", head="tanh"), "parameter")
    _, hard = curve(pick(clean, method="ns", head="hard"), "parameter")
    end = int(np.argmin(np.abs(sigma - 0.5)))
    yield _row(
        "normal smoothing falls to 0.5 for sigma up to 0.5", "5.2", name,
        f"sigma {sigma[end]:g}: {_spread(soft[end])} by mean probability, {_spread(hard[end])} "
        f"by majority; sigma {sigma[-1]:g}: {_spread(soft[-1])}",
        _verdict(soft[end].mean() < 0.55, soft[-1].mean() < 0.55), sweep,
    )  # fmt: skip

    gaps = {}
    for head in ("logit", "tanh"):
        apart = []
        for radius in sorted({r["radius"] for r in pick(transfer, method="lbrs", parameter=0.0)}):
            here = pick(transfer, radius=radius)
            bias, lbrs = curve(pick(here, method="lbrs", head=head), "parameter")
            apart.append(float(np.abs(lbrs[-1] - _repeats(pick(here, method="1nn"))).max()))
        gaps[head] = max(apart)
    text = ", ".join(f"{head} head {gap:.3f}" for head, gap in gaps.items())
    yield _row(
        "LBRS goes to the accuracy of the 1-NN", "5.2", name,
        f"largest difference at alpha {bias[-1]:g}: {text}",
        _verdict(max(gaps.values()) < 0.01, min(gaps.values()) < 0.01), sweep,
    )  # fmt: skip

    for kind, what in (("transfer", "attacks made against the CNN"),
                       ("adaptive", "attacks made against each classifier")):  # fmt: skip
        for norm in ("l2", "linf"):
            here = pick(rows, norm=norm, attack=kind)
            if here:
                yield _holds_longer(name, here, what, norm, attack)
    gains = {norm: _gain(pick(rows, norm=norm, attack="transfer")) for norm in ("l2", "linf")}
    l2, linf = gains["l2"], gains["linf"]
    if l2 is not None and linf is not None:
        text = f"l2 {l2:+.3f}; linf {linf:+.3f}"
        yield _row(
            "the gain of LBRS over NS is larger for linf attacks", "5.2", name,
            f"mean gain over the attack radii, tanh head, attacks made against the CNN: {text}",
            _verdict(linf > l2 and linf > 0), attack,
        )  # fmt: skip


def _holds_longer(name: str, rows: Rows, what: str, norm: str, figure: str) -> dict[str, str]:
    """Of either head: ahead of NS at the largest radius and on average over the radii above 0.

    In part: on average only. The base network is named too, for NS may only equal it.
    """
    radius, ns = _method(rows, "ns", "tanh")
    texts, ahead = [], []
    for text, method, head in (
        ("CNN", "cnn", None),
        ("NS", "ns", "tanh"),
        ("LBRS logit", "lbrs", "logit"),
        ("LBRS tanh", "lbrs", "tanh"),
        ("1-NN", "1nn", None),
    ):
        _, own = _method(rows, method, head)
        texts.append(f"{text} {own[1:].mean():.3f}, {_spread(own[-1])}")
        if method == "lbrs":
            on_average = own[1:].mean() > ns[1:].mean() + _SLACK
            ahead.append((on_average and own[-1].mean() > ns[-1].mean() + _SLACK, on_average))
    return _row(
        f"LBRS keeps its accuracy to larger {norm} attacks than NS", "5.2", f"{name}, {what}",
        f"mean over the radii, and at {radius[-1]:g}: {'; '.join(texts)}",
        _verdict(any(a for a, _ in ahead), any(a for _, a in ahead)), figure,
    )  # fmt: skip


def _gain(rows: Rows) -> float | None:
    if not rows:
        return None
    _, ns = _method(rows, "ns", "tanh")
    _, lbrs = _method(rows, "lbrs", "tanh")
    return float(lbrs[1:].mean() - ns[1:].mean())


def _method(rows: Rows, method: str, head: str | None) -> tuple[NDArray, NDArray]:
    """Accuracy along the radius at the setting that was measured at every radius."""
    chosen = pick(rows, method=method, head=head)
    radii = {r["radius"] for r in chosen}
    settings = {r["parameter"] for r in chosen}
    full = [
        p for p in settings if {r["radius"] for r in pick(chosen, parameter=p)} == radii
    ]  # the fixed one; under adaptive attacks the largest
    return curve(pick(chosen, parameter=max(full, key=lambda p: p or 0.0)), "radius")


def _repeats(rows: Rows) -> NDArray:
    """Accuracies in the order of seeds and draws, as ``curve`` has them."""
    ordered = sorted(rows, key=lambda r: (r["seed"], -1 if r["draw"] is None else r["draw"]))
    return np.array([r["correct"] / r["inputs"] for r in ordered])


def _spread(values: NDArray) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} [{values.min():.3f}, {values.max():.3f}]"
