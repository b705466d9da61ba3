"""Which ACR the paper prints: more than any one model and K of its appendix can have.

A classifier's ACR is the area under its certified accuracy. The appendix prints that accuracy of
every model and K at a grid of radii; as it falls with the radius, the area is at most that of
each accuracy held up to the next radius, and at least that of each held back to the one before.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from smoothcert.papers.ddrs.runs import APPENDICES, samples
from smoothcert.report.reference import cells

Curve = dict[float, float]  # accuracy by radius


def largest(dataset: str, method: str) -> float:
    """The largest ACR that a model and K of the appendix can have, of Cohen, Cohen-DS, ...

    Beyond the last radius the last accuracy is held for one more step.
    """
    return one_model(dataset, method)[1]


def one_model(dataset: str, method: str) -> tuple[float, float]:
    """Between which ACR the best model and K of the appendix lies."""
    areas = [_area(curve) for curve in _curves(dataset, method)]
    return max(low for low, _ in areas), max(high for _, high in areas)


def envelope(dataset: str, method: str) -> tuple[float, float]:
    """Between which areas the curve of the best model and K at each radius lies."""
    curves = _curves(dataset, method)
    radii = sorted({radius for curve in curves for radius in curve})
    return _area({r: max(curve[r] for curve in curves if r in curve) for r in radii})


def _curves(dataset: str, method: str) -> list[Curve]:
    """Of the samples an ascent step that tables 1 to 3 are of: their accuracies are those."""
    models: dict[object, Curve] = defaultdict(dict)
    base = method.split("-")[0]
    for cell in cells("ddrs", APPENDICES[base], dataset=dataset, method=method):
        if cell.n not in (None, samples(base)):
            continue
        if cell.radius is not None and cell.value is not None:
            models[cell.sigma, cell.K, cell.n][cell.radius] = cell.value / 100
    return list(models.values())


def _area(curve: Curve) -> tuple[float, float]:
    """At least and at most."""
    radii = sorted(curve)
    steps = [end - start for start, end in pairwise(radii)]
    least = sum(curve[r] * step for r, step in zip(radii[1:], steps, strict=True))
    most = sum(curve[r] * step for r, step in zip(radii, [*steps, steps[-1]], strict=True))
    return least, most


def above(table: str) -> tuple[int, int]:
    """How many of the ACR that a table prints are above :func:`largest`, and how many it prints."""
    printed = cells("ddrs", table, metric="ACR")
    too_large = [c for c in printed if (c.value or 0.0) > largest(str(c.dataset), str(c.method))]
    return len(too_large), len(printed)
