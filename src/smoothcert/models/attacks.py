"""Projected gradient ascent (PGD) on a classifier or on the smoothed one, in l2 and linf.

An attack is :func:`pgd` on a direction: a function from inputs [B, C, H, W] to the direction
of steepest ascent of some loss, one an input. :func:`gradient_of` gives it for any objective by
backpropagation, :func:`zeroth_order` without.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from smoothcert.compute.geometry import broadcast, length, project
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.mode import wide

Objective = Callable[[Tensor], Tensor]  # inputs [B, ...] -> losses [B]
Direction = Callable[[Tensor], Tensor]  # inputs [B, ...] -> directions of ascent [B, ...]

AttackNorm = Literal["l2", "linf"]


def pgd(
    direction: Direction,
    x: Tensor,
    radius: Tensor | float,
    steps: int,
    norm: AttackNorm = "l2",
    *,
    step_size: Tensor | float | None = None,
    stream: Generator | None = None,
    random_start: bool = False,
    box: tuple[float, float] | None = (0.0, 1.0),
) -> Tensor:
    """Inputs [B, ...] within ``radius`` (a number, or [B]) of ``x`` in ``norm`` and in ``box``.

    Each step goes ``step_size`` (default 2 * radius / steps) along the direction, normalized in
    l2 or by its signs in linf, then clips to the box, then projects to the ball (the box holds
    still, since it is convex and holds x). With ``stream``, an l2 direction that is exactly zero
    is replaced by a Gaussian one. The result carries no history.

    Raises SmoothcertError for steps < 1, a negative radius, or a random start without stream.
    """
    if steps < 1:
        raise SmoothcertError(f"attack: steps {steps}, expected at least 1")
    if norm not in ("l2", "linf"):
        raise SmoothcertError(f"attack: norm {norm!r}, expected l2 or linf")
    each = [-1] + [1] * (x.dim() - 1)
    bound = torch.as_tensor(radius, dtype=x.dtype, device=x.device).expand(len(x)).view(each)
    if not bool((bound >= 0).all()):
        raise SmoothcertError("attack: expected radii of 0 or more")
    pace = 2 * bound / steps if step_size is None else step_size
    pace = torch.as_tensor(pace, dtype=x.dtype, device=x.device).reshape(-1, *each[1:])
    x = x.detach()
    delta = torch.zeros_like(x)
    if random_start:
        if stream is None:
            raise SmoothcertError("attack: a random start needs a stream")
        delta = project(_uniform_in_ball(x, norm, stream) * bound, bound.flatten(), norm)
        delta = _into_box(delta, x, box)
    for _ in range(steps):
        ascent = direction(x + delta).detach()
        if norm == "linf":
            delta = delta + pace * ascent.sign()
        else:
            size = _length(ascent)
            if stream is not None and not bool((size > 0).all()):
                other = torch.randn(x.shape, generator=stream, device=x.device, dtype=x.dtype)
                ascent = torch.where(size > 0, ascent, other)
                size = torch.where(size > 0, size, _length(other))
            delta = delta + pace * ascent / size.clamp_min(torch.finfo(x.dtype).tiny)
        delta = project(_into_box(delta, x, box), bound.flatten(), norm)
    return x + delta


def gradient_of(objective: Objective) -> Direction:
    """The gradient of ``objective`` by the inputs; parameters get none."""

    def direction(x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(objective(x).sum(), x)
        return gradient

    return direction


def zeroth_order(model: nn.Module, y: Tensor, eps: Tensor) -> Direction:
    """Mean over the noisy copies of loss times noise: no backward pass.

    It estimates the gradient of the Gaussian-smoothed cross-entropy up to a positive factor
    (Stein's identity; the no-gradient attack of Salman et al. 2019). eps: scaled noise
    [B * m, ...], the copies of an input consecutive.
    """
    copies = len(eps) // len(y)

    @torch.no_grad()
    def direction(x: Tensor) -> Tensor:
        logits = wide(model(x.repeat_interleave(copies, 0) + eps))
        loss = F.cross_entropy(logits, y.repeat_interleave(copies), reduction="none")
        weighted = loss.view(-1, *[1] * (x.dim() - 1)) * eps
        return weighted.unflatten(0, (-1, copies)).mean(1)

    return direction


def cross_entropy(model: nn.Module, y: Tensor) -> Objective:
    """The loss of the classifier itself: -log softmax of the label, [B]."""
    return lambda x: F.cross_entropy(wide(model(x)), y, reduction="none")


def smoothed_cross_entropy(model: nn.Module, y: Tensor, eps: Tensor) -> Objective:
    """The loss of the soft smoothed classifier: -log of the mean softmax of the label, [B].

    Salman et al. 2019, equation 6: the mean over the noisy copies x + eps is inside the
    logarithm. eps: scaled noise [B * m, ...], the copies of an input consecutive; held fixed.
    """
    copies = len(eps) // len(y)
    labels = y.repeat_interleave(copies)

    def objective(x: Tensor) -> Tensor:
        logits = wide(model(x.repeat_interleave(copies, 0) + eps))
        each = -F.cross_entropy(logits, labels, reduction="none")
        return math.log(copies) - each.unflatten(0, (-1, copies)).logsumexp(1)

    return objective


def _length(delta: Tensor) -> Tensor:
    """The l2 norm of each input, shaped to broadcast."""
    return broadcast(length(delta, "l2"), delta)


def _into_box(delta: Tensor, x: Tensor, box: tuple[float, float] | None) -> Tensor:
    return delta if box is None else (x + delta).clamp(*box) - x


def _uniform_in_ball(x: Tensor, norm: AttackNorm, stream: Generator) -> Tensor:
    """Uniform in the unit ball of ``norm``, one an input."""
    options: dict[str, Any] = {"generator": stream, "device": x.device, "dtype": x.dtype}
    if norm == "linf":
        return 2 * torch.rand(x.shape, **options) - 1
    towards = torch.randn(x.shape, **options)
    d = x[0].numel()
    share = torch.rand((len(x), *[1] * (x.dim() - 1)), **options) ** (1 / d)
    return towards / _length(towards) * share
