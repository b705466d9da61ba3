"""The objective of the searches, the soft radius, with its derivative by the scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smoothcert.compute.lazy import torch
from smoothcert.models.mode import wide
from smoothcert.noise import Noise
from smoothcert.noise.soft_radius import contenders, soft_radius

if TYPE_CHECKING:
    from smoothcert.scaling.forward import SearchEngine


def saturated(noise: Noise, clamp: float) -> float:
    """The standard radius at the clamp: dR/dsigma where both class probabilities are clamped.

    Raises SmoothcertError for a noise without a soft radius.
    """
    sure = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    return float(soft_radius(sure, one, noise, clamp))


@dataclass(frozen=True)
class Objective:
    """The soft radius as a function of the scale, the noise held fixed.

    ``clamp`` and ``c_a`` [B] (or None) are as for :func:`soft_radius`. ``forward`` mode, where
    the engine has it, or reverse: the same number.
    """

    engine: SearchEngine
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
        if self.forward and self.engine.softmax:
            with torch.inference_mode():
                noisy = self._noisy(x, sigma, eps)
                pair = self.engine.softmax(noisy, eps.flatten(0, 1))
                mean, slope = (t.double() for t in pair)
                if eps.shape[1] > 1:
                    mean, slope = (t.unflatten(0, eps.shape[:2]).mean(1) for t in (mean, slope))
                return self._carried(mean, slope, sigma)
        with torch.enable_grad():
            noisy = self._noisy(x, sigma, eps).requires_grad_()
            softmax = wide(self.engine.model(noisy)).softmax(1)
            mean = softmax.unflatten(0, eps.shape[:2]).mean(1).double()
            radius, by_scale, by_mean = self._radius(mean.detach(), sigma)
            (through,) = torch.autograd.grad(mean, noisy, by_mean)
        along = through.unflatten(0, eps.shape[:2]).flatten(1)
        return radius, by_scale + torch.linalg.vecdot(along, eps.flatten(1))

    @staticmethod
    def _noisy(x: torch.Tensor, sigma: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        factor = sigma.to(x.dtype).view(-1, *[1] * x.dim())
        return torch.addcmul(x[:, None], factor, eps).flatten(0, 1)

    def _carried(
        self, mean: torch.Tensor, slope: torch.Tensor, sigma: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As :func:`soft_radius` of ``mean`` [B, C], with the derivative ``slope`` [B, C]."""
        from smoothcert.scaling.dual import Dual  # a torch module: only here

        pair = contenders(mean, self.c_a)
        p, slope = mean.gather(1, pair), slope.gather(1, pair)
        clamped = p.clamp(self.clamp, 1 - self.clamp)
        slope = slope * (p == clamped)
        p_a, p_b = map(Dual, clamped.unbind(1), slope.unbind(1))
        found: Any = self.noise.standard_soft_radius(p_a, p_b)  # type: ignore[arg-type]
        return sigma * found.value, torch.addcmul(found.value, sigma, found.tangent)

    def _radius(
        self, mean: torch.Tensor, sigma: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The soft radius [B], and its partial derivatives by scale [B] and ``mean`` [B, C]."""
        mean, scale = mean.detach().requires_grad_(), sigma.detach().requires_grad_()
        with torch.enable_grad():
            radius = soft_radius(mean, scale, self.noise, self.clamp, self.c_a)
            by_scale, by_mean = torch.autograd.grad(radius.sum(), (scale, mean))
        return radius.detach(), by_scale, by_mean
