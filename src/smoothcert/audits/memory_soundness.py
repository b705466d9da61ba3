"""The audit of certificates at input-dependent scales, without memory and with it.

Six promises of one table of raw certificates (before any memory):

1. no two certified balls with different predictions intersect (the data set itself);
2. with memory, the metrics do not depend on the order of the data set;
3. the data-dependent classifier, without memory, is constant on a certified ball;
4. at the frozen scale of the certificate, it is (what Cohen's theorem says);
5. the scale varies so little inside a ball that (4) implies (3) for any base classifier;
6. with memory, attacked in either order, no two stored balls clash, and what lies in a stored
   ball gets its class; and whether a certificate depends on what was asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smoothcert.audits.adversary import Searched, search
from smoothcert.audits.base import WITNESS, Audit, Result, Subject
from smoothcert.audits.columns import ATTACKED as COLUMNS
from smoothcert.audits.deployed import Balls, Deployed
from smoothcert.audits.either_order import either_order
from smoothcert.audits.mismatch import Variation, variation
from smoothcert.audits.orders import spread
from smoothcert.audits.overlap import Overlaps, overlaps
from smoothcert.audits.settings import Effort, MemorySoundnessSettings
from smoothcert.audits.subjects import certified
from smoothcert.audits.subset import evenly
from smoothcert.audits.witness import Witnesses, confirm
from smoothcert.budget import BUDGETS
from smoothcert.budget.fixed import Fixed
from smoothcert.certificates import CertificateTable, memory, metrics
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.provenance import ANSWERS
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, NOT_RUN, Verdict
from smoothcert.scaling import SCALINGS

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]

CONSTANT = ("fixed", "ramp")  # scalings that give every query one scale


@dataclass(frozen=True)
class Report:
    """Verdicts, the witnesses (W may be 0), and what each attacked ball had to say."""

    verdicts: list[Verdict]
    witnesses: Witnesses
    rows: pd.DataFrame


class MemorySoundness(Audit[MemorySoundnessSettings]):
    """The subject is one table of raw certificates and its model."""

    def run(self, subject: Subject, settings: MemorySoundnessSettings) -> Result:
        """Raises SmoothcertError for certificates after a memory, or of unknown budget."""
        of = certified(subject, subject.table)
        slug = settings.budget or of.run.budget
        if slug is None:
            raise SmoothcertError(f"{subject.table}: its budget is unknown; give --budget")
        if "predict_raw" in of.run.table.columns:
            raise SmoothcertError(
                f"{subject.table}: changed by a memory; expected raw certificates"
            )
        scaling = SCALINGS.parse(str(of.run.scaling or "fixed"))
        attack = Attack(
            of.run.table,
            of.images,
            Deployed(of.sampler, scaling, tuple(of.images.shape[1:])),
            fixed(slug),
            f"{of.name}, {of.run.scaling}, {of.run.budget}",
            settings,
            subject.progress,
        )
        report = attack.run()
        about = {
            **of.run.axes,
            "noise": of.noise.slug,
            "scaling": scaling.slug,
            "budget": slug,
            **{k: of.run.record[k] for k in ("model_digest", ANSWERS) if k in of.run.record},
            "subject": attack.name,
            "seed": settings.seed,
        }
        witnesses = replace(report.witnesses, about=about)
        return Result(report.verdicts, report.rows, witnesses.arrays(), {"about": about})


@dataclass
class Attack:
    """One table with its images [N, *shape]; ``name`` is what it is of, in words."""

    table: CertificateTable
    images: torch.Tensor
    deployed: Deployed
    budget: Fixed
    name: str
    settings: MemorySoundnessSettings
    progress: Progress = field(default=lambda what, done, of: None)

    def __post_init__(self) -> None:
        self.norm = self.deployed.noise.norm
        self.points = self.images.reshape(len(self.images), -1).numpy()
        self.constant = self.deployed.scaling.name in CONSTANT
        self.balls = Balls.of(self.table, self.images, self.deployed.noise)
        self.attacked = self.balls[evenly(np.arange(len(self.balls)), self.settings.max)]

    def run(self) -> Report:
        """All six."""
        scan = overlaps(self.points, self.table.predict, self.table.radius, self.norm)
        verdicts = [self._overlap(scan), self._order(scan)]
        plan = self.settings
        found = search(
            self.deployed, self.attacked, plan, self.images, self.table.predict,
            seed=plan.seed, scale_seed=plan.scale_seed,
            progress=lambda done, of: self.progress("attacked", done, of),
        )  # fmt: skip
        suspects = found.suspects(self.attacked.predict)
        witnesses = confirm(
            self.deployed, self.attacked[suspects], found.x[suspects], found.tactic[suspects],
            self.budget, seed=plan.seed, seeds=plan.seeds, own_seed=plan.scale_seed,
            progress=lambda done, of: self.progress("seeds", done, of),
        )  # fmt: skip
        broken = np.zeros(len(self.attacked), bool)
        broken[suspects] = witnesses.broken(self.norm)
        contradicting = int(witnesses.contradicting(self.norm).sum())
        verdicts += [
            self._adversary(found, witnesses, broken, contradicting),
            self._frozen(witnesses),
        ]
        seen = self._variation(found)
        verdicts.append(self._mismatch(seen))
        verdicts += self._memory(found, suspects, witnesses)
        rows = self._rows(found, broken, seen, scan)
        return Report(verdicts, witnesses[witnesses.broken(self.norm)], rows)

    # --- the promises ----------------------------------------------------------------------

    def _overlap(self, scan: Overlaps) -> Verdict:
        if scan.pairs == 0:
            word, evidence = NOT_RUN, "no two certificates of different classes"
        else:
            word = BROKEN if scan.count else HOLDS
            what = "" if scan.exact else "at least "
            evidence = (
                f"{scan.count:,} of {scan.pairs:,} pairs with different predictions intersect;"
                f" the nearest pair is {what}{scan.ratio:.3f} times the sum of its radii apart,"
                f" the least margin is {what}{scan.least:.4f} ({self.norm})"
            )
        return Verdict(
            "no two certified balls with different predictions intersect", self.name, word,
            evidence, ours=False,
            numbers={
                "certificates": len(self.table), "balls": scan.balls, "pairs": scan.pairs,
                "intersecting": scan.count, "least_margin": scan.least, "least_ratio": scan.ratio,
                "exact": scan.exact,
                "margins": _quantiles(scan.margin[np.isfinite(scan.margin)]),
                "pairs_shown": np.stack([
                    self.table.idx[scan.left[:20]], self.table.idx[scan.right[:20]]
                ], 1),
            },
        )  # fmt: skip

    def _order(self, scan: Overlaps) -> Verdict:
        promise = "with memory, certified accuracy and ACR do not depend on the order of inputs"
        orders = memory.random_orders(len(self.table), self.settings.orders, self.settings.seed)
        if not orders:
            return Verdict(promise, self.name, NOT_RUN, "no random orders requested")
        radii = metrics.default_radii([self.table], most=8)
        result = spread(self.table, self.points, orders, radii)
        numbers = result.summary()
        if result.varies:
            acr = result.acr
            word, evidence = (
                BROKEN,
                (
                    f"in {len(orders)} random orders ACR {acr.mean():.4f} +- {acr.std():.4f}, from"
                    f" {acr.min():.4f} to {acr.max():.4f}; certified accuracy differs by up to"
                    f" {np.ptp(result.accuracy, 0).max():.2f} points at a radius"
                ),
            )
        elif scan.count == 0:
            word, evidence = (
                HOLDS,
                (
                    f"no pair intersects, so the memory changes nothing in any order (ACR"
                    f" {result.acr[0]:.4f} in each of {len(orders)})"
                ),
            )
        else:
            word, evidence = (
                NOT_FOUND,
                (f"the same metrics in {len(orders)} random orders, ACR {result.acr[0]:.4f}"),
            )
        return Verdict(promise, self.name, word, evidence, numbers=numbers)

    def _adversary(
        self, found: Searched, witnesses: Witnesses, broken: np.ndarray, contradicting: int
    ) -> Verdict:
        promise = "as deployed without memory, the classifier is constant on each certified ball"
        if len(self.attacked) == 0:
            return Verdict(promise, self.name, NOT_RUN, "no certificate with a radius")
        below = self.attacked.sigma < self.deployed.noise.scale
        tried, hits = len(broken), int(broken.sum())
        log = found.log.arrays()
        how_hard = (
            f"{len(log['ball']):,} proposals by {len(set(log['tactic']))} tactics,"
            f" {self.deployed.searches:,} searches for a scale"
        )
        confirmed = (
            f"predicted as another class (alpha {self.budget.alpha:g}, n {self.budget.n:,}) for"
            f" the certificate's own seed and most of {self.settings.seeds}"
        )
        effort = self.settings.model_dump(include=set(Effort.model_fields))
        numbers: dict[str, Any] = {
            "attacked": tried, "broken": hits, "fraction": hits / tried,
            "contradicting": contradicting,
            "attacked_below_sigma_0": int(below.sum()),
            "broken_below_sigma_0": int((broken & below).sum()),
            "suspects": len(witnesses),
            "false_breaks_expected_at_most": len(witnesses) * self.budget.alpha,
            "proposals": len(log["ball"]), "searches": self.deployed.searches,
            "best_lead": _quantiles(found.lead),
            "by_tactic": _by_tactic(log, found.tactic[broken]),
            "broken_idx": self.attacked.idx[broken], "effort": effort,
        }  # fmt: skip
        if hits:
            evidence = (
                f"{hits} of {tried} certificates broken ({100 * hits / tried:.1f}%;"
                f" {int((broken & below).sum())} of {int(below.sum())} whose scale is below"
                f" sigma_0): an input inside the ball is {confirmed}; {contradicting} of these"
                f" inputs are certified for the other class; {how_hard}"
            )
            return Verdict(promise, self.name, BROKEN, evidence, self.constant, numbers, WITNESS)
        evidence = (
            f"none of {tried} certificates: no input was {confirmed}; {how_hard}; at best"
            f" another class led by {100 * found.lead.max():.0f}% of the votes"
        )
        return Verdict(promise, self.name, NOT_FOUND, evidence, self.constant, numbers)

    def _frozen(self, witnesses: Witnesses) -> Verdict:
        promise = "at the frozen scale of its certificate, the prediction is constant on the ball"
        if len(witnesses) == 0:
            return Verdict(
                promise,
                self.name,
                NOT_RUN,
                "no counterexample candidate inside any ball",
                ours=True,
            )
        lost = (witnesses.frozen >= 0) & (witnesses.frozen != witnesses.predict_1)
        expected = 2 * len(witnesses) * self.budget.alpha
        word = BROKEN if lost.sum() > max(1, 10 * expected) else HOLDS
        return Verdict(
            promise, self.name, word,
            f"of the {len(witnesses)} attacking inputs, {int(lost.sum())} are predicted as"
            f" another class at the scale of their ball"
            f" (at most {expected:.2g} expected by chance)",
            ours=True, numbers={"inputs": len(witnesses), "other_class": int(lost.sum())},
        )  # fmt: skip

    def _mismatch(self, seen: Variation | None) -> Verdict:
        promise = (
            "inside a ball the scale varies too little to invalidate the certificate at a query"
        )
        if seen is None or len(seen.largest) == 0:
            why = "derived for Gaussian noise only" if seen is None else "no certificate"
            return Verdict(promise, self.name, NOT_RUN, why)
        radius, beyond = self.attacked.radius, seen.unimplied
        word = BROKEN if beyond.any() else NOT_FOUND
        evidence = (
            f"in {int(beyond.sum())} of {len(beyond)} balls a query's scale was seen beyond what"
            f" the exact noncentral chi-square condition allows: |ln sigma*(x2)/sigma*(x1)| up to"
            f" {np.median(seen.largest):.3f} (median; most {seen.largest.max():.3f}), allowed at"
            f" most {np.median(seen.limit):.3f}; a radius sound in any order is at most"
            f" {seen.fallback.mean():.3f} on average, of {radius.mean():.3f} certified"
        )
        return Verdict(
            promise, self.name, word, evidence, ours=self.constant,
            numbers={
                "balls": len(beyond), "beyond": int(beyond.sum()),
                "largest": _quantiles(seen.largest), "allowed": _quantiles(seen.limit),
                "kappa": _quantiles(seen.kappa), "radius": _quantiles(radius),
                "fallback_radius": _quantiles(seen.fallback),
                "mean_radius": radius.mean(), "mean_fallback_radius": seen.fallback.mean(),
            },
        )  # fmt: skip

    def _memory(self, found: Searched, suspects: np.ndarray, witnesses: Witnesses) -> list[Verdict]:
        """Every best proposal attacks the memory, certified as far as its votes allow."""
        promises = (
            "with memory, in either order, no two stored balls conflict and queries respect them",
            "with memory, a certificate does not depend on earlier queries",
        )
        if len(self.attacked) == 0:
            return [
                Verdict(p, self.name, NOT_RUN, "no certificate with a radius") for p in promises
            ]
        top = found.votes.argmax(1)
        bound = clopper_pearson_lower(
            found.votes.max(1), np.maximum(found.votes.sum(1), 1), self.budget.alpha
        )
        radius = self.deployed.noise.radius(bound, found.sigma, self.deployed.d)
        # Those that were confirmed have a certificate of their own.
        confirmed = witnesses.radius_2[:, 0] > 0
        top[suspects[confirmed]] = witnesses.predict_2[confirmed, 0]
        radius[suspects[confirmed]] = witnesses.radius_2[confirmed, 0]
        where = {int(idx): i for i, idx in enumerate(self.table.idx)}
        target = np.array([where[int(idx)] for idx in self.attacked.idx])
        after, before = either_order(
            self.points, self.table.predict, self.table.radius, found.x.numpy(),
            np.where(radius > 0, top, -1), radius, target, self.norm,
        )  # fmt: skip
        numbers = {"inputs_first": asdict(after), "attack_first": asdict(before)}
        clash = after.clashes + before.clashes
        disobeyed = after.inside - after.obeyed + before.inside - before.obeyed
        m = len(target)
        held = Verdict(
            promises[0], self.name, BROKEN if clash or disobeyed else HOLDS,
            f"{m} attacking inputs after the {len(self.table)} of the data set, and before them:"
            f" {clash} clashes among all pairs; of {after.inside} and {before.inside} attacking"
            f" inputs inside a stored ball, {disobeyed} got another answer",
            ours=True, numbers=numbers,
        )  # fmt: skip
        spoiled = before.captured + before.trimmed
        free = Verdict(
            promises[1], self.name, BROKEN if spoiled else NOT_FOUND,
            f"queried first, {m} attacking inputs changed the class of {before.captured} inputs and"
            f" cut the radius of {before.trimmed}; {before.lost / max(m, 1):.3f} of radius lost an"
            " attacked input",
            numbers=numbers,
        )  # fmt: skip
        return [held, free]

    # --- what they rest on -----------------------------------------------------------------

    def _variation(self, found: Searched) -> Variation | None:
        if self.deployed.noise.name != "gaussian":
            return None
        log, of = found.log.arrays(), self.attacked
        return variation(
            log["ball"], log["distance"], log["sigma"], of.sigma, of.radius, of.p_lower,
            self.deployed.d,
        )  # fmt: skip

    def _rows(
        self, found: Searched, broken: np.ndarray, seen: Variation | None, scan: Overlaps
    ) -> pd.DataFrame:
        where = {int(idx): i for i, idx in enumerate(self.table.idx)}
        rows = []
        for i in range(len(self.attacked)):
            of = where[int(self.attacked.idx[i])]
            row = {
                "idx": self.attacked.idx[i], "label": self.attacked.label[i],
                "predict": self.attacked.predict[i], "radius": self.attacked.radius[i],
                "sigma": self.attacked.sigma[i], "p_lower": self.attacked.p_lower[i],
                "margin": scan.margin[of], "broken": int(broken[i]), "tactic": found.tactic[i],
                "distance": found.distance[i], "sigma_x2": found.sigma[i],
                "lead": found.lead[i],
            }  # fmt: skip
            if seen is not None:
                row |= {
                    "largest": seen.largest[i], "allowed": seen.limit[i], "kappa": seen.kappa[i],
                    "beyond": int(seen.unimplied[i]), "fallback": seen.fallback[i],
                }  # fmt: skip
            rows.append(row)
        kinds = {name: COLUMNS[name] for name in (rows[0] if rows else COLUMNS)}
        return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def fixed(slug: str) -> Fixed:
    """A budget of confirming votes; another one's largest size and alpha."""
    budget = BUDGETS.parse(slug)
    return budget if isinstance(budget, Fixed) else Fixed(budget.n, budget.alpha)


def _quantiles(values: np.ndarray) -> dict[str, float]:
    """Least, median and most of values; empty for none."""
    if len(values) == 0:
        return {}
    points = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return dict(zip(("least", "low", "median", "high", "most"), points.tolist(), strict=True))


def _by_tactic(log: dict[str, np.ndarray], winners: np.ndarray) -> dict[str, dict[str, float]]:
    """Of each tactic: proposals, the share of them where another class leads, balls broken."""
    out = {}
    for name in dict.fromkeys(log["tactic"].tolist()):
        mine = log["lead"][log["tactic"] == name]
        out[name] = {
            "proposals": len(mine),
            "leads": float((mine > 0).mean()),
            "broken": int((winners == name).sum()),
        }
    return out
