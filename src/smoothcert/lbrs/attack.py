"""Attacks on binary classifiers: on the base network, on LBRS itself, on normal smoothing itself.

The paper attacks the base network and hands the result to the smoothed classifier (a transfer
attack). The adaptive attacks know the smoothed classifier: for LBRS they go through g_mu,
second derivatives included, and across the switch of the oracle; for normal smoothing they use
the mean over noise. Labels are -1, +1; images are in [0,1] and stay there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from smoothcert.compute.geometry import DUAL, broadcast, length, steepest
from smoothcert.lbrs.classifier import binary_logit
from smoothcert.lbrs.settings import Head
from smoothcert.models.attacks import AttackNorm, gradient_of, pgd


def transfer(
    net: nn.Module, x: Tensor, y: Tensor, radius: float, norm: AttackNorm, steps: int
) -> Tensor:
    """PGD on the base network's logit, step 2.5 * radius / steps, from the clean image.

    Ascent of -y z takes the same normalized steps as that of the cross-entropy. The margin stays
    negative once an input is misclassified, so the last iterate is taken, as is usual.
    """
    if radius == 0:
        return x
    direction = gradient_of(lambda v: -y * binary_logit(net(v)))
    return pgd(direction, x, radius, steps, norm, step_size=2.5 * radius / steps)


@dataclass(frozen=True)
class Target:
    """An LBRS classifier as an attack sees it, in the inputs' precision.

    Attributes:
        net: the base network.
        points: [K, C, H, W] reserved points; ``labels``: [K] -1, +1. 1-NN oracle.
        bias: the bias; infinity for the 1-NN classifier itself.
        head: see ``classifier.Head``.
        norm: l2 or linf.
    """

    net: nn.Module
    points: Tensor
    labels: Tensor
    bias: float
    head: Head
    norm: str

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squared l2 distances to the nearest points of label -1 and of +1: [N], [N]."""
        d2 = (x.flatten(1)[:, None] - self.points.flatten(1)).square().sum(-1)
        negative = self.labels < 0
        return d2[:, negative].amin(1), d2[:, ~negative].amin(1)

    def parts(self, x: Tensor, create_graph: bool) -> tuple[Tensor, Tensor]:
        """z(x) and what the oracle adds to or takes from it: [N], [N]."""
        if self.bias == float("inf"):
            return torch.zeros(len(x), device=x.device), torch.ones(len(x), device=x.device)
        z = binary_logit(self.net(x))
        (gradient,) = torch.autograd.grad(z.sum(), x, create_graph=create_graph)
        # The tiny addition keeps the second derivative finite where the gradient is 0.
        flat = gradient.flatten(1)
        if DUAL[self.norm] == "l2":
            size = (flat.square().sum(1) + 1e-24).sqrt()
        else:
            size = length(flat, DUAL[self.norm])
        push = self.bias * size
        return z, push if self.head == "logit" else torch.asinh(push)

    def objective(self, y: Tensor, width: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """x -> (a smooth surrogate of -y g_mu, and whether the true prediction is wrong)."""

        def of(x: Tensor) -> tuple[Tensor, Tensor]:
            z, push = self.parts(x, create_graph=True)
            negative, positive = self.nearest(x)
            lead = negative - positive  # > 0: the oracle says +1
            score = z + torch.where(lead >= 0, 1.0, -1.0) * push
            wrong = torch.where(score >= 0, 1.0, -1.0) != y
            return -y * (z + torch.tanh(lead / width) * push), wrong

        return of


def adaptive(
    target: Target, x: Tensor, y: Tensor, radius: float, steps: int, starts: list[Tensor]
) -> Tensor:
    """Which inputs any iterate of any run misclassifies under LBRS: bool [N].

    Runs of PGD on the surrogate of g_mu start from the clean input, from each of ``starts``
    (inputs in the ball, e.g. the transfer attack's), and, for each reserved point of the other
    label, from where that point has gained most on the nearest one of the input's own. Every
    iterate is judged by the true classifier, not by the surrogate.
    """
    own, others = (target.points[target.labels == s] for s in (1, -1))
    gap = length((own[:, None] - others).flatten(0, 1), DUAL[target.norm]).mean()
    # The lead of one label over the other moves by at most 2 * radius * gap in the ball.
    width = (radius * gap).clamp_min(1e-6)
    begins = [*_towards_other_label(target, x, y, radius), *starts] if radius > 0 else []
    broken = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for begin in [*begins, x]:
        rows = (~broken).nonzero().squeeze(1)
        if len(rows):
            judge = target.objective(y[rows], width)
            broken[rows] = _run(judge, x[rows], begin[rows], radius, steps, target.norm)
    return broken


def _towards_other_label(target: Target, x: Tensor, y: Tensor, radius: float) -> list[Tensor]:
    """For each rank of reserved points, x moved by ``radius`` so that a point of the other label
    gains most on the nearest point of the input's own label."""
    d2 = (x.flatten(1)[:, None] - target.points.flatten(1)).square().sum(-1)
    same = target.labels == y[:, None]
    own = d2.masked_fill(~same, float("inf")).argmin(1)
    order = d2.masked_fill(same, float("inf")).argsort(1)
    ranks = int((~same).sum(1).min())
    moved = []
    for rank in range(ranks):
        toward = target.points[order[:, rank]] - target.points[own]
        moved.append((x + radius * steepest(toward, target.norm)).clamp(0, 1))
    return moved


def _run(
    judge: Callable[[Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    begin: Tensor,
    radius: float,
    steps: int,
    norm: str,
) -> Tensor:
    """Projected ascent from ``begin``; whether any iterate is wrong: bool [N]."""
    v = begin.detach()
    broken = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for step in range(steps + 1):
        v.requires_grad_()
        loss, wrong = judge(v)
        broken |= wrong
        if step == steps or radius == 0:
            break
        (gradient,) = torch.autograd.grad(loss.sum(), v)
        delta = (v.detach() + 2 * radius / steps * steepest(gradient, norm)).clamp(0, 1) - x
        if norm == "linf":
            delta = delta.clamp(-radius, radius)
        else:
            delta = delta * broadcast(radius / length(delta, "l2").clamp_min(radius), delta)
        v = x + delta
    return broken


def smoothed(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    radius: float,
    norm: AttackNorm,
    steps: int,
    sigma: float,
    head: Head,
    copies: int,
    stream: Generator,
) -> Tensor:
    """Adaptive attack on normal smoothing: PGD through the mean over ``copies`` noises a step.

    Fresh noise in every step (expectation over transformation). Returns the last iterate.
    """
    if radius == 0:
        return x

    def objective(v: Tensor) -> Tensor:
        noise = torch.randn((len(v) * copies, *v.shape[1:]), generator=stream, device=v.device)
        z = binary_logit(net(v.repeat_interleave(copies, 0) + sigma * noise))
        votes = z if head == "logit" else torch.tanh(z / 2)
        return -y * votes.unflatten(0, (-1, copies)).mean(1)

    return pgd(gradient_of(objective), x, radius, steps, norm, step_size=2.5 * radius / steps)
