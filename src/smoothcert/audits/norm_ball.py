"""Balls in l1, l2 and linf as an attack needs them: length, projection, steepest step, vertices.

Tensors are [B, ...], one vector an input; radii are [B]. Certificates are about open balls of all
of space, so nothing here is clipped to [0,1].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from smoothcert.core.errors import SmoothcertError

ORDERS: dict[str, float] = {"l1": 1.0, "l2": 2.0, "linf": float("inf")}

# Relative room below the radius of an open ball: far more than what storing the perturbed
# input in float32 can add to its distance.
MARGIN = 1e-5


def length(delta: Tensor, norm: str) -> Tensor:
    """The norm of each vector, float64 [B]. Raises SmoothcertError for an unknown norm."""
    return torch.linalg.vector_norm(delta.double().flatten(1), _order(norm), dim=1)


def project(delta: Tensor, radius: Tensor, norm: str) -> Tensor:
    """The nearest points (in l2) of the balls of ``radius`` [B]; same shape and type."""
    flat, bound = delta.flatten(1), radius.to(delta).unsqueeze(1)
    if norm == "linf":
        out = flat.clamp(-bound, bound)
    elif norm == "l2":
        size = flat.norm(dim=1, keepdim=True)
        out = torch.where(size > bound, flat * (bound / size.clamp_min(1e-30)), flat)
    else:
        _order(norm)
        out = _project_l1(flat, bound)
    return out.view_as(delta)


def _project_l1(flat: Tensor, bound: Tensor) -> Tensor:
    """Duchi et al. 2008: shrink all entries towards 0 by the one amount that meets the bound."""
    size = flat.abs()
    ordered = size.sort(dim=1, descending=True).values
    rank = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    excess = (ordered.cumsum(1) - bound) / rank
    last = (ordered > excess).sum(1, keepdim=True).clamp_min(1) - 1
    shrunk = (size - excess.gather(1, last).clamp_min(0)).clamp_min(0) * flat.sign()
    return torch.where(size.sum(1, keepdim=True) > bound, shrunk, flat)


def steepest(gradient: Tensor, norm: str, share: float = 0.0) -> Tensor:
    """Steps of norm 1 up the gradient; a gradient of 0 gives a step of 0.

    In l1 the best step moves one entry only; ``share`` spreads it evenly over that share of the
    entries, those of the largest gradient (Tramer and Boneh 2019).
    """
    flat = gradient.flatten(1)
    if norm == "linf":
        out = flat.sign()
    elif norm == "l2":
        size = flat.norm(dim=1, keepdim=True)
        out = torch.where(size > 0, flat / size.clamp_min(1e-30), flat)
    else:
        _order(norm)
        most = max(1, round(share * flat.shape[1]))
        top = flat.abs().topk(most, dim=1).indices
        out = torch.zeros_like(flat).scatter_(1, top, flat.sign().gather(1, top) / most)
    return out.view_as(gradient)


def vertices(shape: tuple[int, ...], norm: str, stream: Generator) -> Tensor:
    """Random extreme points of the unit balls, ``shape`` = (n, *input), float32.

    l1: plus or minus one coordinate axis; l2: uniform on the sphere; linf: a corner of the cube.
    """
    options: dict[str, Any] = {"generator": stream, "device": stream.device}
    n, d = shape[0], int(torch.Size(shape[1:]).numel())
    if norm == "linf":
        return (torch.randint(2, shape, **options) * 2 - 1).float()
    if norm == "l2":
        return steepest(torch.randn(shape, **options), "l2")
    _order(norm)
    sign = (torch.randint(2, (n, 1), **options) * 2 - 1).float()
    out = torch.zeros((n, d), device=stream.device)
    return out.scatter_(1, torch.randint(d, (n, 1), **options), sign).view(shape)


def within(x: Tensor, moved: Tensor, radius: Tensor, norm: str) -> Tensor:
    """``moved`` pulled towards ``x`` until it is strictly inside the open ball, in float64.

    Both are float32 [B, ...]; what comes back is float32 and its exact distance to ``x`` is
    below ``radius`` [B] wherever that is positive (elsewhere it is ``x`` itself).
    """
    each = [-1] + [1] * (x.dim() - 1)
    bound = radius.double().to(x.device)
    delta = moved.double() - x.double()
    size = length(delta, norm)
    factor = torch.where(size < bound * (1 - MARGIN), 1.0, bound * (1 - MARGIN) / size)
    out = x
    for shrink in (1.0, 1 - 1e-3, 1 - 1e-2, 0.9, 0.5):
        tried = (x.double() + (factor * shrink).view(each) * delta).float()
        good = length(tried.double() - x.double(), norm) < bound
        still = length(out.double() - x.double(), norm) == 0
        out = torch.where((good & still).view(each), tried, out)
    return out


def _order(norm: str) -> float:
    if norm not in ORDERS:
        raise SmoothcertError(f"norm {norm!r}: expected one of {', '.join(ORDERS)}")
    return ORDERS[norm]
