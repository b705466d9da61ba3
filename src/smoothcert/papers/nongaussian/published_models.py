"""Which published certificate tables the baselines of Zhang et al. are of."""

from __future__ import annotations

from collections.abc import Iterable

from smoothcert.datasets import published


def cohens(every: Iterable[str]) -> list[str]:
    """Cohen's own logs, at the noise scales of Table 2."""
    small = published.select(every, "cifar10", ["cohen2019"])
    return [*small, *published.select(every, "imagenet", ["cohen"])]


def smoothadvs(every: Iterable[str]) -> list[str]:
    """SmoothAdv's models on CIFAR-10."""
    return [
        name
        for name in published.select(every, "cifar10")
        if published.table(name).method.startswith("smoothadv")
    ]
