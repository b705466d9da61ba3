"""What a notebook shows of a run: its tables, figures, numbers, claims and audits.

    from smoothcert.report import show
    show.table("results/smoke", "cohen_table")

A notebook shows and judges nothing: verdicts are those of the ledger and of the audits. What
these functions return displays itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from smoothcert.compute.lazy import pandas as pd
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import parts, pictures
from smoothcert.report.claims import Evidence
from smoothcert.report.ledger import ledger
from smoothcert.report.made import made
from smoothcert.report.numbers import read_numbers
from smoothcert.report.render import part

Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class Html:
    """Displays itself in a notebook."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


def table(results: Folder, name: str) -> Html:
    """The table NAME with its notes."""
    return Html(_file(results, f"tables/{name}.html").read_text(encoding="utf-8"))


def figure(results: Folder, name: str) -> Html:
    """The figure NAME at its own size, with its caption."""
    path = _file(results, f"figures/{name}.png")
    return Html(part("figure", pictures.uri(path), pictures.title(path), *pictures.size(path)))


def numbers(results: Folder, name: str) -> pd.DataFrame:
    """The numbers behind the table or figure NAME, one row each (report/numbers.py)."""
    return read_numbers([_file(results, f"numbers/{name}.csv")])


def claims(results: Folder, paper: str) -> Html:
    """The claims of a paper (``ddrs``, ``iss``, ``lbrs``, ``zhang``) with their verdicts."""
    rows = ledger(results, [paper])
    return Html(parts.claim_counts(rows) + parts.claims(rows, _no_link))


def audits(results: Folder, under: str = "") -> Html:
    """The promises that were audited, their verdicts counted and one by one.

    ``under``: only of files whose path below ``audits`` begins so (``memory_soundness/``).
    """
    found = [
        (file, one)
        for file, one in Evidence(Path(results)).audits
        if file.startswith(f"audits/{under}")
    ]
    return Html(parts.promise_counts(found) + parts.verdicts(found, _no_link))


def provenance(results: Folder) -> Html:
    """What made the certificates of a run, and how long its jobs took."""
    return Html(part("provenance", made(Path(results))))


def _file(results: Folder, name: str) -> Path:
    path = Path(results) / name
    if not path.is_file():
        raise SmoothcertError(f"{path}: does not exist; make it with snakemake")
    return path


def _no_link(path: str) -> str:
    """A notebook may be read anywhere: files are named, not linked."""
    return ""
