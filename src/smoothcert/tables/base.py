"""What a table is: columns, rows of entries, notes; how it is written is in ``write``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from smoothcert import printing
from smoothcert.errors import SmoothcertError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smoothcert.metrics import Estimate
    from smoothcert.reference import Cell
    from smoothcert.runs import Run

F = TypeVar("F")
UNKNOWN = "-"


class Registry(Generic[F]):
    """Tables or figures by name; a new one is a function with ``@TABLES.member("name")``."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._members: dict[str, F] = {}

    def member(self, name: str) -> Callable[[F], F]:
        def register(function: F) -> F:
            self._members[name] = function
            return function

        return register

    def __getitem__(self, name: str) -> F:
        if name not in self._members:
            known = ", ".join(sorted(self._members))
            raise SmoothcertError(f"{self.what} {name!r}: unknown; expected one of {known}")
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._members))


@dataclass(frozen=True)
class Options:
    """What a reader may choose: radii as metrics.parse_radii takes them (None: a grid that fits
    the data), a title, and radius > r in place of >= r."""

    radii: str | Sequence[str | float] | None = None
    title: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class Column:
    """``key`` heads it in the CSV, ``title`` in print; a measured one has an interval and
    perhaps a paper's value, and so four columns in the CSV."""

    key: str
    title: str
    measured: bool = False


@dataclass(frozen=True)
class Entry:
    """One cell: its printed text, interval and paper's value ("" for none), and the same as
    numbers at full precision for the CSV (value, low, high, paper)."""

    text: str = ""
    interval: str = ""
    paper: str = ""
    numbers: tuple[float | None, float | None, float | None, float | None] = (None,) * 4


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[Column, ...]
    rows: list[dict[str, Entry]]
    notes: tuple[str, ...] = field(default=())


if TYPE_CHECKING:
    TableMaker = Callable[[Sequence[Run], Options], Table]


def words(value: object) -> Entry:
    """Text, or "-" for what is not known."""
    return Entry(UNKNOWN if value is None else str(value))


def acr(estimate: Estimate, paper: Cell | None = None) -> Entry:
    """An average certified radius, rounded down."""
    return Entry(
        printing.radius(float(estimate.value)),
        printing.radius_interval(estimate),
        _printed(paper),
        (*_ends(estimate, 1), paper.value if paper else None),
    )


def share(estimate: Estimate, paper: Cell | None = None) -> Entry:
    """A share of the inputs in percent."""
    return Entry(
        printing.percent(float(estimate.value)),
        printing.percent_interval(estimate),
        _printed(paper),
        (*_ends(estimate, 100), paper.value if paper else None),
    )


def _printed(paper: Cell | None) -> str:
    return (paper.text or "") if paper else ""


def _ends(estimate: Estimate, unit: int) -> tuple[float, float, float]:
    value, low, high = (unit * float(v) for v in (estimate.value, estimate.low, estimate.high))
    return value, low, high
