"""``smoothcert audit memory-figure NAME=TSV... --out BASE``: what memory-soundness saw, drawn."""

from __future__ import annotations

import argparse

from smoothcert.core.errors import SmoothcertError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="[NAME=]TSV", help="tables that memory-soundness wrote"
    )
    parser.add_argument(
        "--fixed", nargs="*", default=[], metavar="[NAME=]TSV",
        help="certificates of the same inputs at sigma_0, to compare with",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="BASE", help="writes BASE.pdf and BASE.png")
    parser.add_argument("--title", help="title")


def run(args: argparse.Namespace) -> int:
    from smoothcert.audits.attacked import read_attacked
    from smoothcert.audits.figure_memory import memory_figure
    from smoothcert.certificates import read_certificates
    from smoothcert.figures import save

    files = _named(args.files)
    fixed = _named(args.fixed)
    for name in fixed:
        if name not in files:
            raise SmoothcertError(f"--fixed {name!r}: expected one of {', '.join(files)}")
    audits = {name: read_attacked(path) for name, path in files.items()}
    tables = {name: read_certificates(path) for name, path in fixed.items()}
    for name, table in tables.items():
        missing = set(audits[name]["idx"].tolist()) - set(table.idx.tolist())
        if missing:
            raise SmoothcertError(f"{fixed[name]}: has no row of idx {min(missing)}")
    for path in save(memory_figure(audits, tables, args.title), args.out):
        print(path)
    return 0


def _named(texts: list[str]) -> dict[str, str]:
    """NAME=PATH -> {NAME: PATH}; without a name, that of the file."""
    from pathlib import Path

    out: dict[str, str] = {}
    for text in texts:
        name, sign, path = text.rpartition("=")
        name, path = (name, path) if sign else (Path(text).stem, text)
        if name in out:
            raise SmoothcertError(f"{name!r}: given twice; name the files with NAME=")
        out[name] = path
    return out
