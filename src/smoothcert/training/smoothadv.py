"""SmoothAdv: adversarial training of the smoothed classifier."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from smoothcert.compute.lazy import torch
from smoothcert.core.settings import Count, Positive, Settings
from smoothcert.models.mode import evaluating, wide
from smoothcert.training.method import METHODS, Batch, CrossEntropy, Loss


class Attack(Settings):
    """PGD against the smoothed classifier.

    ``steps`` steps of size 2 * radius / steps in an l2 ball of ``radius`` (pixels), from the
    input itself, against -log of the mean softmax over noisy copies. The radius grows linearly
    over the first ``warmup`` epochs. ``gradient: none`` takes the mean of loss times noise for
    the gradient.
    """

    radius: Positive = Field(description="radius of the attack's l2 ball, in pixels")
    steps: Count = Field(2, description="steps of the attack")
    warmup: Count = Field(1, description="epochs over which the radius increases")
    gradient: Literal["backward", "none"] = Field(
        "backward", description="how the attack finds its direction"
    )

    def attacked(self, model: torch.nn.Module, batch: Batch, eps: torch.Tensor) -> torch.Tensor:
        """The adversarial inputs [B, C, H, W], without history, found in eval mode.

        ``eps``: the scaled noise [B * copies, C, H, W], the copies of an input consecutive.
        """
        from smoothcert.models.attacks import gradient_of, pgd, smoothed_cross_entropy, zeroth_order

        if self.gradient == "none":
            direction = zeroth_order(model, batch.y, eps)
        else:
            direction = gradient_of(smoothed_cross_entropy(model, batch.y, eps))
        radius = self.radius * min(1.0, (batch.epoch + 1) / self.warmup)
        with evaluating(model):
            return pgd(direction, batch.x, radius, self.steps, stream=batch.stream("attack"))


@METHODS.member("smoothadv")
class SmoothAdv(Attack, CrossEntropy):
    """Cross-entropy under noise at inputs that PGD made hard for the smoothed classifier.

    The attack is :class:`Attack`, against ``samples`` noisy copies; the same noise is then
    trained on. ``train_on: all`` trains on every noisy copy, ``first`` on one an input. (In the
    released code a loader batch of b is cut into ``samples`` chunks with a step each: here that
    is batch = b / samples.)
    """

    reference: ClassVar[str] = "Salman et al. 2019, Algorithm 1 and section 3"

    samples: Count = Field(1, description="noisy copies per input")
    train_on: Literal["all", "first"] = Field("all", description="noisy copies to train on")

    def loss(self, model: torch.nn.Module, batch: Batch) -> Loss:
        eps = batch.draw_noise(self.samples)
        x = self.attacked(model, batch, eps)
        y = batch.y
        if self.train_on == "first":
            eps = eps[:: self.samples]
        else:
            x, y = (t.repeat_interleave(self.samples, 0) for t in (x, y))
        logits = wide(model(x + eps))
        return Loss(self.cross_entropy(logits, y), logits.argmax(1) == y)
