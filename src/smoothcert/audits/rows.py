"""The rows of an audit as a file: comma- or tab-separated with a head, in full precision."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic


def write_rows(path: str | os.PathLike[str], rows: pd.DataFrame) -> None:
    """Write rows atomically; what is not a number is ``nan`` in a .tsv and empty in a .csv."""
    tabs = Path(path).suffix == ".tsv"
    with atomic(path) as temporary:
        rows.to_csv(
            temporary,
            sep="\t" if tabs else ",",
            na_rep="nan" if tabs else "",
            index=False,
            lineterminator="\n",
        )


def read_rows(
    path: str | os.PathLike[str], columns: Mapping[str, type], optional: Collection[str] = ()
) -> pd.DataFrame:
    """Read rows with these columns, ``optional`` ones where they are there.

    Raises SmoothcertError, with the file and the line, for other columns or a wrong cell.
    """
    delimiter = "\t" if Path(path).suffix == ".tsv" else ","
    try:
        with Path(path).open(encoding="utf-8", newline="") as handle:
            head, *lines = csv.reader(handle, delimiter=delimiter)
    except FileNotFoundError:
        raise SmoothcertError(f"{path}: no such file") from None
    except ValueError:
        head, lines = [], []
    if not set(columns) - set(optional) <= set(head) <= set(columns):
        raise SmoothcertError(
            f"{path}:1: expected the columns {', '.join(columns)}, found {', '.join(head)}"
        )
    cells: dict[str, list[object]] = {name: [] for name in head}
    for number, line in enumerate(lines, 2):
        try:
            for name, text in zip(head, line, strict=True):
                cells[name].append(columns[name](text))
        except ValueError as error:
            raise SmoothcertError(f"{path}:{number}: {error}") from None
    kinds = {int: np.int64, float: np.float64, str: object}
    return pd.DataFrame({k: np.array(v, kinds[columns[k]]) for k, v in cells.items()})
