"""Drawing noise as a gamma-distributed norm times an independent direction."""

from __future__ import annotations

from smoothcert.compute.lazy import torch


def gamma(shape: float, n: int, generator: torch.Generator) -> torch.Tensor:
    """n draws of Gamma(shape, 1), float64, on the generator's device."""
    # torch.distributions.Gamma calls this, but takes no generator.
    alpha = torch.full((n,), float(shape), dtype=torch.float64, device=generator.device)
    return torch._standard_gamma(alpha, generator=generator)


def scaled(z: torch.Tensor, size: torch.Tensor, rho: torch.Tensor) -> torch.Tensor:
    """z [n, d] (changed in place) with row norms ``size`` [n] scaled to norms ``rho`` [n]."""
    return z.mul_((rho / size).to(z.dtype)[:, None])
