"""p*(r) tabulated once for a noise and a dimension; certifying an input is a look-up.

A table depends on neither the input nor the model. ``failure`` holds lower bounds on
1 - p*(r), which keep their precision where p*(r) is near 1.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text

Between = Literal["normal", "exponential", "floor"]
FORMAT = "smoothcert radius table 1"

# 1 - p* at a table's end: n = 1e7 agreeing votes at alpha = 0.001 give 1 - 7e-7.
SMALLEST_FAILURE = 1e-8


@dataclass(frozen=True, eq=False)
class RadiusTable:
    """Radii at scale 1 and what a class probability must exceed to certify them.

    Attributes:
        noise: slug without the scale, e.g. ``centripetal-l2_k500``.
        d: input dimension.
        radius: [m], ascending from 0, at scale 1.
        failure: [m], descending from 1/2: p_lower > 1 - failure[j] certifies radius[j].
        between: how radii between the grid's are certified. ``floor``: not at all. Else by
            the chord of Phi^-1(p*) (``normal``) or -ln(2 (1 - p*)) (``exponential``), raised
            by twice the largest error that a chord can have with the second differences of
            the cell and its neighbours.
        steps: in the first ``steps`` cells nothing between the grid's radii is certified, as in
            ``floor``; the grid is uniform from radius[steps] on. For noise whose p* is steep
            at 0 (:attr:`smoothcert.noise.radial_quadrature.Law.steep`), where no chord is safe.
        failure_probability: probability, over the draws that made the table, that any of its
            bounds is wrong; 0 for quadrature. It adds to the alpha of the votes.
        record: how it was made.
    """

    noise: str
    d: int
    radius: NDArray[np.float64]
    failure: NDArray[np.float64]
    between: Between
    failure_probability: float = 0.0
    record: dict[str, Any] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        r, q = self.radius, self.failure
        problem = None
        if r.ndim != 1 or r.shape != q.shape or len(r) < 2:
            problem = "expected as many radii as failures, at least 2"
        elif r[0] != 0 or q[0] != 0.5:
            problem = f"first entry ({r[0]:g}, {q[0]:g}); expected radius 0 at failure 0.5"
        elif not (np.diff(r) > 0).all():
            problem = f"radii not ascending at entry {int(np.argmax(np.diff(r) <= 0)) + 1}"
        elif not (np.diff(q) <= 0).all() or not (q > 0).all():
            problem = "failures: expected positive and descending"
        elif self.between not in ("normal", "exponential", "floor"):
            problem = f"between {self.between!r}: expected normal, exponential or floor"
        elif not 0 <= self.steps < len(r):
            problem = f"steps {self.steps}: expected at least 0 and fewer than the radii"
        elif not 0 <= self.failure_probability < 1:
            problem = f"failure_probability {self.failure_probability:g}: expected in [0, 1)"
        if problem:
            raise SmoothcertError(f"radius table of {self.noise}, d = {self.d}: {problem}")

    def _level(self, failure: ArrayLike) -> NDArray[np.float64]:
        q = np.asarray(failure, np.float64)
        with np.errstate(divide="ignore"):
            return -np.log(2 * q) if self.between == "exponential" else -ndtri(q)

    @cached_property
    def _grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Levels [m], and what is added to the chord of each interval [m-1]."""
        level = self._level(self.failure)
        if self.between == "floor":
            return level, np.full(len(level) - 1, np.inf)
        uniform = np.r_[0.0, level[max(self.steps, 1) :]]
        bend = np.abs(np.diff(uniform, 2)) if len(uniform) > 2 else np.zeros(1)
        # A chord errs by at most max|level''| h^2 / 8; the grid is uniform.
        padded = np.pad(bend, 2, mode="edge")
        most = np.max([padded[i : i + len(uniform) - 1] for i in range(4)], axis=0)
        if self.steps:
            return level, np.r_[np.full(self.steps, np.inf), 2 * most[1:] / 8]
        return level, 2 * most / 8

    def radius_at(self, p_lower: ArrayLike) -> NDArray[np.float64]:
        """The certified radius at scale 1 for class probability >= ``p_lower`` (any shape).

        0 at or below 1/2; at most the table's last radius.
        """
        level, raise_by = self._grid
        s = self._level(1.0 - np.asarray(p_lower, np.float64))
        j = np.clip(np.searchsorted(level, s, side="right") - 1, 0, len(level) - 1)
        i = np.minimum(j, len(level) - 2)
        run, rise = np.diff(self.radius)[i], np.diff(level)[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(rise > 0, (s - level[i] - raise_by[i]) / rise, 0.0)
        r = self.radius[i] + run * np.clip(np.nan_to_num(part, nan=0.0), 0.0, 1.0)
        return np.where(s > 0, np.where(j >= len(level) - 1, self.radius[-1], r), 0.0)

    def p_at(self, radius: ArrayLike) -> NDArray[np.float64]:
        """The smallest ``p_lower`` that certifies ``radius`` at scale 1; 1 beyond the table."""
        level, raise_by = self._grid
        r = np.asarray(radius, np.float64)
        j = np.clip(np.searchsorted(self.radius, r, side="left") - 1, 0, len(level) - 2)
        part = (r - self.radius[j]) / np.diff(self.radius)[j]
        s = np.minimum(level[j] + part * np.diff(level)[j] + raise_by[j], level[j + 1])
        s = np.where(r <= 0, 0.0, s)
        q = 0.5 * np.exp(-s) if self.between == "exponential" else ndtr(-s)
        # One step up, so that radius_at(p_at(r)) is never below a grid radius by rounding.
        p = np.nextafter(1.0 - q, 1.0)
        return np.where(r <= 0, 0.5, np.where(r > self.radius[-1], 1.0, p))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as one JSON file, numbers in full precision, atomically."""
        content = {
            "format": FORMAT,
            "noise": self.noise,
            "d": self.d,
            "between": self.between,
            "failure_probability": self.failure_probability,
            "steps": self.steps,
            "record": self.record,
            "radius": self.radius.tolist(),
            "failure": self.failure.tolist(),
        }
        write_text(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RadiusTable:
        """Read what :meth:`save` wrote; SmoothcertError names the file and what is wrong."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise SmoothcertError(f"format {content['format']!r}, expected {FORMAT!r}")
            return cls(
                str(content["noise"]),
                int(content["d"]),
                np.asarray(content["radius"], np.float64),
                np.asarray(content["failure"], np.float64),
                content["between"],
                float(content["failure_probability"]),
                dict(content["record"]),
                int(content.get("steps", 0)),
            )
        except KeyError as error:
            raise SmoothcertError(f"{path}: radius table lacks {error}") from None
        except (SmoothcertError, ValueError, TypeError) as error:
            raise SmoothcertError(f"{path}: not a valid radius table: {error}") from None
