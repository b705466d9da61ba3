"""Slugs <-> typed choices: one grammar for config.yaml, commands, paths and tables.

A slug is ``NAME[_KEYvalue]...[-PREFIXvalue]``: ``gaussian-0.25``, ``ascent-K900``,
``fixed-100000``, ``iss_ad0.05-100000``. Arguments at their default are left out, and a
number has exactly one spelling (floats at least two decimals), so that one choice has one
path. A family of parts (noises, budgets, ...) is a :class:`Family`; a member is a frozen
dataclass whose fields are declared with :func:`main` and :func:`arg`.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.registry import Named, Registry

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


def main(prefix: str = "", kind: type = float, title: str = "") -> Any:
    """Declare the value after the dash, e.g. the scale of a noise or the n of a budget.

    ``title`` is how people read it, with ``{}`` for the value: ``σ = {}``.
    """
    return field(metadata={"main": True, "key": prefix, "kind": kind, "title": title})


def arg(key: str, default: Any, kind: type = float, title: str = "") -> Any:
    """Declare an optional ``_KEYvalue``; left out of the slug at its default.

    ``kind=bool`` is a bare flag: ``_KEY`` means True. ``key=""`` is allowed once a member.
    ``title`` as for :func:`main`.
    """
    metadata = {"main": False, "key": key, "kind": kind, "title": title}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Part(Named):
    """A member of a family: a frozen dataclass that can print itself as a slug."""

    label: ClassVar[str | None] = None  # what people call it; the name if None

    @property
    def slug(self) -> str:
        """The canonical spelling; ``FAMILY.parse(part.slug) == part``."""
        text = self.name
        for f, value in self._said():
            mark, key, kind = (
                "-" if f.metadata["main"] else "_",
                f.metadata["key"],
                f.metadata["kind"],
            )
            text += f"{mark}{key}" if kind is bool else f"{mark}{key}{_print(value, kind)}"
        return text

    @property
    def title(self) -> str:
        """How people read it, "Gaussian, σ = 0.25" for ``gaussian-0.25``."""
        parts = [self.name if self.label is None else self.label]
        for f, value in self._said():
            kind = f.metadata["kind"]
            text = f.metadata["title"] or (f.name if kind is bool else f"{f.name} = {{}}")
            parts.append(text.format(f"{value:,}" if kind is int else _print(value, kind)))
        return ", ".join(filter(None, parts))

    def _said(self) -> list[tuple[Field[Any], Any]]:
        """What a name says: the arguments that differ from their defaults, then the main value."""
        declared = [(f, getattr(self, f.name)) for f in fields(self) if "key" in f.metadata]
        args = [(f, v) for f, v in declared if not f.metadata["main"] and v != f.default]
        return args + [(f, v) for f, v in declared if f.metadata["main"]]

    def __str__(self) -> str:
        return self.slug


def _print(value: Any, kind: type) -> str:
    return value if kind is str else number(kind(value))


def _parse_value(text: str, kind: type) -> Any:
    if kind is str:
        return text
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    if kind is int and "." in text:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text) if kind is int else float(text)


def check_part(part: object, kind: type[Part]) -> None:
    """Raise SmoothcertError unless ``part`` is a ``kind``, and no slug of one, say."""
    if not isinstance(part, kind):
        raise SmoothcertError(
            f"{kind.__name__.lower()}: expected a {kind.__name__}, as"
            f" {kind.__name__.upper()}S.parse(slug) returns; found {part!r:.60}"
        )


class Family(Registry[T]):
    """A registry of interchangeable parts; ``parse`` is the inverse of ``Part.slug``."""

    def parse(self, slug: str) -> T:
        """The member that ``slug`` names.

        Raises:
            SmoothcertError: unknown name, unknown or malformed argument, a value out of its
                range, or a spelling that is not the canonical one.
        """
        names = [n for n in self._members if slug == n or slug.startswith((f"{n}_", f"{n}-"))]
        if not names:
            raise self.unknown(slug)
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
                example = "1000" if f.metadata["kind"] is int else "0.25"
                form = f"-{f.metadata['key']}"
                such = "" if f.metadata["kind"] is str else f", such as {cls.name}{form}{example}"
                raise ValueError(f"expected {form}{f.name} at the end{such}")
            values[f.name] = _parse_value(tail[len(f.metadata["key"]) :], f.metadata["kind"])
            tail = ""
    if tail:
        raise ValueError(f"does not accept -{tail}")
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
_NAMED_SEED = re.compile(r"_seed(0|[1-9]\d*)(?![0-9.])")


@dataclass(frozen=True)
class Training:
    """A training run: ``cohen-fs-0.25``, ``macer-ds2_n1-0.25``, ``cohen-fs-uniform-0.50``.

    ``method`` is cohen, smoothadv, macer, ...; ``schedule`` is fs (fixed noise scale) or ds2
    (data-dependent, DDRS Algorithm 2); ``noise`` is the slug of the training noise without
    its scale, left out of the slug when Gaussian; ``variant`` holds further ``_KEYvalue``:
    ``cohen-fs_seed1-0.25`` is cohen-fs-0.25 with seed 1 in place of the run's.
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

    @property
    def named_seed(self) -> int | None:
        """The seed that a variant ``_seed1`` names, which replaces the run's; None: the run's."""
        match = _NAMED_SEED.search(self.variant)
        return int(match[1]) if match else None

    @property
    def seedless(self) -> Training:
        """The training whose seed is the run's."""
        return replace(self, variant=_NAMED_SEED.sub("", self.variant))

    @property
    def ancestor(self) -> Training:
        """The training at the fixed scale, with the same seed: what fine-tuning starts from."""
        match = _NAMED_SEED.search(self.variant)
        return replace(self, schedule="fs", variant=match[0] if match else "")

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
