"""Evaluating a model in the middle of its training, and under mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside (batch normalization uses and changes no batch statistics)."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def wide(logits: Tensor) -> Tensor:
    """At least single precision: half precision rounds the probabilities that matter to 1."""
    return logits if logits.itemsize >= 4 else logits.float()
