"""Radius tables by quadrature: no sampling, failure probability 0."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from smoothcert.noise.radial_quadrature import Law, failure_bound, largest_radius
from smoothcert.noise.radius_table import SMALLEST_FAILURE, Between, RadiusTable


@lru_cache(maxsize=64)
def quadrature_table(noise: str, law: Law, between: Between, intervals: int = 128) -> RadiusTable:
    """p*(r) on a uniform grid of radii (scale 1) from 0 to where 1 - p* is 1e-8.

    ``record["error"]`` is the largest distance of a tabulated 1 - p* below the true one.
    """
    radius = np.linspace(0, largest_radius(law, SMALLEST_FAILURE), intervals + 1)
    bounds = np.asarray([failure_bound(law, r) for r in radius[1:]])
    failure = np.minimum.accumulate(np.r_[0.5, bounds[:, 0]])
    positive = failure > 0
    record = {"method": "quadrature", "error": float(bounds[:, 1].max())}
    return RadiusTable(noise, law.d, radius[positive], failure[positive], between, 0.0, record)
