"""Certified accuracy beside the accuracy that an attack on the smoothed classifier leaves.

Certified accuracy is a bound from below, the accuracy under attack one from above (up to the
noise of its votes); what lies between is undecided, and interesting in itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothcert.audits.base import Audit, Result, Subject
from smoothcert.audits.columns import UNDER_ATTACK
from smoothcert.audits.falsification import (
    Claims,
    allowed,
    differentiable,
    every_copy,
    screened,
    votes_at,
)
from smoothcert.audits.settings import Ascent, AttackAccuracySettings, Votes
from smoothcert.audits.smooth_attack import STREAM, admitted, ascend, nearest_others
from smoothcert.audits.subjects import certified
from smoothcert.certificates import CertificateTable, metrics
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import Noise
from smoothcert.report.verdict import BROKEN, NOT_FOUND, Verdict
from smoothcert.sampling.sampler import Sampler

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Robust:
    """Accuracy under attack at rising radii [R]: how many of ``inputs`` the attack left correct
    (``robust``), how many are certified there (``certified``), and how many of the latter are
    broken (``clashes``). A certificate fails with probability at most ``alpha``."""

    radii: Floats
    robust: Ints
    certified: Ints
    inputs: int
    clashes: Ints
    alpha: float


def accuracy_under_attack(
    sampler: Sampler,
    table: CertificateTable,
    images: Tensor,
    noise: Noise,
    radii: Sequence[float],
    settings: AttackAccuracySettings,
    progress: Callable[[str, int, int], None] | None = None,
) -> Robust:
    """Certified accuracy beside the accuracy that the attack leaves, at each radius (rising).

    An input that the smoothed classifier gets wrong without an attack (by ``votes`` votes, ties
    included) counts as broken at every radius; so does, from the radius at which it broke, one
    whose attacked input is classified wrongly by as many fresh votes. Each radius is attacked
    from the input, from the previous radius's point pushed outwards, and along lines to other
    inputs; nothing is certain here but the certified side.
    """
    every = _everything(table, images, noise)
    standing = np.flatnonzero(_correct(sampler, every, every.x, settings, -1))
    last = every.x.clone()
    alpha = table.optional("alpha")
    robust, certified, clashes = [], [], []
    for number, r in enumerate(radii):
        if r > 0 and len(standing):
            part = _some(every, standing, float(r))
            points = _attack(sampler, part, every, last[standing], settings, number)
            best = screened(sampler, part, points, settings)
            last[standing] = points[torch.arange(len(best)), torch.as_tensor(best)].cpu()
            held = _correct(sampler, part, last[standing], settings, number)
            standing = standing[held]
        # Strictly inside: the ball is open, and at r the attack stays just below r.
        sure = (table.correct == 1) & (table.radius >= r)
        robust.append(len(standing))
        certified.append(int(sure.sum()))
        clashes.append(int((sure & ~np.isin(np.arange(len(table)), standing)).sum()))
        if progress:
            progress(f"correct under attack at radius {r:.4g}:", len(standing), len(every))
    return Robust(
        np.asarray(radii, np.float64), np.array(robust), np.array(certified), len(every),
        np.array(clashes), 0.0 if alpha is None else float(alpha.max(initial=0.0)),
    )  # fmt: skip


def verdict(found: Robust, promise: str, subject: str, ours: bool) -> Verdict:
    """BROKEN if more certified inputs are misclassified than alpha explains; else NOT FOUND."""
    most = allowed(found.inputs, found.alpha)
    worst, at = int(found.clashes.max(initial=0)), int(found.clashes.argmax())
    gap = 100 * (found.robust - found.certified) / found.inputs
    numbers = {
        "inputs": found.inputs, "clashes": worst, "expected": found.inputs * found.alpha,
        "allowed": most, "largest_gap_points": float(gap.max()),
        "gap_radius": float(found.radii[gap.argmax()]),
    }  # fmt: skip
    evidence = (
        f"at most {worst} of the inputs certified at a radius are misclassified within it (radius"
        f" {found.radii[at]:.3g}; alpha explains at most {most}); certified accuracy and"
        f" accuracy under attack differ by at most {gap.max():.1f} points, at radius"
        f" {found.radii[gap.argmax()]:.3g}"
    )
    word = BROKEN if worst > most else NOT_FOUND
    return Verdict(promise, subject, word, evidence, ours, numbers)


def _everything(table: CertificateTable, images: Tensor, noise: Noise) -> Claims:
    """All inputs, with their labels in place of predictions."""
    sigma = table.optional("sigma")
    if sigma is None:
        raise SmoothcertError("falsification: the table lacks the column 'sigma'")
    n = len(table)
    return Claims(table.idx, table.label, table.label, np.zeros(n), sigma, np.zeros(n), 0.0,
                  noise, images, copies=every_copy(table))  # fmt: skip


def _some(every: Claims, rows: Ints, radius: float) -> Claims:
    return Claims(
        every.idx[rows], every.label[rows], every.predict[rows], np.full(len(rows), radius),
        every.scale[rows], every.p_lower[rows], 0.0, every.noise, every.x[rows],
        copies=every.copies,
    )  # fmt: skip


def _attack(
    sampler: Sampler, part: Claims, every: Claims, last: Tensor, search: Ascent, number: int
) -> Tensor:
    """Candidates [B, K, ...] at one radius."""
    target = part.target(differentiable(sampler), sampler.device)
    pool, classes = every.x.to(target.x), torch.as_tensor(every.label).to(target.y)
    norm = every.noise.norm
    near = nearest_others(target.x, target.y, pool, classes, max(1, search.inputs), norm)
    outwards = target.x + (last.to(target.x) - target.x) * 1e6
    warm = admitted(target, outwards)
    stream = 1000 + number
    points = [
        warm,
        ascend(target, warm, "lead", search, stream),
        ascend(target, target.x, "cross-entropy", search, 2 * stream),
        *(admitted(target, near[:, t]) for t in range(near.shape[1])),
    ]
    return torch.stack([admitted(target, p) for p in points], 1)


def _correct(
    sampler: Sampler, part: Claims, points: Tensor, votes: Votes, number: int
) -> NDArray[np.bool_]:
    """Whose label has more of ``votes.votes`` fresh votes than any other class."""
    held = np.zeros(len(part), np.bool_)
    for i in range(len(part)):
        purpose = f"{STREAM}-accuracy-{number + 1}"
        (counts,) = votes_at(sampler, part, [(i, points[i])], purpose, votes.votes, votes.seed)
        own = int(counts[part.label[i]])
        counts[part.label[i]] = -1
        held[i] = own > counts.max()
    return held


class AttackAccuracy(Audit[AttackAccuracySettings]):
    """The subject is one table and its model; a row a radius."""

    def run(self, subject: Subject, settings: AttackAccuracySettings) -> Result:
        """Raises SmoothcertError for a table that does not say its noise."""
        of = certified(subject, subject.table)
        table, images = of.some(settings.max)
        if settings.radii is None:
            reach = float(table.radius[np.isfinite(table.radius)].max(initial=0.0)) or 1.0
            radii = np.linspace(0, 2 * reach, 8)
        else:
            radii = metrics.parse_radii(settings.radii)
        found = accuracy_under_attack(
            of.sampler, table, images, of.noise, radii.tolist(), settings, subject.progress
        )
        kind, n = of.kind, found.inputs
        rows = [
            (kind, of.name, of.noise.norm, r, c, a, n)
            for r, c, a in zip(found.radii, found.certified, found.robust, strict=True)
        ]
        said = verdict(found, f"{kind}: no certified input is broken", of.name, of.ours)
        frame = pd.DataFrame(rows, columns=list(UNDER_ATTACK))
        return Result([replace(said, procedure=of.procedure)], frame, record={"about": of.run.axes})
