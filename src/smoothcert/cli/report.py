"""What ``table`` and ``figure`` have in common: their arguments and their specification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from smoothcert.errors import SmoothcertError
from smoothcert.tables.base import Options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

# Keys of --spec; "code" is the fingerprint by which the workflow notices changed code.
_KEYS = {"name": str, "radii": (str, list), "title": str, "strict": bool, "code": str}


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
    spec = _spec(args.spec)
    if spec.pop("name", args.name) != args.name:
        raise SmoothcertError(f"--spec: name: expected {args.name!r}, the one on the command line")
    spec.pop("code", None)
    flags = {"radii": args.radii, "title": args.title, "strict": args.strict}
    return Options(**{**spec, **{k: v for k, v in flags.items() if v is not None}})


def _spec(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        spec = json.loads(text)
    except ValueError as error:
        raise SmoothcertError(f"--spec: expected JSON, found {text!r} ({error})") from None
    if not isinstance(spec, dict):
        raise SmoothcertError(f"--spec: expected a JSON object, found {text!r}")
    for key, value in spec.items():
        if key not in _KEYS:
            raise SmoothcertError(f"--spec: unknown key {key!r}; expected {', '.join(_KEYS)}")
        if value is not None and not isinstance(value, _KEYS[key]):
            raise SmoothcertError(f"--spec: {key}: unexpected {value!r}")
    return {key: value for key, value in spec.items() if value is not None}
