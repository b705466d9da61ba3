"""What finite arithmetic does to the noise itself: a break, and noise that cannot be broken.

A certificate assumes that x + noise has the law of noise, moved. In floating point it has not:
the sum is rounded to a grid that depends on x, so its low bits tell where the noise was added. A
base classifier that reads them (:class:`Reads`) is certified at an input and answers otherwise
well inside the radius (Voracek and Hein 2023, Jin et al. 2022 found this for other samplers).

On a lattice nothing is rounded: images are multiples of ``1 / steps``, the noise is a Gaussian
rounded to such multiples, and the sum is exact in float32. Rounding x + noise to the lattice is
then the same as adding rounded noise, so every base classifier on the lattice is a base
classifier of real Gaussian noise followed by a rounding, and all certificates carry over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Generator, Tensor

from smoothcert.budget import Fixed
from smoothcert.certificates.certification import certify, predict
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, Verdict
from smoothcert.sampling.library import sample

_BITS = 62  # of the uniform integers that choose a lattice point
# Largest error of one tabulated probability (ndtr of a negative argument is good to 1e-15,
# relatively), and of the ceiling of a threshold.
_ENTRY_ERROR = 1e-15


# --- noise on a lattice ----------------------------------------------------------------------


@lru_cache(maxsize=32)
def _thresholds(scale: float, steps: int) -> NDArray[np.int64]:
    """T_j, falling: a uniform integer u < 2^62 means |k| > j iff u < T_j."""
    reach = int(np.ceil(9.5 * scale * steps)) + 1
    edges = (np.arange(reach) + 0.5) / (steps * scale)
    above = 2 * ndtr(-edges)  # P(|k| > j)
    return np.ceil(above * float(1 << _BITS)).astype(np.int64)


def lattice_error(scale: float, steps: int, d: int) -> float:
    """How far the law of d lattice entries is from the exact one, in total variation, at most.

    To be taken off a class probability before it is turned into a radius.
    """
    cells = len(_thresholds(scale, steps))
    tail = 2 * float(ndtr(-(cells - 0.5) / (steps * scale)))
    return d * (cells * (_ENTRY_ERROR + 2.0**-_BITS) + tail)


def lattice_noise(scale: float, steps: int, shape: tuple[int, ...], stream: Generator) -> Tensor:
    """N(0, scale^2) rounded to multiples of 1 / steps: float32 of ``shape``, every value exact.

    Drawn as integers, by comparing 62 random bits with tabulated probabilities. Raises
    SmoothcertError if a float32 could not hold the values exactly.
    """
    if steps < 1 or steps & (steps - 1):
        raise SmoothcertError(f"steps {steps}: expected a power of 2, for exact sums")
    table = torch.as_tensor(_thresholds(scale, steps)[::-1].copy(), device=stream.device)
    if len(table) > 1 << 22:
        raise SmoothcertError(f"scale {scale:g} in {steps} steps: too many lattice points")
    bits = torch.randint(1 << _BITS, shape, generator=stream, device=stream.device)
    size = len(table) - torch.searchsorted(table, bits, right=True)
    sign = torch.randint(2, shape, generator=stream, device=stream.device) * 2 - 1
    return (size * sign).float() / steps


def on_lattice(images: Tensor, steps: int) -> bool:
    """Whether all values are multiples of 1 / steps."""
    scaled = images.double() * steps
    return bool((scaled == scaled.round()).all())


# --- a base classifier that reads low bits ---------------------------------------------------


class Reads(torch.nn.Module):
    """Class 0 where every pixel of z could be ``at`` plus some float32 noise, else class 1.

    z - at has two float32 neighbours; if adding neither to ``at`` gives z, no noise does.
    """

    def __init__(self, at: float) -> None:
        super().__init__()
        self.register_buffer("at", torch.tensor(at, dtype=torch.float32))

    def forward(self, z: Tensor) -> Tensor:
        at = self.get_buffer("at")
        near = z - at
        up, down = torch.tensor(torch.inf), torch.tensor(-torch.inf)
        reached = at + near == z
        for side in (up, down):
            reached |= at + torch.nextafter(near, side.to(z)) == z
        all_reached = reached.flatten(1).all(1).float()
        return torch.stack([all_reached, 1 - all_reached], 1)


@dataclass(frozen=True)
class Broken:
    """The certified input (all pixels 0), its radius, and the input at ``distance`` that breaks
    it; ``share`` of ``n`` votes for the certified class there, ``found`` the class predicted."""

    radius: float
    distance: float
    share: float
    n: int
    found: int
    at: float
    side: int


def read_bits(
    side: int = 8, scale: float = 0.25, at: float = 2.0**-5, n: int = 10_000, seed: int = 0
) -> Broken:
    """Certify the classifier at black with this project's own float32 sampler, and break it."""
    model, noise = Reads(at), Gaussian(scale)
    black = torch.zeros(1, 1, side, side)
    budget = Fixed(n)
    table = certify(
        sample(model, black, budget, noise, seed=seed, look=n, engine="torch"), budget, noise
    )
    moved = torch.full_like(black, at)
    distance = float(moved.double().norm())
    counts = (
        sample(model, moved, budget, noise, seed=seed + 1, look=n, engine="torch")
        .dense_looks(0)
        .sum(0)
    )
    answer = int(predict(counts[None], budget.alpha)[0])
    share = float(counts[max(int(table.predict[0]), 0)] / n)
    return Broken(float(table.radius[0]), distance, share, n, answer, at, side)


def lattice_shares(
    side: int, scale: float, at: float, steps: int, n: int, seed: int = 0
) -> tuple[float, float]:
    """Shares of votes for class 1 of :class:`Reads` at black and at ``at``, on the lattice."""
    shares = []
    for number, level in enumerate((0.0, at)):
        stream = generator(seed, "lattice-demonstration", number)
        z = level + lattice_noise(scale, steps, (n, 1, side, side), stream)
        shares.append(float(Reads(at)(z).argmax(1).double().mean()))
    return shares[0], shares[1]


def bits_verdicts(steps: int = 256, n: int = 10_000, seed: int = 0) -> list[Verdict]:
    """The break in float32, and the same classifier on the lattice."""
    side, scale = 8, 0.25
    found = read_bits(side, scale, n=n, seed=seed)
    broke = found.found == 0 and 0 < found.distance < found.radius
    upper = float(clopper_pearson_upper(round(found.share * n), n, 0.001))
    numbers = {
        "radius": found.radius, "distance": found.distance, "share": found.share,
        "upper": upper, "side": side, "scale": scale, "at": found.at,
    }  # fmt: skip
    subject = f"a classifier that reads low bits, {side}x{side} pixels, gaussian-{scale:g}"
    first = Verdict(
        "float32 noise is as good as real noise, whatever the base classifier", subject,
        BROKEN if broke else NOT_FOUND,
        f"certified radius {found.radius:.3f} at black; at grey {found.at:g}, distance"
        f" {found.distance:.3f}, the certified class has {100 * found.share:.2f}% of {n:,} votes"
        f" (at most {100 * upper:.2f}%)",
        False, numbers,
    )  # fmt: skip
    black, grey = lattice_shares(side, scale, found.at, steps, n, seed)
    error = lattice_error(scale, steps, side * side)
    second = Verdict(
        "noise on a lattice: certificates hold for every base classifier on the lattice", subject,
        HOLDS if black == grey else BROKEN,
        f"by proof (x + noise is exact); the classifier above votes alike, {100 * black:g}% and"
        f" {100 * grey:g}%, at steps of 1/{steps}; the sampler's law is within {error:.1e} of the"
        " exact one",
        True, {"black": black, "grey": grey, "error": error, "steps": steps},
    )  # fmt: skip
    return [first, second]
