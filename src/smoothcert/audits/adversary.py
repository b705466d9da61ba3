"""The adversary's question: does a certified ball hold an input that is answered otherwise?

For a certificate (x1, class c1, radius R1) at the scale sigma*(x1), search an x2 with
||x2 - x1|| < R1 whose OWN scale makes the deployed classifier answer another class. A search
proposes (tactics.py), scores by votes, and goes on from what is best; what looks broken is
confirmed apart, with votes and seeds that the search has not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from smoothcert.audits.deployed import Balls, Deployed
from smoothcert.audits.norm_ball import length
from smoothcert.audits.pair_bounds import Floats, Ints
from smoothcert.audits.settings import Effort
from smoothcert.audits.smooth_attack import nearest_others
from smoothcert.audits.tactics import Tactics
from smoothcert.certificates import ABSTAIN
from smoothcert.certificates.certification import predict
from smoothcert.compute.streams import generator, stream_seed

Progress = Callable[[int, int], None]


_NEAR = -0.35  # a lead from which on a longer climb is worth its cost


@dataclass
class Log:
    """Everything that was proposed: ball, tactic, distance from the centre, its own scale, and by
    what share of the votes the strongest other class led over the promised one."""

    ball: list[Ints] = field(default_factory=list)
    tactic: list[str] = field(default_factory=list)
    distance: list[Floats] = field(default_factory=list)
    sigma: list[Floats] = field(default_factory=list)
    lead: list[Floats] = field(default_factory=list)

    def arrays(self) -> dict[str, np.ndarray]:
        """One entry a proposal."""
        sizes = [len(b) for b in self.ball]
        return {
            "ball": np.concatenate([*self.ball, np.empty(0, np.int64)]),
            "tactic": np.repeat(np.array(self.tactic, dtype=str), sizes),
            **{
                name: np.concatenate([*getattr(self, name), np.empty(0)])
                for name in ("distance", "sigma", "lead")
            },
        }


@dataclass(frozen=True)
class Searched:
    """The best proposal of each of T balls, and the log of all."""

    x: Tensor  # [T, *shape]
    tactic: np.ndarray  # [T]
    distance: Floats  # [T]
    sigma: Floats  # [T] its own scale
    lead: Floats  # [T] votes of the strongest other class less those of the promised one, a share
    votes: Ints  # [T, C]
    log: Log

    def suspects(self, promised: Ints, alpha: float = 0.05) -> Ints:
        """Balls whose best proposal is answered otherwise than ``promised`` [T], as it seems."""
        if len(promised) == 0:
            return np.empty(0, np.int64)
        answer = predict(self.votes, alpha)
        return np.flatnonzero((answer != ABSTAIN) & (answer != promised))


def search(
    deployed: Deployed,
    balls: Balls,
    effort: Effort,
    pool: Tensor,
    classes: Ints,
    *,
    seed: int = 0,
    scale_seed: int = 0,
    together: int = 64,
    progress: Progress | None = None,
) -> Searched:
    """Attack each of the balls; ``pool`` [P, *shape] are inputs of the data set and ``classes``
    [P] what they are predicted as (-1: unknown). ``seed`` names the noise of the attack and of
    its votes; the scales are those of ``scale_seed``, the seed that the deployed classifier and
    the certificates use, which an attacker is granted to know."""
    log, parts = Log(), []
    balls = replace(balls, x=balls.x.to(deployed.device))
    pool = pool.to(deployed.device)
    for start in range(0, len(balls), together):
        rows = slice(start, start + together)
        one = _Search(deployed, balls[rows], effort, (seed, scale_seed), log, start)
        one.run(pool, classes)
        parts.append(one)
        if progress:
            progress(min(start + together, len(balls)), len(balls))
    return Searched(
        x=torch.cat([balls.x[:0], *(p.x for p in parts)]).cpu(),
        tactic=np.concatenate([np.empty(0, "<U24"), *(p.tactic for p in parts)]),
        distance=np.concatenate([np.empty(0), *(p.distance for p in parts)]),
        sigma=np.concatenate([np.empty(0), *(p.sigma for p in parts)]),
        lead=np.concatenate([np.empty(0), *(p.lead for p in parts)]),
        votes=np.concatenate(
            [np.empty((0, deployed.n_classes), np.int64), *(p.votes for p in parts)]
        ),
        log=log,
    )


class _Search:
    """One batch of balls."""

    def __init__(
        self,
        deployed: Deployed,
        balls: Balls,
        effort: Effort,
        seeds: tuple[int, int],
        log: Log,
        first: int,
    ) -> None:
        balls = replace(balls, radius=effort.reach * balls.radius)
        self.deployed, self.balls, self.effort = deployed, balls, effort
        self.seed, self.scale_seed = seeds
        self.log, self.first = log, first
        stream = generator(self.seed, "audit-tactics", int(balls.idx[0]), device=balls.x.device)
        self.tactics = Tactics(deployed, stream, effort.copies, effort.steps, effort.unrolled)
        n = len(balls)
        self.x = balls.x.clone()
        self.tactic = np.full(n, "none", dtype="<U24")
        self.distance, self.sigma, self.lead = np.zeros(n), balls.sigma.copy(), np.full(n, -1.0)
        self.score = np.full(n, -np.inf)
        self.votes = np.zeros((n, deployed.n_classes), np.int64)

    def run(self, pool: Tensor, classes: Ints) -> None:
        everyone = np.arange(len(self.balls))
        sigma_0 = self.deployed.noise.scale
        for factor in self.effort.scales:
            x = self.tactics.at_scale(self.balls, factor * sigma_0)
            self.offer(f"scale {factor:g}", everyone, x)
        x = self.tactics.at_scale(self.balls, sigma_0, "cross-entropy")
        self.offer("cross-entropy", everyone, x)
        self.offer("random", everyone, self.tactics.random(self.balls))
        device = self.deployed.device
        promised = torch.as_tensor(self.balls.predict, device=device)
        known = torch.as_tensor(classes, device=device)
        norm, others = self.deployed.noise.norm, max(self.effort.lines, 1)
        towards = nearest_others(self.balls.x, promised, pool, known, others, norm)
        for k in range(min(self.effort.lines, towards.shape[1])):
            self.offer("line", everyone, self.tactics.lines(self.balls, towards[:, k]))
        self._adaptive()
        if self.effort.boundary and towards.shape[1]:
            self._boundary(towards[:, 0])

    def _adaptive(self) -> None:
        """What knows the search for the scale, from the best so far and from the centre."""
        if self.tactics.can_unroll:
            for name, from_best in (("unrolled, best", True), ("unrolled", False)):
                rows = self.open()
                if len(rows):
                    start = self.x[rows] if from_best else None
                    x = self.tactics.through_ascent(self.balls[rows], start)
                    self.offer(name, rows, x)
            for sign, name in ((1, "scale up"), (-1, "scale down")):
                rows = self.open()
                if len(rows):
                    self.offer(name, rows, self.tactics.push_scale(self.balls[rows], sign))
        rows = self.open()
        if self.effort.held and len(rows):
            balls = self.balls[rows]
            x = self.tactics.scale_held(balls, self.scale_seed, self.effort.held, self.x[rows])
            self.offer("scale held", rows, x)
        longer = replace(self.tactics, copies=4 * self.effort.copies, steps=2 * self.effort.steps)
        for loss in ("lead", "cross-entropy"):
            rows = self.open()
            rows = rows[self.lead[rows] > _NEAR]
            if len(rows):
                balls, held = self.balls[rows], max(self.effort.held, 1)
                x = longer.scale_held(balls, self.scale_seed, held, self.x[rows], loss)
                self.offer(f"held longer, {loss}", rows, x)

    def _boundary(self, others: Tensor) -> None:
        """From another input that is answered otherwise, along the boundary, towards the centre.

        Decisions are the deployed classifier's: half of them bisect the segment, the others
        step sideways and inwards. What ends outside the ball is put onto it.
        """
        rows = self.open()
        if not len(rows):
            return
        balls, each = self.balls[rows], [-1] + [1] * (self.balls.x.dim() - 1)
        low = torch.zeros(len(rows), device=balls.x.device)  # of the way to the other
        high = torch.ones_like(low)
        gap = others[rows] - balls.x
        for _ in range(self.effort.boundary // 2):
            middle = (low + high) / 2
            lost = self._decide(rows, balls.x + middle.view(each) * gap)
            low, high = torch.where(lost, low, middle), torch.where(lost, middle, high)
        x = balls.x + high.view(each) * gap
        for _ in range(self.effort.boundary - self.effort.boundary // 2):
            away = x - balls.x
            far = away.flatten(1).norm(dim=1).view(each)
            aside = torch.randn(x.shape, generator=self.tactics.stream, device=x.device)
            aside = aside / aside.flatten(1).norm(dim=1).view(each) * 0.3 * far
            moved = away + aside
            moved = moved * (0.9 * far / moved.flatten(1).norm(dim=1).view(each))
            moved = (balls.x + moved).clamp(0, 1)
            lost = self._decide(rows, moved)
            x = torch.where(lost.view(each), moved, x)
        self.offer("boundary", rows, self.tactics.lines(balls, x))

    def _decide(self, rows: Ints, x: Tensor) -> Tensor:
        """Whether the deployed classifier answers another class than promised, [B]."""
        idx = self.balls.idx[rows]
        scale = self.deployed.scales(x, idx, self.scale_seed)
        votes = self.deployed.votes(x, scale, idx, 100, self.seed, "audit-decision")
        return torch.as_tensor(votes.argmax(1) != self.balls.predict[rows], device=x.device)

    def open(self) -> Ints:
        """Balls without a clear break so far."""
        return np.flatnonzero(self.score < 1.2)

    def offer(self, name: str, rows: Ints, x: Tensor) -> None:
        """Score proposals [B, *shape] for the balls ``rows`` and keep the better ones.

        The score is the lead of the strongest other class, a majority being worth 1 more: it can
        be certified. What leads has to lead for another seed of the search for the scale as well:
        its score is the mean of both.
        """
        balls = self.balls[rows]
        gap = x.double() - balls.x.double()
        distance = length(gap, self.deployed.noise.norm).cpu().numpy()
        scale, votes, lead, score = self._score(rows, x, self.scale_seed)
        leading = np.flatnonzero(lead > 0)
        if len(leading):
            second = stream_seed(self.seed, "audit-second")
            score[leading] += self._score(rows[leading], x[leading], second)[3]
            score[leading] /= 2
        self.log.ball.append(rows + self.first)
        self.log.tactic.append(name)
        self.log.distance.append(distance)
        self.log.sigma.append(scale)
        self.log.lead.append(lead)
        better = (score > self.score[rows]) & (distance < balls.radius)
        kept = rows[better]
        self.x[kept] = x[better]
        self.tactic[kept] = name
        for mine, new in (
            (self.distance, distance), (self.sigma, scale), (self.lead, lead),
            (self.score, score), (self.votes, votes),
        ):  # fmt: skip
            mine[kept] = new[better]

    def _score(self, rows: Ints, x: Tensor, scale_seed: int) -> tuple[Floats, Ints, Floats, Floats]:
        """Own scale, votes [B, C], lead and score of proposals, for one seed."""
        idx, every = self.balls.idx[rows], np.arange(len(rows))
        scale = self.deployed.scales(x, idx, scale_seed)
        votes = self.deployed.votes(x, scale, idx, self.effort.votes, self.seed, "audit-score")
        promised = self.balls.predict[rows]
        others = votes.copy()
        others[every, promised] = -1
        share = others.max(1) / votes.sum(1)
        lead = share - votes[every, promised] / votes.sum(1)
        return scale, votes, lead, lead + (share > 0.5)
