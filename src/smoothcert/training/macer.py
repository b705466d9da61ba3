"""MACER: maximizing the certified radius, without an attack."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from pydantic import Field

from smoothcert.compute.lazy import torch
from smoothcert.core.settings import Count, Natural, Positive
from smoothcert.models.mode import wide
from smoothcert.training.method import METHODS, Batch, Loss, Method


@METHODS.member("macer")
class Macer(Method):
    """-log of the mean softmax over k noisy copies, plus a hinge on the soft radius.

    The loss of a batch of B is (sum of the cross-entropies + lambda * robustness) / B, as in
    the released code; ``lam`` is lambda, ``beta`` the inverse temperature of the softmax in the
    robustness term, and that term :func:`robustness_loss`. The first ``defer`` epochs go
    without that term (Jeong and Shin 2020 train MACER on MNIST so).
    """

    reference: ClassVar[str] = "Zhai et al. 2020, Algorithm 1"
    noises: ClassVar[tuple[str, ...] | None] = (
        "gaussian",
    )  # the term is the radius of Gaussian smoothing

    k: Count = Field(16, description="noisy copies per input")
    lam: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        12.0, description="weight of the robustness term"
    )
    gamma: Positive = Field(8.0, description="margin of the hinge, in normal quantiles")
    beta: Positive = Field(16.0, description="inverse temperature of its softmax")
    defer: Natural = Field(0, description="epochs without the robustness term at the start")

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        logits = wide(model(batch.noisy(self.k))).unflatten(0, (-1, self.k))  # [B, k, C]
        mine = batch.y.view(-1, 1)
        # In logarithms. The released code takes -log(mean + 1e-10): where the probability of the
        # label underflows, that has no gradient, and one bad step can leave a network dead.
        logs = logits.log_softmax(2).gather(2, mine.unsqueeze(1).expand(-1, self.k, 1))
        error = (math.log(self.k) - logs.logsumexp(1)).sum()
        sharp = (self.beta * logits).softmax(2).mean(1)
        robustness, kept = robustness_loss(sharp, batch.y, batch.scale, self.gamma)
        lam = 0.0 if batch.epoch < self.defer else self.lam
        value = (error + lam * robustness) / len(mine)
        correct = (logits.argmax(2) == mine).flatten()
        statistics = {
            "cross_entropy": error / len(mine),
            "robustness": robustness / len(mine),
            "kept": kept.float().mean(),
        }
        return Loss(value, correct, statistics)


def robustness_loss(
    probabilities: torch.Tensor, y: torch.Tensor, scale: torch.Tensor, gamma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum over the kept inputs of scale / 2 * (gamma - gap), which inputs are kept [B]).

    gap = z(p_A) - z(p_B) for the two largest of the mean probabilities [B, C], z the normal
    quantile, so that scale * gap / 2 is the soft radius. Kept are the inputs whose largest class
    is their label and whose gap is finite and at most gamma: the others have no part in the sum
    and no gradient. With nothing kept the sum is 0, with a gradient of zeros.
    """
    top, classes = probabilities.topk(2, dim=1)
    kept = classes[:, 0] == y
    with torch.no_grad():
        gaps = torch.special.ndtri(top[:, 0]) - torch.special.ndtri(top[:, 1])
        kept &= gaps.isfinite() & (gaps.abs() <= gamma)
    # z once more, on the kept ones only: an infinite z masked afterwards has a gradient of NaN.
    p_a, p_b = top[kept].unbind(1)
    gap = torch.special.ndtri(p_a) - torch.special.ndtri(p_b)
    return (scale[kept] / 2 * (gamma - gap)).sum(), kept
