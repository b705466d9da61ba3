"""``smoothcert training-curves --out BASE LOG...``: BASE.pdf and BASE.png of training logs.

A command of its own beside ``figure``, which reads certificate tables: a log is none.
"""

from __future__ import annotations

import argparse

from smoothcert.cli.common import add_spec, specification

KEYS = {"title": str}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="LOG", help="model.log.csv of trainings")
    parser.add_argument("--out", required=True, metavar="BASE", help="writes BASE.pdf and BASE.png")
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Draw the logs; those of one method and scale share a column."""
    from smoothcert.papers.training.figure import read_log, training_curves
    from smoothcert.report.style import save

    spec = specification(args, KEYS)
    spec.pop("code", None)
    for path in save(training_curves([read_log(f) for f in args.files], **spec), args.out):
        print(path)
    return 0
