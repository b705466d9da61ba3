"""The accuracies of an image task as rows of the result frame, and curves of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.results import read_accuracies
from smoothcert.lbrs.settings import Task
from smoothcert.report.numbers import Metric, Number, Row


def read_task(paths: Sequence[Path]) -> Task:
    """What the accuracies of one task are of, from the record beside the first file.

    Raises SmoothcertError where there is no record or it is none of ``smoothcert lbrs image``.
    """
    path = paths[0].with_suffix(".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Task.check(record["specification"]["task"], f"{path}: task")
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such file; expected the record of the CSV") from None
    except (KeyError, TypeError, ValueError) as error:
        raise SmoothcertError(f"{path}: not a record of `smoothcert lbrs image`: {error}") from None


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """One row an accuracy: who was attacked how, and how many were still right.

    ``draw`` is the set of reserved points, ``parameter`` the bias or the sigma.
    """
    task = read_task(paths)
    labels = ("seed", "draw", "method", "head", "parameter", "norm", "attack")
    return [
        {
            "dataset": task.dataset,
            "positive": task.positive,
            **{name: row[name] for name in labels},
            Metric("accuracy", row["radius"]): Number(
                row["correct"] / row["inputs"], inputs=row["inputs"]
            ),
        }
        for row in read_accuracies(paths)
    ]


def pick(numbers: pd.DataFrame, **labels: Any) -> pd.DataFrame:
    """The numbers whose labels equal all of ``labels``; None: those that have none."""
    for name, value in labels.items():
        kept = numbers[name].isna() if value is None else numbers[name] == value
        numbers = numbers[kept]
    return numbers


def curve(numbers: pd.DataFrame, along: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracies against ``along``, a label or the radius: x [X] ascending, values [X, R].

    A repeat is a seed and a draw of the reserved points. Raises SmoothcertError if a repeat lacks
    a value of x.
    """
    draw = numbers.draw.where(numbers.draw.notna(), -1)
    by = numbers.assign(draw=draw, along=numbers[along].astype(float))
    table = by.pivot(index="along", columns=["seed", "draw"], values="value")
    table = table.sort_index().sort_index(axis=1)
    if table.isna().any(axis=None):
        raise SmoothcertError(
            f"accuracies along {along}: expected the same values in every seed and draw"
        )
    return table.index.to_numpy(np.float64), table.to_numpy(np.float64)


def complete(numbers: pd.DataFrame) -> list[float]:
    """The settings of one method that were measured at every attack radius."""
    radii = numbers.groupby("parameter").radius.nunique()
    return [float(p) for p in radii.index[radii == numbers.radius.nunique()]]
