"""Consistency: the predictions on noisy copies of an input are held together."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from smoothcert.compute.lazy import torch
from smoothcert.core.settings import Length
from smoothcert.models.mode import wide
from smoothcert.training.method import METHODS, Batch, CrossEntropy, Loss
from smoothcert.training.smoothadv import Attack


@METHODS.member("consistency")
class Consistency(CrossEntropy):
    """Cross-entropy on m noisy copies of every input, and :func:`divergence_and_entropy` of them.

    The loss is the mean over inputs and copies of the cross-entropy, plus the mean over inputs
    of ``lam`` * (mean divergence of the copies from their mean prediction) + ``eta`` * (entropy
    of the mean prediction), as in the released code. Without ``attack`` the copies are of the
    inputs themselves (on top of Cohen's training), with it of the inputs that SmoothAdv's attack
    found against the same m noises. (In the released code a loader batch of b is cut into m
    chunks with a step each: here that is batch = b / m.)
    """

    reference: ClassVar[str] = "Jeong and Shin 2020, section 3"

    m: Annotated[int, Field(ge=2)] = Field(2, description="noisy copies per input")
    lam: Length = Field(10.0, description="weight of the divergence from the mean prediction")
    eta: Length = Field(0.5, description="weight of the entropy of the mean prediction")
    attack: Attack | None = Field(None, description="attack of SmoothAdv on the inputs; null: none")

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        eps = batch.draw_noise(self.m)
        x = batch.x if self.attack is None else self.attack.attacked(model, batch, eps)
        logits = wide(model(x.repeat_interleave(self.m, 0) + eps))
        y = batch.y.repeat_interleave(self.m)
        error = self.cross_entropy(logits, y)
        divergence, entropy = (
            part.mean() for part in divergence_and_entropy(logits.unflatten(0, (-1, self.m)))
        )
        value = error + self.lam * divergence + self.eta * entropy
        statistics = {
            "cross_entropy": error.detach(),
            "divergence": divergence.detach(),
            "entropy": entropy.detach(),
        }
        return Loss(value, logits.argmax(1) == y, statistics)


def divergence_and_entropy(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the predictions on the copies, logits [B, m, C]: two numbers an input, each [B], in nats.

    With the softmaxes p_j and their mean q: the mean over j of KL(q || p_j), and the entropy of
    q. Both are differentiated through q too, as in the released code.
    """
    # In logarithms, so that a probability that underflows keeps its gradient.
    logs = logits.log_softmax(2)
    mean_log = logs.logsumexp(1) - math.log(logits.shape[1])
    mean = mean_log.exp()
    entropy = -(mean * mean_log).sum(1)
    return -(mean * logs.mean(1)).sum(1) - entropy, entropy
