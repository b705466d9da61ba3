"""The training loop: the same for every method, every noise and every schedule of scales."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from smoothcert.compute.arithmetic import computing, dtype_of
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Noise
from smoothcert.training.augmentation import crop_flip
from smoothcert.training.log import Progress
from smoothcert.training.method import Batch, Loss, Method
from smoothcert.training.recipe import Recipe
from smoothcert.training.scales import DataDependentScale, FixedScale

CHECK_EVERY = 20  # batches between looks at the loss, each of which waits for the device


class TrainingInputs(Protocol):
    """The training set: ``x[idx]`` and ``y[idx]`` by positions, on the device."""

    def __len__(self) -> int: ...

    def batches(self, order: list[Tensor], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(x [B, C, H, W], y [B]) on the device for each array of positions in ``order``."""


@dataclass
class Loop:
    """What stays the same from epoch to epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    method: Method
    scales: FixedScale | DataDependentScale
    inputs: TrainingInputs
    noise: Noise
    recipe: Recipe
    seed: int
    device: torch.device
    precision: str = "float32"

    def run(
        self, first: int, progress: Progress, done: Callable[[int, dict[str, float]], None]
    ) -> None:
        """Train the epochs ``first``, ..., and call ``done(epochs done, row of the log)``.

        Every draw (order, augmentation, noise, ascent) is a function of the seed, the epoch and
        the batch, so it does not matter where a run was interrupted.
        """
        with computing(self.precision):
            for epoch in range(first, self.recipe.epochs):
                done(epoch + 1, self.epoch(epoch, progress))

    def epoch(self, epoch: int, progress: Progress) -> dict[str, float]:
        """Train one epoch; its row of the log."""
        start = time.monotonic()
        sums = Sums(epoch)
        order = self.order(epoch)
        self.model.train()
        for step, (x, y) in enumerate(self.inputs.batches(order, epoch)):
            rate = self.recipe.learning_rate(epoch, step / len(order))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            if self.recipe.augmentation == "crop-flip":
                x = crop_flip(x, generator(self.seed, "training-augmentation", epoch, step))
            idx = order[step].to(self.device)
            scale = x.new_empty(0)  # the schedule of scales sees the batch first
            batch = Batch(x, y, idx, scale, self.noise, self.seed, epoch, step)
            with self.autocast():
                batch.scale = self.scales.visit(self.model, batch)
                loss = self.method.loss(self.model, batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.value.backward()
            self.optimizer.step()
            if sums.add(loss) == CHECK_EVERY or step + 1 == len(order):
                count = sums.settle()
                progress.step(count, f"{epoch + 1}/{self.recipe.epochs}", sums.loss, sums.accuracy)
        row = {"epoch": epoch + 1, "loss": sums.loss, "noisy_accuracy": sums.accuracy}
        row |= {"lr": rate, "seconds": time.monotonic() - start}
        return row | sums.statistics() | self.scales.statistics()

    def order(self, epoch: int) -> list[Tensor]:
        """The positions of each batch of ``epoch``; the last batch may be short."""
        shuffled = torch.randperm(
            len(self.inputs), generator=generator(self.seed, "training-order", epoch)
        )
        return list(shuffled.split(self.recipe.batch))

    def autocast(self) -> torch.autocast | nullcontext[None]:
        """Mixed precision where it was chosen; the parameters stay float32."""
        dtype = dtype_of(self.precision)
        if dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype)


class Sums:
    """The losses of an epoch so far, brought from the device a few batches at a time."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.waiting: list[tuple[Tensor, Tensor]] = []
        self.steps = 0
        self.total = self.right = self.seen = 0.0
        self.numbers: dict[str, Tensor] = {}

    def add(self, loss: Loss) -> int:
        """Remember a batch; how many are waiting to be settled."""
        self.waiting.append((loss.value.detach().float(), loss.correct.sum()))
        self.seen += len(loss.correct)
        for key, value in loss.statistics.items():
            self.numbers[key] = self.numbers.get(key, torch.zeros(())).to(value) + value.detach()
        return len(self.waiting)

    def settle(self) -> int:
        """Sum up what waits and return its number; a loss that is not finite ends the run."""
        values = torch.stack([v for v, _ in self.waiting]).double().cpu()
        for i, value in enumerate(values.tolist()):
            if not torch.isfinite(values[i]):
                raise SmoothcertError(
                    f"training: the loss is {value} in epoch {self.epoch + 1}, batch"
                    f" {self.steps + i + 1}; a smaller lr may help"
                )
        self.total += values.sum().item()
        self.right += float(torch.stack([c for _, c in self.waiting]).sum())
        count = len(self.waiting)
        self.steps += count
        self.waiting = []
        return count

    @property
    def loss(self) -> float:
        """Mean over the batches settled."""
        return self.total / self.steps

    @property
    def accuracy(self) -> float:
        """The part of the noisy inputs that the network in training classified right."""
        return self.right / self.seen

    def statistics(self) -> dict[str, float]:
        """Means over the batches of the further numbers of the method."""
        return {key: value.item() / self.steps for key, value in self.numbers.items()}
