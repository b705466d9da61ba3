"""The soft radius of an input, which searches and trainings ascend by its noise scale.

The objective is the radius formula with the mean softmax outputs under noise in the place of
the class probabilities. It is a guide only: whatever scale comes out, a certificate rests on
fresh votes at that scale.
"""

from __future__ import annotations

from smoothcert.compute.lazy import torch
from smoothcert.models.mode import evaluating, wide
from smoothcert.noise import Noise


def soft_radius(
    probabilities: torch.Tensor,
    scale: torch.Tensor,
    noise: Noise,
    clamp: float,
    c_a: torch.Tensor | None = None,
) -> torch.Tensor:
    """The soft radius [B] of class probabilities [B, C] at noise scales [B].

    p_A and p_B are those of class ``c_a`` [B] and of the best other class; without ``c_a``,
    the two largest (DDRS Algorithm 1 and its code, anew at every step; equations 2 and 3 of the
    paper hold c_A fixed). Both are clamped to [clamp, 1 - clamp], as in the released code, and
    give no gradient there. Raises SmoothcertError for a noise without such a formula.
    """
    pair = probabilities.gather(1, contenders(probabilities.detach(), c_a))
    p_a, p_b = pair.clamp(clamp, 1 - clamp).unbind(1)
    return scale * noise.standard_soft_radius(p_a, p_b)


def contenders(probabilities: torch.Tensor, c_a: torch.Tensor | None) -> torch.Tensor:
    """The classes [B, 2] of p_A and p_B: ``c_a`` [B] and the best other one; without ``c_a``, the
    two largest of the probabilities [B, C]. A GPU is not waited for."""
    if c_a is None:
        return probabilities.topk(2, dim=1).indices
    mine = c_a[:, None]
    return torch.cat([mine, probabilities.scatter(1, mine, -1.0).argmax(1, keepdim=True)], 1)


def soft_radius_gradient(
    model: torch.nn.Module,
    x: torch.Tensor,
    scale: torch.Tensor,
    eps: torch.Tensor,
    noise: Noise,
    clamp: float,
    c_a: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(soft radius [B], its derivative by the scale [B]) with the noise ``eps`` held fixed.

    x: [B, C, H, W]; eps: standard noise [B * n, C, H, W], the copies of an input consecutive.
    The derivative has both parts: of the factor in front of the formula, and through the noisy
    inputs x + scale * eps (reparameterization). The model is in eval mode meanwhile and its
    parameters get no gradient.
    """
    n = len(eps) // len(x)
    scale = scale.detach().requires_grad_()
    with evaluating(model), torch.enable_grad():
        spread = scale.repeat_interleave(n).view(-1, *[1] * (x.dim() - 1))
        logits = model(x.repeat_interleave(n, 0) + spread * eps)
        softmax = wide(logits).softmax(1)
        radius = soft_radius(softmax.unflatten(0, (-1, n)).mean(1), scale, noise, clamp, c_a)
        (gradient,) = torch.autograd.grad(radius.sum(), scale)
    return radius.detach(), gradient


def soft_radius_ascent_step(
    model: torch.nn.Module,
    x: torch.Tensor,
    scale: torch.Tensor,
    noise: Noise,
    stream: torch.Generator,
    *,
    n: int = 1,
    step_size: float = 1e-4,
    clamp: float = 0.02,
    bounds: tuple[float, float],
    c_a: torch.Tensor | None = None,
) -> torch.Tensor:
    """One step of plain gradient ascent on the scales [B] of the inputs x [B, C, H, W].

    ``n`` fresh noisy copies an input are drawn from ``stream``; arguments as for
    :func:`soft_radius`. The new scales are clipped to ``bounds`` (pixels); where the gradient is
    not finite the scale stays. The result is a new tensor without history.
    """
    eps = noise.sample((len(x) * n, *x.shape[1:]), stream)
    _, gradient = soft_radius_gradient(model, x, scale, eps, noise, clamp, c_a)
    step = torch.where(gradient.isfinite(), step_size * gradient, 0.0)
    return (scale.detach() + step).clamp(*bounds)
