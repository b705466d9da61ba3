"""A command is a settings model: its fields are the flags, its docstring is the help.

``run`` does the work. Everything that decides a result is a plain field, which ``--spec JSON``
(the workflow's way) or a flag gives, flags last; files, devices and the like are declared with
:func:`place` and stand on the command line only.
"""

from __future__ import annotations

import argparse
import types
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import Settings, expected, json_mapping
from smoothcert.models.spec import Given


class Command(Settings):
    """Base of all commands."""

    epilog: ClassVar[str] = ""  # an example

    code: str | None = None  # a fingerprint, by which the workflow redoes what changed: no flag

    @abstractmethod
    def run(self) -> int | None:
        """Do it; the exit status (None: 0)."""


def place(default: Any = ..., help: str = "", metavar: str = "") -> Any:
    """A field that is no part of the specification: a file, a device, a number of processes."""
    return Field(default, description=help, json_schema_extra={"place": True, "metavar": metavar})


def positional(
    default: Any = ..., help: str = "", metavar: str = "", specified: bool = False
) -> Any:
    """A field without a flag; a tuple takes any number of words.

    Like a :func:`place`, unless it is ``specified``: then ``--spec`` may give it as well.
    """
    extra: JsonDict = {"place": not specified, "positional": True, "metavar": metavar}
    return Field(default, description=help, json_schema_extra=extra)


def data_dir_place() -> Any:
    """``--data-dir``."""
    return place(
        None, "folder of the data sets; default: SMOOTHCERT_DATA, else ~/.cache/smoothcert", "DIR"
    )


def model_place(default: Any = ...) -> Any:
    """``--model``."""
    meaning = (
        f"{Given.model_fields['path'].description}; or JSON (or @FILE) with a path and how it"
        " reads its images (docs/your-model.md)"
    )
    return place(default, meaning, "FILE")


class NetworkCommand(Command):
    """Base of the commands that run a network on data."""

    data_dir: Path | None = data_dir_place()
    device: str = place("auto", "device to run the network on", "auto|cpu|cuda")
    quiet: bool = place(False, "show no progress on standard error")


_ALSO = {"dataset": ("--data",)}  # other words for a flag


def add_arguments(parser: argparse.ArgumentParser, command: type[Command]) -> None:
    """The flags and words of a command, with meaning, values and default in the help."""
    parser.epilog = "\n\n".join(filter(None, [command.epilog, *_keys(command)])) or None
    if names := ", ".join(name for name in specified(command) if name != "code"):
        parser.add_argument("--spec", metavar="JSON", help=f"options as JSON or @FILE: {names}")
    fields = command.model_fields
    # As one reads a command: what must be said, what may be, and then the files and devices.
    order = sorted(
        fields, key=lambda n: (_extra(fields[n]).get("place", False), not fields[n].is_required())
    )
    for name in order:
        if name == "code":
            continue
        field = fields[name]
        kind, extra = _kind(field.annotation), _extra(field)
        options: dict[str, Any] = {"help": _help(field).replace("%", "%%"), "default": None}
        many = get_origin(kind) is tuple
        if kind is not bool:
            options["metavar"] = _metavar(name, field)
        if extra.get("positional"):
            needed = field.is_required() and extra["place"]
            options["nargs"] = "*" if many else None if needed else "?"
            parser.add_argument(name, **options)
            continue
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
        elif many:
            options["nargs"] = "+"
        parser.add_argument(_flag(name), *_ALSO.get(name, ()), dest=name, **options)


def parsed(command: type[Command], args: argparse.Namespace) -> Command:
    """The command with its values; raises SmoothcertError in one line for a wrong one."""
    text = getattr(args, "spec", None)
    values = _specification(command, text) if text else {}
    for name, field in command.model_fields.items():
        given = getattr(args, name, None)
        if given is not None and given != []:
            values[name] = given if isinstance(given, bool) else _read(name, field, given)
    for name, field in command.model_fields.items():
        if field.is_required() and name not in values:
            extra = _extra(field)
            how = _metavar(name, field) if extra.get("positional") else _flag(name)
            how += "" if extra.get("place") else " or --spec"
            raise SmoothcertError(f"{name} is missing: give {how}")
    return command.check(values, "--spec" if text else "command line")


def _specification(command: type[Command], text: str) -> dict[str, Any]:
    """The keys of ``--spec`` that are not null; their values are checked with those of flags."""
    known = [name for name in specified(command) if name != "code"]
    values = json_mapping(text, "--spec")
    for key in values:
        if key in (*known, "code"):
            continue
        if key in command.model_fields:
            raise SmoothcertError(f"--spec: {key}: give it on the command line")
        raise SmoothcertError(f"--spec: {key}: unknown key; expected one of {', '.join(known)}")
    return {key: value for key, value in values.items() if value is not None}


def specified(command: type[Command]) -> list[str]:
    """The fields that decide the result, in their order."""
    return [n for n, field in command.model_fields.items() if not _extra(field).get("place")]


def _read(name: str, field: FieldInfo, given: str | list[str]) -> Any:
    """A flag's text as the field's type, as plain data."""
    kind = _kind(field.annotation)
    if _mapping(kind):
        return json_mapping(str(given), _flag(name))
    some = isinstance(given, list)
    one = get_args(kind)[0] if some else _optional(field.annotation)
    metadata = () if some else field.metadata
    limited: Any = Annotated[one, Field(), *metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(limited)
    try:
        texts = [adapter.validate_strings(text) for text in ([*given] if some else [given])]
        values = [adapter.dump_python(value, mode="json") for value in texts]
        return values if some else values[0]
    except ValidationError as error:
        flag = _metavar(name, field) if _extra(field).get("positional") else _flag(name)
        first = error.errors()[0]
        raise SmoothcertError(
            f"{flag}: expected {expected(first)}, found {first['input']!r}"
        ) from None


def _mapping(kind: Any) -> bool:
    return (get_origin(kind) or kind) is dict or (
        isinstance(kind, type) and issubclass(kind, Settings)
    )


def _flag(name: str) -> str:
    """``data_dir`` -> ``--data-dir``; ``json_``, as pydantic has a name ``json``, -> ``--json``."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _optional(annotation: Any) -> Any:
    """The type without None."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        return rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return annotation


def _kind(annotation: Any) -> Any:
    """The type without None and without its limits."""
    kind = _optional(annotation)
    return _kind(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _limits(annotation: Any, metadata: Any = ()) -> Iterator[str]:
    """The limits of a type, of its members and of its items, in words."""
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from _limits(None, one.metadata)
        for key, sign in {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}.items():
            if getattr(one, key, None) is not None:
                yield f"{sign} {getattr(one, key):g}"
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _limits(inner, more)
    elif get_origin(annotation) in (Union, types.UnionType, tuple):
        for part in get_args(annotation):
            yield from _limits(part)


def _metavar(name: str, field: FieldInfo) -> str:
    return str(_extra(field).get("metavar") or _word(name, _kind(field.annotation)))


def _word(name: str, kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return _word(name, _kind(get_args(kind)[0]))
    if _mapping(kind):
        return "JSON"
    return {int: "INT", float: "NUMBER"}.get(kind, name.upper())


def _keys(command: type[Command]) -> Iterator[str]:
    """The keys of each field that is given as JSON and has a model."""
    for name, field in command.model_fields.items():
        kind = _kind(field.annotation)
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield options_of(f"{_flag(name)}:", kind)


def options_of(title: str, model: type[Settings]) -> str:
    """The keys of a model that is given as JSON, one a line, for an epilog."""
    lines = [
        f"  {name:14} {_help(field, values=True)}"
        for name, field in model.model_fields.items()
        if name != "code" and not isinstance(field.annotation, TypeVar)
    ]
    return "\n".join([title, *(lines or ["  none"])])


def _help(field: FieldInfo, values: bool = False) -> str:
    """Meaning, values (which a flag's own name for its value says), range and default."""
    about = list(_limits(field.annotation, field.metadata))
    shown = field.default
    if field.is_required():
        about.append("required")
    elif isinstance(shown, tuple) and shown:
        about.append(f"default {' '.join(map(str, shown))}")
    elif isinstance(shown, int | float | str) and shown != "" and field.annotation is not bool:
        about.append(f"default {f'{shown:.6g}' if isinstance(shown, float) else shown}")
    kind = _kind(field.annotation)
    if values and get_origin(kind) is Literal:
        about.insert(0, "|".join(map(str, get_args(kind))))
    text = field.description or ""
    return f"{text} ({', '.join(about)})" if about else text
