"""Choosing among classifiers, and what the choice is worth on inputs that did not make it.

The best of several models at each radius, chosen on the inputs that measure it, is too good: the
more models are searched, the more. Here the choice is made on one half of the inputs and measured
on the other, both ways round, so that every input is measured once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import CertificateTable, make_table, metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.core.errors import SmoothcertError


@dataclass(frozen=True)
class HeldOut:
    """Certificates of N inputs with the model chosen on the other half of them.

    ``certified`` [R, N] at each radius, ``chosen`` [2 halves, R radii] the index of its model;
    ``radius`` [N] (0 where wrong) of the model with the best ACR, ``best`` [2 halves] its index;
    ``most`` how large a radius can be (metrics.largest_radius).
    """

    certified: NDArray[np.bool_]
    radius: NDArray[np.float64]
    chosen: NDArray[np.int64]
    best: NDArray[np.int64]
    most: float

    @property
    def acr(self) -> Estimate:
        """ACR of the held-out choice of one model."""
        return metrics.mean(self.radius, least=0.0, most=self.most)


def held_out(
    tables: Sequence[CertificateTable], radii: NDArray[np.float64], strict: bool = False
) -> HeldOut:
    """Choose on the inputs of odd position, measure on the even ones, and the reverse.

    Models that certify equally many at a radius are told apart by their ACR there, then by their
    order. The tables must be of the same inputs in the same order (metrics.common_inputs); raises
    SmoothcertError for fewer than two inputs.
    """
    each = np.stack([metrics.certified(t, radii, strict) for t in tables])  # [M, R, N]
    reach = _reach(tables)
    half = _halves(reach)
    certified = np.empty(each.shape[1:], np.bool_)
    radius = np.empty(each.shape[2])
    chosen = np.empty((2, each.shape[1]), np.int64)
    best = np.empty(2, np.int64)
    for own in (0, 1):
        order = _by_acr(reach[:, half != own])
        chosen[own] = order[each[order][:, :, half != own].sum(2).argmax(0)]
        best[own] = order[0]
        here = np.flatnonzero(half == own)
        rows = np.arange(each.shape[1])[:, None]
        certified[:, here] = each[chosen[own][:, None], rows, here]
        radius[here] = reach[best[own], here]
    return HeldOut(certified, radius, chosen, best, metrics.largest_radius(tables))


def held_out_area(tables: Sequence[CertificateTable]) -> Estimate:
    """The area under the held-out curve: at every radius the model chosen on the other half.

    What metrics.envelope_area is without its choice on the same inputs. Raises SmoothcertError
    for an infinite radius, and as :func:`held_out`.
    """
    reach = _reach(tables)
    if not np.isfinite(reach).all():
        raise SmoothcertError("held-out area: expected finite radii, found an infinite one")
    _halves(reach)
    return metrics.mean(
        metrics.held_out_lengths(reach), least=0.0, most=metrics.largest_radius(tables)
    )


def optimism(
    tables: Sequence[CertificateTable], radii: NDArray[np.float64], strict: bool = False
) -> NDArray[np.float64]:
    """By how much the envelope is above the held-out choice at each radius: a share, [R]."""
    choice = held_out(tables, radii, strict)
    return metrics.envelope(tables, radii, strict).value - choice.certified.mean(1)


def paired_difference(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Estimate:
    """The share of N inputs certified in ``a`` [N] minus that in ``b`` [N], the same inputs.

    As metrics.accuracy_difference, where the model differs from input to input.
    """
    return metrics.accuracy_difference(_one_radius(a), _one_radius(b), [1.0])[0]


def _one_radius(certified: NDArray[np.bool_]) -> CertificateTable:
    """Who is certified, as a table with radius 1 or an abstention."""
    idx = np.arange(len(certified))
    predict = np.where(certified, 0, -1)
    return make_table(idx=idx, label=np.zeros_like(idx), predict=predict, radius=1.0 * certified)


def _reach(tables: Sequence[CertificateTable]) -> NDArray[np.float64]:
    """The radius where correct, else 0: [M, N]."""
    return np.stack([metrics.certified_radius(t) for t in tables])


def _halves(reach: NDArray) -> NDArray[np.int64]:
    n = reach.shape[1]
    if n < 2:
        raise SmoothcertError(f"held-out choice: expected at least two inputs, found {n}")
    return np.arange(n) % 2


def _by_acr(reach: NDArray[np.float64]) -> NDArray[np.int64]:
    """The models in falling order of ACR."""
    return np.argsort(-reach.mean(1), kind="stable")
