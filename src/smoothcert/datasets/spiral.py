"""spiral: two interleaved spirals in the plane. Points, not images."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.compute.lazy import torch
from smoothcert.compute.streams import stream_seed
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.base import DATASETS, Content, DatasetInfo, Source, content_digest


@dataclass(frozen=True)
class Spirals:
    """Two Archimedean spirals, r = theta, one the other's half turn, with Gaussian noise.

    A point of class c has the angle theta = 2 pi turns sqrt(u), u uniform on [0,1] (so that
    points are about evenly dense along an arm), and is
    theta (cos(theta + c pi), sin(theta + c pi)) plus noise of standard deviation ``noise`` a
    coordinate. Neighbouring arms of different classes are pi apart, and the outermost point
    is 2 pi ``turns`` from the centre: coordinates are not confined to [0,1].
    """

    turns: float = 1.5
    noise: float = 0.2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.turns) and self.turns > 0):
            raise SmoothcertError(f"spiral: turns {self.turns}: expected a positive number")
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise SmoothcertError(f"spiral: noise {self.noise}: expected a number of at least 0")

    def draw(
        self, n: int, split: str = "test", seed: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Points [n, 2] and labels [n] (0, 1, as many of each as n allows, in random order).

        Determined by (turns, noise, n, split, seed): NumPy has frozen this generator, and
        values are rounded to 1e-4, below any difference between mathematical libraries.
        """
        key = stream_seed(seed, f"spiral/{split}")
        stream = np.random.RandomState([key & 0xFFFFFFFF, key >> 32])
        labels = stream.permutation(np.arange(n) % 2).astype(np.int64)
        theta = 2 * np.pi * self.turns * np.sqrt(stream.random_sample(n))
        direction = theta + np.pi * labels
        points = theta[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
        points += self.noise * stream.standard_normal((n, 2))
        return np.round(points, 4).astype(np.float32), labels


@DATASETS.member("spiral")
@dataclass(frozen=True)
class Spiral(Source):
    """The default :class:`Spirals`: 600 training and 1,000 test points of 1.5 turns.

    For the experiments of locally biased smoothing with a linear classifier (Anderson and
    Sojoudi, "Certified Robustness via Locally Biased Randomized Smoothing", section 5.1,
    which states neither size, noise nor turns). For other settings use
    ``Spirals(turns, noise).draw(n, split, seed)``.
    """

    spirals: Spirals = Spirals()

    info = DatasetInfo(
        name="spiral",
        title="two spirals in the plane (synthetic points, not images)",
        shape=(2,),
        n_classes=2,
        classes=("first", "second"),
        splits={"train": 600, "test": 1000},
        arch=None,
        kind="points",
    )

    def read(self, split: str, folder: Path, download: bool, seed: int) -> Content:
        """Draw the split; reads nothing from ``folder``."""
        points, labels = self.spirals.draw(self.info.splits[split], split, seed)

        def images(rows: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(points[rows])

        return Content(labels, images, content_digest(points, labels))

    def settings(self, seed: int) -> dict[str, Any]:
        """The parameters and the seed."""
        return {"parameters": asdict(self.spirals), "seed": seed}
