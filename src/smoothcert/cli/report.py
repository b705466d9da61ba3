"""What ``table`` and ``figure`` have in common: their arguments and their specification."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from smoothcert.cli.common import Kind, checked
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.table import Options

_KEYS: dict[str, Kind] = {"name": str, "radii": (str, list), "title": str, "strict": bool}


def add_report_arguments(
    parser: argparse.ArgumentParser, what: str, names: Iterable[str], writes: str
) -> None:
    parser.add_argument("name", choices=list(names), help=f"which {what}")
    parser.add_argument("files", nargs="+", metavar="CERT", help="certificate tables (.tsv, .gz)")
    parser.add_argument("--out", required=True, metavar="BASE", help=writes)
    parser.add_argument("--radii", help="0,0.25,... or START:STOP:STEP")
    parser.add_argument("--title", help="title")
    parser.add_argument("--strict", action="store_true", default=None, help="> r, not >= r")
    parser.add_argument(
        "--spec", metavar="JSON", help='the same as JSON: {"radii": [...], "title": ...}'
    )


def options(args: argparse.Namespace) -> Options:
    """The options of ``--spec``, overruled by flags.

    Raises SmoothcertError for a text that is no JSON object, an unknown key or a wrong type.
    """
    spec = checked(args.spec, _KEYS)
    if spec.pop("name", args.name) != args.name:
        raise SmoothcertError(f"--spec: name: expected {args.name!r}, the one on the command line")
    spec.pop("code", None)
    flags = {"radii": args.radii, "title": args.title, "strict": args.strict}
    return Options(**{**spec, **{k: v for k, v in flags.items() if v is not None}})
