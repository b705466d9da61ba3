"""Open balls in l1, l2 and linf as certificates have them, with exact distances.

Tensors are [B, ...], one vector an input; radii are [B]. Certificates are about open balls of all
of space, so nothing here is clipped to [0,1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from smoothcert.compute import geometry

# Relative room below the radius of an open ball: far more than what storing the perturbed
# input in float32 can add to its distance.
MARGIN = 1e-5


def length(delta: Tensor, norm: str) -> Tensor:
    """The norm of each vector, float64 [B]. Raises SmoothcertError for an unknown norm."""
    return geometry.length(delta.double(), norm)


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
