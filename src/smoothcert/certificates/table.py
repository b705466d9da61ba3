"""The certificate table: the field's de-facto TSV, with more columns after its own.

The first columns are those of Cohen's released logs (``idx label predict radius correct
time``), so the peers' scripts read our files and we read theirs. ``predict`` is -1 for an
abstention, which has radius 0 and is never correct. Radii are written in full precision.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import warnings
import zlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.core.errors import SmoothcertError, SmoothcertWarning
from smoothcert.core.files import atomic, write_text

ABSTAIN = -1

# Column -> type; the first five are required of any file that is read.
COLUMNS: dict[str, type] = {
    "idx": int,
    "label": int,
    "predict": int,
    "radius": float,
    "correct": int,
    "time": float,
    "p_lower": float,
    "p_upper": float,
    "count": int,
    "n": int,
    "n0": int,
    "samples": int,
    "alpha": float,
    "sigma": float,
    "noise": str,
    "norm": str,
    "budget": str,
    "scaling": str,
    "engine": str,
    "level": int,
    "level_p_lower": float,
    "level_scale": float,
    "predict_raw": int,
    "radius_raw": float,
    "memory_event": str,
}
_REQUIRED = tuple(COLUMNS)[:5]
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class CertificateTable:
    """One row per input, in the order of the data set; columns are arrays of equal length.

    The first six are in every table, the others if they are known:

    ==================================  ========================================================
    ``idx``                             the input's index in its data set
    ``label``                           its true class; -1: unknown, then there is no accuracy
    ``predict``                         certified class; -1: an abstention
    ``radius``                          certified radius in pixels of [0,1] images, in the norm
                                        ``norm``; 0 for an abstention
    ``correct``                         1 if ``predict`` is ``label``
    ``time``                            seconds
    ``p_lower``, ``p_upper``            bounds on the probabilities of the class, and of every
                                        other one
    ``count``, ``n``                    votes for the class, of all estimation votes
    ``n0``, ``samples``                 selection votes; all noise drawn for the input
    ``alpha``                           the largest probability that the certificate is wrong
    ``sigma``                           the noise scale at the input, in pixels of [0,1] images
    ``noise``, ``budget``, ``scaling``  slugs
    ``engine``                          what computed the base classifier, with its version and
                                        precision: whoever predicts uses the same
    ``level``, ``level_scale``          of a smoothed estimator (:func:`smoothcert.routed`): the
                                        input's level, and the scale of the estimator's noise
    ``level_p_lower``                   lower bound on the probability of the level
    ``predict_raw``, ``radius_raw``     before the memory of DDRS
    ``memory_event``                    what the memory did
    ==================================  ========================================================
    """

    columns: dict[str, NDArray]

    def __len__(self) -> int:
        return len(self.columns["idx"])

    @property
    def idx(self) -> NDArray[np.int64]:
        """Index of the input in its data set."""
        return self.columns["idx"]

    @property
    def label(self) -> NDArray[np.int64]:
        """The true class."""
        return self.columns["label"]

    @property
    def predict(self) -> NDArray[np.int64]:
        """The certified class, -1 for an abstention."""
        return self.columns["predict"]

    @property
    def radius(self) -> NDArray[np.float64]:
        """The certified radius, 0 for an abstention."""
        return self.columns["radius"]

    @property
    def correct(self) -> NDArray[np.int64]:
        """1 where ``predict`` equals ``label``."""
        return self.columns["correct"]

    def optional(self, name: str) -> NDArray | None:
        """A column that a file of the field's format may lack, or None."""
        return self.columns.get(name)

    def single(self, name: str) -> Any:
        """The value of a column that is the same in every row; None if absent or mixed."""
        column = self.columns.get(name)
        if column is None or len(column) == 0 or (column != column[0]).any():
            return None
        return column[0].item()


def is_correct(predict: ArrayLike, label: ArrayLike) -> NDArray[np.int64]:
    """1 where a class is predicted that is the label; an abstention is never correct, also
    where the label is unknown (-1)."""
    predict = np.asarray(predict)
    return ((predict == np.asarray(label)) & (predict != ABSTAIN)).astype(np.int64)


def make_table(**columns: Any) -> CertificateTable:
    """Assemble a table: scalars are repeated, ``correct`` and abstentions derived.

    Give at least idx, label, predict and radius. The radius of an abstention becomes 0.
    """
    n = len(columns["idx"])
    columns["predict"] = np.asarray(columns["predict"], np.int64)
    abstain = columns["predict"] == ABSTAIN
    columns["radius"] = np.where(abstain, 0.0, np.asarray(columns["radius"], np.float64))
    columns["correct"] = is_correct(columns["predict"], columns["label"])
    columns.setdefault("time", 0.0)
    dtypes = {int: np.dtype(np.int64), float: np.dtype(np.float64), str: None}
    arrays = {
        name: np.array(np.broadcast_to(np.asarray(columns[name], dtypes[kind]), (n,)))
        for name, kind in COLUMNS.items()
        if name in columns
    }
    return CertificateTable(arrays)


def read_certificates(path: str | os.PathLike[str]) -> CertificateTable:
    """Read a table of this project or of any of the field's published logs (also ``.gz``).

    Read with a :class:`SmoothcertWarning`: lines of a summary after the rows (left out), and
    rows with predict = label, radius 0 and correct 0 (taken as they are: certified at no
    radius). A negative radius of an abstention, another mark of the same, becomes 0.

    Raises:
        SmoothcertError: no such file, a missing column, a row with too few fields or a value
            of the wrong type, ``correct`` that contradicts ``predict`` and ``label``, an
            abstention with a radius, or an input that is there twice; the message names file
            and line.
    """
    path = Path(path)
    return from_fields(path, *read_fields(path))


def from_fields(path: Path, names: list[str], rows: list[list[str]]) -> CertificateTable:
    """The table of :func:`read_fields`; raises as :func:`read_certificates`."""
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise SmoothcertError(f"{path}:1: {_lacking(missing[0], names)}")
    columns = {name: parse(path, name, [row[i] for row in rows]) for i, name in enumerate(names)}
    less = (columns["predict"] == ABSTAIN) & (columns["radius"] < 0)
    columns["radius"] = np.where(less, 0.0, columns["radius"])
    _check_rows(path, columns)
    return CertificateTable(columns)


def _lacking(name: str, names: list[str]) -> str:
    """What a table without the column ``name`` seems to be."""
    if all(_is_number(text) for text in names):
        return "no header; smoothcert import-certificates reads class counts and a label"
    if name == "radius" and "count" in names:
        return "has counts and no radius; smoothcert import-certificates reads it (--scale, --n)"
    if name == "radius" and "predict" in names:
        return "predictions without a radius, which certify nothing; expected the output of certify"
    return f"lacks the column {name!r}; found {names}"


def read_column_text(path: str | os.PathLike[str], name: str) -> list[str]:
    """One column as it is printed: the digits tell how it was rounded."""
    names, rows = read_fields(Path(path))
    return [row[names.index(name)] for row in rows]


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def read_lines(path: Path) -> list[str]:
    """The lines of a table, without blank ones at the end; SmoothcertError for none."""
    try:
        with _open(path) as handle:
            lines = handle.read().splitlines()
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such certificate table") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise SmoothcertError(f"{path}: cannot be read as a certificate table: {error}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise SmoothcertError(f"{path}: empty; expected a header line with {', '.join(_REQUIRED)}")
    return lines


def read_fields(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a tab-separated file, each row as wide as the header.

    A header without tabs is one of blanks, and so are the rows that have no tabs then. Lines at
    the end that are no rows (a summary) are left out with a warning.
    """
    lines = read_lines(path)
    tabs = "\t" in lines[0]
    names = [name.strip() for name in (lines[0].split("\t") if tabs else lines[0].split())]
    if not any(names):
        raise SmoothcertError(f"{path}:1: a blank header; expected {', '.join(_REQUIRED)}")
    rows = [line.split("\t") if tabs or "\t" in line else line.split() for line in lines[1:]]
    whole = len(rows)
    while rows and len(rows[-1]) != len(names) and not _is_number("".join(rows[-1][:1])):
        rows.pop()
    if len(rows) < whole:
        _warn(f"{path}:{len(rows) + 2}: not a row, skipped: {lines[len(rows) + 1]!r}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise SmoothcertError(
                f"{path}:{number}: expected {len(names)} fields, found {len(row)}"
            )
    return names, rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _warn(message: str) -> None:
    warnings.warn(message, SmoothcertWarning, stacklevel=4)


def parse(path: Path, name: str, texts: list[str]) -> NDArray:
    """A column of COLUMNS from its texts (others as text); SmoothcertError names file and line."""
    kind = COLUMNS.get(name, str)
    if name == "correct":
        texts = [{"True": "1", "False": "0"}.get(text, text) for text in texts]
    if kind is str:
        return np.array(texts, dtype=str)
    values: list[float] = []
    for number, text in enumerate(texts, 2):
        try:
            values.append(_seconds(text) if name == "time" else kind(text))
            if kind is int and abs(values[-1]) > _LARGEST:
                raise ValueError
            # Only a closed-form certificate may cover the whole space.
            endless = text == "inf" and name in ("radius", "radius_raw")
            if not (math.isfinite(values[-1]) or endless):
                raise ValueError
        except (ValueError, OverflowError):
            raise SmoothcertError(
                f"{path}:{number}: column {name!r}: expected {kind.__name__}, found {text!r}"
            ) from None
    return np.array(values, dtype=np.int64 if kind is int else np.float64)


def _seconds(text: str) -> float:
    """``h:mm:ss.ffffff`` (days before, if any) or plain seconds -> seconds."""
    days, _, clock = text.rpartition("day")
    parts = clock.strip("s, ").split(":")
    if len(parts) == 1:
        return float(parts[0])
    hours, minutes, seconds = parts
    return (
        (int(days) if days.strip() else 0) * 86400
        + int(hours) * 3600
        + int(minutes) * 60
        + float(seconds)
    )


def check_once(path: Path, idx: NDArray[np.int64]) -> None:
    """Raise SmoothcertError, with both lines, for an input that is there twice."""
    values, first, inverse = np.unique(idx, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(idx)))
    if len(again):
        i = int(again[0])
        raise SmoothcertError(
            f"{path}:{i + 2}: idx {idx[i]} appears twice (first in line {first[inverse[i]] + 2});"
            f" expected each idx once, found {len(idx)} rows for {len(values)} inputs (a"
            " resumed run?)"
        )


def _check_rows(path: Path, columns: dict[str, NDArray]) -> None:
    check_once(path, columns["idx"])
    predict, radius = columns["predict"], columns["radius"]
    right = is_correct(predict, columns["label"])
    nothing = right & (predict != ABSTAIN) & (radius == 0) & (columns["correct"] == 0)
    if nothing.any():
        _warn(
            f"{path}:{int(np.flatnonzero(nothing)[0]) + 2}: predict is the label but radius"
            f" and correct are 0 in {int(nothing.sum())} of {len(right)} rows: a radius of 0"
            " certifies nothing, so they count as not certified"
        )
    contradictions = {
        "correct is not (predict == label)": (columns["correct"] != right) & ~nothing,
        "an abstention (predict -1) has radius 0": (predict == ABSTAIN) & (radius != 0),
        "a radius is not negative": radius < 0,
        "predict is -1 or a class": predict < ABSTAIN,
    }
    for rule, wrong in contradictions.items():
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            expected = rule if "is not (" not in rule else "correct == (predict == label)"
            raise SmoothcertError(
                f"{path}:{i + 2}: expected: {expected}; found label {columns['label'][i]},"
                f" predict {predict[i]}, radius {radius[i]:g}, correct {columns['correct'][i]}"
            )


def sidecar(path: str | os.PathLike[str]) -> Path:
    """Where the record of what made a table lies: the same name with ``.json``."""
    return Path(path).with_suffix(".json")


def write_certificates(
    path: str | os.PathLike[str], table: CertificateTable, record: dict[str, Any] | None = None
) -> None:
    """Write ``table`` as TSV, and ``record`` as its sidecar JSON, each atomically."""
    names = list(table.columns)
    columns = [_format(name, table.columns[name]) for name in names]
    if record is not None:
        write_text(sidecar(path), json.dumps(record, indent=1, sort_keys=True) + "\n")
    with atomic(path) as temporary, temporary.open("w", newline="\n") as handle:
        handle.write("\t".join(names) + "\n")
        handle.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))


def _format(name: str, column: NDArray) -> list[str]:
    if name == "time":
        return [str(timedelta(seconds=float(s))) for s in column]
    if column.dtype.kind == "f":
        return [repr(float(v)) for v in column]  # shortest text that reads back exactly
    return [str(v) for v in column]
