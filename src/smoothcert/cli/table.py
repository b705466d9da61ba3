"""``smoothcert table NAME --out BASE CERT.tsv...``: BASE.csv, BASE.md and BASE.tex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smoothcert.cli.report import add_report_arguments, options
from smoothcert.runs import read_runs
from smoothcert.tables import TABLES, to_markdown, write_table

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_report_arguments(parser, "table", TABLES, "writes BASE.csv, BASE.md and BASE.tex")


def run(args: argparse.Namespace) -> None:
    make = TABLES[args.name]
    table = make(read_runs(args.files), options(args))
    write_table(args.out, table)
    print(to_markdown(table), end="")
