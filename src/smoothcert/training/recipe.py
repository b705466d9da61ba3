"""A training recipe: everything about the optimization that configuration may choose."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """Raises ValueError for values out of range or that the schedule does not use.

    ``schedule`` is the learning rate's: ``constant``; ``step`` (times ``lr_gamma`` every
    ``lr_step`` epochs); ``multistep`` (times ``lr_gamma`` at each of ``lr_milestones``);
    ``cosine`` (half a cosine to zero, moved at every batch). ``augmentation``: ``crop-flip``
    pads by 4 black pixels, crops at random and mirrors half of the images; ``resized-crop-flip``
    is ImageNet's (done where the files are decoded). ``snapshots`` are epoch counts after which
    the whole state of the training is kept, for runs that branch there. ``method`` and ``ds2``
    are the options of the method and of the data-dependent scales.
    """

    epochs: int
    batch: int
    lr: float
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["constant", "step", "multistep", "cosine"] = "step"
    lr_step: int | None = None
    lr_milestones: tuple[int, ...] = ()
    lr_gamma: float = 0.1
    augmentation: Literal["none", "crop-flip", "resized-crop-flip"] = "none"
    normalization: Literal["standardize", "center", "none"] = "standardize"
    snapshots: tuple[int, ...] = ()
    method: dict[str, Any] = field(default_factory=dict)
    ds2: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected at least 1")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr {self.lr:g}: expected a positive number")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum {self.momentum:g}: expected 0 <= momentum < 1")
        if self.nesterov and (self.momentum == 0 or self.optimizer != "sgd"):
            raise ValueError("nesterov: needs optimizer sgd with momentum")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay {self.weight_decay:g}: expected 0 or more")
        if not 0 < self.lr_gamma <= 1:
            raise ValueError(f"lr_gamma {self.lr_gamma:g}: expected 0 < lr_gamma <= 1")
        if (self.lr_step is not None) != (self.schedule == "step"):
            raise ValueError(
                f"lr_step: needed by schedule step and only by it, not {self.schedule}"
            )
        if self.lr_step is not None and self.lr_step < 1:
            raise ValueError(f"lr_step {self.lr_step}: expected at least 1")
        if bool(self.lr_milestones) != (self.schedule == "multistep"):
            raise ValueError(
                f"lr_milestones: needed by schedule multistep and only by it, not {self.schedule}"
            )
        for snapshot in self.snapshots:
            if not 1 <= snapshot <= self.epochs:
                raise ValueError(f"snapshots: {snapshot} is not in 1..{self.epochs} epochs")

    def learning_rate(self, epoch: int, fraction: float) -> float:
        """The rate of a step of ``epoch`` (from 0), after ``fraction`` of its batches."""
        if self.schedule == "step":
            assert self.lr_step is not None
            return self.lr * self.lr_gamma ** (epoch // self.lr_step)
        if self.schedule == "multistep":
            return self.lr * self.lr_gamma ** sum(epoch >= m for m in self.lr_milestones)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * (epoch + fraction) / self.epochs))
        return self.lr
