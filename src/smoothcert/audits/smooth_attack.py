"""Attacks on a smoothed classifier itself, inside a ball of any of the three norms.

Every candidate is judged later by fresh votes, so what matters here is to find good ones:

- projected gradient ascent through the noise (expectation over transformation): fresh noisy
  copies in each step, from the input, from a random vertex of the ball, and from the edge of
  the ball towards another input; on the soft smoothed loss of the class (Salman et al. 2019,
  equation 6), or on the lead of the best other class;
- random vertices of the ball;
- the lines to the nearest inputs of other classes, at several distances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from smoothcert.audits.norm_ball import length, within
from smoothcert.audits.settings import Ascent, Search
from smoothcert.compute.geometry import ORDERS, project, steepest, vertices
from smoothcert.compute.memory import in_chunks
from smoothcert.compute.streams import generator
from smoothcert.models.activations import at_once
from smoothcert.models.attacks import gradient_of, smoothed_cross_entropy
from smoothcert.models.mode import evaluating, wide
from smoothcert.noise.base import Noise
from smoothcert.sampling.sampler import default_batch

STREAM = "falsification"  # no stream of training, scales, votes or certificates
LOSSES = ("cross-entropy", "lead")


def effort(search: Search) -> str:
    """How hard a search is, in words."""
    runs = len(search.starts) * len(LOSSES)
    return (
        f"{runs} runs of {search.steps} steps with {search.copies} noise samples each,"
        f" {search.directions} random directions, lines to {search.inputs} other inputs"
    )


@dataclass(frozen=True)
class Target:
    """B inputs ``x`` [B, *shape] float32 whose smoothed class ``y`` [B] is to change within
    ``radius`` [B]; ``scale`` [B] of ``noise`` at each, ``idx`` [B] names the random streams."""

    model: nn.Module
    noise: Noise
    x: Tensor
    y: Tensor
    scale: Tensor
    radius: Tensor
    idx: Sequence[int]

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, part: slice | Tensor) -> Target:
        """Some of the inputs."""
        positions = torch.arange(len(self))[part].tolist()
        return Target(
            self.model, self.noise, self.x[part], self.y[part], self.scale[part],
            self.radius[part], [self.idx[i] for i in positions],
        )  # fmt: skip


def candidates(target: Target, others: Tensor, search: Search) -> tuple[Tensor, list[str]]:
    """Points in the open balls, [B, K, *shape] float32, and what made each of the K.

    ``others`` [B, T, *shape] are inputs of other classes, nearest first (:func:`nearest_others`).
    """
    begins = [_begin(target, others, s, search, k) for k, s in enumerate(search.starts)]
    found = [
        (f"{start}, {loss}", ascend(target, begin, loss, search, number))
        for number, (start, begin) in enumerate(zip(search.starts, begins, strict=True))
        for loss in LOSSES
    ]
    for k in range(search.directions):
        found += [("random direction", _random(target, search, 100 + k))]
    for t in range(min(search.inputs, others.shape[1])):
        lines = [_line(target, others[:, t], share) for share in (0.5, 1.0)]
        found += [("line to an input", point) for point in lines]
    inside = [admitted(target, point) for _, point in found]
    return torch.stack(inside, 1), [name for name, _ in found]


def admitted(target: Target, point: Tensor) -> Tensor:
    """``point`` [B, *shape] pulled into each open ball, among the inputs of the certificate."""
    pulled = within(target.x, point, target.radius, target.noise.norm)
    return target.noise.admitted(target.x, pulled)


def ascend(target: Target, begin: Tensor, loss: str, search: Ascent, number: int) -> Tensor:
    """Projected ascent of ``loss`` from ``begin``; the last iterate, [B, *shape]."""
    norm, radius = target.noise.norm, target.radius.to(target.x)
    each = [-1] + [1] * (target.x.dim() - 1)
    pace = (2.5 * radius / search.steps).view(each)
    streams = [generator(search.seed, STREAM, i, number, device=target.x.device)
               for i in target.idx]  # fmt: skip
    share = 0.05 if loss == "lead" else 0.0  # l1: two ways to spread a step
    size = max(1, default_batch(target.x[0].numel(), target.x.device) * 4 // search.copies)
    fits = at_once(target.model, target.x.shape[1:], search.copies, target.x.device)
    x, now = target.x, begin.clone()
    with evaluating(target.model):
        for _ in range(search.steps):
            for start in range(0, len(x), size):
                part = slice(start, start + size)
                here = target.noise.admitted(x[part], now[part])
                eps = _copies(target, here, streams[part], target.scale[part], search.copies)
                gradient = _gradient(target.model, here, target.y[part], eps, loss, fits)
                step = pace[part] * steepest(gradient.nan_to_num(), norm, share)
                moved = now[part] + step - x[part]
                now[part] = x[part] + project(moved, radius[part], norm)
    return now


def _gradient(
    model: nn.Module, x: Tensor, y: Tensor, eps: Tensor, loss: str, fits: int | None
) -> Tensor:
    """The gradient of a loss by the inputs x [B, *shape], ``fits`` of them at once (None: all)."""
    copies = len(eps) // len(y)

    def part(rows: slice) -> Tensor:
        noise = eps[rows.start * copies : rows.stop * copies]
        return gradient_of(_objective(model, y[rows], noise, loss))(x[rows])

    return torch.cat(in_chunks(part, len(x), fits or len(x)))


def _objective(model: nn.Module, y: Tensor, eps: Tensor, loss: str) -> Callable[[Tensor], Tensor]:
    if loss == "cross-entropy":
        return smoothed_cross_entropy(model, y, eps)
    copies = len(eps) // len(y)

    def lead(x: Tensor) -> Tensor:
        """log of the best other class's mean softmax less that of ``y``, [B]."""
        logits = wide(model(x.repeat_interleave(copies, 0) + eps))
        mean = logits.log_softmax(1).unflatten(0, (-1, copies)).logsumexp(1)  # [B, C]
        own = torch.nn.functional.one_hot(y, mean.shape[1]).bool()
        return mean.masked_fill(own, -torch.inf).amax(1) - mean.gather(1, y[:, None]).squeeze(1)

    return lead


def _copies(
    target: Target, now: Tensor, streams: list[Generator], scale: Tensor, copies: int
) -> Tensor:
    """What noise adds to ``now`` [B, *shape]: [B * copies, *shape], each from its own stream."""
    drawn = [
        target.noise.added(x.expand(copies, *x.shape), s, stream)
        for x, s, stream in zip(now, scale.tolist(), streams, strict=True)
    ]
    return torch.cat(drawn)


def _begin(target: Target, others: Tensor, start: str, search: Search, number: int) -> Tensor:
    if start == "clean":
        return target.x
    if start == "boundary" or others.shape[1] == 0:
        return _random(target, search, number)
    return _line(target, others[:, 0], 1.0)


def _random(target: Target, search: Search, number: int) -> Tensor:
    """A random vertex of each ball."""
    shape, norm = tuple(target.x.shape[1:]), target.noise.norm
    out = []
    for i in target.idx:
        stream = generator(search.seed, f"{STREAM}-start", i, number, device=target.x.device)
        out.append(vertices((1, *shape), norm, stream))
    each = [-1] + [1] * len(shape)
    return target.x + target.radius.to(target.x).view(each) * torch.cat(out)


def _line(target: Target, other: Tensor, share: float) -> Tensor:
    """From x towards ``other`` by ``share`` of the radius, or to ``other`` if that is nearer."""
    each = [-1] + [1] * (target.x.dim() - 1)
    gap = other - target.x
    part = share * target.radius.to(gap.device) / length(gap, target.noise.norm).clamp_min(1e-30)
    return target.x + part.clamp_max(1.0).to(target.x).view(each) * gap


def nearest_others(
    x: Tensor, y: Tensor, pool: Tensor, classes: Tensor, k: int, norm: str
) -> Tensor:
    """For each of ``x`` [B, ...] of class ``y`` the ``k`` nearest of ``pool`` [N, ...] that have
    another class, nearest first: [B, k', ...] with k' the smaller of k and what every input has."""
    if k == 0:
        return x[:, None][:, :0]
    distance = torch.cdist(x.flatten(1).double(), pool.flatten(1).double(), p=ORDERS[norm])
    same = y[:, None] == classes[None]
    distance = distance.masked_fill(same, torch.inf)
    most = min(k, int((~same).sum(1).min()))
    return pool[distance.topk(most, dim=1, largest=False).indices] if most else x[:, None][:, :0]
