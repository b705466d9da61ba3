"""Attacks on certificates inside their own radius: does the smoothed prediction change?

A certificate of class c with radius R that bounds the top class alone promises more than an
unchanged prediction: with p_B <= 1 - p_A, c keeps a probability above 1/2 in the whole open ball. A
point of the ball where an upper confidence bound on the probability of c is below 1/2 therefore
breaks it (``lost``); there the prediction may even be another class (``flipped``). One that bounds
the other classes too (column p_upper) promises the prediction, and is broken where that is another
class. Where all noisy copies have voted (alpha 0) they do so at the point as well: what is found is
exact.

What a break is due to is asked of the input itself. If a lower confidence bound from fresh votes
at x reaches the certificate's own ``p_lower``, the bound was right and so the *radius* is wrong,
which no failure probability excuses. Otherwise the *bound* may have failed, which the failure
probability alpha allows for a share alpha of the certificates, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smoothcert.audits import falsify_lbrs
from smoothcert.audits.base import WITNESS, Audit, Result, Subject
from smoothcert.audits.norm_ball import length
from smoothcert.audits.routed import claims_of
from smoothcert.audits.settings import FalsificationSettings, Votes
from smoothcert.audits.smooth_attack import STREAM, Target, candidates, effort, nearest_others
from smoothcert.audits.subjects import Certified
from smoothcert.audits.subset import evenly
from smoothcert.budget import BUDGETS
from smoothcert.certificates import ABSTAIN, CertificateTable, metrics
from smoothcert.certificates.certification import predict
from smoothcert.certificates.runs import Run, read_run
from smoothcert.compute.devices import job_device
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.results import read_spiral
from smoothcert.noise.base import Noise
from smoothcert.report.verdict import BROKEN, NOT_FOUND, NOT_RUN, Verdict
from smoothcert.sampling.sampler import Draw, Sampler

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.999  # confidence that alpha alone does not explain that many breaks
_LOOK = 1000  # votes of one named stream


@dataclass(frozen=True)
class Claims:
    """M certificates with a ball: rows of a table, and the images they are about."""

    idx: Ints
    label: Ints
    predict: Ints
    radius: Floats
    scale: Floats
    p_lower: Floats
    alpha: float
    noise: Noise
    x: Tensor  # [M, *shape] float32
    p_upper: Floats | None = None  # where the other classes are bounded too
    copies: int = 0  # the noisy copies of an input, where all of them vote

    def __len__(self) -> int:
        return len(self.idx)

    def target(self, model: nn.Module, device: torch.device) -> Target:
        """The claims as an attack sees them."""
        return Target(
            model, self.noise, self.x.to(device), torch.as_tensor(self.predict).to(device),
            torch.as_tensor(self.scale), torch.as_tensor(self.radius).to(device),
            self.idx.tolist(),
        )  # fmt: skip


def claims(
    table: CertificateTable, images: Tensor, noise: Noise, most: int | None = None
) -> Claims:
    """The certificates of ``table`` that claim a ball, at most ``most``, the largest radii last.

    ``images`` [N, *shape] are the inputs of its rows. Every k-th is taken where there are more
    than ``most``. Raises SmoothcertError for a table that a memory has changed (its promise is
    another one), or one without the columns sigma, p_lower and alpha.
    """
    if table.optional("memory_event") is not None:
        raise SmoothcertError(
            "falsification: the table was changed by a memory; expected raw certificates"
        )
    for name in ("sigma", "p_lower", "alpha"):
        if table.optional(name) is None:
            raise SmoothcertError(f"falsification: the table lacks the column {name!r}")
    rows = evenly(np.flatnonzero((table.predict != ABSTAIN) & (table.radius > 0)), most)
    c = table.columns
    return Claims(
        table.idx[rows], table.label[rows], table.predict[rows], table.radius[rows],
        c["sigma"][rows], c["p_lower"][rows], float(c["alpha"].max(initial=0.0)), noise,
        images[rows],
        c["p_upper"][rows] if "p_upper" in c else None,
        every_copy(table),
    )  # fmt: skip


def every_copy(table: CertificateTable) -> int:
    """The number of noisy copies of an input where all of them have voted, else 0."""
    budget = table.single("budget")
    return BUDGETS.parse(budget).n if budget and BUDGETS.parse(budget).exhaustive else 0


@dataclass(frozen=True)
class Attacked:
    """What became of M certificates; arrays [M].

    ``count`` of ``n`` fresh votes are for the certified class at the best point found, ``upper``
    bounds its probability there; ``found`` is the class predicted there (-1: undecided), ``how``
    what made the point and ``distance`` how far it is. ``cause`` is "" where nothing broke.
    """

    claims: Claims
    point: Tensor  # [M, *shape] float32
    how: NDArray[np.str_]
    distance: Floats
    count: Ints
    n: int
    upper: Floats
    found: Ints
    cause: NDArray[np.str_]  # "", "radius" or "bound"

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Whose promise is, with confidence, broken at the point."""
        return self.flipped if self.claims.p_upper is not None else self.upper < 0.5

    @property
    def flipped(self) -> NDArray[np.bool_]:
        """Whose smoothed prediction is, with confidence, another class at the point."""
        return (self.found != ABSTAIN) & (self.found != self.claims.predict)


def falsify(sampler: Sampler, claimed: Claims, settings: FalsificationSettings) -> Attacked:
    """Attack every claim within its own radius and judge the best point of each by fresh votes.

    Lines are searched towards the inputs of other claims. The attack's gradients are of the
    sampler's model in its own precision. Points are strictly inside the open ball, their distance
    taken in float64.
    """
    m = len(claimed)
    if m == 0:
        nothing = np.zeros(0)
        none = np.zeros(0, np.int64)
        words = np.zeros(0, dtype="<U6")
        return Attacked(
            claimed, claimed.x, words, nothing, none, settings.votes, nothing, none, words
        )
    target = claimed.target(differentiable(sampler), sampler.device)
    near = nearest_others(
        target.x, target.y, target.x, target.y, settings.inputs, claimed.noise.norm
    )
    points, names = candidates(target, near, settings)
    best = screened(sampler, claimed, points, settings)
    point = points[torch.arange(m), torch.as_tensor(best)].cpu()
    return _judged(sampler, claimed, point, np.array(names)[best], settings)


def differentiable(sampler: Sampler) -> nn.Module:
    """The sampler's model with float32 inputs, whatever its precision is."""
    if sampler.engine.precision == "float32":
        return sampler.engine.model

    class Cast(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            weight = next(sampler.engine.model.parameters())
            out: Tensor = sampler.engine.model(x.to(weight.dtype))
            return out

    return Cast()


def screened(sampler: Sampler, claimed: Claims, points: Tensor, votes: Votes) -> Ints:
    """The candidate [M] of ``points`` [M, K, ...] at which the class has fewest votes.

    All candidates of an input meet the same noise, of a stream that decides nothing else.
    """
    best = np.zeros(len(claimed), np.int64)
    for i in range(len(claimed)):
        at = [(i, point) for point in points[i]]
        counts = votes_at(sampler, claimed, at, f"{STREAM}-screen", votes.screen, votes.seed)
        best[i] = int(np.argmin(counts[:, claimed.predict[i]]))
    return best


def _judged(
    sampler: Sampler, claimed: Claims, point: Tensor, how: NDArray, settings: FalsificationSettings
) -> Attacked:
    """Fresh votes at the points, and where a class lost its majority also at the inputs."""
    m = len(claimed)
    n, seed = settings.votes, settings.seed
    level = settings.alpha / m  # all answers hold at once
    counts = votes_at(sampler, claimed, list(enumerate(point)), f"{STREAM}-verdict", n, seed)
    own = counts[np.arange(m), claimed.predict]
    if claimed.copies:
        n, upper, found = claimed.copies, own / claimed.copies, _leading(counts, claimed.predict)
    else:
        upper = np.asarray(clopper_pearson_upper(own, n, level), np.float64)
        found = predict(counts, level)
    cause = np.full(m, "", dtype="<U6")
    distance = length(point.double() - claimed.x.double(), claimed.noise.norm).numpy()
    attacked = Attacked(claimed, point, how, distance, own, n, upper, found, cause)
    for i in np.flatnonzero(attacked.lost).tolist():
        right = bool(claimed.copies) or _bounds_hold(sampler, claimed, i, 10 * n, level, seed)
        cause[i] = "radius" if right else "bound"
    return attacked


def _leading(counts: Ints, predicted: Ints) -> Ints:
    """The class [M] with most of the exact votes [M, C]; of a tie, another than the predicted."""
    rows = np.arange(len(counts))
    others = counts.copy()
    others[rows, predicted] = -1
    own = counts[rows, predicted] > others.max(1)
    return np.where(own, predicted, others.argmax(1))


def _bounds_hold(
    sampler: Sampler, claimed: Claims, i: int, n: int, level: float, seed: int
) -> bool:
    """Whether n fresh votes at the input itself, with confidence, bear out its bounds."""
    at = [(i, claimed.x[i])]
    (again,) = votes_at(sampler, claimed, at, f"{STREAM}-recount", n, seed)
    own = int(claimed.predict[i])
    right = bool(clopper_pearson_lower(again[own], n, level) >= claimed.p_lower[i])
    if claimed.p_upper is None:
        return right
    other = np.delete(again, own).max()
    return right and bool(clopper_pearson_upper(other, n, level) <= claimed.p_upper[i])


def votes_at(
    sampler: Sampler, claimed: Claims, at: Sequence[tuple[int, Tensor]], purpose: str, n: int,
    seed: int,
) -> Ints:  # fmt: skip
    """Class counts [len(at), C] of ``n`` samples at each point, at the scale of its input ``i``.

    Points of the same input meet the same noise. Where all noisy copies vote, of these.
    """
    if claimed.copies:
        every = range(claimed.copies)
        exact = [Draw(x, float(claimed.scale[i]), every, len(every)) for i, x in at]
        return np.asarray(sampler.votes(exact), np.int64)
    starts = range(0, n, _LOOK)
    draws = [
        Draw(
            point,
            float(claimed.scale[i]),
            generator(seed, purpose, int(claimed.idx[i]), j, device=sampler.device),
            min(_LOOK, n - start),
        )
        for i, point in at
        for j, start in enumerate(starts)
    ]
    counts = sampler.votes(draws).reshape(len(at), len(starts), -1)
    return np.asarray(counts.sum(1), np.int64)


def allowed(claimed: int, alpha: float) -> int:
    """The most bounds of ``claimed`` that may be wrong at alpha each, with confidence LEVEL."""
    return metrics.most_wrong(claimed, alpha, 1 - LEVEL) if claimed else 0


def verdict(attacked: Attacked, promise: str, subject: str, search: str, ours: bool) -> Verdict:
    """BROKEN for one wrong radius, or more wrong bounds than alpha explains; else NOT FOUND."""
    claimed, m = attacked.claims, len(attacked.claims)
    if m == 0:
        return Verdict(promise, subject, NOT_RUN, "no certificate has a positive radius", ours)
    lost, flipped = int(attacked.lost.sum()), int(attacked.flipped.sum())
    radius, bound = (int((attacked.cause == c).sum()) for c in ("radius", "bound"))
    most = allowed(m, claimed.alpha)
    share = attacked.count / attacked.n
    numbers: dict[str, Any] = {
        "certificates": m, "lost": lost, "flipped": flipped, "wrong_radius": radius,
        "wrong_bound": bound, "expected": m * claimed.alpha, "allowed": most,
        "least_share": float(share.min()), "votes": attacked.n,
    }  # fmt: skip
    broken = radius > 0 or bound > most
    evidence = (
        f"{lost} of {m} certificates broken inside the radius (prediction changed:"
        f" {flipped}; wrong radius: {radius}, wrong bound: {bound}); alpha explains"
        f" {m * claimed.alpha:.2g} on average, at most {most}; smallest vote share found"
        f" {100 * share.min():.1f}%; {search}"
    )
    return Verdict(promise, subject, BROKEN if broken else NOT_FOUND, evidence, ours, numbers)


# --- the audit --------------------------------------------------------------------------------

ROW = (
    "table", "idx", "label", "predict", "radius", "norm", "sigma", "p_lower", "how", "distance",
    "count", "n", "p_upper", "found", "lost", "flipped", "cause",
)  # fmt: skip
Row = dict[str, Any]


class Falsification(Audit[FalsificationSettings]):
    """The subject is any number of tables of one model (of dual smoothing: one table, the model its
    estimator, with the networks of its ``levels``), those of LBRS without a model, and the spiral
    of LBRS, whose radii are compared with exact distances.

    A row a certificate; ``{number}_idx`` and ``{number}_point`` are the attacked inputs of each
    verdict.
    """

    def run(self, subject: Subject, settings: FalsificationSettings) -> Result:
        """Raises SmoothcertError where there is nothing to attack."""
        verdicts: list[Verdict] = []
        rows: list[Row] = []
        arrays: dict[str, NDArray[Any]] = {}
        for path in subject.tables:
            run = read_run(path)
            if "form" in run.record:
                attacks = [_lbrs(run, settings)]
            else:
                attacks = [_sampled(of, settings) for of in claims_of(subject, path)]
            for verdict, more, idx, point in attacks:
                number = len(verdicts)
                verdicts.append(verdict)
                rows += more
                arrays[f"{number}_idx"], arrays[f"{number}_point"] = idx, point
        if subject.spiral:
            verdicts += falsify_lbrs.exact_verdicts(read_spiral(subject.spiral))
        if not verdicts:
            raise SmoothcertError("audit falsification: expected at least one TABLE, or --spiral")
        return Result(verdicts, pd.DataFrame(rows, columns=list(ROW), dtype=object), arrays)


def _sampled(
    of: Certified, settings: FalsificationSettings
) -> tuple[Verdict, list[Row], Ints, NDArray[Any]]:
    claimed = claims(of.run.table, of.images, of.noise, settings.max)
    attacked = falsify(of.sampler, claimed, settings)
    c = attacked.claims
    rows: list[Row] = [
        {
            "table": str(of.run.path), "idx": c.idx[i], "label": c.label[i],
            "predict": c.predict[i], "radius": c.radius[i], "norm": c.noise.norm,
            "sigma": c.scale[i], "p_lower": c.p_lower[i], "how": attacked.how[i],
            "distance": attacked.distance[i], "count": attacked.count[i], "n": attacked.n,
            "p_upper": attacked.upper[i], "found": attacked.found[i],
            "lost": int(attacked.lost[i]), "flipped": int(attacked.flipped[i]),
            "cause": attacked.cause[i] or "-",
        }
        for i in range(len(c))
    ]  # fmt: skip
    promise = f"{of.kind}: unchanged inside the radius"
    found = verdict(attacked, promise, of.name, effort(settings), of.ours)
    witness = WITNESS if attacked.lost.any() else None
    found = replace(found, procedure=of.procedure, witness=witness)
    return found, rows, c.idx, attacked.point.numpy()


def _lbrs(
    run: Run, settings: FalsificationSettings
) -> tuple[Verdict, list[Row], Ints, NDArray[Any]]:
    job_device("cpu")
    table, model = run.table, falsify_lbrs.rebuild(run.record, run.table)
    attacked = falsify_lbrs.falsify(model, table, settings)
    beyond = falsify_lbrs.falsify(model, table, settings, factor=2.0)
    rows: list[Row] = []
    for i, idx in enumerate(attacked.idx):
        at = int(np.flatnonzero(table.idx == idx)[0])
        broken = int(attacked.broken[i])
        rows.append({
            "table": str(run.path), "idx": idx, "label": table.label[at],
            "predict": table.predict[at], "radius": attacked.radius[i], "norm": model.norm,
            "sigma": "-", "p_lower": "-", "how": "ascent", "distance": attacked.distance[i],
            "count": "-", "n": "-", "p_upper": "-",
            "found": 1 - table.predict[at] if broken else table.predict[at],
            "lost": broken, "flipped": broken, "cause": "radius" if broken else "-",
        })  # fmt: skip
    task = run.record["specification"].get("task", {})
    name = (
        f"{task.get('dataset')}, class {task.get('positive')} versus the rest, {model.norm},"
        f" bias {model.bias:g}"
    )
    found = falsify_lbrs.verdict(attacked, beyond, name, run.record["form"], settings.steps)
    witness = WITNESS if attacked.broken.any() else None
    return replace(found, witness=witness), rows, attacked.idx, attacked.point
