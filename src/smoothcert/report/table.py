"""What a table is: columns, rows of labels and numbers, notes; how it is written is in write.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoothcert.compute.lazy import pandas as pd
from smoothcert.report.numbers import Key, Metric, Row, frame


@dataclass(frozen=True)
class Column:
    """``key`` names it in the rows and heads it in the CSV, ``title`` in print.

    A measured one (a :class:`Metric`, or ``measured=True``) holds Numbers: four columns of the CSV.
    A Number in another column is one column, as it is printed.
    ``show`` says how a label reads in print (a slug's name); the CSV has the label itself.
    """

    key: Key
    title: str
    measured: bool = False
    show: Callable[[Any], str] = str
    csv: str | None = None  # its name there, where it is not the key's own

    @property
    def head(self) -> str:
        """Its name in the CSV."""
        return self.csv or (self.key.key if isinstance(self.key, Metric) else self.key)

    @property
    def numeric(self) -> bool:
        return self.measured or isinstance(self.key, Metric)


@dataclass(frozen=True)
class Table:
    """Rows may have labels that no column shows: they are in the frame all the same.

    ``title`` is that of its Output where it is empty.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    notes: tuple[str, ...] = field(default=())

    def numbers(self, output: str) -> pd.DataFrame:
        """The long frame of what the table shows."""
        return frame(output, self.rows)
