"""Radius tables by quadrature: no sampling, failure probability 0."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from smoothcert.noise.radial_quadrature import Law, failure_bound, largest_radius
from smoothcert.noise.radius_table import SMALLEST_FAILURE, Between, RadiusTable

# Further radii below the first of the uniform grid, for a noise that is steep at 0.
_GRADED = 64


@lru_cache(maxsize=64)
def quadrature_table(noise: str, law: Law, between: Between, intervals: int = 128) -> RadiusTable:
    """p*(r) on a uniform grid of radii (scale 1) from 0 to where 1 - p* is 1e-8.

    ``record["error"]`` is the largest distance of a tabulated 1 - p* below the true one.

    Between 0 and the first radius h of the grid of a noise that is ``law.steep`` a chord is no
    bound: p*(r) - 1/2 rises like r ln(1/r), above every chord from 0. There the table has the
    further radii h 2^(-j/8), j = 1..64, and certifies these alone. *Proof.* The ball of radius
    s holds that of r < s, so p* does not fall, and p_lower > p*(s) certifies s and all below
    it. That gives away 1 - 2^(-1/8) = 8% of a radius below h, and the radii below h / 256.
    From h on the chord is safe again: the second derivative of r ln(1/r), -1/r, is on a cell
    nowhere larger in size than at the left end, and there (Jensen: 1/r is convex) no larger
    than the second difference, which is among those that raise the chord; the raise is twice
    what that asks for, the rest is for the smoother terms.
    """
    radius = np.linspace(0, largest_radius(law, SMALLEST_FAILURE), intervals + 1)
    steps = 0
    if law.steep:
        graded = radius[1] * np.exp2(-np.arange(_GRADED, 0, -1) / 8)
        radius, steps = np.r_[0.0, graded, radius[1:]], _GRADED + 1
    bounds = np.asarray([failure_bound(law, r) for r in radius[1:]])
    failure = np.minimum.accumulate(np.r_[0.5, bounds[:, 0]])
    positive = failure > 0
    record = {"method": "quadrature", "error": float(bounds[:, 1].max())}
    return RadiusTable(
        noise, law.d, radius[positive], failure[positive], between, 0.0, record, steps
    )
