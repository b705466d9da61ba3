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
import zlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.core.errors import SmoothcertError
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
    "predict_raw": int,
    "radius_raw": float,
    "memory_event": str,
}
_REQUIRED = tuple(COLUMNS)[:5]
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class CertificateTable:
    """One row an input, in the order of the data set; columns are arrays of equal length.

    A label of -1 is unknown: such a table says what is certified, and no accuracy.
    ``time`` is in seconds; ``samples`` counts all noise drawn for the input, ``n0`` of it for its
    class, while the bound rests on ``count`` of ``n``; ``radius`` and ``sigma`` are in pixels of
    [0,1] images.
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

    Raises:
        SmoothcertError: no such file, a missing column, a row with too few fields or a value
            of the wrong type, ``correct`` that contradicts ``predict`` and ``label``, or an
            abstention with a radius; the message names file and line.
    """
    path = Path(path)
    names, rows = _fields(path)
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise SmoothcertError(f"{path}:1: lacks the column {missing[0]!r}; found {names}")
    columns = {name: _parse(path, name, [row[i] for row in rows]) for i, name in enumerate(names)}
    _check_rows(path, columns)
    return CertificateTable(columns)


def read_column_text(path: str | os.PathLike[str], name: str) -> list[str]:
    """One column as it is printed: the digits tell how it was rounded."""
    names, rows = _fields(Path(path))
    return [row[names.index(name)] for row in rows]


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _fields(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a tab-separated file, each row as wide as the header."""
    try:
        with _open(path) as handle:
            lines = handle.read().splitlines()
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such certificate table") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise SmoothcertError(f"{path}: cannot be read as a certificate table: {error}") from None
    if not lines:
        raise SmoothcertError(f"{path}: empty; expected a header line with {', '.join(_REQUIRED)}")
    names = lines[0].split("\t")
    rows = [line.split("\t") for line in lines[1:]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise SmoothcertError(
                f"{path}:{number}: expected {len(names)} fields, found {len(row)}"
            )
    return names, rows


def _parse(path: Path, name: str, texts: list[str]) -> NDArray:
    kind = COLUMNS.get(name, str)
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


def _check_rows(path: Path, columns: dict[str, NDArray]) -> None:
    predict, radius = columns["predict"], columns["radius"]
    contradictions = {
        "correct is not (predict == label)": columns["correct"]
        != is_correct(predict, columns["label"]),
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
