"""Closed settings: a mapping from configuration -> a frozen dataclass, or one clear line."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from smoothcert.core.errors import SmoothcertError

T = TypeVar("T")


def from_mapping(cls: type[T], values: object, where: str) -> T:
    """``cls(**values)``, every key and type checked; ``where`` starts the messages.

    Raises SmoothcertError for a key that ``cls`` does not have, a missing one, a value of
    another type, or a value that ``cls`` refuses (its ValueError).
    """
    if not isinstance(values, dict):
        raise SmoothcertError(f"{where}: expected a mapping, found {type(values).__name__}")
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise SmoothcertError(
                f"{where}: unknown key {key!r}; known: {', '.join(known) or 'none'}"
            )
    missing = [
        k
        for k, f in known.items()
        if k not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise SmoothcertError(f"{where}: lacks {', '.join(missing)}")
    typed = {k: _typed(v, hints[k], f"{where}: {k}") for k, v in values.items()}
    try:
        return cls(**typed)
    except ValueError as error:
        raise SmoothcertError(f"{where}: {error}") from None


def as_mapping(settings: Any) -> dict[str, Any]:
    """The inverse of :func:`from_mapping`: every field, tuples as lists, ready for JSON."""
    values: Mapping[str, Any] = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _typed(value: Any, hint: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):  # only "X | None" is used
        inner = next(a for a in args if a is not type(None))
        return None if value is None else _typed(value, inner, where)
    if origin is Literal:
        if value not in args:
            raise SmoothcertError(
                f"{where}: {value!r}, expected one of {', '.join(map(str, args))}"
            )
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SmoothcertError(f"{where}: {value!r}, expected a list")
        return tuple(_typed(v, args[0], where) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or hint
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise SmoothcertError(f"{where}: {value!r}, expected {plain.__name__}")
    return value
