"""Certificate tables that others published, as vote stores with one look.

A published radius is scale * Phi^-1(bound(count)), rounded; so the count can be recovered up
to the interval that the rounding allows, once the file's alpha is known. That is found from
the lattice of possible radii: near the largest ones the lattice is coarser than the rounding.
"""

from __future__ import annotations

import math
import os
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr

from smoothcert.certificates import ABSTAIN, read_certificates, read_column_text
from smoothcert.core.confidence import check_alpha
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import sha256
from smoothcert.core.slugs import number
from smoothcert.votes import Counts, VoteStore

# Levels at which the field's runs were made; three of nine public CIFAR logs are not at 0.001.
ALPHAS = (0.001, 0.01, 0.0005)


def counts_for(radii: NDArray, n: int, alpha: float, scale: float) -> NDArray[np.int64]:
    """The smallest count of ``n`` whose certified radius is >= each of ``radii`` (n + 1: none).

    R(k) >= r iff the bound of k is >= p = Phi(r / scale), iff P(Bin(n, p) >= k) <= alpha: a
    bisection over k on the binomial tail, which needs no inverse.
    """
    p = ndtr(np.asarray(radii, np.float64) / scale)
    low = np.zeros(p.shape, np.int64)  # tail(low) > alpha
    high = np.full(p.shape, n + 1, np.int64)
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = betainc(np.maximum(middle, 1), n - middle + 1.0, p) <= alpha
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def printed_interval(text: str) -> tuple[float, float]:
    """The numbers that print as ``text``: half a unit of its last digit to each side.

    The field's logs print 3 significant digits or 4 decimals, trailing zeros cut in the
    former case, so a short text such as ``0.5`` is read as 3 significant digits.
    """
    value = Decimal(text)
    exponent = int(value.as_tuple().exponent)
    unit = Decimal(10) ** min(exponent, value.adjusted() - 2 if value else -4)
    # Below a power of ten the third significant digit is worth a tenth.
    power_of_ten = value and value == Decimal(10) ** value.adjusted()
    return float(value - unit / (20 if power_of_ten else 2)), float(value + unit / 2)


def _intervals(texts: list[str]) -> NDArray[np.float64]:
    # A file that always prints 4 decimals keeps its zeros.
    fixed = {len(t.partition(".")[2]) for t in texts if Decimal(t) != 0} == {4}
    if fixed:
        values = np.array([float(t) for t in texts])
        return np.stack([values - 5e-5, values + 5e-5], 1)
    return np.array([printed_interval(t) for t in texts]).reshape(-1, 2)


def _matches(
    intervals: NDArray, n: int, alpha: float, scale: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest and highest count whose radius lies in each interval (low > high: none)."""
    slack = 1e-9
    edges, which = np.unique(intervals + np.array([-slack, slack]), return_inverse=True)
    counts = counts_for(edges, n, alpha, scale)[which].reshape(intervals.shape)
    return counts[:, 0], counts[:, 1] - 1


def find_alpha(texts: list[str], n: int, scale: float, alphas: tuple[float, ...] = ALPHAS) -> float:
    """The one level whose lattice meets every printed radius above 3 noise scales.

    Raises SmoothcertError if none does, or several do (too few large radii to tell).
    """
    intervals = _intervals(texts)
    sure = intervals[:, 0] > 3 * scale
    fits = []
    for alpha in alphas:
        low, high = _matches(intervals[sure], n, alpha, scale)
        if (low <= high).all():
            fits.append(alpha)
    if len(fits) != 1 or not sure.any():
        shown = ", ".join(f"{a:g}" for a in (fits if sure.any() else alphas)) or "none"
        raise SmoothcertError(
            f"alpha cannot be told from the radii at n {n} and scale {scale:g}"
            f" ({int(sure.sum())} radii above 3 scales; fitting: {shown}); give it"
        )
    return fits[0]


def import_certificates(
    path: str | os.PathLike[str],
    scale: float,
    n: int = 100_000,
    alpha: float | None = None,
    n_classes: int | None = None,
) -> VoteStore:
    """A published l2 table as a store with one look of ``n`` samples.

    The store's count is the lowest the printed radius allows, ``count_low`` .. ``count_high``
    the interval. Selection votes were not published: a certified row holds one vote for its
    class, an abstention none (and no estimation votes: its class is unknown).

    Raises SmoothcertError: an unreadable or empty table, a scale <= 0, n < 1, an alpha outside
    (0, 1) or that cannot be told, or a radius that no count gives, with its line.
    """
    if not (scale > 0 and math.isfinite(scale)):
        raise SmoothcertError(f"{path}: noise scale {scale:g}: expected a positive number")
    if n < 1:
        raise SmoothcertError(f"{path}: n {n}: expected at least 1 sample")
    if alpha is not None:
        check_alpha(alpha)
    table = read_certificates(path)
    if len(table) == 0:
        raise SmoothcertError(f"{path}: no rows; expected at least one certificate")
    if np.isinf(table.radius).any():
        line = int(np.flatnonzero(np.isinf(table.radius))[0]) + 2
        raise SmoothcertError(f"{path}:{line}: an infinite radius is of no number of votes")
    certified = np.flatnonzero(table.predict != ABSTAIN)
    printed = read_column_text(path, "radius")
    texts = [printed[i] for i in certified]
    try:
        level = find_alpha(texts, n, scale) if alpha is None else alpha
    except SmoothcertError as error:
        raise SmoothcertError(f"{path}: {error}") from None
    low, high = _matches(_intervals(texts), n, level, scale)
    # A certified row has a bound of at least 1/2.
    first = int(counts_for(np.zeros(1), n, level, scale)[0])
    low = np.maximum(low, first)
    wrong = np.flatnonzero(low > high)
    if len(wrong):
        i = int(wrong[0])
        raise SmoothcertError(
            f"{path}:{certified[i] + 2}: no count of {n} gives radius {texts[i]} at scale"
            f" {scale:g} and alpha {level:g}"
        )
    count_low = np.zeros(len(table), np.int64)
    count_high = np.full(len(table), first - 1, np.int64)
    count_low[certified], count_high[certified] = low, high
    classes = max(int(table.label.max()), int(table.predict.max())) + 1
    sure = table.predict != ABSTAIN
    return VoteStore(
        identity={
            "published": {"name": _stem(path), "sha256": sha256(path), "alpha": level},
            "noise": f"gaussian-{number(float(scale))}",
            "scaling": "fixed",
            "n_classes": max(classes, n_classes or 0),
            "look": n,
            "n0": 100,
            "shape": [1],
        },
        rows=len(table),
        row=np.arange(len(table), dtype=np.int64),
        idx=table.idx,
        label=table.label,
        scale=np.full(len(table), float(scale)),
        looks=np.ones(len(table), np.int64),
        selection=Counts.from_rows(
            {int(c): 1} if s else {} for c, s in zip(table.predict, sure, strict=True)
        ),
        estimation=Counts.from_rows(
            {int(c): int(k)} if s else {}
            for c, k, s in zip(table.predict, count_low, sure, strict=True)
        ),
        extra={"count_low": count_low, "count_high": count_high},
    )


def _stem(path: str | os.PathLike[str]) -> str:
    return re.sub(r"\.tsv(\.gz)?$", "", Path(path).name)
