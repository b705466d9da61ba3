"""The papers' numbers, and when one may stand beside ours.

    value("ddrs", "appendix_H1", dataset="cifar10", method="Cohen", sigma=0.25, radius=0.5)

is the printed cell. Cohen et al. 2019 is not among the four papers, so the reference of a
fixed Gaussian noise is the row "Cohen" of DDRS (ResNet-18 on CIFAR-10, ResNet-50 on ImageNet):
appendix H.1 for each sigma, table 1 for the best sigma at each radius. A number is comparable
only if data set, architecture and settings are the paper's; else there is no number, and
:class:`NotComparable` says why.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from smoothcert.errors import SmoothcertError

if TYPE_CHECKING:
    from collections.abc import Sequence

# (paper, table) -> file
FILES = {
    ("ddrs", "table1"): "ddrs_table1.csv",
    ("ddrs", "table2"): "ddrs_table2.csv",
    ("ddrs", "table3"): "ddrs_table3.csv",
    ("ddrs", "table4"): "ddrs_table4_l1.csv",
    ("ddrs", "appendix_H1"): "ddrs_appendix_cohen.csv",
    ("ddrs", "appendix_H2"): "ddrs_appendix_smoothadv.csv",
    ("ddrs", "appendix_H3"): "ddrs_appendix_macer.csv",
    ("iss", "table1"): "iss_table1.csv",
    ("iss", "table2"): "iss_table2.csv",
    ("iss", "table3"): "iss_table3.csv",
    ("iss", "table4"): "iss_table4.csv",
    ("iss", "table5"): "iss_table5.csv",
    ("zhang", "table1"): "zhang_table1.csv",
    ("zhang", "table2"): "zhang_table2.csv",
    ("zhang", "table3"): "zhang_table3.csv",
}
PAPERS = {
    "ddrs": "DDRS",
    "iss": "ISS",
    "lbrs": "LBRS",
    "zhang": "Zhang et al.",
}


@dataclass(frozen=True)
class Cell:
    """A printed number: its key, and its text as printed (None where it cannot be read).

    ``sigma``, ``radius`` are in pixels of [0,1]; None where a column does not apply.
    """

    paper: str
    table: str
    dataset: str | None
    norm: str | None
    method: str | None
    train: str | None
    certify: str | None
    sigma: float | None
    K: int | None
    n: int | None
    metric: str
    radius: float | None
    text: str | None
    unit: str
    note: str

    @property
    def value(self) -> float | None:
        """The number; None where the text cannot be read or is no number."""
        try:
            return float(self.text) if self.text is not None else None
        except ValueError:
            return None

    @property
    def decimals(self) -> int:
        """Digits printed after the point: 79.9 -> 1, 60 -> 0."""
        return max(0, -int(Decimal(self.text or "0").as_tuple().exponent))

    @property
    def source(self) -> str:
        """Where it is printed: ``DDRS table 1``, ``DDRS appendix H.1``."""
        name = self.table.replace("appendix_H", "appendix H.").replace("table", "table ")
        return f"{PAPERS[self.paper]} {name}"


@dataclass(frozen=True)
class NotComparable:
    """Why no number of a paper may stand beside ours: a few words for a table's cell."""

    reason: str


@dataclass(frozen=True)
class Row:
    """A row of a paper's table: its cells by metric and radius, to stand beside ours."""

    cells: tuple[Cell, ...]

    def at(self, radius: float) -> Cell | None:
        """The certified accuracy that the row prints at ``radius``, if it prints one."""
        return next((c for c in self.accuracies if c.radius == radius), None)

    def metric(self, name: str) -> Cell | None:
        """The cell of another metric (``ACR``, ``avg_samples``, ...), if printed."""
        return next((c for c in self.cells if c.metric == name), None)

    @property
    def accuracies(self) -> tuple[Cell, ...]:
        """The legible cells of certified accuracy, by radius."""
        return tuple(
            c for c in self.cells if c.metric == "certified_accuracy" and c.value is not None
        )

    @property
    def source(self) -> str:
        return self.cells[0].source


def cells(paper: str, table: str, **key: Any) -> tuple[Cell, ...]:
    """The cells of a paper's table whose fields equal ``key``, in printed order.

    ``sigma=None`` asks for rows without sigma. Raises SmoothcertError for an unknown paper,
    table or field.
    """
    if (paper, table) not in FILES:
        known = ", ".join(f"{p} {t}" for p, t in FILES)
        raise SmoothcertError(f"reference {paper} {table}: unknown; expected one of {known}")
    for name in key:
        if name not in Cell.__dataclass_fields__:
            raise SmoothcertError(f"reference {paper} {table}: has no column {name!r}")
    return tuple(
        c for c in _read(FILES[paper, table]) if all(getattr(c, k) == v for k, v in key.items())
    )


def value(paper: str, table: str, **key: Any) -> Cell:
    """The one printed cell that ``key`` names (``metric`` is certified accuracy if a radius is
    given and it isn't). Raises SmoothcertError if no cell or several have the key."""
    if "radius" in key:
        key.setdefault("metric", "certified_accuracy")
    found = cells(paper, table, **key)
    if len(found) != 1:
        text = ", ".join(f"{k}={v}" for k, v in key.items())
        raise SmoothcertError(
            f"reference {paper} {table} ({text}): expected one cell, found {len(found)}"
        )
    return found[0]


@cache
def _read(name: str) -> tuple[Cell, ...]:
    with (resources.files("smoothcert") / "reference_data" / name).open(encoding="utf-8") as file:
        return tuple(_cell(row) for row in csv.DictReader(file))


def _cell(row: dict[str, str]) -> Cell:
    def optional(name: str, kind: type) -> Any:
        return kind(row[name]) if row[name] else None

    return Cell(
        paper=row["paper"],
        table=row["table"],
        dataset=row["dataset"] or None,
        norm=row["norm"] or None,
        method=row["method"] or None,
        train=row["train"] or None,
        certify=row["certify"] or None,
        sigma=optional("sigma", float),
        K=optional("K", int),
        n=optional("n", int),
        metric=row["metric"],
        radius=optional("radius", float),
        text=row["value"] or None,
        unit=row["unit"],
        note=row["note"],
    )


# --- when a number is comparable -----------------------------------------------------------

# Data sets and architectures of DDRS (section 4, set-up); the method names of its tables.
# The released code has the stem of ImageNet on CIFAR-10 too.
_DDRS_ARCH = {"cifar10": ("resnet18", "resnet18_stem7"), "imagenet": ("resnet50",)}
_DDRS_METHODS = {
    "cohen": ("Cohen", "table1", "appendix_H1"),
    "smoothadv": ("SmoothAdv", "table2", "appendix_H2"),
    "macer": ("MACER", "table3", "appendix_H3"),
}
# Epochs of training from scratch; the ImageNet models are the baselines' own.
_DDRS_EPOCHS = {"cifar10": 200}


@dataclass(frozen=True)
class Settings:
    """What was certified, as far as it is known; None is unknown and equals nothing.

    ``method`` and ``schedule`` as in a training slug (cohen, fs); ``sigma`` of training and
    certification, None for the best over several; ``epochs`` of training may stay unknown.
    """

    dataset: str | None = None
    arch: str | None = None
    method: str | None = None
    schedule: str | None = None
    norm: str = "l2"
    noise: str = "gaussian"
    sigma: float | None = None
    train_sigma: float | None = None
    scaling: str = "fixed"
    n: int | None = None
    n0: int | None = None
    alpha: float | None = None
    epochs: int | None = None


def cohen_row(ours: Settings, best_of: Sequence[float] = ()) -> Row | NotComparable:
    """The paper's row for a fixed Gaussian noise, from DDRS: "Cohen", "SmoothAdv", "MACER".

    The row of appendix H for ``ours.sigma``; with the several sigma of ``best_of`` the row of
    tables 1-3 (per radius the best sigma), whose ACR is the mean of the per-input maximum.
    """
    if ours.dataset not in _DDRS_ARCH:
        return NotComparable("different data")
    if ours.arch not in _DDRS_ARCH[ours.dataset]:
        return NotComparable("different architecture")
    if ours.method not in _DDRS_METHODS or ours.schedule != "fs":
        return NotComparable("not in the paper")
    if (ours.norm, ours.noise, ours.scaling) != ("l2", "gaussian", "fixed"):
        return NotComparable("not in the paper")
    if not best_of and ours.train_sigma != ours.sigma:
        return NotComparable("different noise in training")
    if (ours.n, ours.alpha) != (100_000, 0.001) or ours.n0 not in (None, 100):
        return NotComparable("different samples or alpha")
    if ours.epochs is not None and ours.epochs != _DDRS_EPOCHS.get(ours.dataset, ours.epochs):
        return NotComparable("different length of training")
    method, best, each = _DDRS_METHODS[ours.method]
    key = {"dataset": ours.dataset, "method": method, "train": "FS", "certify": "FS"}
    single = cells("ddrs", each, **key)
    if not best_of:
        found = tuple(c for c in single if c.sigma == ours.sigma)
        return Row(found) if found else NotComparable("not in the paper")
    if set(best_of) != {c.sigma for c in single}:
        return NotComparable("different choice of sigma")
    return Row(cells("ddrs", best, sigma=None, **key))
