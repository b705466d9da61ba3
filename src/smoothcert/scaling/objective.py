"""The objective of the searches, the soft radius, with its derivative by the scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smoothcert.compute.lazy import torch
from smoothcert.models.mode import evaluating, wide
from smoothcert.noise import Noise
from smoothcert.noise.soft_radius import soft_radius

if TYPE_CHECKING:
    from smoothcert.scaling.dual import Dual


def saturated(noise: Noise, clamp: float) -> float:
    """The standard radius at the clamp: dR/dsigma where both class probabilities are clamped.

    Raises SmoothcertError for a noise without a soft radius.
    """
    sure = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    return float(soft_radius(sure, one, noise, clamp))


def _with_tangent(model: torch.nn.Module, x: torch.Tensor, tangent: torch.Tensor) -> Dual:
    """What ``model`` makes of ``x``, with its derivative along ``tangent``."""
    from smoothcert.scaling.dual import Dual  # a torch module: only here

    return model(Dual(x, tangent))


def has_forward_mode(model: torch.nn.Module, x: torch.Tensor) -> bool:
    """Whether forward mode knows all that ``model`` does with an input like x [1, *shape]."""
    try:
        with torch.inference_mode(), evaluating(model):
            return hasattr(_with_tangent(model, x, x), "tangent")
    except (NotImplementedError, AttributeError, TypeError, RuntimeError):
        return False


@dataclass(frozen=True)
class Objective:
    """The soft radius as a function of the scale, the noise held fixed.

    ``model`` maps images in [0,1] to logits and is in eval mode; ``clamp`` and ``c_a`` [B] (or
    None) are as for :func:`soft_radius`. ``forward`` mode or reverse: the same number.
    """

    model: torch.nn.Module
    noise: Noise
    clamp: float
    c_a: torch.Tensor | None = None
    forward: bool = True

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, eps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(soft radius [B], its derivative by the scale [B]) at the scales [B], all float64.

        x: [B, *shape]; eps: [B, n, *shape], standard noise. The derivative is of the factor in
        front and through x + sigma * eps (reparameterization). The network runs in its own
        precision, scale and radius in double.
        """
        factor = sigma.to(x.dtype).view(-1, *[1] * x.dim())
        noisy = torch.addcmul(x[:, None], factor, eps).flatten(0, 1)
        if self.forward:
            mean, slope = self._mean_softmax(noisy, eps)
            radius, by_scale, by_mean = self._radius(mean, sigma)
            return radius, by_scale + (by_mean * slope).sum(1)
        with torch.enable_grad():
            softmax = wide(self.model(noisy.requires_grad_())).softmax(1)
            mean = softmax.unflatten(0, eps.shape[:2]).mean(1).double()
            radius, by_scale, by_mean = self._radius(mean.detach(), sigma)
            (through,) = torch.autograd.grad(mean, noisy, by_mean)
        along = through.unflatten(0, eps.shape[:2]).flatten(1)
        return radius, by_scale + torch.linalg.vecdot(along, eps.flatten(1))

    def _mean_softmax(
        self, noisy: torch.Tensor, eps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean softmax outputs [B, C] and their derivatives by the scale."""
        with torch.inference_mode():
            logits = _with_tangent(self.model, noisy, eps.flatten(0, 1))
            p, slope = wide(logits.value).softmax(1), wide(logits.tangent)
            slope = p * (slope - (p * slope).sum(1, keepdim=True))
        # An inference tensor cannot enter autograd again, a copy can.
        mean, by_scale = (t.unflatten(0, eps.shape[:2]).double().mean(1) for t in (p, slope))
        return mean.clone(), by_scale.clone()

    def _radius(
        self, mean: torch.Tensor, sigma: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The soft radius [B], and its partial derivatives by scale [B] and ``mean`` [B, C]."""
        mean, scale = mean.detach().requires_grad_(), sigma.detach().requires_grad_()
        with torch.enable_grad():
            radius = soft_radius(mean, scale, self.noise, self.clamp, self.c_a)
            by_scale, by_mean = torch.autograd.grad(radius.sum(), (scale, mean))
        return radius.detach(), by_scale, by_mean
