"""Which published certificate tables are of the methods and scales of DDRS's baselines."""

from __future__ import annotations

from collections.abc import Iterable

from smoothcert.datasets import published

# DDRS's name of a training; all others here are SmoothAdv's, by attack.
METHODS = {"cohen": "Cohen", "cohen2019": "Cohen", "macer": "MACER"}
_SCALES = {"cifar10": (0.12, 0.25, 0.5), "imagenet": (0.25, 0.5, 1.0)}
# The released models on ImageNet that section 4.2 names: attack radius 0.5, and 1 at larger scales
_ATTACKS = {0.25: "smoothadvpgd1eps127", 0.5: "smoothadvpgd1eps255", 1.0: "smoothadvpgd1eps255"}


def baselines(every: Iterable[str]) -> list[str]:
    """Tables of Cohen's training, MACER and SmoothAdv, at the scales that DDRS has."""
    return [name for name in every if _wanted(published.table(name))]


def _wanted(one: published.PublishedTable) -> bool:
    if one.sigma not in _SCALES.get(one.dataset, ()):
        return False
    if one.method in METHODS:
        return True
    if one.dataset == "imagenet":
        return one.method == _ATTACKS[one.sigma]
    return one.method.startswith("smoothadv")
