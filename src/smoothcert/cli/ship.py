"""``smoothcert ship RESULTS --out DIR``: a run's tables, page and pictures, for the docs."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULTS", help="a folder such as results/laptop")
    parser.add_argument("--preset", help="its name; default: that of the folder")
    parser.add_argument("--out", required=True, metavar="DIR", help="is emptied first")


def run(args: argparse.Namespace) -> int:
    """Copy, and print one line."""
    from smoothcert.report.ship import ship

    results = Path(args.results)
    written = ship(results, Path(args.out), args.preset or results.resolve().name)
    print(f"{args.out}: {len(written)} files")
    return 0
