"""A batch in pieces: what one passes through the network at a time, and what belongs together.

The pieces of a batch (the recipe's ``parts``) are passed one after the other (gradient
accumulation) or by several processes at once (:mod:`smoothcert.training.team`). Each piece has its
own noise and its own batch statistics, so the weights do not depend on who passed it, but for
rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from smoothcert.training.team import Team


def cut(batch: Tensor, parts: int) -> list[Tensor]:
    """Positions [B] in ``parts`` pieces of sizes that differ by one at most; none is empty."""
    return [piece for piece in batch.tensor_split(parts) if len(piece)]


def gather_gradients(parameters: Sequence[nn.Parameter], team: Team) -> None:
    """The gradients of the whole batch, from those of the pieces of each process."""
    if team.size == 1:
        return
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    team.sum([p.grad for p in parameters if p.grad is not None])


class RunningAverages:
    """The running averages of batch normalization over the pieces of a batch.

    Every piece begins with those before the batch, and after the batch they are the mean over its
    pieces (weighted by their sizes): one update a batch, whichever process passed which piece.
    """

    def __init__(self, model: nn.Module, parts: int, team: Team) -> None:
        modules = model.modules() if parts > 1 else ()
        layers = [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        buffers = [b for layer in layers for b in layer.buffers(recurse=False)]
        self.averages = [b for b in buffers if b.is_floating_point()]
        self.counts = [b for b in buffers if not b.is_floating_point()]
        self.team = team

    @contextmanager
    def batch(self) -> Iterator[None]:
        """The pieces of one batch, each in :meth:`piece`."""
        self.before = [a.clone() for a in self.averages]
        self.sums = [torch.zeros_like(a) for a in self.averages]
        counts = [c.clone() for c in self.counts]
        yield
        self.team.sum(self.sums)
        for average, total in zip(self.averages, self.sums, strict=True):
            average.copy_(total)
        for count, old in zip(self.counts, counts, strict=True):
            count.copy_(old + 1)

    @contextmanager
    def piece(self, share: float) -> Iterator[None]:
        """One piece, which has ``share`` of the inputs of its batch."""
        for average, old in zip(self.averages, self.before, strict=True):
            average.copy_(old)
        yield
        for total, average in zip(self.sums, self.averages, strict=True):
            total.add_(average, alpha=share)
