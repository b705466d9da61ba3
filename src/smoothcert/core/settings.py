"""Typed settings: one frozen model says an option's name, type, range, default and meaning.

The configuration's check, a command's flags with their help, a job's specification and the
one-line errors all come from such models, each beside the code that it sets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from smoothcert.core.errors import SmoothcertError

# Common ranges; a field's own meaning goes into Field(description=...).
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]

T = TypeVar("T")


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"expected values that differ, found {', '.join(map(str, values))}")
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

    def plain(self) -> dict[str, Any]:
        """As plain data: what :meth:`check` reads."""
        return self.model_dump(mode="json")


def json_mapping(text: str, where: str) -> dict[str, Any]:
    """A JSON mapping, given as text or as @FILE; raises SmoothcertError for anything else."""
    try:
        source = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        value = json.loads(source)
    except ValueError as error:
        raise SmoothcertError(f"{where}: no JSON: {error}") from None
    if not isinstance(value, dict):
        raise SmoothcertError(f"{where}: expected a mapping, found {type(value).__name__}")
    return value


def _line(model: type[BaseModel], error: ValidationError) -> str:
    """The first mistake: its key, what was expected and what was found."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; expected one of {', '.join(_known(model, first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"{key}: missing"
    if first["type"] == "value_error":
        return f"{key + ': ' if key else ''}{first['ctx']['error']}"
    text = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key}: expected {text[0].lower()}{text[1:]}, found {first['input']!r}"


def _known(model: Any, at: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at a place inside ``model`` has."""
    schema = model.model_json_schema()
    node: Any = schema
    for step in at:
        node = _resolved(node, schema)
        inner = node.get("properties", {}).get(str(step))
        node = inner or node.get("additionalProperties") or node.get("items") or {}
    return sorted(_resolved(node, schema).get("properties", {}))


def _resolved(node: Any, schema: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {}
    for one in (node, *node.get("anyOf", ())):
        if "$ref" in one:
            return dict(schema["$defs"][one["$ref"].rpartition("/")[2]])
    return node
