"""What the commands share: one specification, given as JSON, as flags, or as both."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError

Kind = type | tuple[type, ...]


def add_spec(parser: argparse.ArgumentParser, keys: Mapping[str, type]) -> None:
    """Add ``--spec`` and one flag a key; keys with ``_`` become flags with ``-``."""
    names = ", ".join(keys)
    parser.add_argument("--spec", metavar="JSON", help=f"these as JSON or @FILE: {names}")
    for key, kind in keys.items():
        parser.add_argument(f"--{key.replace('_', '-')}", type=kind, metavar=kind.__name__.upper())


def specification(args: argparse.Namespace, keys: Mapping[str, Kind]) -> dict[str, Any]:
    """The keys of ``--spec``, overruled by flags; raises as :func:`checked`."""
    flags = {key: getattr(args, key) for key in keys if getattr(args, key) is not None}
    return checked(args.spec, keys) | flags


def checked(text: str | None, keys: Mapping[str, Kind]) -> dict[str, Any]:
    """The keys of a specification (JSON or @FILE) that are not null, their types checked.

    The key ``code``, a fingerprint of the code by which the workflow notices changes, is
    always allowed. Raises SmoothcertError for no JSON, an unknown key or a wrong type.
    """
    spec = json_mapping(text, "--spec") if text else {}
    allowed: dict[str, Kind] = {**keys, "code": str}
    for key, value in spec.items():
        if key not in allowed:
            raise SmoothcertError(f"--spec: unknown key {key!r}; expected {', '.join(keys)}")
        kind = allowed[key]
        kinds: tuple[type, ...] = kind if isinstance(kind, tuple) else (kind,)
        right = isinstance(value, (*kinds, int) if float in kinds else kinds)
        if isinstance(value, bool) and bool not in kinds:
            right = False
        if value is not None and not right:
            expected = " or ".join(k.__name__ for k in kinds)
            raise SmoothcertError(f"--spec: {key}: expected {expected}, found {value!r}")
    return {key: value for key, value in spec.items() if value is not None}


def json_mapping(text: str, where: str) -> dict[str, Any]:
    """A JSON mapping, given as text or as @FILE."""
    try:
        source = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        value = json.loads(source)
    except ValueError as error:
        raise SmoothcertError(f"{where}: no JSON: {error}") from None
    if not isinstance(value, dict):
        raise SmoothcertError(f"{where}: expected a mapping, found {type(value).__name__}")
    return value


def require(spec: Mapping[str, Any], *keys: str) -> None:
    """Raise SmoothcertError for the first of ``keys`` that the specification lacks."""
    for key in keys:
        if key not in spec:
            raise SmoothcertError(f"{key} is missing: give --{key.replace('_', '-')} or --spec")
