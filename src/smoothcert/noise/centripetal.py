"""Centripetal noise: what the noises of Zhang et al. 2020 (eq. 10-13) share.

||z||^-k in the density moves mass towards the input. The certificate is a table p*(r) for
(shape, k, d): in memory once per process, or attached from a file (:meth:`with_table`).
"""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc

from smoothcert.compute.lazy import torch
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import arg
from smoothcert.noise.base import Noise
from smoothcert.noise.pair_table import pair_table
from smoothcert.noise.radial_quadrature import Law
from smoothcert.noise.radius_table import RadiusTable


@dataclass(frozen=True)
class Centripetal(Noise):
    """Density proportional to ||z||^-k times that of the noise at k = 0.

    ``k`` is a whole number >= 0 and below the input dimension (else the density has no
    integral): ValueError, or SmoothcertError once the dimension is known.
    """

    k: int = arg("k", 0, int, title="k = {}")
    table: RadiusTable | None = field(default=None, compare=False, repr=False)

    # The noise that it is at k = 0, whose radii have a formula; None where there is none.
    at_zero: ClassVar[type[Noise] | None] = None
    # Probability that a table built by :meth:`build_table` is wrong (0 for quadrature).
    build_failure_probability: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k != int(self.k) or self.k < 0:
            raise ValueError(f"k {self.k}: expected a whole number >= 0")

    @property
    def tabulated(self) -> str | None:
        return None if self._formula() else self.shape_slug

    @property
    def table_failure_probability(self) -> float:
        """What the table's own randomness adds to the failure probability of a certificate.

        Votes certified at level alpha - table_failure_probability give certificates that
        are each wrong with probability at most alpha.
        """
        if self._formula():
            return 0.0
        return self.table.failure_probability if self.table else self.build_failure_probability

    def with_table(self, table: RadiusTable) -> Centripetal:
        """This noise, certifying by ``table``.

        Raises SmoothcertError for a table of another noise, or one that draws a chord from
        radius 0 although k = d - 1, where that certifies too much.
        """
        if table.noise != self.shape_slug:
            raise SmoothcertError(
                f"noise {self.slug}: the radius table is for {table.noise}, "
                f"expected {self.shape_slug}"
            )
        if 0 < self.k == table.d - 1 and table.between != "floor" and not table.steps:
            raise SmoothcertError(
                f"noise {self.slug}: the radius table certifies too much near 0 (k = d - 1); make"
                f" it again: smoothcert radius-table {self.shape_slug} --d {table.d} --out FILE"
            )
        return replace(self, table=table)

    def with_table_file(self, path: str | os.PathLike[str]) -> Centripetal:
        try:
            return self.with_table(RadiusTable.load(path))
        except SmoothcertError as error:
            text = str(error)
            named = text if text.startswith(f"{path}:") else f"{path}: {text}"
            raise SmoothcertError(named) from None

    def check_dimension(self, d: int) -> None:
        """Raise SmoothcertError unless k < d."""
        if d <= self.k:
            raise SmoothcertError(f"noise {self.slug}: k = {self.k} needs d > k, got d = {d}")

    @abstractmethod
    def build_table(self, d: int, **settings: Any) -> RadiusTable:
        """Compute p*(r) for dimension d; deterministic, and kept for the process."""

    @abstractmethod
    def energy(self, d: int) -> float:
        """E ||z||_2^2 of the standard noise."""

    @abstractmethod
    def log_density(self, z: torch.Tensor) -> torch.Tensor:
        """log of the standard density at z [n, d], up to a constant: [n]."""

    def norm_cdf(self, u: ArrayLike, d: int) -> NDArray[np.float64]:
        """P(||z|| <= u) of the standard noise, in the norm whose law is known.

        By default a chi variable with d - k degrees of freedom.
        """
        half = np.asarray(u, np.float64) ** 2 / 2
        return np.asarray(gammainc((d - self.k) / 2, half), np.float64)

    def standard_radius(self, p_lower: ArrayLike, d: int) -> NDArray:
        self.check_dimension(d)
        if formula := self._formula():
            return formula.standard_radius(p_lower, d)
        return self._table(d).radius_at(p_lower)

    def standard_p(self, radius: ArrayLike, d: int) -> NDArray:
        self.check_dimension(d)
        if formula := self._formula():
            return formula.standard_p(radius, d)
        return self._table(d).p_at(radius)

    def law(self, d: int) -> Law:
        """The noise as quadrature sees it; SmoothcertError for one whose density depends on more
        than one norm."""
        raise SmoothcertError(
            f"noise {self.slug}: no radius is proved for bounds on both classes: its table is"
            " simulated, for the top class only"
        )

    def standard_pair_radius(self, p_lower: ArrayLike, p_upper: ArrayLike, d: int) -> NDArray:
        """By enclosed quadrature (noise/pair_table.py), or the table's radius of the top class
        where that is larger."""
        self.check_dimension(d)
        if formula := self._formula():
            return formula.standard_pair_radius(p_lower, p_upper, d)
        pair = pair_table(self.law(d)).radius_at(p_lower, p_upper)
        return np.maximum(pair, self.standard_radius(p_lower, d))

    def _formula(self) -> Noise | None:
        """The noise whose formula gives the radii, at k = 0."""
        return self.at_zero(self.scale) if self.at_zero and self.k == 0 else None

    def _table(self, d: int) -> RadiusTable:
        if self.table is None:
            return self.build_table(d)
        if self.table.d != d:
            raise SmoothcertError(
                f"noise {self.slug}: the radius table is for d = {self.table.d}, expected {d}"
            )
        return self.table
