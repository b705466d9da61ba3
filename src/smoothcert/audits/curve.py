"""The failure probability of a confidence procedure over class probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The failure probability of one procedure over p, in units of alpha.

    ``errors`` are standard errors of a simulation, 0 where exact. ``ours``: the project calls the
    procedure valid, and a failure probability above alpha would be a break of its promise.
    """

    name: str
    exact: bool
    n: int
    alpha: float
    p: Floats
    failure: Floats  # in units of alpha
    errors: Floats
    ours: bool = True

    @property
    def worst(self) -> int:
        """Where it is largest."""
        return int(np.argmax(self.failure))

    @property
    def broken(self) -> bool:
        """Above alpha, exactly or by more than four standard errors of a rate of alpha."""
        room = 1e-9 if self.exact else 4 * self.errors
        return bool((self.failure > 1 + room).any())

    def row(self) -> dict[str, Any]:
        """For a table."""
        return {
            "procedure": self.name, "how": "every path" if self.exact else "simulated",
            "n": self.n, "alpha": self.alpha, "worst_p": float(self.p[self.worst]),
            "worst": float(self.failure[self.worst]), "error": float(self.errors[self.worst]),
            "broken": self.broken, "ours": self.ours,
        }  # fmt: skip
