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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr

from smoothcert.certificates.table import (
    ABSTAIN,
    CertificateTable,
    check_once,
    from_fields,
    parse,
    read_fields,
    read_lines,
)
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
            f"alpha cannot be determined from the radii at n {n} and scale {scale:g}"
            f" ({int(sure.sum())} radii above 3 scales; fitting: {shown}); give it with --alpha"
            + ("" if fits or not sure.any() else ", or another --n or --scale")
        )
    return fits[0]


def find_scale(
    path: str | os.PathLike[str], column: NDArray[np.float64] | None = None
) -> float | None:
    """The noise scale that a table's column ``sigma`` says, else its name, else its nearest
    folder (``..._sigma0.25.tsv``, ``sigma_0.25/...``); None if none does.

    Raises SmoothcertError where they say several.
    """
    if column is not None and len(column):
        if (column != column[0]).any():
            raise SmoothcertError(f"{path}: rows with several sigmas; expected one noise scale")
        return float(column[0])
    for part in reversed(Path(path).parts):
        scales = {float(text) for text in _SIGMA.findall(part)}
        if len(scales) > 1:
            raise SmoothcertError(
                f"{path}: {part} names several sigmas; give the noise scale (--scale)"
            )
        if scales:
            return scales.pop()
    return None


_SIGMA = re.compile(r"sigma[_=-]?(\d+(?:\.\d+)?)", re.IGNORECASE)


def import_certificates(
    path: str | os.PathLike[str],
    scale: float | None = None,
    n: int | None = None,
    alpha: float | None = None,
    n_classes: int | None = None,
) -> VoteStore:
    """A published l2 table as a store with one look of ``n`` samples.

    Of radii: the store's count is the lowest the printed radius allows, ``count_low`` ..
    ``count_high`` the interval. Of counts, which need no alpha: a column ``count`` of votes for
    ``predict``, or lines without header of the votes for each class and a label (last or first;
    the other numbers of each line have one sum, n). Selection votes were not published: a row
    holds one vote for its class (of class counts, the class of most votes), an abstention none
    (and no estimation votes: its class is unknown). So the store is to be replayed; a
    certificate needs other votes for the choice of the class.

    What is not given is taken from the table: scale as :func:`find_scale`, n and alpha from
    columns of these names; else n is 100,000 for radii, and alpha is found from them.

    Raises SmoothcertError: an unreadable or empty table, no or several scales or one <= 0, n < 1
    or unknown for counts, an alpha outside (0, 1) or that cannot be told, or a radius that no
    count gives, with its line.
    """
    path = Path(path)
    if scale is not None and not (scale > 0 and math.isfinite(scale)):
        raise SmoothcertError(f"{path}: noise scale {scale:g}: expected a positive number")
    if n is not None and n < 1:
        raise SmoothcertError(f"{path}: n {n}: expected at least 1 sample")
    if alpha is not None:
        check_alpha(alpha)
    votes = _class_counts(path, n)
    if votes is not None:
        return _of_class_counts(path, votes, _scale(path, scale, None), alpha, n_classes)
    names, rows = read_fields(path)
    if len(rows) == 0:
        raise SmoothcertError(f"{path}: no rows; expected at least one certificate")
    column = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    said = {
        name: parse(path, name, column[name])
        for name in ("sigma", "n", "alpha", "count")
        if name in names
    }
    scale = _scale(path, scale, said.get("sigma"))
    n = _single(path, "n", said.get("n")) if n is None else n
    alpha = _single(path, "alpha", said.get("alpha")) if alpha is None else alpha
    if "radius" not in names and {"idx", "label", "predict", "count"} <= set(names):
        if n is None:
            raise SmoothcertError(f"{path}: the number of votes is unknown; give n (--n)")
        idx, label, predict = (parse(path, k, column[k]) for k in ("idx", "label", "predict"))
        check_once(path, idx)
        wrong = np.flatnonzero((said["count"] < 0) | (said["count"] > n))
        if len(wrong):
            i = int(wrong[0])
            raise SmoothcertError(
                f"{path}:{i + 2}: count {said['count'][i]}: expected 0 to n = {n}"
            )
        low = high = said["count"]
    else:
        table, n = from_fields(path, names, rows), 100_000 if n is None else n
        idx, label, predict = table.idx, table.label, table.predict
        alpha, low, high = _counts(path, table, column["radius"], scale, int(n), alpha)
    sure = predict != ABSTAIN
    classes = [{int(c): int(k)} if s else {} for c, k, s in zip(predict, low, sure, strict=True)]
    return _store(path, idx, label, predict, classes, low, high, scale, int(n), alpha, n_classes)


def _scale(path: Path, given: float | None, column: NDArray[np.float64] | None) -> float:
    """The scale that is given or that the table says; SmoothcertError if none or they differ."""
    if given is not None and column is not None and len(column) and (column != given).any():
        raise SmoothcertError(
            f"{path}: column sigma has {find_scale(path, column):g}, --scale {given:g}"
        )
    scale = find_scale(path, column) if given is None else given
    if scale is None:
        raise SmoothcertError(
            f"{path}: no noise scale in a column sigma, the file name or the path (sigma_0.25);"
            " give it with --scale"
        )
    if not scale > 0:
        raise SmoothcertError(f"{path}: noise scale {scale:g}: expected a positive number")
    return scale


def _single(path: Path, name: str, column: NDArray | None) -> Any:
    """The one value of a column, None without it; SmoothcertError where it has several."""
    if column is None or len(column) == 0:
        return None
    if (column != column[0]).any():
        raise SmoothcertError(
            f"{path}: column {name} from {column.min()} to {column.max()}; expected one value"
        )
    return column[0].item()


def _counts(
    path: Path,
    table: CertificateTable,
    printed: list[str],
    scale: float,
    n: int,
    alpha: float | None,
) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """The level of a table of radii, and the lowest and highest count of each row."""
    if np.isinf(table.radius).any():
        line = int(np.flatnonzero(np.isinf(table.radius))[0]) + 2
        raise SmoothcertError(f"{path}:{line}: an infinite radius fits no vote count")
    certified = np.flatnonzero(table.predict != ABSTAIN)
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
            f"{path}:{certified[i] + 2}: no count out of {n} gives radius {texts[i]} at scale"
            f" {scale:g} and alpha {level:g}"
        )
    count_low = np.zeros(len(table), np.int64)
    count_high = np.full(len(table), first - 1, np.int64)
    count_low[certified], count_high[certified] = low, high
    return level, count_low, count_high


def _class_counts(path: Path, n: int | None) -> NDArray[np.int64] | None:
    """Votes for each class and a label, [N, k + 1] with the label last; None for other files.

    The label is the column, last or first, without which all rows have the same sum.
    """
    lines = read_lines(path)
    try:
        rows = [[int(field) for field in re.split(r"[\s,;]+", text.strip())] for text in lines]
    except ValueError:
        return None
    for line, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or len(row) < 3:
            raise SmoothcertError(
                f"{path}:{line}: expected {max(len(rows[0]), 3)} fields (class counts and a"
                f" label), found {len(row)}"
            )
    table = np.array(rows, np.int64)
    for votes, label in ((table[:, :-1], table[:, -1]), (table[:, 1:], table[:, 0])):
        size = votes.sum(1)
        labels = (label >= 0) & (label < votes.shape[1])
        if (size == (size[0] if n is None else n)).all() and labels.all() and (votes >= 0).all():
            return np.c_[votes, label]
    raise SmoothcertError(
        f"{path}: no header; rows of class counts and a label need equal sums of counts"
        f"{'' if n is None else f', n = {n}'}, and labels below {table.shape[1] - 1}"
    )


def _of_class_counts(
    path: Path, table: NDArray[np.int64], scale: float, alpha: float | None, n_classes: int | None
) -> VoteStore:
    votes, label = table[:, :-1], table[:, -1]
    predict, count = votes.argmax(1), votes.max(1)
    classes = [{int(c): int(row[c]) for c in np.flatnonzero(row)} for row in votes]
    return _store(
        path, np.arange(len(label)), label, predict, classes, count, count, scale,
        int(votes[0].sum()), alpha, max(votes.shape[1], n_classes or 0),
    )  # fmt: skip


def _store(
    path: Path,
    idx: NDArray[np.int64],
    label: NDArray[np.int64],
    predict: NDArray[np.int64],
    votes: list[dict[int, int]],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    scale: float,
    n: int,
    alpha: float | None,
    n_classes: int | None,
) -> VoteStore:
    classes = max(int(label.max()), int(predict.max())) + 1
    return VoteStore(
        identity={
            "published": {"name": _stem(path), "sha256": sha256(path), "alpha": alpha},
            "noise": f"gaussian-{number(float(scale))}",
            "scaling": "fixed",
            "n_classes": max(classes, n_classes or 0),
            "look": n,
            "n0": 100,
            "shape": [1],
        },
        rows=len(idx),
        row=np.arange(len(idx), dtype=np.int64),
        idx=idx,
        label=label,
        scale=np.full(len(idx), float(scale)),
        looks=np.ones(len(idx), np.int64),
        selection=Counts.from_rows({int(c): 1} if c != ABSTAIN else {} for c in predict),
        estimation=Counts.from_rows(votes),
        extra={"count_low": low, "count_high": high},
    )


def _stem(path: str | os.PathLike[str]) -> str:
    return re.sub(r"\.tsv(\.gz)?$", "", Path(path).name)
