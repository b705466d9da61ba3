"""Certificates of two versions of a model on the same inputs: what was lost and gained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import ABSTAIN, CertificateTable, metrics
from smoothcert.certificates.metrics import Estimate


class Change(NamedTuple):
    """An input whose certificate was lost or gained."""

    idx: int
    label: int
    predict_before: int
    radius_before: float
    predict_after: int
    radius_after: float


@dataclass(frozen=True)
class Changes:
    """After minus before, paired: the share of certified inputs, and the ACR (None without
    labels); the inputs concerned, those of the largest radius first."""

    inputs: int
    lost: list[Change]
    gained: list[Change]
    share: Estimate
    acr: Estimate | None


def change(before: CertificateTable, after: CertificateTable, radius: float = 0.0) -> Changes:
    """Compare two tables on the inputs that both have.

    An input is certified where its radius is at least ``radius`` and its class the true one, or
    (where labels are unknown) where it does not abstain; another class after than before is then
    a loss as well. Raises SmoothcertError as :func:`metrics.common_inputs`.
    """
    one, two = metrics.common_inputs([before, after])
    known = bool((one.label >= 0).all())
    held = [_certified(table, known, radius) for table in (one, two)]
    lost = held[0] & ~held[1]
    if not known:
        lost |= held[0] & held[1] & (one.predict != two.predict)
    gained = held[1] & ~held[0]
    return Changes(
        len(one),
        _rows(one, two, lost, one.radius),
        _rows(one, two, gained, two.radius),
        metrics.paired_difference(held[1], held[0]),
        metrics.acr_difference(two, one) if known else None,
    )


def _certified(table: CertificateTable, known: bool, radius: float) -> NDArray[np.bool_]:
    right = metrics.is_right(table) if known else table.predict != ABSTAIN
    return right & (table.radius >= radius)


def _rows(
    one: CertificateTable, two: CertificateTable, chosen: NDArray[np.bool_], by: NDArray[np.float64]
) -> list[Change]:
    rows = np.flatnonzero(chosen)
    return [
        Change(
            int(one.idx[i]), int(one.label[i]), int(one.predict[i]), float(one.radius[i]),
            int(two.predict[i]), float(two.radius[i]),
        )
        for i in rows[np.argsort(-by[rows], kind="stable")]
    ]  # fmt: skip
