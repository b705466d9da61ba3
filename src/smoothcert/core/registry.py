"""Registries: the members of a kind of thing (noises, training methods, data sets) by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, TypeVar

from smoothcert.core.errors import SmoothcertError


class Named:
    """What a registry holds: classes that know their name."""

    name: ClassVar[str]


M = TypeVar("M", bound=Named)
C = TypeVar("C", bound=Named)


class Registry(Generic[M]):
    """Classes by name: ``@METHODS.member("cohen")`` adds one, ``METHODS["cohen"]`` is it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._members: dict[str, type[M]] = {}

    def member(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator: register a class under ``name``."""

        def register(cls: type[C]) -> type[C]:
            cls.name = name
            self._members[name] = cls  # type: ignore[assignment]
            return cls

        return register

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __getitem__(self, name: str) -> type[M]:
        """The class of a name. Raises SmoothcertError for an unknown one."""
        if name not in self._members:
            raise self.unknown(name)
        return self._members[name]

    def unknown(self, name: str) -> SmoothcertError:
        """The error that says which names there are."""
        known = ", ".join(sorted(self))
        return SmoothcertError(f"{self.what} {name!r}: unknown; expected one of {known}")
