"""Slugs <-> typed choices: one grammar for config.yaml, commands, paths and tables.

A slug is ``NAME[_KEYvalue]...[-PREFIXvalue]``: ``gaussian-0.25``, ``ascent-K900``,
``fixed-100000``, ``iss_ad0.05-100000``. Arguments at their default are left out, and a
number has exactly one spelling (floats at least two decimals), so that one choice has one
path. A family of parts (noises, budgets, ...) is a :class:`Family`; a member is a frozen
dataclass whose fields are declared with :func:`main` and :func:`arg`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

from smoothcert.core.errors import SmoothcertError

T = TypeVar("T", bound="Part")

# One spelling a number: no exponent, no sign, no leading zeros but the one before a point.
_NUMBER = re.compile(r"(0|[1-9]\d*)(\.\d+)?")


def number(value: float) -> str:
    """Print a number the one way slugs allow: ints plain, floats with >= 2 decimals.

    >>> number(0.5), number(0.125), number(1.0), number(100)
    ('0.50', '0.125', '1.00', '100')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # The shortest decimals that read back as the same float, without an exponent.
    whole, _, decimals = f"{Decimal(repr(float(value))):f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def main(prefix: str = "", kind: type = float) -> Any:
    """Declare the value after the dash, e.g. the scale of a noise or the n of a budget."""
    return field(metadata={"main": True, "key": prefix, "kind": kind})


def arg(key: str, default: Any, kind: type = float) -> Any:
    """Declare an optional ``_KEYvalue``; left out of the slug at its default.

    ``kind=bool`` is a bare flag: ``_KEY`` means True. ``key=""`` is allowed once a member.
    """
    return field(default=default, metadata={"main": False, "key": key, "kind": kind})


@dataclass(frozen=True)
class Part:
    """A member of a family: a frozen dataclass that can print itself as a slug."""

    name: ClassVar[str]

    @property
    def slug(self) -> str:
        """The canonical spelling; ``FAMILY.parse(part.slug) == part``."""
        args, tail = "", ""
        for f in fields(self):
            if "key" not in f.metadata:
                continue
            value, key = getattr(self, f.name), f.metadata["key"]
            if f.metadata["main"]:
                tail = f"-{key}{number(f.metadata['kind'](value))}"
            elif value == f.default:
                continue
            elif f.metadata["kind"] is bool:
                args += f"_{key}"
            else:
                args += f"_{key}{_print(value, f.metadata['kind'])}"
        return f"{self.name}{args}{tail}"

    @property
    def title(self) -> str:
        """How it reads in print; members say it better where a reader would stumble."""
        return self.slug

    def __str__(self) -> str:
        return self.slug


def _print(value: Any, kind: type) -> str:
    return value if kind is str else number(kind(value))


def _parse_value(text: str, kind: type) -> Any:
    if kind is str:
        return text
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return int(text) if kind is int else float(text)


class Family(Generic[T]):
    """A named registry of interchangeable parts; ``parse`` is the inverse of ``Part.slug``."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._members: dict[str, type[T]] = {}

    def member(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator: register a frozen dataclass under ``name``."""

        def register(cls: type[T]) -> type[T]:
            cls.name = name
            self._members[name] = cls
            return cls

        return register

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __getitem__(self, name: str) -> type[T]:
        return self._members[name]

    def parse(self, slug: str) -> T:
        """The member that ``slug`` names.

        Raises:
            SmoothcertError: unknown name, unknown or malformed argument, a value out of its
                range, or a spelling that is not the canonical one.
        """
        names = [n for n in self._members if slug == n or slug.startswith((f"{n}_", f"{n}-"))]
        if not names:
            known = ", ".join(sorted(self._members))
            raise SmoothcertError(f"{self.what} {slug!r}: unknown; expected one of {known}")
        name = max(names, key=len)
        cls = self._members[name]
        try:
            part = cls(**_arguments(cls, slug[len(name) :]))
        except (ValueError, TypeError) as error:
            raise SmoothcertError(f"{self.what} {slug!r}: {error}") from None
        if part.slug != slug:
            raise SmoothcertError(f"{self.what} {slug!r}: write it {part.slug!r}")
        return part


def _arguments(cls: type[Part], rest: str) -> dict[str, Any]:
    """Split ``_KEYvalue...-PREFIXvalue`` into the keyword arguments of ``cls``."""
    values: dict[str, Any] = {}
    declared = [f for f in fields(cls) if "key" in f.metadata]
    head, dash, tail = rest.rpartition("-")
    if not dash:
        head, tail = rest, ""
    for f in declared:
        if f.metadata["main"]:
            if not tail.startswith(f.metadata["key"]) or not tail:
                raise ValueError(f"expected -{f.metadata['key']}{f.name} at the end")
            values[f.name] = _parse_value(tail[len(f.metadata["key"]) :], f.metadata["kind"])
            tail = ""
    if tail:
        raise ValueError(f"does not take -{tail}")
    options = sorted(
        (f for f in declared if not f.metadata["main"]), key=lambda f: -len(f.metadata["key"])
    )
    for piece in head.split("_")[1:]:
        for f in options:
            key, kind = f.metadata["key"], f.metadata["kind"]
            if not piece.startswith(key) or f.name in values:
                continue
            if kind is bool:
                if piece == key:
                    values[f.name] = True
                    break
            elif kind is str or _NUMBER.fullmatch(piece[len(key) :]):
                values[f.name] = _parse_value(piece[len(key) :], kind)
                break
        else:
            known = ", ".join(f"_{f.metadata['key']}..." for f in options) or "none"
            raise ValueError(f"unknown argument {piece!r}; known: {known}")
    missing = [f.name for f in declared if f.name not in values and f.default is MISSING]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    return values


_TRAINING = re.compile(
    r"(?P<method>[a-z0-9]+)-(?P<schedule>[a-z0-9]+)(?P<variant>(?:_[a-z]+[0-9.]*)*)-"
    r"(?:(?P<noise>[a-z][a-z0-9_-]*)-)?(?P<scale>\d+\.\d+)"
)


@dataclass(frozen=True)
class Training:
    """A training run: ``cohen-fs-0.25``, ``macer-ds2_n1-0.25``, ``cohen-fs-uniform-0.50``.

    ``method`` is cohen, smoothadv, macer, ...; ``schedule`` is fs (fixed noise scale) or ds2
    (data-dependent, DDRS Algorithm 2); ``noise`` is the slug of the training noise without
    its scale, left out of the slug when Gaussian; ``variant`` holds further ``_KEYvalue``.
    """

    method: str
    schedule: str
    scale: float
    noise: str = "gaussian"
    variant: str = ""

    @property
    def slug(self) -> str:
        noise = "" if self.noise == "gaussian" else f"{self.noise}-"
        return f"{self.method}-{self.schedule}{self.variant}-{noise}{number(self.scale)}"

    @property
    def noise_slug(self) -> str:
        """The slug of the noise of training, scale included."""
        return f"{self.noise}-{number(self.scale)}"

    def __str__(self) -> str:
        return self.slug

    @classmethod
    def parse(cls, slug: str) -> Training:
        """The inverse of ``slug``; raises SmoothcertError for anything else."""
        match = _TRAINING.fullmatch(slug)
        if match is None:
            raise SmoothcertError(
                f"training {slug!r}: expected METHOD-SCHEDULE-SCALE such as cohen-fs-0.25"
            )
        training = cls(
            match["method"],
            match["schedule"],
            float(match["scale"]),
            match["noise"] or "gaussian",
            match["variant"],
        )
        if training.slug != slug:
            raise SmoothcertError(f"training {slug!r}: write it {training.slug!r}")
        return training
