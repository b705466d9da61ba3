"""A run's outcome, small enough to lie in the repository: for a visitor who has run nothing."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.report import pictures
from smoothcert.report.page import Page
from smoothcert.report.render import render


def ship(page: Page, out: Path, made_by: str) -> list[Path]:
    """Copy the tables (CSV, Markdown) of a run to ``out``, with its page and lighter pictures.

    ``out`` is emptied first, so that nothing of an older run stays. A README there says what
    command (``snakemake`` with the words ``made_by``), machine and time made it. Returns what
    was written. Raises SmoothcertError for a folder without tables or page.
    """
    results = page.results
    tables = sorted((results / "tables").glob("*.csv"))
    if not tables or not (results / "index.html").exists():
        raise SmoothcertError(f"{results}: no tables or no index.html; make them with snakemake")
    shutil.rmtree(out, ignore_errors=True)
    written = []
    for source in [*tables, *(table.with_suffix(".md") for table in tables)]:
        if source.exists():
            written.append(_target(out, f"tables/{source.name}"))
            shutil.copyfile(source, written[-1])
    for path in page.pictures():
        written.append(_target(out, path))
        written[-1].write_bytes(pictures.lighter(results / path))
    write_text(out / "index.html", page.html(files=out))
    write_text(out / "README.md", _readme(page, made_by))
    return [*written, out / "index.html", out / "README.md"]


def _target(out: Path, path: str) -> Path:
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _readme(page: Page, made_by: str) -> str:
    return render(
        "shipped.md",
        preset=page.preset,
        made_by=made_by,
        made={name: ", ".join(counts) for name, counts in page.made.values.items()},
        datasets=", ".join(page.datasets),
        cores=os.cpu_count(),
        machine=platform.machine(),
        jobs=page.made.jobs,
        hours=page.made.total / 3600,
    )
