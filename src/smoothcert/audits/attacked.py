"""The table of attacked certificates that memory-soundness writes, a row a ball."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text

# Column -> type. Those after ``lead`` are of Gaussian noise only.
COLUMNS: dict[str, type] = {
    "idx": int,
    "label": int,
    "predict": int,
    "radius": float,
    "sigma": float,
    "p_lower": float,
    "margin": float,
    "broken": int,
    "tactic": str,
    "distance": float,
    "sigma_x2": float,
    "lead": float,
    "largest": float,
    "allowed": float,
    "kappa": float,
    "beyond": int,
    "fallback": float,
}


def write_attacked(path: str | os.PathLike[str], rows: list[dict[str, Any]]) -> None:
    """Write rows with the same columns, in full precision, atomically."""
    names = [name for name in COLUMNS if not rows or name in rows[0]]
    lines = ["\t".join(_text(COLUMNS[name], row[name]) for name in names) for row in rows]
    write_text(path, "\n".join(["\t".join(names), *lines]) + "\n")


def read_attacked(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The columns of such a table; SmoothcertError names the file and the row."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such table of attacked certificates") from None
    names = lines[0].split("\t") if lines else []
    if not {"idx", "radius", "broken"} <= set(names) <= set(COLUMNS):
        raise SmoothcertError(f"{path}:1: no table of attacked certificates: columns {names}")
    cells: dict[str, list[Any]] = {name: [] for name in names}
    for number, line in enumerate(lines[1:], 2):
        try:
            for name, text in zip(names, line.split("\t"), strict=True):
                cells[name].append(COLUMNS[name](text))
        except ValueError as error:
            raise SmoothcertError(f"{path}:{number}: {error}") from None
    kinds = {int: np.dtype(np.int64), float: np.dtype(np.float64), str: np.dtype(np.str_)}
    return {name: np.array(cells[name], kinds[COLUMNS[name]]) for name in names}


def _text(kind: type, cell: Any) -> str:
    return repr(float(cell)) if kind is float else str(kind(cell))
