"""``smoothcert import-certificates``: a published table as a vote store with one look."""

from __future__ import annotations

import argparse

from smoothcert.certificates.published import import_certificates


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table does not say its noise scale; its alpha is found where it can be told."""
    parser.add_argument("table", metavar="TSV", help="a table in the format of Cohen's logs (.gz)")
    parser.add_argument("--scale", type=float, required=True, help="Gaussian noise scale")
    parser.add_argument("--n", type=int, default=100_000, help="samples (default 100,000)")
    parser.add_argument("--alpha", type=float, help="default: found from the radii")
    parser.add_argument("--out", required=True, metavar="NPZ")


def run(args: argparse.Namespace) -> int:
    """Import, and print what was found."""
    store = import_certificates(args.table, args.scale, args.n, args.alpha)
    store.write(args.out)
    width = store.extra["count_high"] - store.extra["count_low"] + 1
    sure = store.selection.dense(store.n_classes).any(1)
    print(
        f"{args.out}: {len(store)} rows, {int(sure.sum())} certified, alpha"
        f" {store.identity['published']['alpha']:g}; counts known to within"
        f" {int(width[sure].max(initial=0))} of {args.n} at worst"
    )
    return 0
