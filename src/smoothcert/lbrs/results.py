"""Reading and writing the accuracies of the image experiments and the averages of the spiral."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.lbrs.spiral import NORMS, averages

# Of the accuracies of the image experiments.
COLUMNS = (
    "seed", "draw", "method", "head", "parameter", "norm", "radius", "attack", "inputs", "correct",
)  # fmt: skip
_NUMBERS = {"parameter": float, "radius": float}
_COUNTS = {"seed": int, "draw": int, "inputs": int, "correct": int}


def write_rows(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[dict[str, Any]]
) -> None:
    """Rows as CSV, atomically; a float in the shortest text that reads back exactly."""
    with atomic(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_accuracies(paths: Iterable[str | os.PathLike[str]]) -> list[dict[str, Any]]:
    """The rows of one or more files of ``smoothcert lbrs image``; empty fields become None.

    Raises SmoothcertError for a missing file, another header, or a field of the wrong type.
    """
    rows = []
    for path in map(Path, paths):
        try:
            with path.open(newline="") as handle:
                reader = csv.DictReader(handle)
                if reader.fieldnames != list(COLUMNS):
                    raise SmoothcertError(
                        f"{path}:1: expected the columns {','.join(COLUMNS)}, found "
                        f"{','.join(reader.fieldnames or [])}"
                    )
                rows += [_typed(path, number, row) for number, row in enumerate(reader, 2)]
        except FileNotFoundError:
            raise SmoothcertError(f"{path}: no such accuracy file") from None
    return rows


def _typed(path: Path, number: int, row: dict[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {k: v or None for k, v in row.items()}
    for key, kind in {**_NUMBERS, **_COUNTS}.items():
        try:
            out[key] = kind(row[key]) if row[key] else None
        except ValueError:
            raise SmoothcertError(
                f"{path}:{number}: column {key!r}: expected a number, found {row[key]!r}"
            ) from None
    return out


def spiral_rows(out: dict[str, NDArray]) -> list[dict[str, Any]]:
    """Figure 2 as rows: per base, norm and bias the accuracy and the average radii."""
    rows = []
    for base in ("", "kernel_"):
        for norm in NORMS:
            correct = out[f"{base}predict_{norm}"] == out["label"]
            own_correct = out[f"{base}base_predict"] == out["label"]
            own = out[f"{base}base_{norm}"]
            forms = [f for f in ("published", "tight") if f"{base}{f}_{norm}" in out]
            values = {form: averages(out, base + form, norm) for form in forms}
            for i, bias in enumerate(out["bias"]):
                row = {
                    "base": "rbf-svm" if base else "linear-svm",
                    "norm": norm,
                    "bias": float(bias),
                    "accuracy": float(correct[i].mean()),
                    "base_accuracy": float(own_correct.mean()),
                    "base_radius": float(own.mean()),
                    "base_true_radius": float((own * own_correct).mean()),
                    "nn_accuracy": float((out["oracle_predict"] == out["label"]).mean()),
                }
                for form, (average, true) in values.items():
                    row[f"{form}_radius"] = float(average[i])
                    row[f"{form}_true_radius"] = float(true[i])
                rows.append(row)
    return rows


SPIRAL_COLUMNS = (
    "base", "norm", "bias", "accuracy", "published_radius", "published_true_radius",
    "tight_radius", "tight_true_radius", "base_accuracy", "base_radius", "base_true_radius",
    "nn_accuracy",
)  # fmt: skip


def read_spiral(path: str | os.PathLike[str]) -> dict[str, NDArray]:
    """The arrays of ``smoothcert lbrs spiral``; SmoothcertError if the file is not one."""
    try:
        with np.load(path, allow_pickle=False) as data:
            out = dict(data)
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise SmoothcertError(f"{path}: cannot be read as NumPy arrays: {error}") from None
    if "region" not in out or "bias" not in out:
        raise SmoothcertError(f"{path}: expected the arrays of `smoothcert lbrs spiral`")
    return out
