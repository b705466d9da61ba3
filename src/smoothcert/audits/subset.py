"""Which certificates an audit tries where trying all would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(rows: NDArray[np.int64], most: int | None) -> NDArray[np.int64]:
    """``rows``, or ``most`` of them at even steps where there are more."""
    if most is None or len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
