"""A command is a settings model: its fields are the flags, its docstring is the help.

``run`` does the work. Everything that decides a result is a plain field, which ``--spec JSON``
(the workflow's way) or a flag gives, flags last; files, devices and the like are declared with
:func:`place` or :func:`positional` and stand on the command line only.
"""

from __future__ import annotations

import argparse
import types
from abc import abstractmethod
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Settings, json_mapping


class Command(Settings):
    """Base of all commands."""

    epilog: ClassVar[str] = ""  # an example

    code: str | None = Field(None, description="the fingerprint that the workflow gives")

    @abstractmethod
    def run(self) -> int | None:
        """Do it; the exit status (None: 0)."""


def place(default: Any = ..., help: str = "", metavar: str = "") -> Any:
    """A field that is no part of the specification: a file, a device, a number of processes."""
    return Field(default, description=help, json_schema_extra={"place": True, "metavar": metavar})


def positional(default: Any = ..., help: str = "", metavar: str = "") -> Any:
    """A :func:`place` without a flag; a tuple takes any number of words."""
    extra = {"place": True, "positional": True, "metavar": metavar}
    return Field(default, description=help, json_schema_extra=extra)


def add_arguments(parser: argparse.ArgumentParser, command: type[Command]) -> None:
    """The flags and words of a command, with meaning, values and default in the help."""
    if specified(command):
        names = ", ".join(specified(command))
        parser.add_argument("--spec", metavar="JSON", help=f"as JSON or @FILE, any of: {names}")
    for name, field in command.model_fields.items():
        kind, extra = _kind(field.annotation), _extra(field)
        options: dict[str, Any] = {"help": _help(field).replace("%", "%%"), "default": None}
        many = get_origin(kind) is tuple
        if kind is not bool:
            options["metavar"] = extra.get("metavar") or _metavar(name, kind)
        if extra.get("positional"):
            options["nargs"] = "*" if many else "?" if not field.is_required() else None
            parser.add_argument(name, **options)
            continue
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
        elif many:
            options["nargs"] = "+"
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, **options)
    parser.epilog = command.epilog or None


def parsed(command: type[Command], args: argparse.Namespace) -> Command:
    """The command with its values; raises SmoothcertError in one line for a wrong one."""
    values: dict[str, Any] = {}
    if getattr(args, "spec", None):
        values = json_mapping(args.spec, "--spec")
        places = set(command.model_fields) - set(specified(command))
        for key in places & set(values):
            raise SmoothcertError(f"--spec: {key}: give it as a flag")
        values = {k: v for k, v in values.items() if v is not None}
    for name, field in command.model_fields.items():
        given = getattr(args, name, None)
        if given is None or given == []:
            continue
        values[name] = given if isinstance(given, bool) else _read(name, field, given)
    for name, field in command.model_fields.items():
        if field.is_required() and name not in values:
            flag = f"--{name.replace('_', '-')}" + (
                " or --spec" if name in specified(command) else ""
            )
            raise SmoothcertError(f"{name} is missing: give {flag}")
    return command.check(values, "--spec" if getattr(args, "spec", None) else "command line")


def specified(command: type[Command]) -> list[str]:
    """The fields that decide the result, in their order."""
    return [n for n, field in command.model_fields.items() if not _extra(field).get("place")]


def _read(name: str, field: FieldInfo, given: str | list[str]) -> Any:
    """A flag's text as the field's type, as plain data."""
    kind = _kind(field.annotation)
    if kind is dict or get_origin(kind) is dict:
        return json_mapping(str(given), f"--{name.replace('_', '-')}")
    adapter: TypeAdapter[Any] = TypeAdapter(
        _kind(get_args(kind)[0]) if isinstance(given, list) else kind
    )
    try:
        if isinstance(given, list):
            return [adapter.dump_python(adapter.validate_strings(g), mode="json") for g in given]
        return adapter.dump_python(adapter.validate_strings(given), mode="json")
    except ValidationError as error:
        text = error.errors()[0]["msg"].removeprefix("Input should be ")
        flag = name if _extra(field).get("positional") else f"--{name.replace('_', '-')}"
        raise SmoothcertError(
            f"{flag}: expected {text[0].lower()}{text[1:]}, found {given!r}"
        ) from None


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _kind(annotation: Any) -> Any:
    """The type without None."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        return rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return annotation


def _metavar(name: str, kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return _metavar(name, _kind(get_args(kind)[0]))
    if kind is dict or get_origin(kind) is dict:
        return "JSON"
    return {int: "INT", float: "NUMBER", str: name.upper()}.get(kind, name.upper())


def _help(field: FieldInfo) -> str:
    """Meaning, range and default."""
    symbols = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    limits = [
        f"{sign} {getattr(m, key):g}"
        for m in field.metadata
        for key, sign in symbols.items()
        if getattr(m, key, None) is not None
    ]
    about = [*limits]
    if not field.is_required() and repr(field.default) not in ("None", "()", "''", "False"):
        shown = field.default
        text = " ".join(map(str, shown)) if isinstance(shown, tuple) else shown
        about.append(f"default {text}")
    text = field.description or ""
    return f"{text} ({', '.join(about)})" if about else text
