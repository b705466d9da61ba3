"""The objective of the searches, the soft radius, with its derivative by the scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from smoothcert.models.mode import evaluating, wide
from smoothcert.scaling.problem import OBJECTIVE
from smoothcert.soft_radius import soft_radius

if TYPE_CHECKING:
    from torch import Tensor, nn

    from smoothcert.noise import Noise
    from smoothcert.scaling.problem import Problem


def saturated(noise: Noise, clamp: float) -> float:
    """The standard radius at the clamp: dR/dsigma where both class probabilities are clamped.

    Raises SmoothcertError for a noise without a soft radius.
    """
    sure = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    return float(soft_radius(sure, one, noise, clamp))


def value_and_gradient(
    model: nn.Module,
    x: Tensor,
    sigma: Tensor,
    eps: Tensor,
    noise: Noise,
    clamp: float,
    c_a: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """(soft radius [B], its derivative by the scale [B]), float64, at scales [B], float64.

    x: [B, *shape]; eps: [B, n, *shape], standard noise that is held fixed; c_a [B] or None as
    for :func:`soft_radius`. The same as differentiating through x + sigma * eps, but the scale
    and the radius keep double precision while the network runs in its own.
    """
    factor = sigma.to(x.dtype).view(-1, *[1] * x.dim())
    noisy = torch.addcmul(x[:, None], factor, eps).requires_grad_()
    scale = sigma.detach().requires_grad_()
    with evaluating(model), torch.enable_grad():
        softmax = wide(model(noisy.flatten(0, 1))).softmax(1)
        mean = softmax.unflatten(0, eps.shape[:2]).mean(1).double()
        radius = soft_radius(mean, scale, noise, clamp, c_a)
        through, front = torch.autograd.grad(radius.sum(), (noisy, scale))
    along = torch.linalg.vecdot(through.flatten(1), eps.flatten(1))
    return radius.detach(), front + along


@torch.inference_mode()
def measure(problem: Problem, scales: Tensor, c_a: Tensor, clamp: float, n: int = 100) -> Tensor:
    """The soft radius [B, S] for c_A at the scales [B, S] of each input, from fresh samples.

    ``n`` samples of a stream that no search uses, shared by the scales of an input; float64.
    """
    out = torch.empty(scales.shape, dtype=torch.float64)
    size = problem.block()
    with evaluating(problem.model):
        for i in range(len(problem)):
            total: Tensor | float = 0.0
            for start in range(0, n, size):
                eps = problem.draw(i, OBJECTIVE, min(size, n - start), start // size)
                softmax = [
                    wide(problem.model(torch.add(problem.x[i], eps, alpha=scale))).softmax(1)
                    for scale in scales[i].tolist()
                ]
                total = total + torch.stack(softmax).double().sum(1)
                problem.progress(len(eps) * scales.shape[1])
            mean = torch.as_tensor(total / n).cpu()
            same = c_a[i].cpu().expand(len(mean))
            out[i] = soft_radius(mean, scales[i].cpu(), problem.noise, clamp, same)
    return out
