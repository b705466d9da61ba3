"""Where to look for an input inside a certified ball that the deployed classifier gets wrong.

Each tactic takes T balls at once and proposes inputs inside them: x [T, *shape]. They differ in
what they know of the search for the scale: nothing (a fixed scale), its end (the scale of the
query held still while the query moves) or its way (the gradient through the ascent itself).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from smoothcert.audits.deployed import Balls, Deployed
from smoothcert.audits.norm_ball import length, within
from smoothcert.compute.geometry import project, steepest, vertices
from smoothcert.compute.memory import in_chunks
from smoothcert.models.activations import at_once
from smoothcert.models.attacks import Direction, gradient_of
from smoothcert.models.mode import wide
from smoothcert.noise.soft_radius import soft_radius
from smoothcert.sampling.sampler import default_batch


def inside(x: Tensor, balls: Balls, norm: str) -> Tensor:
    """``x`` [T, *shape] put into the box [0,1], then into the open balls (in float64 too).

    A witness is an image, as every query is. The projection keeps the box, which is convex and
    holds the centres.
    """
    radius = torch.as_tensor(balls.radius, device=x.device)
    delta = project(x.clamp(0, 1) - balls.x, radius, norm)
    return within(balls.x, balls.x + delta, radius, norm).clamp(0, 1)


def climb(
    direction: Direction,
    balls: Balls,
    norm: str,
    steps: int,
    start: Tensor | None = None,
    pace: float = 0.25,
) -> Tensor:
    """Projected ascent from ``start`` (default the centres): x [T, *shape] inside the balls.

    Steps fall linearly from ``pace`` times the radius to a twentieth of that.
    """
    radius = torch.as_tensor(balls.radius, dtype=balls.x.dtype, device=balls.x.device)
    each = [-1] + [1] * (balls.x.dim() - 1)
    x = balls.x if start is None else start
    for k in range(steps):
        step = steepest(direction(x).detach().nan_to_num(), "l2")
        x = inside(x + radius.view(each) * pace * (1 - 0.95 * k / steps) * step, balls, norm)
    return x


@dataclass
class Tactics:
    """The tactics against one deployed classifier; ``stream`` gives all their noise."""

    deployed: Deployed
    stream: Generator
    copies: int = 64
    steps: int = 20
    unrolled: int = 20

    @property
    def norm(self) -> str:
        """Of the certificates."""
        return self.deployed.noise.norm

    def at_scale(self, balls: Balls, scale: Any, loss: str = "lead") -> Tensor:
        """Leave the class of the balls under smoothing at fixed scales, a number or [T]."""
        return self._climb(balls, lambda x: [scale], loss, self.steps)

    def scale_held(
        self, balls: Balls, seed: int, again: int, start: Tensor, loss: str = "lead"
    ) -> Tensor:
        """The same at the query's own scale, held still, and at sigma_0, where its search begins.

        The own scale is found ``again`` times on the way.
        """
        own, every = self.deployed.scales, -(-self.steps // max(again, 1))
        state: dict[str, Any] = {"step": 0, "own": None}

        def scales(x: Tensor) -> list[Any]:
            if state["step"] % every == 0:
                state["own"] = own(x, balls.idx, seed)
            state["step"] += 1
            return [self.deployed.noise.scale, state["own"]]

        return self._climb(balls, scales, loss, self.steps, start, 0.1)

    def through_ascent(self, balls: Balls, start: Tensor | None = None) -> Tensor:
        """The same with the gradient through the query's own scale (a shorter, equal ascent)."""
        return self._climb(balls, None, "lead", max(self.steps // 2, 1), start)

    def push_scale(self, balls: Balls, sign: int, start: Tensor | None = None) -> Tensor:
        """Make the query's own scale as large (sign 1) or small (-1) as possible."""

        def direction(x: Tensor) -> Tensor:
            return self._in_parts(
                lambda x, rows: sign * self.soft_scale(x).log(), x, self._passes(True)
            )

        return climb(direction, balls, self.norm, max(self.steps // 2, 1), start)

    def lines(self, balls: Balls, others: Tensor, part: float = 1.0) -> Tensor:
        """Towards other inputs [T, *shape], as far as ``part`` of the radius or they are."""
        gap = others - balls.x
        radius = torch.as_tensor(balls.radius, device=gap.device)
        share = (part * radius / length(gap, self.norm).clamp_min(1e-30)).clamp_max(1)
        return inside(balls.x + _wide(share.to(gap), gap) * gap, balls, self.norm)

    def random(self, balls: Balls) -> Tensor:
        """A random extreme point of each ball, put into the box, for comparison."""
        radius = torch.as_tensor(balls.radius, dtype=balls.x.dtype, device=balls.x.device)
        unit = vertices(tuple(balls.x.shape), self.norm, self.stream)
        return inside(balls.x + _wide(radius, unit) * unit, balls, self.norm)

    @property
    def can_unroll(self) -> bool:
        """Whether the scaling is an ascent that :meth:`soft_scale` can stand for."""
        return all(hasattr(self.deployed.scaling, name) for name in ("K", "step", "clamp", "bound"))

    def soft_scale(self, x: Tensor) -> Tensor:
        """A differentiable stand-in for the ascent's scale [T]: fewer, longer steps.

        ``unrolled`` steps of K / unrolled times the length, each from ``copies`` / 4 samples.
        """
        how: Any = self.deployed.scaling
        steps = min(self.unrolled, how.K)
        pace, start = how.step * how.K / steps, self.deployed.noise.scale
        sigma = torch.full((len(x),), start, device=x.device)
        released = getattr(how, "released", False)
        c_a = None if released else self._mean(x, sigma, self.copies).argmax(1)
        for _ in range(steps):
            if not sigma.requires_grad:
                sigma = sigma.requires_grad_()
            radius = self._soft_radius(x, sigma, how.n, how.clamp, c_a)
            (gradient,) = torch.autograd.grad(radius.sum(), sigma, create_graph=True)
            moved = sigma + pace * torch.where(gradient.isfinite(), gradient, 0.0)
            sigma = moved.clamp(start / how.bound, start * how.bound)
        return sigma

    def _soft_radius(
        self, x: Tensor, sigma: Tensor, n: int, clamp: float, c_a: Tensor | None
    ) -> Tensor:
        """The objective of the ascent [T], averaged over as many estimates from ``n`` samples as
        a quarter of ``copies`` gives (the radius of a mean is not the mean of radii)."""
        samples = max(self.copies // 4, 1)
        group = min(n, samples)
        groups = samples // group
        noisy = self._noisy(x, sigma, groups * group)
        softmax = wide(self.deployed.model(noisy)).softmax(1).unflatten(0, (-1, group)).mean(1)
        many = sigma.repeat_interleave(groups)
        classes = None if c_a is None else c_a.repeat_interleave(groups)
        radius = soft_radius(softmax, many, self.deployed.noise, clamp, classes)
        return radius.unflatten(0, (-1, groups)).mean(1)

    def _mean(self, x: Tensor, sigma: Tensor, n: int) -> Tensor:
        """The mean softmax [T, C] of n noisy copies at scales [T]."""
        noisy = self._noisy(x, sigma, n)
        return wide(self.deployed.model(noisy)).softmax(1).unflatten(0, (-1, n)).mean(1)

    def _noisy(self, x: Tensor, sigma: Tensor, n: int) -> Tensor:
        eps = self._noise(len(x) * n, x)
        return x.repeat_interleave(n, 0) + _wide(sigma.repeat_interleave(n), x) * eps

    def _noise(self, n: int, x: Tensor) -> Tensor:
        return self.deployed.noise.sample((n, *x.shape[1:]), self.stream).to(x.dtype)

    def _climb(
        self, balls: Balls, scales_of: Callable[[Tensor], list[Any]] | None, loss: str,
        steps: int, start: Tensor | None = None, pace: float = 0.25,
    ) -> Tensor:  # fmt: skip
        """Projected ascent of a loss of the smoothed classifier, with fresh noise at every step.

        Summed over the scales of ``scales_of``, held still, or (None) through :meth:`soft_scale`.
        ``cross-entropy``: -log of the mean softmax of the promised class; ``lead``: log of the
        largest other class's less that, which makes one other class win, not many.
        """
        y = torch.as_tensor(balls.predict, device=balls.x.device)
        mine = torch.nn.functional.one_hot(y, self.deployed.n_classes).bool()

        def direction(x: Tensor) -> Tensor:
            held = [] if scales_of is None else [_each(s, x) for s in scales_of(x)]

            def objective(x: Tensor, rows: slice) -> Tensor:
                total: Tensor | float = 0.0
                for scale in [s[rows] for s in held] or [self.soft_scale(x)]:
                    mean = self._mean(x, scale, self.copies).clamp_min(1e-12).log()
                    own = mine[rows]
                    other = mean.masked_fill(own, -torch.inf).amax(1) if loss == "lead" else 0.0
                    total = total + other - mean[own]
                assert isinstance(total, torch.Tensor)
                return total

            return self._in_parts(objective, x, self._passes(not held))

        return climb(direction, balls, self.norm, steps, start, pace)

    def _passes(self, unrolled: bool) -> int:
        """Noisy copies of one input whose activations are kept at once."""
        return 2 * self.copies + (self.unrolled * self.copies // 4 if unrolled else 0)

    def _in_parts(
        self, objective: Callable[[Tensor, slice], Tensor], x: Tensor, passes: int
    ) -> Tensor:
        """The gradient of ``objective`` by x [T, *shape], for as many inputs at once as fit.

        The noise is drawn for the inputs of a part: the parts are the same in every run, unless
        a GPU that others use as well has no memory for one.
        """
        device = self.deployed.device
        fits = at_once(self.deployed.model, x.shape[1:], passes, device, twice=True)
        size = fits or max(1, 8 * default_batch(self.deployed.d, device) // passes)

        def part(rows: slice) -> Tensor:
            before = self.stream.get_state()
            try:
                return gradient_of(lambda z: objective(z, rows))(x[rows])
            except torch.OutOfMemoryError:
                self.stream.set_state(before)
                raise

        return torch.cat(in_chunks(part, len(x), size))


def _each(scale: Any, x: Tensor) -> Tensor:
    return torch.as_tensor(scale, dtype=x.dtype, device=x.device).expand(len(x))


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.dim() - 1))
