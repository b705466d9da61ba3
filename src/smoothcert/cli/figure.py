"""``smoothcert figure NAME --out BASE CERT.tsv...``: BASE.pdf and BASE.png."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smoothcert.cli.report import add_report_arguments, options
from smoothcert.figures import FIGURES, save
from smoothcert.runs import read_runs

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_report_arguments(parser, "figure", FIGURES, "writes BASE.pdf and BASE.png")


def run(args: argparse.Namespace) -> None:
    make = FIGURES[args.name]
    for path in save(make(read_runs(args.files), options(args)), args.out):
        print(path)
