"""Typed settings: one frozen model says an option's name, type, range, default and meaning.

The configuration's check, a command's flags with their help, a job's specification and the
one-line errors all come from such models, each beside the code that it sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from smoothcert.core.errors import SmoothcertError

# Common ranges; a field's own meaning goes into Field(description=...).
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, description="seed of all random streams")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]

T = TypeVar("T")


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"expected distinct values, found {', '.join(map(str, values))}")
    return values


Several = Annotated[tuple[T, ...], Field(min_length=1), AfterValidator(_distinct)]


class Settings(BaseModel):
    """A closed, frozen set of options; an unknown key or a wrong value is a SmoothcertError."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def check(cls, data: Mapping[str, Any], where: str) -> Self:
        """The model of plain data (as JSON or YAML gives it), types strict.

        Raises SmoothcertError in one line: ``where``, the key, what was expected and found.
        """
        try:
            return cls.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            raise SmoothcertError(f"{where}: {_line(cls, error)}") from None
        except (TypeError, ValueError) as error:
            raise SmoothcertError(f"{where}: {error}") from None

    @classmethod
    def check_part(cls, data: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Plain data that gives only some of the keys, each checked by itself; raises as check.

        For configuration whose parts override one another: what belongs together is checked
        by :meth:`check`, of the whole.
        """
        return _loose(cls).check(data, where).model_dump(mode="json", exclude_unset=True)

    def plain(self) -> dict[str, Any]:
        """As plain data: what :meth:`check` reads."""
        return self.model_dump(mode="json")

    def only(self, model: type[S]) -> S:
        """The fields that ``model``, a base of this class, declares: a specification alone."""
        values = {name: getattr(self, name) for name in model.model_fields}
        construct: Any = model.model_construct  # of values that are checked already
        made: S = construct(self.model_fields_set & set(model.model_fields), **values)
        return made


S = TypeVar("S", bound=Settings)


def same(model: type[BaseModel], name: str, *default: Any) -> Any:
    """A field with the meaning of ``model``'s field ``name``, and its default or another."""
    field = model.model_fields[name]
    return Field(*(default or (field.default,)), description=field.description)


@cache
def _loose(model: type[Settings]) -> type[Settings]:
    """``model`` with every key optional, and without the checks of several keys together."""
    fields = {
        name: (Annotated[_inside(field.annotation), Field(), *field.metadata], None)
        for name, field in model.model_fields.items()
    }
    return create_model(model.__name__, __base__=Settings, **fields)  # type: ignore[call-overload]


def json_mapping(text: str, where: str) -> dict[str, Any]:
    """A JSON mapping, given as text or as @FILE; raises SmoothcertError for anything else."""
    try:
        source = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        value = json.loads(source)
    except ValueError as error:
        raise SmoothcertError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise SmoothcertError(f"{where}: expected a mapping, found {type(value).__name__}")
    return value


def _inside(annotation: Any) -> Any:
    inner = isinstance(annotation, type) and issubclass(annotation, Settings)
    return _loose(annotation) if inner else annotation


def _line(model: type[BaseModel], error: ValidationError) -> str:
    """The first mistake: its key, what was expected and what was found."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = ", ".join(_known(model, first["loc"][:-1])) or "none"
        return f"{key}: unknown key; expected one of {known}"
    if first["type"] == "missing":
        return f"{key}: missing"
    if first["type"] == "value_error":
        return f"{key + ': ' if key else ''}{first['ctx']['error']}"
    return f"{key}: expected {expected(first)}, found {first['input']!r}"


_TYPES = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "a mapping",
    "string": "a text",
    "tuple": "a list",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def expected(error: ErrorDetails) -> str:
    """What a value should have been, in words."""
    kind = error["type"]
    if kind in _LIMITS:
        limit, words = _LIMITS[kind]
        return f"{words} {error['ctx'][limit]:g}"
    if kind == "literal_error":
        return f"one of {error['ctx']['expected'].replace(' or ', ', ')}".replace("'", "")
    if kind == "too_short":
        return f"at least {error['ctx']['min_length']} of them"
    name, _, rest = kind.rpartition("_")
    if name.partition("_")[0] in _TYPES and rest in ("type", "parsing", "size", "from_float"):
        return _TYPES[name.partition("_")[0]]
    text = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{text[0].lower()}{text[1:]}"


def _known(model: Any, at: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at a place inside ``model`` has."""
    schema = model.model_json_schema()
    node: Any = schema
    for step in at:
        node = _resolved(node, schema)
        inner = node.get("properties", {}).get(str(step))
        node = inner or node.get("additionalProperties") or node.get("items") or {}
    return list(_resolved(node, schema).get("properties", {}))


def _resolved(node: Any, schema: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {}
    for one in (node, *node.get("anyOf", ())):
        if "$ref" in one:
            return dict(schema["$defs"][one["$ref"].rpartition("/")[2]])
    return node
