"""Choosing between scales by hard votes, as a certificate will judge them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.scaling.problem import Problem

_ALPHA = 0.001  # the level of the bounds that are compared; nothing is claimed of the winner


def vote_radii(
    problem: Problem, scales: torch.Tensor, c_a: torch.Tensor, purpose: str, n: int
) -> NDArray[np.float64]:
    """Radii [B, S] that ``n`` hard votes for c_A would certify at the scales [B, S].

    From the Clopper-Pearson lower bound at level 0.001. The scales of an input share its noise,
    which makes their comparison less noisy than each radius is.
    """
    votes = problem.votes(scales, purpose, n).cpu().numpy()
    mine = np.take_along_axis(votes, c_a.cpu().numpy()[:, None, None], 2)[..., 0]
    p_lower = clopper_pearson_lower(mine, n, _ALPHA)
    return problem.noise.radius(p_lower, scales.cpu().numpy(), problem.x[0].numel())


def largest(radii: NDArray[np.float64], start: int = 0) -> NDArray[np.int64]:
    """The column of the largest radius of each row [B, S]; column ``start`` where it ties."""
    best = radii.argmax(1)
    ties = radii[:, start] >= radii.max(1)
    return np.where(ties, start, best)
