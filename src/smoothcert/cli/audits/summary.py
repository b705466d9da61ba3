"""``smoothcert audit summary FILES --out page.html``: all verdicts on one page."""

from __future__ import annotations

import argparse

from smoothcert.audits.summary import page
from smoothcert.core.files import write_text
from smoothcert.report.verdict import read_verdicts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="verdicts (.json) of audits")
    parser.add_argument("--out", required=True, metavar="HTML")
    parser.add_argument("--title", default="Audits: one line a promise")


def run(args: argparse.Namespace) -> int:
    """Write the page; ends with 0 whatever the verdicts are: their own audits have failed."""
    write_text(args.out, page([(f, read_verdicts(f)) for f in args.files], args.out, args.title))
    print(args.out)
    return 0
