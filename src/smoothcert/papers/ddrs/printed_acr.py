"""Which ACR the paper prints: more than any one model and K of its appendix can have.

A classifier's ACR is the area under its certified accuracy. The appendix prints that accuracy of
every model and K at a grid of radii; as it falls with the radius, the area is at most that of
each accuracy held up to the next radius.
"""

from __future__ import annotations

from collections import defaultdict

from smoothcert.papers.ddrs.runs import APPENDICES
from smoothcert.report.reference import cells


def largest(dataset: str, method: str) -> float:
    """The largest ACR that a model and K of the appendix can have, of Cohen, Cohen-DS, ...

    Beyond the last radius the last accuracy is held for one more step.
    """
    table = APPENDICES[method.split("-")[0]]
    models: dict[object, list[tuple[float, float]]] = defaultdict(list)
    for cell in cells("ddrs", table, dataset=dataset, method=method):
        if cell.radius is not None and cell.value is not None:
            models[cell.sigma, cell.K, cell.n].append((cell.radius, cell.value / 100))
    return max(_area(sorted(points)) for points in models.values())


def _area(points: list[tuple[float, float]]) -> float:
    radii = [r for r, _ in points]
    ends = [*radii[1:], 2 * radii[-1] - radii[-2]]
    return sum(p * (end - r) for (r, p), end in zip(points, ends, strict=True))


def above(table: str) -> tuple[int, int]:
    """How many of the ACR that a table prints are above :func:`largest`, and how many it prints."""
    printed = cells("ddrs", table, metric="ACR")
    too_large = [c for c in printed if (c.value or 0.0) > largest(str(c.dataset), str(c.method))]
    return len(too_large), len(printed)
