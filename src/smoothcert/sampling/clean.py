"""What a classifier answers without noise, tried before a job: wrong declarations show there."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import bdtr

from smoothcert import datasets
from smoothcert.core.errors import SmoothcertError, SmoothcertWarning
from smoothcert.models.doors import load_model
from smoothcert.models.spec import Given
from smoothcert.sampling.engines import Engine, open_engine
from smoothcert.votes.records import BASE

_ENOUGH = 20  # images of which one class for all is no accident
_FEW = 200  # images on which other declarations are tried


def answers(engine: Engine, images: Any, rows: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
    """The class of each of the images ``rows``, [len(rows)], without noise."""
    found: list[int] = []
    parts = np.array_split(rows, -(-len(rows) // batch)) if len(rows) else []
    with torch.inference_mode():
        for part in parts:
            x = torch.stack([images[int(i)] for i in part]).float()
            found += engine.logits(x.to(engine.device)).argmax(1).tolist()
    return np.array(found, np.int64)


def record_of(found: NDArray[np.int64], labels: NDArray[np.int64]) -> dict[str, Any]:
    """What a record says of the base classifier: inputs, and how many right (None: unknown)."""
    known = bool((labels >= 0).all())
    correct = int((found == labels).sum()) if known else None
    return {BASE: {"inputs": len(found), "correct": correct}}


def warn_of(
    form: Given, data: datasets.Dataset, rows: NDArray[np.int64], found: NDArray[np.int64]
) -> None:
    """Warn where one class is the answer to all images, or far fewer are right than ``accuracy``
    states: with the likely causes, and what another declaration gives, if that is much better."""
    labels = data.labels[rows]
    for doubt in doubts(found, labels, form.accuracy):
        better = next(iter(_better(form, data, rows[:_FEW], found[:_FEW])), "")
        warnings.warn(
            f"model {form.path!r}: {doubt}; likely causes: the range of its pixels"
            " (white), its normalization (mean, std), the layout, the order of channels or of"
            f" classes{better}",
            SmoothcertWarning,
            stacklevel=2,
        )


def doubts(
    found: NDArray[np.int64], labels: NDArray[np.int64], stated: float | None
) -> Iterator[str]:
    """What looks wrong about the answers to clean images, at most one thing."""
    one_label = len(np.unique(labels)) == 1 and labels[0] >= 0
    if len(found) >= _ENOUGH and len(np.unique(found)) == 1 and not one_label:
        yield f"it predicts class {found[0]} for all {len(found)} clean images"
        return
    if stated is None or not len(found) or (labels < 0).any():
        return
    right = int((found == labels).sum())
    if bdtr(right, len(found), stated) < 0.001:  # so few or fewer, were the statement true
        yield (
            f"its clean accuracy is {right / len(found):.1%} ({right} of {len(found)} images);"
            f" stated is {stated:.1%}"
        )


def _better(
    declared: Given, data: datasets.Dataset, rows: NDArray[np.int64], found: NDArray[np.int64]
) -> Iterator[str]:
    """In words, the declaration under which at least a fifth of the images more are right."""
    labels = data.labels[rows]
    if (labels < 0).any():
        return
    least = max(int(labels.max()), 1) + 1
    info = datasets.DatasetInfo(
        data.name, data.name, data.shape, least, data.classes, {}, None, at_least=True
    )
    best, words = float((found == labels).mean()) + 0.2, ""
    for form in _others(declared, len(data.shape) == 3 and data.shape[0] == 3):
        try:
            network, _ = load_model(form, info)
            engine = open_engine(network, data.shape, torch.device("cpu"), "torch")
            right = float((answers(engine, data.images, rows, 100) == labels).mean())
        except (SmoothcertError, OSError):  # the name of one given as an object is no place
            continue
        if right >= best:
            told = form.model_dump(mode="json", exclude_defaults=True)
            asked = {k: v for k, v in told.items() if k not in ("path", "accuracy", "output")}
            best, words = right, f"; {json.dumps(asked)} gives {right:.1%} of {len(rows)}"
    if words:
        yield words


def _others(form: Given, colour: bool) -> Iterator[Given]:
    """Usual declarations other than the one that was made."""
    usual: list[dict[str, Any]] = [
        {"white": 1.0},
        {"white": 255.0},
        {"white": 1.0, "mean": (0.5,), "std": (0.5,)},
        {"white": 255.0, "mean": (127.5,), "std": (127.5,)},
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        if colour
        else {"mean": (0.1307,), "std": (0.3081,)},
    ]
    for change in usual:
        for order in ("rgb", "bgr") if colour else ("rgb",):
            reset = {"white": 1.0, "mean": None, "std": None, "channels": order}
            other = form.model_copy(update={**reset, **change})
            if other != form:
                yield other
