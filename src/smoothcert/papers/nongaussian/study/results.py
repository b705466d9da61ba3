"""Points of a study as a CSV file: one row a point, numbers in full precision."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TypeVar

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text

T = TypeVar("T")
_KINDS = {"int": int, "float": float, "str": str}


def write_points(path: str | os.PathLike[str], points: Sequence[object]) -> None:
    """Write dataclass instances of one kind, at least one; the columns are the fields."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(f.name for f in fields(points[0]))  # type: ignore[arg-type]
    for point in points:
        writer.writerow(
            repr(float(v)) if isinstance(v, float) else v
            for v in astuple(point)  # type: ignore[call-overload]
        )
    write_text(path, out.getvalue())


def read_points(path: str | os.PathLike[str], kind: type[T]) -> list[T]:
    """Read what :func:`write_points` wrote; SmoothcertError names the file and the row."""
    declared = {f.name: _KINDS[str(f.type)] for f in fields(kind)}  # type: ignore[arg-type]
    with Path(path).open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if reader.fieldnames != list(declared):
            raise SmoothcertError(f"{path}:1: expected the columns {', '.join(declared)}")
        points = []
        for row in reader:
            try:
                points.append(kind(**{n: convert(row[n]) for n, convert in declared.items()}))
            except (TypeError, ValueError) as error:
                raise SmoothcertError(f"{path}:{reader.line_num}: {error}") from None
    if not points:
        raise SmoothcertError(f"{path}: no rows; expected at least one")
    return points
