"""What an audit is: a subject and its settings -> verdicts, and what they rest on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Settings
from smoothcert.report.verdict import Verdict

S = TypeVar("S", bound=Settings)

# A verdict's witness is its audit's file of arrays: the driver puts the name before it.
WITNESS = ".npz"


@dataclass(frozen=True)
class Subject:
    """The files that are audited, and where; each audit takes those that its entry names.

    ``tables`` of certificates, their ``model``, the models of the ``levels`` among which it chooses
    (dual smoothing), ``votes`` (stores), the ``spiral`` of LBRS.
    ``out`` is what the results are called, beside which long work may be kept; ``progress`` is told
    (what, done, of) now and then.
    """

    tables: tuple[Path, ...] = ()
    model: Path | None = None
    levels: tuple[Path, ...] = ()
    votes: tuple[Path, ...] = ()
    spiral: Path | None = None
    data_dir: str | None = None
    device: str = "auto"
    out: Path | None = None
    progress: Callable[[str, int, int], None] = field(default=lambda what, done, of: None)

    @property
    def table(self) -> Path:
        """The only table; SmoothcertError for none or several."""
        if len(self.tables) != 1:
            raise SmoothcertError(f"audit: expected one TABLE, found {len(self.tables)}")
        return self.tables[0]


@dataclass(frozen=True)
class Result:
    """Verdicts, and what they rest on.

    ``rows`` become BASE.tsv or BASE.csv and hold all that a figure or table shows, ``arrays``
    BASE.npz (by which a break can be checked again), ``record`` stands beside the verdicts.
    """

    verdicts: Sequence[Verdict]
    rows: pd.DataFrame | None = None
    arrays: Mapping[str, NDArray[np.generic] | str] | None = None
    record: Mapping[str, Any] = field(default_factory=dict)


class Audit(ABC, Generic[S]):
    """One kind of attempt to break promises."""

    @abstractmethod
    def run(self, subject: Subject, settings: S) -> Result:
        """Try; raises SmoothcertError for a subject that the audit cannot judge."""
