"""A run's outcome, small enough to lie in the repository: for a visitor who has run nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
from pathlib import Path

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.report.html_parts import lighter, png_uri
from smoothcert.report.made import Made, made


def ship(results: Path, out: Path, preset: str) -> list[Path]:
    """Copy tables (CSV, Markdown), the page and its pictures from ``results`` to ``out``.

    The pictures become files beside the page, which is several MB with them inside. ``out`` is
    emptied first, so that nothing of an older run stays. A README there says what command,
    machine and time made it. Returns what was written.
    Raises SmoothcertError for a folder without tables or page.
    """
    tables = sorted((results / "tables").glob("*.csv"))
    page = results / "index.html"
    if not tables or not page.exists():
        raise SmoothcertError(f"{results}: no tables or no index.html; make them with snakemake")
    text, pictures = _pictures_beside(page.read_text(encoding="utf-8"), results / "figures")
    shutil.rmtree(out, ignore_errors=True)
    copies = [(path, out / "tables" / path.name) for path in tables]
    copies += [(p.with_suffix(".md"), out / "tables" / f"{p.stem}.md") for p in tables]
    written = []
    for source, target in copies:
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            written.append(target)
    for name, picture in pictures.items():
        target = out / "figures" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture)
        written.append(target)
    write_text(out / "index.html", _without_dead_links(text, out))
    write_text(out / "README.md", _readme(preset, made(results)))
    return [*written, out / "index.html", out / "README.md"]


def _pictures_beside(page: str, figures: Path) -> tuple[str, dict[str, bytes]]:
    """The page with links to files in place of the pictures inside it, and those files by name."""
    pictures = {}
    for path in sorted(figures.glob("*.png")):
        inside = png_uri(path)
        if inside in page:
            page = page.replace(inside, f"figures/{path.name}")
            pictures[path.name] = lighter(path)
    return page, pictures


def _without_dead_links(page: str, out: Path) -> str:
    """The page with plain words in the place of links to files that are not shipped."""

    def link(match: re.Match[str]) -> str:
        target = match["target"].partition("#")[0]
        keep = not target or ":" in target or (out / target).exists()
        return match[0] if keep else match["words"]

    return re.sub(r'<a href="(?P<target>[^"]*)"[^>]*>(?P<words>.*?)</a>', link, page, flags=re.S)


def _readme(preset: str, found: Made) -> str:
    def values(name: str) -> str:
        return ", ".join(found.values.get(name, {})) or "unknown"

    jobs = sum(count for count, _ in found.seconds.values())
    hours = sum(seconds for _, seconds in found.seconds.values()) / 3600
    return f"""# Results of preset {preset}

Made by

    snakemake --config preset={preset}

with revision {values("git revision")}, torch {values("torch")}, on {values("device")}
({values("platform")}; {os.cpu_count()} cores of {platform.machine()}); seed {values("seed")}.
The {jobs} measured jobs (training, noise scales, sampling, attacks) took {hours:.1f} hours of
wall-clock time in all, several at once.

`index.html` is the page of everything (open it in a browser); `tables/` are its tables;
`figures/` its figures. Data: {values("dataset")}. Where a table gives no paper's value, data
or model are not the paper's.

`snakemake ship --config preset={preset}` writes this folder anew.
"""
