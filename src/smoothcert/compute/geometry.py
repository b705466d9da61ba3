"""The geometry of the l1, l2 and linf norms: lengths, duals, projections, steepest steps.

Tensors are [B, ...], one vector an input, and keep their type; radii are [B]. Another norm is a
SmoothcertError.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError

ORDERS: dict[str, float] = {"l1": 1.0, "l2": 2.0, "linf": float("inf")}
DUAL = {"l1": "linf", "l2": "l2", "linf": "l1"}


def check(norm: str) -> str:
    """``norm`` itself; raises SmoothcertError unless it is l1, l2 or linf."""
    if norm not in ORDERS:
        raise SmoothcertError(f"norm {norm!r}: expected one of {', '.join(ORDERS)}")
    return norm


def dual_length(vectors: ArrayLike, norm: str) -> NDArray[np.float64]:
    """The norm dual to ``norm`` of NumPy vectors, sup of v.u over ||u|| <= 1: [..., d] -> [...]."""
    p = cast("Literal[1, 2]", ORDERS[DUAL[check(norm)]])
    return np.asarray(np.linalg.norm(np.asarray(vectors, np.float64), p, axis=-1))


def length(delta: torch.Tensor, norm: str) -> torch.Tensor:
    """The norm of each vector: [B, ...] -> [B]."""
    return torch.linalg.vector_norm(delta.flatten(1), ORDERS[check(norm)], dim=1)


def broadcast(each: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """One number an input, [B], shaped to broadcast over ``to`` [B, ...]."""
    return each.view(-1, *[1] * (to.dim() - 1))


def project(delta: torch.Tensor, radius: torch.Tensor, norm: str) -> torch.Tensor:
    """The nearest points (in l2) of the balls of ``radius`` [B]; same shape and type."""
    flat, bound = delta.flatten(1), radius.to(delta).unsqueeze(1)
    if check(norm) == "linf":
        out = flat.clamp(-bound, bound)
    elif norm == "l2":
        size = length(flat, "l2").unsqueeze(1)
        out = torch.where(size > bound, flat * (bound / size.clamp_min(1e-30)), flat)
    else:
        out = _project_l1(flat, bound)
    return out.view_as(delta)


def _project_l1(flat: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    """Duchi et al. 2008: shrink all entries towards 0 by the one amount that meets the bound."""
    size = flat.abs()
    ordered = size.sort(dim=1, descending=True).values
    rank = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    excess = (ordered.cumsum(1) - bound) / rank
    last = (ordered > excess).sum(1, keepdim=True).clamp_min(1) - 1
    shrunk = (size - excess.gather(1, last).clamp_min(0)).clamp_min(0) * flat.sign()
    return torch.where(size.sum(1, keepdim=True) > bound, shrunk, flat)


def steepest(gradient: torch.Tensor, norm: str, share: float = 0.0) -> torch.Tensor:
    """Steps of norm 1 up the gradient; a gradient of 0 gives a step of 0.

    In l1 the best step moves one entry only; ``share`` spreads it evenly over that share of the
    entries, those of the largest gradient (Tramer and Boneh 2019).
    """
    flat = gradient.flatten(1)
    if check(norm) == "linf":
        out = flat.sign()
    elif norm == "l2":
        size = length(flat, "l2").unsqueeze(1)
        out = torch.where(size > 0, flat / size.clamp_min(1e-30), flat)
    else:
        most = max(1, round(share * flat.shape[1]))
        top = flat.abs().topk(most, dim=1).indices
        out = torch.zeros_like(flat).scatter_(1, top, flat.sign().gather(1, top) / most)
    return out.view_as(gradient)


def vertices(shape: tuple[int, ...], norm: str, stream: torch.Generator) -> torch.Tensor:
    """Random extreme points of the unit balls, ``shape`` = (n, *input), float32.

    l1: plus or minus one coordinate axis; l2: uniform on the sphere; linf: a corner of the cube.
    """
    options: dict[str, Any] = {"generator": stream, "device": stream.device}
    n, d = shape[0], int(torch.Size(shape[1:]).numel())
    if check(norm) == "linf":
        return (torch.randint(2, shape, **options) * 2 - 1).float()
    if norm == "l2":
        return steepest(torch.randn(shape, **options), "l2")
    sign = (torch.randint(2, (n, 1), **options) * 2 - 1).float()
    out = torch.zeros((n, d), device=stream.device)
    return out.scatter_(1, torch.randint(d, (n, 1), **options), sign).view(shape)
