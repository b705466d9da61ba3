"""Tables of the audits of statistical honesty and of numerics."""

from __future__ import annotations

from collections.abc import Sequence

from smoothcert.audits.honesty import Choice, Family
from smoothcert.audits.numerics import Outcome
from smoothcert.audits.numerics_verdicts import Difference
from smoothcert.certificates import ABSTAIN, metrics
from smoothcert.report.printing import number
from smoothcert.report.table import Column, Entry, Table, acr, share, words


def families(members: Sequence[tuple[str, Family]], radii: metrics.Radii) -> Table:
    """Two rows a family: each certificate at alpha, and all of them at once at alpha / N.

    A third row has certified accuracy at alpha less what may be wrong (Cohen et al. 2019, section
    4, with the exact binomial quantile at 1 - alpha).
    """
    at = metrics.parse_radii(radii)
    columns = (
        Column("subject", "certificates"),
        Column("level", "failure probability"),
        Column("inputs", "inputs"),
        Column("any_wrong", "P(any wrong) at most"),
        Column("abstained", "abstained"),
        Column("acr", "ACR", measured=True),
        *(Column(f"accuracy_percent_{number(float(r))}", f"≥ {number(float(r))}", measured=True)
          for r in at),
    )  # fmt: skip
    rows: list[dict[str, Entry]] = []
    for subject, family in members:
        n, alpha = len(family.plain), family.alpha
        for level, table, chance in (
            (f"α = {alpha:g} each", family.plain, family.any_wrong),
            (f"α/N, N = {n}", family.joint, alpha),
        ):
            found = metrics.certified_accuracy(table, at)
            rows.append({
                "subject": words(subject), "level": words(level), "inputs": words(n),
                "any_wrong": words(f"{chance:.3g}"),
                "abstained": words(int((table.predict == ABSTAIN).sum())),
                "acr": acr(metrics.average_certified_radius(table)),
                **{f"accuracy_percent_{number(float(r))}": share(found[i])
                   for i, r in enumerate(at)},
            })  # fmt: skip
        corrected = metrics.corrected_accuracy(family.plain, at, alpha, rho=alpha)
        rows.append({
            "subject": words(subject),
            "level": words(f"α = {alpha:g} each, at most {family.quantile} wrong taken off"),
            "inputs": words(n), "any_wrong": words(f"{alpha:.3g}"),
            **{f"accuracy_percent_{number(float(r))}":
               Entry(f"{100 * corrected[i]:.1f}", numbers=(100 * float(corrected[i]), None, None,
                                                           None))
               for i, r in enumerate(at)},
        })  # fmt: skip
    notes = (
        "All rows of a table are read from the same votes. α/N: every certificate of the table is"
        " right at once with probability 1 - α (Bonferroni). Last row: accuracy of the first, less"
        " the share that may be wrong with probability above α (exact binomial quantile); it"
        " bounds the accuracy on these inputs, and says nothing of a single one.",
        "Brackets: 95% intervals for the number of inputs.",
    )
    title = "Certificates one by one and all at once"
    return Table(title, columns, _filled(rows, columns), notes)


def optimism(members: Sequence[tuple[str, int, Choice]]) -> Table:
    """A row for each (subject, settings, choice): what choosing on the test inputs adds."""
    radii: list[float] = members[0][2].radii.tolist() if members else []
    columns = (
        Column("subject", "certificates"),
        Column("settings", "settings"),
        Column("folds", "folds"),
        Column("inputs", "inputs"),
        Column("acr", "best ACR: optimism", measured=True),
        *(Column(f"points_{number(float(r))}", f"≥ {number(float(r))}", measured=True)
          for r in radii),
    )  # fmt: skip
    rows = []
    for subject, settings, choice in members:
        row = {
            "subject": words(subject), "settings": words(settings), "folds": words(choice.folds),
            "inputs": words(choice.optimism.inputs), "acr": _small(choice.acr),
        }  # fmt: skip
        for i, r in enumerate(choice.radii):
            row[f"points_{number(float(r))}"] = share(choice.optimism[i])
        rows.append(row)
    notes = (
        "Points of certified accuracy by which the best setting for each radius, chosen on the"
        " inputs that measure it, is above one chosen on other inputs (cross-validated, random"
        " folds averaged). Brackets: 95% intervals over inputs.",
    )
    title = "Optimism of choosing on the test inputs (points)"
    return Table(title, columns, _filled(rows, columns), notes)


def arithmetic(rows: Sequence[tuple[Outcome, Difference]], subject: str) -> Table:
    """A row a variant of the arithmetic: what it changed of the certificates, and its cost."""
    columns = (
        Column("variant", "arithmetic"),
        Column("votes", "votes changed (per million)"),
        Column("predictions", "predictions changed"),
        Column("radii", "radii changed"),
        Column("largest", "largest change"),
        Column("acr", "ACR", measured=True),
        Column("carried", "ACR carried over"),
        Column("microseconds", "µs a vote"),
    )
    out = []
    for outcome, d in rows:
        own = outcome.differ is not None
        rate = 1e6 * d.votes / d.of_votes
        out.append({
            "variant": words(outcome.variant),
            "votes": Entry(f"{rate:.1f}", numbers=(rate, None, None, None)) if own else words(None),
            "predictions": words(d.predictions if own else None),
            "radii": words(d.radii if own else None),
            "largest": words(f"{d.largest:.2g}" if own else None),
            "acr": acr(metrics.average_certified_radius(outcome.table)),
            "carried": words(None if d.acr_carried is None else f"{d.acr_carried:.4f}"),
            "microseconds": words(f"{1e6 * d.seconds:.1f}"),
        })  # fmt: skip
    notes = (
        f"{subject}; {len(rows[0][0].table)} inputs, {rows[0][0].n:,} votes each, the same noise"
        " for every row but the lattice's. Carried over: certificates of the first row for the"
        " row's classifier, sound by the share of votes in which they differ (α split in two).",
        "µs: CPU time on a CPU (one thread), wall time on a GPU; without drawing the noise, but for"
        " the lattice's.",
    )
    return Table("The same certificates in other arithmetic", columns, out, notes)


def _small(estimate: metrics.Estimate) -> Entry:
    """A difference of ACRs near 0, to nearest: rounding it down would make it negative."""
    value, low, high = (float(v) for v in (estimate.value, estimate.low, estimate.high))
    text = f"{value:.4f}" if abs(value) >= 5e-5 else "0.0000"
    return Entry(text, f"[{low:.4f}, {high:.4f}]", numbers=(value, low, high, None))


def _filled(rows: list[dict[str, Entry]], columns: Sequence[Column]) -> list[dict[str, Entry]]:
    return [{c.key: row.get(c.key, Entry()) for c in columns} for row in rows]
