"""Radius formulas against the worst base classifier there is.

For noise with density q and a shift delta, the base classifier that has probability p at x and
as little as possible at x + delta is, by the lemma of Neyman and Pearson, "class c where
q(z - delta) / q(z) <= t", with t such that its probability at x is p. A radius formula is right
if and only if the worst classifier keeps at least 1/2 for every shift of less than the certified
radius; by the shifts that the proofs name as the worst (an axis, any direction, a corner of the
cube) this becomes one number for each p.

A simulation decides it, from two independent samples. The first gives t, an order statistic that
makes the classifier's probability at x at least p with confidence; the second, drawn around the
shifted input, bounds its probability there from above. Below 1/2, the formula is broken. That the
test would see a fault is asked at the same time: radii that are larger by ``margin`` must break,
or the formula is loose by that much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import bdtrik
from torch import Tensor

from smoothcert.audits.base import Audit, Result, Subject
from smoothcert.audits.settings import RadiiSettings
from smoothcert.compute.devices import job_device
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.base import Noise
from smoothcert.noise.centripetal import Centripetal
from smoothcert.report.verdict import BROKEN, NOT_FOUND, Verdict

Floats = NDArray[np.float64]

STREAM = "extremal"
_VALUES = 1 << 22  # noise values drawn at a time


def shift(noise: Noise, d: int, radius: float) -> Floats:
    """The shift [d] of length ``radius`` in the noise's norm that is the worst for it.

    Where inputs stay in [0, 1], it starts at black.
    """
    if noise.norm == "linf":
        return np.full(d, radius)
    if noise.boxed:
        return np.clip(radius - np.arange(d), 0.0, 1.0)
    out = np.zeros(d)
    out[0] = radius
    return out


def log_density(noise: Noise) -> Callable[[Tensor], Tensor]:
    """log density of the standard noise up to a constant, [n, d] -> [n], -inf where it is 0.

    Raises SmoothcertError for a noise without one here.
    """
    if isinstance(noise, Centripetal):
        return noise.log_density
    formulas: dict[str, Callable[[Tensor], Tensor]] = {
        "gaussian": lambda z: -0.5 * z.square().sum(1),
        "gaussian-linf": lambda z: -0.5 * z.square().sum(1),
        "laplace": lambda z: -z.abs().sum(1),
        "uniform": lambda z: torch.where(z.abs().amax(1) <= 1, 0.0, -torch.inf),
    }
    if noise.name not in formulas:
        raise SmoothcertError(f"noise {noise.name}: has no density, which the attack needs")
    return formulas[noise.name]


@dataclass(frozen=True)
class Extremal:
    """The worst classifier of probability at least ``p`` against one shift.

    ``low`` and ``high`` bound its probability at the shifted input, each at the stated level.
    """

    p: float
    radius: float
    low: float
    high: float


def worst_probability(
    noise: Noise, d: int, p: float, radius: float, n: int, level: float, seed: int = 0
) -> Extremal:
    """Bounds on what the worst classifier of probability >= p keeps at a shift of ``radius``.

    With probability at least 1 - level the classifier has probability
    >= p at the input; each of the two bounds then fails with probability at most level.
    """
    delta = torch.as_tensor(shift(noise, d, radius) / noise.scale)
    key = round(1e6 * p), round(1e9 * radius)
    coins = np.random.default_rng([seed, *key])
    # Ties are the rule for uniform noise: a fair coin orders them, and is part of the classifier.
    first = _ratios(noise, d, delta, n, seed, "input", key, shifted=False)
    coin = coins.random(n)
    order = np.lexsort((coin, first))
    # k is the smallest rank with P(Bin(n, p) <= k - 1) >= 1 - level, so that the class of all
    # that does not come after the k-th has probability >= p with probability >= 1 - level.
    k = int(min(np.ceil(bdtrik(1 - level, n, p)) + 1, n))
    t, c = first[order[k - 1]], coin[order[k - 1]]
    second = _ratios(noise, d, delta, n, seed, "shifted", key, shifted=True)
    kept = int(((second < t) | ((second == t) & (coins.random(n) <= c))).sum())
    low, high = clopper_pearson_lower(kept, n, level), clopper_pearson_upper(kept, n, level)
    return Extremal(p, radius, float(low), float(high))


def _ratios(
    noise: Noise, d: int, delta: Tensor, n: int, seed: int, where: str, key: tuple[int, int],
    *, shifted: bool,
) -> Floats:  # fmt: skip
    """log q(z - delta) / q(z), float64 [n]: z drawn at the input or at the shifted one."""
    density = log_density(noise)
    out = []
    block = max(1, _VALUES // d)
    for j, start in enumerate(range(0, n, block)):
        stream = generator(seed, f"{STREAM}-{noise.name}-{where}", *key, j)
        z = noise.sample((min(block, n - start), d), stream).double()
        near, far = (
            (density(z + delta), density(z)) if shifted else (density(z), density(z - delta))
        )
        # near: at the input; far: at the shifted one. Where near is 0 the classifier says no.
        out.append((far - near).nan_to_num(nan=torch.inf, posinf=torch.inf).numpy())
    return np.concatenate(out)


def radii_verdict(
    noise: Noise,
    d: int,
    probabilities: Sequence[float] = (0.9, 0.95),
    n: int = 100_000,
    margin: float = 0.05,
    alpha: float = 0.001,
    seed: int = 0,
) -> tuple[Verdict, list[dict[str, Any]]]:
    """The verdict on ``noise.radius`` in dimension ``d``, and a row for each p.

    BROKEN if at any p the worst classifier has, with confidence 1 - alpha in all, less than 1/2
    at the certified radius. Radii that are larger by ``margin`` are tried as well: at how many
    p they break says whether the test had the power to see such a fault.
    """
    level = alpha / (4 * len(probabilities))
    rows: list[dict[str, Any]] = []
    for p in probabilities:
        radius = float(noise.radius(p, noise.scale, d))
        if radius <= 0:
            continue
        own = worst_probability(noise, d, p, radius, n, level, seed)
        more = worst_probability(noise, d, p, (1 + margin) * radius, n, level, seed + 1)
        rows.append({
            "noise": noise.slug, "norm": noise.norm, "d": d, "p": p, "radius": radius,
            "low": own.low, "high": own.high, "larger_low": more.low, "larger_high": more.high,
        })  # fmt: skip
    broken = [row for row in rows if row["high"] < 0.5]
    seen = sum(row["larger_high"] < 0.5 for row in rows)
    tried = ", ".join(f"{row['p']:g}" for row in rows)
    least = min(row["high"] for row in rows)
    evidence = (
        f"worst classifiers of probability {tried}: none is proved below 1/2 at the radius"
        f" (least upper bound {least:.4f}); {n:,} draws each, joint confidence {1 - alpha:g}; a"
        f" radius larger by {100 * margin:g}% is proved wrong at {seen} of {len(rows)}"
    )
    if broken:
        row = min(broken, key=lambda row: float(row["high"]))
        evidence = (
            f"at probability {row['p']:g} and the radius {row['radius']:.4g} the"
            f" worst classifier has at most {row['high']:.4f} < 1/2 (confidence {1 - alpha:g});"
            f" {len(broken)} of {len(rows)} probabilities"
        )
    numbers = {"least_high": least, "broken": len(broken), "caught": seen, "of": len(rows)}
    promise = f"the {noise.norm} radius of {noise.shape_slug} noise holds for every base classifier"
    word = BROKEN if broken else NOT_FOUND
    return Verdict(promise, f"d = {d}", word, evidence, ours=True, numbers=numbers), rows


PROBABILITIES = (0.9, 0.95)


class Radii(Audit[RadiiSettings]):
    """Of no files: each noise's radius is tried on the classifier that is the worst for it."""

    def run(self, subject: Subject, settings: RadiiSettings) -> Result:
        """A verdict a noise; a row of the record for each of its probabilities."""
        job_device("cpu")
        tried = [
            radii_verdict(
                NOISES.parse(slug),
                settings.d,
                PROBABILITIES,
                settings.n,
                settings.margin,
                settings.alpha,
                settings.seed,
            )
            for slug in settings.noises
        ]
        rows = [row for _, more in tried for row in more]
        return Result([verdict for verdict, _ in tried], record={"rows": rows})
