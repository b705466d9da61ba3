"""Evaluating a model in the middle of its training."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside (batch normalization uses and changes no batch statistics)."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
