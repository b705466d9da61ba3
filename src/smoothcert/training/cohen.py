"""Cohen's training: cross-entropy on one noisy copy of every input."""

from __future__ import annotations

from typing import ClassVar

from smoothcert.compute.lazy import torch
from smoothcert.models.mode import wide
from smoothcert.training.method import METHODS, Batch, CrossEntropy, Loss


@METHODS.member("cohen")
class Cohen(CrossEntropy):
    """One fresh draw of noise an input and step (Cohen, Rosenfeld, Kolter 2019, section 3.3)."""

    reference: ClassVar[str] = "Cohen et al. 2019"

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        logits = wide(model(batch.noisy()))
        return Loss(self.cross_entropy(logits, batch.y), logits.argmax(1) == batch.y)
