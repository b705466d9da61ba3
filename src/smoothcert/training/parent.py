"""Where the weights of a run come from: a fresh network, a trained model, or a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from smoothcert import models
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import sha256
from smoothcert.models.classifier import Classifier
from smoothcert.training import state as states
from smoothcert.training.plan import Plan


@dataclass
class Parent:
    """``state`` is None when the parent is a finished model: then epochs count from 0."""

    record: dict[str, Any]
    digest: str
    state: states.State | None

    @property
    def summary(self) -> dict[str, Any]:
        """What the record of the child says of its parent."""
        return {
            "training": self.record.get("training"),
            "imported": self.record.get("imported"),
            "sha256": self.digest,
            "branched_at_epoch": self.state.epoch if self.state else None,
        }


def start(parts: Plan, n_classes: int) -> tuple[Classifier, Parent | None]:
    """The classifier before the first epoch of ``parts``, and its parent if it has one.

    Raises SmoothcertError if the parent is missing, or was made by another method, noise, scale,
    data set, architecture or normalization than the run that continues it.
    """
    job, recipe = parts.job, parts.recipe
    layer = models.normalization(job.dataset, recipe.normalization, parts.info.shape[0])
    fresh = models.build(job.arch, n_classes, parts.info.shape, layer, job.seed)
    if job.parent is None:
        return fresh, None
    path = Path(job.parent)
    if not path.is_file():
        raise SmoothcertError(
            f"parent {path}: not found; make it with smoothcert train --training"
            f" {parts.parent_training}, or convert the checkpoint published by the method's"
            " authors with smoothcert import-checkpoint"
        )
    state = states.read(path)
    if state is not None:
        record = state.record
        _check(parts, record, path)
        if state.epoch >= recipe.epochs:
            raise SmoothcertError(
                f"parent {path}: a snapshot after epoch {state.epoch}, but the recipe ends after"
                f" {recipe.epochs}: nothing left to train"
            )
        # The weights are put in with the optimizer's state; the normalization must agree now.
        _check_normalization(state.part("model"), fresh, path, recipe.normalization)
        return fresh, Parent(record, sha256(path), state)
    model, record = models.load(path)
    _check(parts, record, path)
    _check_normalization(model.state_dict(), fresh, path, recipe.normalization)
    return model.train(), Parent(record, sha256(path), None)


def _check(parts: Plan, record: dict[str, Any], path: Path) -> None:
    expected = {
        "arch": parts.job.arch,
        "dataset": parts.job.dataset,
        # an imported model does not say how it was trained
        "training": parts.parent_training if "imported" not in record else None,
    }
    for key, value in expected.items():
        if record.get(key) != value:
            raise SmoothcertError(f"parent {path}: {key} {record.get(key)!r}, expected {value!r}")


def _check_normalization(
    tensors: dict[str, torch.Tensor], fresh: Classifier, path: Path, kind: str
) -> None:
    for name in ("mean", "std"):
        found, expected = tensors[name], getattr(fresh, name)
        if not torch.equal(found, expected):
            raise SmoothcertError(
                f"parent {path}: its normalization has {name} {found.flatten().tolist()}, the"
                f" recipe's ({kind}) {expected.flatten().tolist()}"
            )
