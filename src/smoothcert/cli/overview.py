"""``smoothcert overview``: the papers' numbers beside ours, claims, the page of all results."""

from __future__ import annotations

import argparse
from pathlib import Path

from smoothcert.core.errors import SmoothcertError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``compare TABLE.csv``, ``claims RESULTS`` and ``page RESULTS``."""
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    text = "differences of a table from the paper's, as BASE.csv and a heat map"
    compare = parts.add_parser("compare", help=text, description=text)
    compare.add_argument("table", metavar="TABLE.csv", help="a table of this project")
    compare.add_argument("--out", required=True, metavar="BASE", help="writes BASE.csv, .pdf, .png")
    text = "every claim of the papers with a verdict, as BASE.csv and BASE.md"
    claims = parts.add_parser("claims", help=text, description=text)
    claims.add_argument("results", metavar="RESULTS", help="a folder such as results/smoke")
    claims.add_argument("--out", required=True, metavar="BASE", help="writes BASE.csv and BASE.md")
    text = "everything in a folder of results as one static page"
    page = parts.add_parser("page", help=text, description=text)
    page.add_argument("results", metavar="RESULTS", help="a folder such as results/smoke")
    page.add_argument("--preset", help="its name; default: that of the folder")
    page.add_argument("--out", required=True, metavar="FILE.html")
    for part in (compare, claims, page):
        part.add_argument(
            "--code", help="fingerprint of the code, by which the workflow sees changes"
        )


def run(args: argparse.Namespace) -> int:
    """Write, and print what was written."""
    if args.part == "compare":
        return _compare(args)
    if args.part == "claims":
        return _claims(args)
    from smoothcert.core.files import write_text
    from smoothcert.report.page import Page

    results = Path(args.results)
    if not results.is_dir():
        raise SmoothcertError(f"{results}: no folder of results")
    write_text(args.out, Page(results, args.preset or results.resolve().name).html())
    print(args.out)
    return 0


def _compare(args: argparse.Namespace) -> int:
    from smoothcert.report.comparison import differences, write_differences
    from smoothcert.report.heat_map import heat_map
    from smoothcert.report.style import save

    cells = differences(args.table)
    if not cells:
        raise SmoothcertError(f"{args.table}: no measured column; expected KEY and KEY_paper")
    base = Path(args.out)
    write_differences(base.with_name(f"{base.name}.csv"), cells)
    for path in save(heat_map(cells, f"{cells[0].table}: ours minus the paper's"), base):
        print(path)
    return 0


def _claims(args: argparse.Namespace) -> int:
    from smoothcert.report.ledger import count, ledger, write_ledger

    rows = ledger(args.results)
    paths = write_ledger(args.out, rows)
    for paper, verdicts in count(rows).items():
        print(f"{paper}: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()))
    for path in paths:
        print(path)
    return 0
