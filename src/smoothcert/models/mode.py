"""Evaluating a model in the middle of its training, and under mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from smoothcert.compute.lazy import torch


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Eval mode inside (batch normalization uses and changes no batch statistics).

    Afterwards every module is in the mode that it was in, also where some are frozen.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def wide(logits: torch.Tensor) -> torch.Tensor:
    """At least single precision: half precision rounds the probabilities that matter to 1."""
    return logits if logits.itemsize >= 4 else logits.float()
