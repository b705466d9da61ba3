"""Drawing mixed-norm noise with torch: its largest entry, then the others given that one."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.noise.largest_entry import largest_entry_quantiles, log_density

# The density of ln T is drawn linear between so many nodes, which is off by about 1e-6 in total
# variation, by 1e-5 for k = d - 1.
_NODES = 4096
# Truncated at less than this, 7% of normal draws would be drawn again.
_NARROW = 1.8


def largest_entries(k: int, d: int, n: int, generator: torch.Generator) -> torch.Tensor:
    """n draws of T = ||z||_inf at scale 1: float64 [n], on the generator's device.

    A density that is linear between nodes is a mixture of hats, so ln T is a node, chosen by
    the alias method, plus the sum of two uniform variables. (A search in the distribution
    function takes longer than a small network allows.)
    """
    device = generator.device
    start, step, keep, other = _nodes(k, d)
    place, a, b = torch.rand((3, n), generator=generator, device=device, dtype=torch.float64)
    i = place.mul_(len(keep)).long()
    kept = place.sub_(i) < torch.as_tensor(keep, device=device)[i]
    node = torch.where(kept, i, torch.as_tensor(other, device=device)[i])
    return a.add_(b).add_(node).mul_(step).add_(start - step).exp_()


@lru_cache(maxsize=32)
def _nodes(k: int, d: int) -> tuple[float, float, NDArray[np.float64], NDArray[np.int64]]:
    """First node of ln T, distance of the nodes, and their alias table."""
    _, quantile = largest_entry_quantiles(k, d)
    x = np.linspace(np.log(quantile[0]), np.log(quantile[-1]), _NODES)
    f = log_density(x, k, d)
    return float(x[0]), float(x[1] - x[0]), *alias_table(np.exp(f - f.max()))


def alias_table(mass: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """``keep`` and ``other`` [m] by which one uniform i in 0..m-1 becomes a draw of ``mass``:
    i itself with probability keep[i], else other[i] (Vose 1991)."""
    keep = mass / mass.sum() * len(mass)
    other = np.arange(len(mass))
    small = np.flatnonzero(keep < 1).tolist()
    large = np.flatnonzero(keep >= 1).tolist()
    while small and large:
        i, j = small.pop(), large[-1]
        other[i] = j
        keep[j] -= 1 - keep[i]
        if keep[j] < 1:
            small.append(large.pop())
    keep[small + large] = 1.0  # by rounding they are not quite
    return keep, other


def truncated_normal(top: torch.Tensor, d: int, generator: torch.Generator) -> torch.Tensor:
    """N(0, 1) conditioned on [-top, top]: float32 [n, d] for top [n, 1].

    On a CPU by rejection where little is rejected, which is fastest for large d; else by the
    inverse of the distribution function.
    """
    n, device = len(top), generator.device
    if device.type != "cpu" or n == 0 or float(top.min()) < _NARROW:
        # A little less than 1, so that no entry is infinite or, but for rounding, above the top.
        reach = top.mul(math.sqrt(0.5)).erf_().mul_(1 - 2**-23)
        z = torch.empty((n, d), device=device).uniform_(-1, 1, generator=generator)
        return z.mul_(reach).erfinv_().mul_(math.sqrt(2))
    z = torch.randn((n, d), generator=generator)
    index = torch.from_numpy(np.flatnonzero((z.abs() > top).numpy()))  # faster than torch's
    flat = z.view(-1)
    while len(index):
        again = torch.randn(len(index), generator=generator)
        flat[index] = again
        index = index[again.abs() > top[index // d, 0]]
    return z
