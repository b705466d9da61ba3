"""What finite arithmetic does to the noise itself: a break, and noise that cannot be broken.

A certificate assumes that x + noise has the law of noise, moved. In floating point it has not:
the sum is rounded to a grid that depends on x, so its low bits tell where the noise was added. A
base classifier that reads them (:class:`Reads`) is certified at an input and answers otherwise
well inside the radius (Voracek and Hein 2023, Jin et al. 2022 found this for other samplers).

Under noise on a grid (:mod:`smoothcert.noise.gaussian_grid`) nothing is rounded, and there is
nothing to read.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothcert.budget import Fixed
from smoothcert.certificates.certification import certify, predict
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_upper
from smoothcert.noise import Gaussian, GaussianGrid
from smoothcert.noise.gaussian_grid import law_error
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND, Verdict
from smoothcert.sampling.library import sample

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
    return Broken(float(table.radius[0]), distance, share, n, answer, at)


def grid_shares(
    side: int, scale: float, at: float, steps: int, n: int, seed: int = 0
) -> tuple[float, float]:
    """Shares of votes for class 1 of :class:`Reads` at black and at ``at``, on a grid."""
    shares = []
    for number, level in enumerate((0.0, at)):
        stream = generator(seed, "grid-demonstration", number)
        x = torch.full((1, 1, side, side), level).expand(n, 1, side, side)
        z = GaussianGrid(scale, steps).noisy(x, scale, stream)
        shares.append(float(Reads(at)(z).argmax(1).double().mean()))
    return shares[0], shares[1]


def bits_verdicts(steps: int = 256, n: int = 10_000, seed: int = 0) -> list[Verdict]:
    """The break in float32, and the same classifier under noise on a grid."""
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
        "float32 noise is as good as real-valued noise for every base classifier", subject,
        BROKEN if broke else NOT_FOUND,
        f"certified radius {found.radius:.3f} at black; at grey {found.at:g}, distance"
        f" {found.distance:.3f}, the certified class has {100 * found.share:.2f}% of {n:,} votes"
        f" (at most {100 * upper:.2f}%)",
        False, numbers,
    )  # fmt: skip
    black, grey = grid_shares(side, scale, found.at, steps, n, seed)
    error = law_error(scale, steps, side * side)
    second = Verdict(
        "noise on a grid: certificates hold for every base classifier, on the grid", subject,
        HOLDS if black == grey else BROKEN,
        f"by proof (x + noise is exact); the classifier above votes the same, {100 * black:g}% and"
        f" {100 * grey:g}%, at steps of 1/{steps}; the sampler's law is within {error:.1e} of the"
        " exact one",
        True, {"black": black, "grey": grey, "error": error, "steps": steps},
    )  # fmt: skip
    return [first, second]
