"""The law of every noise: as the CPU draws it, by Kolmogorov-Smirnov and by moments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothcert.compute.streams import generator
from smoothcert.noise import NOISES, Noise
from smoothcert.workflow.selftest.place import CPU, Check, Place

N, SHAPE = 4000, (1, 8, 8)
RARE = 1e-7  # probability that a right device fails one comparison


def laws(place: Place) -> Iterator[Check]:
    """``N`` draws of each noise on the device and on the CPU: a coordinate, the length and the
    largest coordinate; their distributions, means and mean squares."""
    for name in NOISES:
        noise = _example(name)
        here = _seen(_drawn(noise, place.device, "selftest-noise"))
        there = _seen(_drawn(noise, CPU, "selftest-noise-of-cpu"))
        gaps = {what: _distance(here[what], there[what]) for what in here}
        most = math.sqrt(math.log(2 / RARE) / N)  # asymptotic two-sample quantile, equal sizes
        moments = {what: _moments(here[what], there[what]) for what in here}
        again = torch.equal(*(_drawn(noise, place.device, "selftest-twice").cpu() for _ in "12"))
        worst = max(gaps, key=lambda what: gaps[what])
        far = max(moments.values())
        yield Check(
            f"noise {noise.slug}", max(gaps.values()) <= most and far <= 6 and again,
            f"Kolmogorov-Smirnov distance to the CPU's at most {gaps[worst]:.3f} ({worst}; allowed"
            f" {most:.3f}), moments within {far:.1f} standard errors (6)"
            + ("" if again else "; the same stream gave different noise"),
            {"distance": gaps[worst], "moments": far},
        )  # fmt: skip


def _example(name: str) -> Noise:
    """A member with its options at their defaults, but with a k that matters."""
    kind = NOISES[name]
    return kind(0.5, **({"k": 8} if "k" in {f.name for f in fields(kind)} else {}))


def _drawn(noise: Noise, device: torch.device, purpose: str) -> Tensor:
    """What is added to black images: [N, d]."""
    black = torch.zeros((N, *SHAPE), device=device)
    stream = generator(0, purpose, device=device)
    return noise.noisy(black, noise.scale, stream).flatten(1)


def _seen(drawn: Tensor) -> dict[str, NDArray[np.float64]]:
    # Noise on a grid: the same value may differ in its last bit between devices.
    values = drawn.double().round(decimals=5)
    seen = {
        "a coordinate": values[:, 0], "length": values.norm(dim=1),
        "largest coordinate": values.abs().amax(1),
    }  # fmt: skip
    return {what: one.cpu().numpy() for what, one in seen.items()}


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The largest gap between two empirical distribution functions."""
    at = np.concatenate([a, b])
    of = (np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (a, b))
    return float(np.abs(next(of) - next(of)).max())


def _moments(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """By how many standard errors the means of the values and of their squares differ."""
    far = 0.0
    for p, q in ((a, b), (a**2, b**2)):
        error = math.sqrt((p.var() + q.var()) / len(p))
        gap = abs(float(p.mean() - q.mean()))
        far = max(far, gap / error if error > 0 else (0.0 if gap < 1e-6 else math.inf))
    return far
