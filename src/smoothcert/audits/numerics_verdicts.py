"""What the audit of numerics concludes; what it computes is in ``numerics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betainc
from torch import Tensor, nn

from smoothcert.audits.arithmetic import bits_verdicts
from smoothcert.audits.base import Audit, Result, Subject
from smoothcert.audits.numerics import (
    AS_CERTIFIED,
    Outcome,
    Variant,
    Way,
    compare,
    gridded,
    variants,
)
from smoothcert.audits.settings import NumericsSettings
from smoothcert.audits.subjects import certified
from smoothcert.budget.incremental import break_even, equal_cost
from smoothcert.certificates import metrics
from smoothcert.certificates.runs import read_run
from smoothcert.compute.devices import job_device, kind_of
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.scratch import Scratch
from smoothcert.noise import Noise
from smoothcert.report.numbers import RADIUS, SECONDS, Number, Row, acr, frame
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, Verdict

Ints = NDArray[np.int64]


def rounding_verdict(
    model: nn.Module, noise: Noise, images: Tensor, idx: Ints, scale: NDArray[np.float64],
    batch: int, subject: str, n: int = 10_000, seed: int = 0, device: str = "cpu",
) -> Verdict | None:  # fmt: skip
    """Are float32 votes those of real arithmetic? Noise drawn with 53 bits, and its rounding.

    The one path adds float64 noise and computes in float64; the other rounds the noise, the sum
    and every operation to float32. None for noise that is not Gaussian.
    """
    if noise.name not in ("gaussian", "gaussian-linf"):
        return None
    fine, coarse = (
        Way(model, images.shape[1:], Variant(p, p, batch, device=device))
        for p in ("float64", "float32")
    )
    differ = 0
    for i in range(len(images)):
        stream = generator(seed, "noise-of-53-bits", int(idx[i]))
        shape = (n, *images.shape[1:])
        eps = torch.randn(shape, generator=stream, dtype=torch.float64)
        one = fine.classes(images[i], eps, float(scale[i]))
        differ += int((one != coarse.classes(images[i], eps.float(), float(scale[i]))).sum())
    of = n * len(images)
    upper = float(clopper_pearson_upper(differ, of, 0.001))
    return Verdict(
        "votes in float32 equal votes in real arithmetic (53-bit noise and sums)", subject,
        NOT_FOUND if differ == 0 else BROKEN,
        f"{differ} of {of:,} votes differ, so votes differ for less than {upper:.1e} of the noise"
        f" on average over these {len(images)} inputs (confidence 0.999)",
        False, {"differ": differ, "votes": of, "upper": upper},
    )  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What a variant changed of N certificates of the reference."""

    votes: int
    of_votes: int
    inputs: int  # with a vote changed
    predictions: int
    radii: int
    largest: float  # of the changes of a radius
    acr: float
    acr_carried: float | None
    seconds: float


def difference(reference: Outcome, other: Outcome) -> Difference:
    """Predictions and radii that are not the reference's."""
    a, b = reference.table, other.table
    differ = np.zeros(len(a), np.int64) if other.differ is None else other.differ
    gap = np.abs(a.radius - b.radius)
    carried = other.carried
    return Difference(
        int(differ.sum()), len(a) * other.n, int((differ > 0).sum()),
        int((a.predict != b.predict).sum()), int((gap > 0).sum()), float(gap.max(initial=0.0)),
        float(metrics.average_certified_radius(b).value),
        None if carried is None else float(metrics.average_certified_radius(carried).value),
        other.seconds,
    )  # fmt: skip


def name(reference: Outcome) -> str:
    """Of the arithmetic that was certified, without the word for it."""
    return reference.variant.removesuffix(AS_CERTIFIED)


DIRECT = 100_000  # votes whose time is spent either way


def incremental_verdicts(
    found: Sequence[Outcome], noise: Noise, d: int, alpha: float, subject: str
) -> list[Verdict]:
    """One a variant in other arithmetic: are its votes and few pairs the cheaper way to certify
    the reference? Of one whose votes were all the same there is nothing to ask.

    BROKEN where the same time spent on the reference's own votes certifies further. By the shares
    of votes and differences seen here; nothing of it is a certificate.
    """
    out, first = [], found[0]
    for other in found[1:]:
        if other.differ is None or not other.differ.any():
            continue
        ratio = other.seconds / first.seconds
        p, zeta = other.table.columns["count"] / other.n, other.differ / other.n
        cost = equal_cost(p, zeta, ratio, DIRECT, alpha, noise, d)
        pays = break_even(p, zeta, DIRECT, alpha, noise, d)
        numbers = {
            "ratio": ratio, "direct": cost.direct, "incremental": cost.incremental, "n": cost.n,
            "m": cost.m, "pays_below": pays, "zeta": float(zeta.mean()),
        }  # fmt: skip
        evidence = (
            f"a vote takes {ratio:.2f} times as long and {100 * zeta.mean():.3f}% of votes differ;"
            f" in the time of {DIRECT:,} votes, {cost.n:,} cheap votes and {cost.m:,} pairs give a"
            f" mean radius of {cost.incremental:.4f} scales, direct votes {cost.direct:.4f};"
            f" it pays off below a time ratio of {pays:.3f}"
        )
        word = NOT_FOUND if cost.incremental > cost.direct else BROKEN
        promise = (
            f"{name(first)} is cheaper to certify from {other.variant} votes plus pairs of both"
        )
        out.append(Verdict(promise, subject, word, evidence, False, numbers))
    return out


def variant_verdicts(found: Sequence[Outcome], subject: str) -> list[Verdict]:
    """One a variant: are its certificates those of the certified classifier?

    BROKEN where a prediction or a radius is not the same. No paper and nothing here promises that
    they are; what is promised is that certificate and prediction use the same arithmetic.
    """
    out = []
    for other in found[1:]:
        if other.differ is None:
            continue
        d = difference(found[0], other)
        numbers = {k: getattr(d, k) for k in d.__dataclass_fields__}
        evidence = (
            f"same noise: {d.votes} of {d.of_votes:,} votes differ ({d.inputs} inputs),"
            f" {d.predictions} predictions and {d.radii} radii of {len(other.table)} certificates"
            f" (by at most {d.largest:.2g}); ACR {d.acr:.4f}, {1e6 * d.seconds:.1f} us per vote"
        )
        if d.acr_carried is not None:
            evidence += f"; carried over soundly: ACR {d.acr_carried:.4f}"
        word = BROKEN if d.predictions or d.radii else NOT_FOUND
        promise = f"certificates made with {name(found[0])} are identical with {other.variant}"
        out.append(Verdict(promise, subject, word, evidence, False, numbers))
    return out


def bound_verdict(n: int = 100_000, alpha: float = 0.001, tolerance: float = 1e-9) -> Verdict:
    """Every Clopper-Pearson bound of n votes against the binomial tail that defines it.

    At the bound L of k votes P(Bin(n, L) >= k) is alpha; the largest relative error over all k,
    and whether L rises with k.
    """
    k = np.arange(1, n + 1)
    lower = clopper_pearson_lower(k, n, alpha)
    tail = betainc(k.astype(np.float64), n - k + 1.0, lower)
    worst = float(np.abs(tail / alpha - 1).max())
    rising = bool((np.diff(lower) > 0).all())
    return Verdict(
        "Clopper-Pearson bounds are correct quantiles in floating point",
        f"n = {n:,}, alpha = {alpha:g}",
        HOLDS if worst < tolerance and rising else BROKEN,
        f"all {n:,} counts: the tail probability at the bound equals alpha within {worst:.1e}"
        f" (relative), and the bounds increase with the count",
        True, {"largest_relative_error": worst, "rising": rising},
    )  # fmt: skip


class Numerics(Audit[NumericsSettings]):
    """The subject is one table (its inputs and scales) and its model. The rows are a result
    frame, a variant of the arithmetic each."""

    def run(self, subject: Subject, settings: NumericsSettings) -> Result:
        """Raises SmoothcertError unless n is a multiple of the look."""
        of = certified(subject, subject.table, device=_device(subject))
        table, images = of.some(settings.max)
        scale = table.optional("sigma")
        scale = np.full(len(table), of.noise.scale) if scale is None else scale
        sampler, n, seed = of.sampler, settings.n, settings.seed
        model, batch = sampler.engine.model, sampler.batch
        device, votes = sampler.device.type, len(images) * (n + 100)
        tried = variants(sampler.engine, batch, votes)
        work = {
            "settings": settings.plain(), "device": kind_of(sampler.device), "batch": batch,
            "engine": sampler.engine.identity, "tried": [asdict(one) for one in tried],
            **{str(axis): value for axis, value in of.run.axes.items()},
            "model": of.run.record.get("model_digest"), "idx": table.idx.tolist(),
            "scale": np.asarray(scale).tolist(),
        }  # fmt: skip
        with nullcontext() if subject.out is None else Scratch(subject.out, work) as keep:
            found = compare(
                model, of.noise, images, table.idx, table.label, scale, tried, n,
                alpha=settings.alpha, seed=seed, look=settings.look, keep=keep,
            )  # fmt: skip
            if keep:
                keep.remove()
        verdicts = variant_verdicts(found, of.name)
        verdicts += incremental_verdicts(
            found, of.noise, images[0].numel(), settings.alpha, of.name
        )
        rounded = rounding_verdict(
            model, of.noise, images, table.idx, scale, batch, of.name, min(n, 2000), seed, device
        )
        verdicts += [rounded] if rounded else []
        exact = gridded(
            model, of.noise, images, table.idx, table.label, scale, settings.steps, batch, n,
            alpha=settings.alpha, seed=seed, device=device,
        )  # fmt: skip
        found += [exact] if exact else []
        verdicts += [*bits_verdicts(settings.steps, seed=seed), bound_verdict()]
        rows = [_row(of.run.axes, one, difference(found[0], one)) for one in found]
        return Result(verdicts, frame("numerics", rows))


def _device(subject: Subject) -> str:
    """The device of the table's votes, which is the reference's; the subject's where it does not
    say. Raises SmoothcertError where this machine has another model of GPU."""
    run = read_run(subject.table)
    made = str(run.record.get("device") or subject.device)
    device = made.partition(" ")[0]
    if "(" in made and (here := kind_of(job_device(device))) != made:
        raise SmoothcertError(f"{subject.table}: certified on {made}; this machine has {here}")
    return device


def _row(axes: Mapping[Any, str | None], outcome: Outcome, d: Difference) -> Row:
    """What a variant changed, and its cost; nothing changed is known where it met other noise."""
    inputs = len(outcome.table)
    changed = {
        "votes_changed": d.votes, "predictions_changed": d.predictions, "radii_changed": d.radii,
    }  # fmt: skip
    row: Row = {
        **axes,
        "variant": outcome.variant,
        "n": outcome.n,
        "acr": acr(metrics.average_certified_radius(outcome.table)),
        "seconds": Number(d.seconds, inputs=inputs, unit=SECONDS),
    }
    if outcome.differ is not None:
        row = {
            **row,
            **{name: Number(count, inputs=inputs) for name, count in changed.items()},
            "largest_change": Number(d.largest, inputs=inputs, unit=RADIUS),
        }
    if d.acr_carried is not None:
        row = {**row, "acr_carried": Number(d.acr_carried, inputs=inputs, unit=RADIUS)}
    return row
