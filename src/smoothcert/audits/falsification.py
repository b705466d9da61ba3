"""Attacks on certificates inside their own radius: does the smoothed prediction change?

A certificate of class c with radius R promises more than an unchanged prediction. All radii of
this project are made with p_B <= 1 - p_A, so c keeps a probability above 1/2 in the whole open
ball. A point of the ball where an upper confidence bound on the probability of c is below 1/2
therefore breaks it (``lost``); there the prediction may even be another class (``flipped``).

What a break is due to is asked of the input itself. If a lower confidence bound from fresh votes
at x reaches the certificate's own ``p_lower``, the bound was right and so the *radius* is wrong,
which no failure probability excuses. Otherwise the *bound* may have failed, which the failure
probability alpha allows for a share alpha of the certificates, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import bdtrik
from torch import Tensor, nn

from smoothcert.audits.norm_ball import length
from smoothcert.audits.smooth_attack import STREAM, Search, Target, candidates, nearest_others
from smoothcert.audits.subset import evenly
from smoothcert.certificates import ABSTAIN, CertificateTable
from smoothcert.certificates.certification import predict
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import Noise
from smoothcert.report.verdict import BROKEN, NOT_FOUND, NOT_RUN, Verdict
from smoothcert.sampling.sampler import Sampler

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.999  # confidence that alpha alone does not explain that many breaks
_LOOK = 1000  # votes of one named stream


@dataclass(frozen=True)
class Votes:
    """How candidates are judged: ``screen`` votes each to find the best of an input, ``n`` fresh
    ones for the verdict on it, at confidence 1 - ``alpha`` shared by all inputs."""

    screen: int = 250
    n: int = 10_000
    alpha: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        if self.screen < 1 or self.n < 1:
            raise SmoothcertError("falsification: expected at least 1 vote")
        if not 0 < self.alpha < 1:
            raise SmoothcertError(f"alpha {self.alpha:g}: expected a probability in (0, 1)")


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
            "falsification: the table went through a memory; expected certificates before it"
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
    )  # fmt: skip


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
        """Whose class has, with confidence, no majority at the point."""
        return self.upper < 0.5

    @property
    def flipped(self) -> NDArray[np.bool_]:
        """Whose smoothed prediction is, with confidence, another class at the point."""
        return (self.found != ABSTAIN) & (self.found != self.claims.predict)


def falsify(
    sampler: Sampler,
    claimed: Claims,
    search: Search,
    votes: Votes,
    pool: tuple[Tensor, Ints] | None = None,
) -> Attacked:
    """Attack every claim within its own radius and judge the best point of each by fresh votes.

    ``pool`` are inputs [N, *shape] and their classes, towards which lines are searched; by
    default those of the claims. The attack's gradients are of the sampler's model in its own
    precision. Points are strictly inside the open ball, their distance taken in float64.
    """
    m = len(claimed)
    if m == 0:
        nothing = np.zeros(0)
        none = np.zeros(0, np.int64)
        words = np.zeros(0, dtype="<U6")
        return Attacked(claimed, claimed.x, words, nothing, none, votes.n, nothing, none, words)
    target = claimed.target(differentiable(sampler), sampler.device)
    others, classes = (claimed.x, claimed.predict) if pool is None else pool
    near = nearest_others(
        target.x, target.y, others.to(target.x), torch.as_tensor(classes).to(target.y),
        search.inputs, claimed.noise.norm,
    )  # fmt: skip
    points, names = candidates(target, near, search)
    best = screened(sampler, claimed, points, votes)
    point = points[torch.arange(m), torch.as_tensor(best)].cpu()
    return _judged(sampler, claimed, point, np.array(names)[best], votes)


def differentiable(sampler: Sampler) -> nn.Module:
    """The sampler's model with float32 inputs, whatever its precision is."""
    if sampler.precision == "float32":
        return sampler.model

    class Cast(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            weight = next(sampler.model.parameters())
            out: Tensor = sampler.model(x.to(weight.dtype))
            return out

    return Cast()


def screened(sampler: Sampler, claimed: Claims, points: Tensor, votes: Votes) -> Ints:
    """The candidate [M] of ``points`` [M, K, ...] at which the class has fewest votes.

    All candidates of an input meet the same noise, of a stream that decides nothing else.
    """
    best = np.zeros(len(claimed), np.int64)
    for i in range(len(claimed)):
        counts = [
            votes_at(sampler, claimed, i, point, f"{STREAM}-screen", votes.screen, votes.seed)
            for point in points[i]
        ]
        best[i] = int(np.argmin([c[claimed.predict[i]] for c in counts]))
    return best


def _judged(
    sampler: Sampler, claimed: Claims, point: Tensor, how: NDArray, votes: Votes
) -> Attacked:
    """Fresh votes at the points, and where a class lost its majority also at the inputs."""
    m = len(claimed)
    level = votes.alpha / m  # all answers hold at once
    counts = np.stack([
        votes_at(sampler, claimed, i, point[i], f"{STREAM}-verdict", votes.n, votes.seed)
        for i in range(m)
    ])  # fmt: skip
    own = counts[np.arange(m), claimed.predict]
    upper = np.asarray(clopper_pearson_upper(own, votes.n, level), np.float64)
    found = predict(counts, level)
    cause = np.full(m, "", dtype="<U6")
    for i in np.flatnonzero(upper < 0.5).tolist():
        again = votes_at(
            sampler, claimed, i, claimed.x[i], f"{STREAM}-recount", 10 * votes.n, votes.seed
        )
        lower = float(clopper_pearson_lower(again[claimed.predict[i]], 10 * votes.n, level))
        cause[i] = "radius" if lower >= claimed.p_lower[i] else "bound"
    distance = length(point.double() - claimed.x.double(), claimed.noise.norm).numpy()
    return Attacked(claimed, point, how, distance, own, votes.n, upper, found, cause)


def votes_at(
    sampler: Sampler, claimed: Claims, i: int, point: Tensor, purpose: str, n: int, seed: int
) -> Ints:
    """Class counts [C] of ``n`` samples at ``point``, at the scale of input ``i``."""
    idx, device = int(claimed.idx[i]), sampler.device
    draws = [
        (generator(seed, purpose, idx, j, device=device), min(_LOOK, n - start))
        for j, start in enumerate(range(0, n, _LOOK))
    ]
    return np.asarray(sampler.votes(point, float(claimed.scale[i]), draws).sum(0), np.int64)


def allowed(claimed: int, alpha: float, level: float = LEVEL) -> int:
    """The most bounds of ``claimed`` that may be wrong with confidence ``level`` at alpha each.

    Votes of different inputs are independent, so it is a binomial quantile. With alpha = 0
    (deterministic certificates) none may be.
    """
    if claimed == 0 or alpha == 0:
        return 0
    return int(np.ceil(bdtrik(level, claimed, alpha) - 1e-9))


def verdict(attacked: Attacked, promise: str, subject: str, search: str, ours: bool) -> Verdict:
    """BROKEN for one wrong radius, or more wrong bounds than alpha explains; else NOT FOUND."""
    claimed, m = attacked.claims, len(attacked.claims)
    if m == 0:
        return Verdict(promise, subject, NOT_RUN, "no certificate claims a ball", ours)
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
        f"{lost} of {m} certificates lost their majority inside the radius (prediction changed:"
        f" {flipped}; wrong radius: {radius}, wrong bound: {bound}); alpha explains"
        f" {m * claimed.alpha:.2g} on average, at most {most}; least share of votes found"
        f" {100 * share.min():.1f}%; {search}"
    )
    return Verdict(promise, subject, BROKEN if broken else NOT_FOUND, evidence, ours, numbers)
