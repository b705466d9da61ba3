"""``smoothcert gather``: join the shards of a vote store."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shards in any order."""
    parser.add_argument("shards", nargs="+", metavar="NPZ")
    parser.add_argument("--out", required=True, metavar="NPZ")


def run(args: argparse.Namespace) -> int:
    """Join; gaps, overlaps and mixed specifications are refused."""
    from smoothcert.votes.records import gather_files

    store = gather_files([Path(p) for p in args.shards], Path(args.out))
    print(f"{args.out}: {len(store)} inputs from {len(args.shards)} shards")
    return 0
