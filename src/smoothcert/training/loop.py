"""The training loop: the same for every method, every noise and every schedule of scales."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from smoothcert.compute.arithmetic import computing, dtype_of
from smoothcert.compute.streams import generator
from smoothcert.models.classifier import Classifier
from smoothcert.noise import Noise
from smoothcert.training.augmentation import crop_flip
from smoothcert.training.log import Progress
from smoothcert.training.method import Batch, Loss, Method
from smoothcert.training.pieces import RunningAverages, cut, gather_gradients
from smoothcert.training.recipe import Recipe
from smoothcert.training.scales import DataDependentScale, FixedScale
from smoothcert.training.sums import Sums
from smoothcert.training.team import Team

CHECK_EVERY = 20  # batches between looks at the loss, each of which waits for the device


class TrainingInputs(Protocol):
    """The training set: ``x[idx]`` and ``y[idx]`` by positions, on the device."""

    def __len__(self) -> int: ...

    def batches(self, order: list[Tensor], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(x [B, C, H, W], y [B]) on the device for each array of positions in ``order``."""


@dataclass
class Loop:
    """What stays the same from epoch to epoch."""

    model: Classifier
    optimizer: torch.optim.Optimizer
    method: Method
    scales: FixedScale | DataDependentScale
    inputs: TrainingInputs
    noise: Noise
    recipe: Recipe
    seed: int
    precision: str
    team: Team

    def __post_init__(self) -> None:
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.averages = RunningAverages(self.model, self.recipe.parts, self.team)
        self.sides: Tensor | None = None  # which images the first epoch mirrors, 0 or 1
        if self.recipe.flip == "alternate":
            stream = generator(self.seed, "training-flip")
            self.sides = torch.randint(2, (len(self.inputs),), generator=stream)

    def run(
        self,
        first: int,
        begun: Sums | None,
        progress: Progress,
        done: Callable[[int, dict[str, float]], None],
        pause: Callable[[int, Sums], None],
    ) -> None:
        """Train the epochs ``first``, ..., and call ``done(epochs done, row of the log)``.

        Within an epoch ``pause(epoch, sums)`` is called every few batches; whoever kept the state
        there gives the sums as ``begun``. Every draw (order, augmentation, noise, ascent) is a
        function of the seed, the epoch, the batch and its piece, so it does not matter where a
        run was interrupted.
        """
        with computing(self.precision):
            for epoch in range(first, self.recipe.epochs):
                done(epoch + 1, self.epoch(begun or Sums(epoch, self.team), progress, pause))
                begun = None

    def epoch(
        self, sums: Sums, progress: Progress, pause: Callable[[int, Sums], None]
    ) -> dict[str, float]:
        """Train what is left of one epoch; its row of the log."""
        start = time.monotonic() - sums.seconds
        epoch, order = sums.epoch, self.order(sums.epoch)
        batches = [cut(batch, self.recipe.parts) for batch in order]
        ours = [self.ours(pieces) for pieces in batches]
        inputs = self.inputs.batches([p for some in ours[sums.steps :] for _, p in some], epoch)
        self.model.train()
        for step in range(sums.steps, len(order)):
            rate = self.recipe.learning_rate(epoch, step / len(order))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad(set_to_none=True)
            losses = []
            with self.averages.batch():
                for part, piece in ours[step]:
                    share = len(piece) / len(order[step])
                    with self.averages.piece(share):
                        loss = self.loss(next(inputs), piece, epoch, step, part)
                    (loss.value * share).backward()
                    losses.append((share, loss))
            gather_gradients(self.parameters, self.team)
            self.scales.agree(order[step], [p for _, p in ours[step]], self.team)
            self.optimizer.step()
            last = step + 1 == len(order)
            if sums.add(losses) == CHECK_EVERY or last:
                count = sums.settle()
                progress.step(count, f"{epoch + 1}/{self.recipe.epochs}", sums.loss, sums.accuracy)
                sums.seconds = time.monotonic() - start
                if not last:
                    pause(epoch, sums)
        row = {"epoch": epoch + 1, "loss": sums.loss, "noisy_accuracy": sums.accuracy}
        row |= {"lr": rate, "seconds": sums.seconds}
        return row | sums.statistics() | self.scales.statistics()

    def loss(
        self, images: tuple[Tensor, Tensor], idx: Tensor, epoch: int, step: int, part: int
    ) -> Loss:
        """The loss of one piece of a batch, at the scales of its inputs."""
        x, y = images
        ids = (epoch, step) if self.recipe.parts == 1 else (epoch, step, part)
        if self.recipe.augmentation == "crop-flip":
            stream = generator(self.seed, "training-augmentation", *ids)
            x = crop_flip(x, stream, None if self.sides is None else self.sides[idx] ^ (epoch % 2))
        idx = idx.to(self.team.device)
        scale = x.new_empty(0)  # the schedule of scales sees the batch first
        batch = Batch(x, y, idx, scale, self.noise, self.seed, ids)
        with self.autocast():
            batch.scale = self.scales.visit(self.model, batch)
            return self.method.loss(self.model, batch)

    def ours(self, pieces: list[Tensor]) -> list[tuple[int, Tensor]]:
        """The pieces of a batch that this process passes, with their numbers."""
        return [*enumerate(pieces)][self.team.rank :: self.team.size]

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
        return torch.autocast(self.team.device.type, dtype)
