"""Which published certificate tables are of the models of ISS."""

from __future__ import annotations

from collections.abc import Iterable

from smoothcert.datasets import published


def consistency(every: Iterable[str]) -> list[str]:
    """The names of the tables that are of the models of Tables 1 and 4."""
    chosen = published.select(every, "imagenet", ["consistency"])
    return sorted(chosen, key=lambda name: published.table(name).sigma)


def one_consistency(every: Iterable[str]) -> list[str]:
    """The first of them, at noise 0.5."""
    return consistency(every)[:1]


def macer(every: Iterable[str]) -> list[str]:
    """The names of the tables that are of the kind of model of Table 5."""
    return sorted(
        published.select(every, "cifar10", ["macer"]), key=lambda name: published.table(name).sigma
    )
