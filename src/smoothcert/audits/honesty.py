"""What a table of certificates says as a whole: the failure probability of all of it together,
and how much of a result was chosen on the inputs that measure it.

*Together.* Each certificate is wrong with probability at most alpha; that one of N is wrong has a
probability of up to 1 - (1 - alpha)^N. To have all of them right at once with probability
1 - alpha, each gets alpha / N (Bonferroni), read from the same votes.

*Chosen.* Papers report at each radius the best of several scales and settings, chosen on the test
inputs. What the choice is worth on inputs that did not make it comes from cross-validation: choose
on all folds but one, measure on that one. Two folds are what a careful user has who keeps half of
the inputs; ten come near to a choice on all inputs. Random folds are drawn ``repeats`` times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from smoothcert.audits.base import Audit, Result, Subject
from smoothcert.audits.coverage import Procedure
from smoothcert.audits.settings import HonestySettings
from smoothcert.budget import BUDGETS, Budget, Fixed
from smoothcert.certificates import ABSTAIN, CertificateTable, metrics
from smoothcert.certificates.certification import certify
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.routed import Route
from smoothcert.certificates.runs import AXES, Run, read_runs
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.report import curves
from smoothcert.report.numbers import PERCENT, Label, Metric, Number, Row, acr, frame, gain, share
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, Verdict
from smoothcert.votes import VoteStore

Floats = NDArray[np.float64]

STREAM = "held-out-folds"


@dataclass(frozen=True)
class Family:
    """N inputs under one budget, each at its alpha and all together.

    ``plain`` and ``joint`` are the certificates at alpha and at alpha / N, from the same votes.
    ``expected`` wrong certificates are estimated with the class probabilities at their observed
    shares (None where the size depends on the votes, or an estimator has some); alpha allows N
    alpha. ``quantile`` is the most that are wrong with probability 0.999.
    """

    plain: CertificateTable
    joint: CertificateTable
    alpha: float
    any_wrong: float  # probability, at most
    quantile: int
    expected: float | None
    any_wrong_estimate: float | None

    @property
    def certified(self) -> int:
        """Certificates that claim something."""
        return int((self.plain.predict != ABSTAIN).sum())


def together(store: VoteStore, budget: Budget) -> Family:
    """The certificates of a store as a family.

    Raises SmoothcertError where the store has too few samples for the budget.
    """
    noise, n = NOISES.parse(store.identity["noise"]), len(store)
    if n == 0:
        raise SmoothcertError("honesty: the store has no inputs")
    plain = certify(store, budget, noise)
    joint = certify(store, shared(budget, n, noise.table_failure_probability), noise)
    expected = estimate = None
    if isinstance(budget, Fixed) and Route.of(store) is None:
        count, size = plain.columns["count"], plain.columns["n"]
        wrong = np.array([_failure(k / m, int(m), budget.alpha)
                          for k, m in zip(count, size, strict=True)])  # fmt: skip
        expected, estimate = float(wrong.sum()), float(1 - np.prod(1 - wrong))
    return Family(
        plain, joint, budget.alpha, float(1 - (1 - budget.alpha) ** n),
        metrics.most_wrong(n, budget.alpha), expected, estimate,
    )  # fmt: skip


def shared(budget: Budget, n: int, table: float = 0.0) -> Budget:
    """The budget at alpha / n, where ``table`` of alpha is spent once for all inputs.

    A certificate takes ``table`` off its alpha (Budget.beside), so it is put back on top here.
    A budget without sampling error has nothing to share.
    """
    if budget.alpha == 0:
        return budget
    if not table < budget.alpha:
        raise SmoothcertError(
            f"alpha {budget.alpha:g}: expected more than {table:g}, the failure probability of the"
            " radius table"
        )
    return replace(budget, alpha=table + (budget.alpha - table) / n)


def _failure(p: float, n: int, alpha: float) -> float:
    """P(the bound of n votes exceeds p and 1/2) for a class of probability p."""
    return Procedure(np.full(2, n), alpha, "fresh", False).failure(p)


def together_verdicts(family: Family, subject: str) -> list[Verdict]:
    """The table as a whole, as it is often read and as it can be made to hold."""
    n, alpha = len(family.plain), family.alpha
    acr = [float(metrics.average_certified_radius(t).value) for t in (family.plain, family.joint)]
    numbers: dict[str, Any] = {
        "inputs": n, "certified": family.certified, "alpha": alpha,
        "any_wrong_at_most": family.any_wrong, "expected_at_most": n * alpha,
        "quantile_999": family.quantile, "expected": family.expected,
        "any_wrong_estimate": family.any_wrong_estimate, "acr": acr[0], "acr_joint": acr[1],
    }  # fmt: skip
    estimate = family.any_wrong_estimate
    said = (
        f"{n} inputs at alpha = {alpha:g} each: at least one certificate is wrong with probability"
        f" up to {family.any_wrong:.3f}; at most {family.quantile} are, with probability 0.999"
    )
    if estimate is not None:
        said += f"; at the observed vote shares {estimate:.3f} and {family.expected:.2f} wrong"
    word = BROKEN if estimate is not None and estimate > alpha else NOT_FOUND
    joint = (
        f"union bound at alpha / {n} each, from the same votes: ACR {acr[1]:.4f} instead of"
        f" {acr[0]:.4f}, abstentions {int((family.joint.predict == ABSTAIN).sum())} instead of"
        f" {int((family.plain.predict == ABSTAIN).sum())}"
    )
    return [
        Verdict(
            "treating alpha as a table-wide error rate: all certificates are correct with"
            " probability 1 - alpha",
            subject, word, said, False, numbers,
        ),
        Verdict(
            "at alpha / N each, all certificates of the table are correct with probability"
            " 1 - alpha", subject, HOLDS, joint, True, numbers,
        ),
    ]  # fmt: skip


# --- choosing ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """The best of M tables at each of R radii, chosen on the inputs themselves or on others.

    ``optimism`` [R]: the envelope less the accuracy of a choice made on other inputs, with its
    interval over inputs; ``acr`` the same for choosing one table by its ACR. ``folds`` [F] how
    many folds, one Choice each.
    """

    folds: int
    radii: Floats
    envelope: Floats  # [R]
    held_out: Floats  # [R]
    optimism: Estimate  # [R]
    acr_best: float
    acr: Estimate  # optimism of the best ACR
    different: int  # how many of the M are best at some radius


def choices(
    tables: Sequence[CertificateTable],
    radii: Floats,
    folds: int = 10,
    repeats: int = 20,
    seed: int = 0,
    strict: bool = False,
) -> Choice:
    """Cross-validate the choice of the best table at each radius.

    Ties are broken by ACR, then by order. Raises SmoothcertError for fewer than two tables, tables
    of other inputs, or fewer inputs than folds.
    """
    if len(tables) < 2:
        raise SmoothcertError("honesty: choosing a setting needs at least two certificate tables")
    tables = metrics.common_inputs(tables)
    n = len(tables[0])
    if not 2 <= folds <= n:
        raise SmoothcertError(f"folds {folds}: expected 2 to {n}, the number of inputs")
    each = np.stack([metrics.certified(t, radii, strict) for t in tables])  # [M, R, N]
    reach = np.stack([metrics.certified_radius(t) for t in tables])  # [M, N]
    held = np.zeros(each.shape[1:])
    held_reach = np.zeros(n)
    for repeat in range(repeats):
        fold = numpy_generator(seed, STREAM, folds, repeat).permutation(np.arange(n) % folds)
        for own in range(folds):
            here = fold == own
            best, top = _best(each[:, :, ~here], reach[:, ~here])
            held[:, here] += each[best[:, None], np.arange(len(radii))[:, None], here.nonzero()[0]]
            held_reach[here] += reach[top, here]
    held, held_reach = held / repeats, held_reach / repeats
    best, top = _best(each, reach)
    chosen = each[best, np.arange(len(radii))].astype(np.float64)  # [R, N]
    gaps = [metrics.mean_difference(*pair, most=1.0) for pair in zip(chosen, held, strict=True)]
    optimism = metrics.Estimate(
        np.array([float(g.value) for g in gaps]), np.array([float(g.low) for g in gaps]),
        np.array([float(g.high) for g in gaps]), n,
    )  # fmt: skip
    return Choice(
        folds, radii, chosen.mean(1), held.mean(1), optimism, float(reach[top].mean()),
        metrics.mean_difference(reach[top], held_reach), len(np.unique(best[chosen.any(1)])),
    )  # fmt: skip


def _best(each: NDArray[np.bool_], reach: Floats) -> tuple[NDArray[np.int64], int]:
    """The best table at each radius [R], and the one of the best ACR."""
    order = np.argsort(-reach.mean(1), kind="stable")
    return order[each[order].sum(2).argmax(0)], int(order[0])


def choice_verdict(found: Choice, settings: int, subject: str) -> Verdict:
    """BROKEN where the optimism at some radius is above 0 with 95% confidence for all at once."""
    at = int(found.optimism.value.argmax())
    value, n = 100 * float(found.optimism.value[at]), found.optimism.inputs
    half = 100 * (float(found.optimism.value[at]) - float(found.optimism.low[at]))
    # The interval of one radius of R, made to hold for the worst of them (Bonferroni).
    widened = half * float(_z(0.05 / len(found.radii)) / _z(0.05))
    numbers = {
        "settings": settings, "folds": found.folds, "inputs": n,
        "largest_points": value, "radius": float(found.radii[at]),
        "mean_points": 100 * float(found.optimism.value.mean()),
        "acr_best": found.acr_best, "acr_optimism": float(found.acr.value),
    }  # fmt: skip
    evidence = (
        f"best of {settings} settings ({found.different} of them at some radius), chosen on the"
        f" {n} inputs that measure it or on others ({found.folds} folds): optimism up to"
        f" {value:.1f} points (+-{widened:.1f}, radius {found.radii[at]:.3g}), on average"
        f" {100 * found.optimism.value.mean():.2f}; the best ACR {found.acr_best:.4f} by"
        f" {float(found.acr.value):.4f}"
    )
    word = BROKEN if value - widened > 0 else NOT_FOUND
    promise = "the best setting at each radius does equally well on held-out inputs"
    return Verdict(promise, subject, word, evidence, False, numbers)


def _z(alpha: float) -> float:
    return float(ndtri(1 - alpha / 2))


# --- the audit -----------------------------------------------------------------------------

FOLDS = (2, 10)
Labels = Mapping[Any, Label]


class Honesty(Audit[HonestySettings]):
    """The subject is vote stores (all certificates of each at once, under ``budget``), tables
    (those that differ in scale and scaling only are one choice of the best), or both.

    The rows are a result frame. By ``part``: ``together`` and ``optimism`` are the rows of the
    tables, ``curve`` certified accuracy at every radius where it steps.
    """

    def run(self, subject: Subject, settings: HonestySettings) -> Result:
        """Raises SmoothcertError where there is nothing to judge."""
        if not (subject.votes or subject.tables):
            raise SmoothcertError("audit honesty: expected --votes, TABLEs, or both")
        verdicts: list[Verdict] = []
        families = _families(subject, settings, verdicts)
        rows: list[Row] = []
        if families:
            plain = [family.plain for _, family in families]
            radii = metrics.parse_radii(settings.radii or metrics.default_radii(plain, most=8))
            for labels, family in families:
                rows += _together(labels, family, radii)
        for labels, family in families:
            rows += _curves(labels, family)
        rows += _choices(subject, settings, verdicts)
        return Result(verdicts, frame("honesty", rows))


def _families(
    subject: Subject, settings: HonestySettings, verdicts: list[Verdict]
) -> list[tuple[Labels, Family]]:
    if subject.votes and settings.budget is None:
        raise SmoothcertError("budget is missing: give --budget or --spec")
    found: list[tuple[Labels, Family]] = []
    for path in subject.votes:
        store = VoteStore.read(path)
        about = store.identity
        parts = (about.get("dataset"), about.get("training"), about["noise"], about.get("scaling"))
        name = ", ".join(str(p) for p in parts if p)
        family = together(store, BUDGETS.parse(str(settings.budget)))
        verdicts += together_verdicts(family, f"{name}, {settings.budget}")
        axes = {axis: about[axis] for axis in AXES if axis in about}
        found.append(({"subject": name, **axes, "budget": settings.budget}, family))
    return found


def _readings(subject: Labels, family: Family) -> list[tuple[dict[Any, Label], CertificateTable]]:
    n, alpha = len(family.plain), family.alpha
    return [
        ({**subject, "level": f"α = {alpha:g} each", "reading": "each"}, family.plain),
        ({**subject, "level": f"α/N, N = {n}", "reading": "joint"}, family.joint),
    ]


def _together(subject: Labels, family: Family, radii: Floats) -> list[Row]:
    """Each certificate at alpha, all of them at once at alpha / N, and certified accuracy at
    alpha less what may be wrong (Cohen et al. 2019, section 4, with the exact binomial quantile
    at 1 - alpha)."""
    n, alpha = len(family.plain), family.alpha
    rows: list[Row] = []
    for (labels, table), chance in zip(
        _readings(subject, family), (family.any_wrong, alpha), strict=True
    ):
        accuracy = metrics.certified_accuracy(table, radii)
        rows.append(
            {
                "part": "together",
                **labels,
                "any_wrong": f"{chance:.3g}",
                "abstained": int((table.predict == ABSTAIN).sum()),
                "acr": acr(metrics.average_certified_radius(table)),
                **{Metric(curves.ACCURACY, float(r)): share(accuracy[i])
                   for i, r in enumerate(radii)},
            }
        )  # fmt: skip
    level = f"α = {alpha:g} each, at most {family.quantile} wrong subtracted"
    labels = {**subject, "level": level, "reading": "corrected", "any_wrong": f"{alpha:.3g}"}
    return [*rows, {"part": "together", **labels, **_corrected(family, radii, n)}]


def _corrected(family: Family, radii: Floats, n: int) -> Row:
    below = metrics.corrected_accuracy(family.plain, radii, family.alpha, rho=family.alpha or 0.001)
    return {
        Metric(curves.ACCURACY, float(r)): Number(100 * float(b), inputs=n, unit=PERCENT)
        for r, b in zip(radii, below, strict=True)
    }


def _curves(subject: Labels, family: Family) -> list[Row]:
    norm, n = family.plain.single("norm") or "l2", len(family.plain)
    rows: list[Row] = [
        {"part": "curve", "norm": norm, **labels, **curves.curve([table], strict=False)}
        for labels, table in _readings(subject, family)
    ]
    labels = {"part": "curve", "norm": norm, **subject, "reading": "corrected"}
    return [*rows, {**labels, **_corrected(family, curves.breakpoints([family.plain]), n)}]


def _choices(subject: Subject, settings: HonestySettings, verdicts: list[Verdict]) -> list[Row]:
    def key(run: Run) -> tuple[str, ...]:
        parts = (run.dataset, run.arch, run.recipe, run.noise_name, run.budget)
        return tuple(str(p or "-") for p in parts)

    rows: list[Row] = []
    runs = sorted(read_runs(subject.tables), key=key)
    tables = [run.table for run in runs]
    radii = (
        metrics.default_radii(tables, most=10)
        if settings.radii is None
        else metrics.parse_radii(settings.radii)
    )
    for name, group in groupby(runs, key=key):
        members = [run.table for run in group]
        if len(members) < 2:
            continue
        for folds in FOLDS:
            choice = choices(members, radii, folds, settings.repeats, settings.seed)
            verdicts.append(choice_verdict(choice, len(members), ", ".join(name)))
            rows.append({
                "part": "optimism", "subject": ", ".join(name[:3]), "dataset": name[0],
                "arch": name[1], "recipe": name[2], "settings": len(members),
                "folds": folds, "acr": gain(choice.acr),
                **{Metric("points", float(r)): share(choice.optimism[i])
                   for i, r in enumerate(choice.radii)},
            })  # fmt: skip
    if subject.tables and not rows:
        raise SmoothcertError(
            "audit honesty: expected two TABLEs that differ only in noise scale or scaling"
        )
    return rows
