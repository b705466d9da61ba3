"""What a memory answers when the same inputs arrive in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothcert.audits.pair_bounds import Floats, Ints
from smoothcert.certificates import ABSTAIN, CertificateTable, memory, metrics


@dataclass(frozen=True)
class Spread:
    """Metrics after the memory for each of K orders; accuracies at ``radii`` [R], in percent."""

    radii: Floats
    acr: Floats  # [K]
    accuracy: Floats  # [K, R]
    captured: Ints  # [K] inputs that got another class than their own certificate's
    trimmed: Ints  # [K] inputs whose radius was cut
    raw_acr: float
    raw_accuracy: Floats  # [R] without memory

    def summary(self) -> dict[str, object]:
        """Numbers for a verdict: of each metric mean, standard deviation and range."""
        return {
            "orders": len(self.acr),
            "acr": _moments(self.acr),
            "accuracy": {
                f"{r:g}": _moments(self.accuracy[:, i]) for i, r in enumerate(self.radii.tolist())
            },
            "captured": [int(self.captured.min()), int(self.captured.max())],
            "trimmed": [int(self.trimmed.min()), int(self.trimmed.max())],
            "acr_without_memory": self.raw_acr,
        }

    @property
    def varies(self) -> bool:
        """Whether any order gives another table of metrics than the first."""
        return bool(np.ptp(self.acr) > 0 or np.ptp(self.accuracy, 0).any())


def spread(
    table: CertificateTable, points: NDArray, orders: Sequence[NDArray[np.int64]], radii: Floats
) -> Spread:
    """The memory (DDRS Algorithm 3) on the raw certificates in each of K orders.

    ``points`` [N, ...] are the inputs of the table's rows.
    """
    flat = np.asarray(points).reshape(len(points), -1)
    near = memory.neighbours(flat, table.radius, table.single("norm") or "l2")
    acr, accuracy, captured, trimmed = [], [], [], []
    for order in orders:
        after = memory.apply(table, flat, order, near)
        acr.append(float(metrics.average_certified_radius(after).value))
        accuracy.append(100 * metrics.certified_accuracy(after, radii).value)
        changed = after.predict != table.predict
        captured.append(int((changed & (table.predict != ABSTAIN)).sum()))
        trimmed.append(int((~changed & (after.radius < table.radius)).sum()))
    return Spread(
        radii=radii,
        acr=np.array(acr),
        accuracy=np.array(accuracy).reshape(len(orders), len(radii)),
        captured=np.array(captured, np.int64),
        trimmed=np.array(trimmed, np.int64),
        raw_acr=float(metrics.average_certified_radius(table).value),
        raw_accuracy=100 * metrics.certified_accuracy(table, radii).value,
    )


def _moments(values: Floats) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "least": float(values.min()),
        "most": float(values.max()),
    }
