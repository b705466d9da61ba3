"""The losses of an epoch so far."""

from __future__ import annotations

import torch
from torch import Tensor

from smoothcert.core.errors import SmoothcertError
from smoothcert.training.method import Loss
from smoothcert.training.team import Team

_NUMBERS = ("steps", "total", "right", "seen", "seconds")


class Sums:
    """They are brought from the device, and from all processes, a few batches at a time."""

    def __init__(self, epoch: int, team: Team) -> None:
        self.epoch = epoch
        self.team = team
        self.waiting: list[tuple[Tensor, Tensor]] = []
        self.counted = 0  # noisy inputs of the batches that wait
        self.steps = 0
        self.total = self.right = self.seen = self.seconds = 0.0
        self.means: dict[str, Tensor] = {}  # sums of what will be means, of this process
        self.settled: dict[str, Tensor] = {}  # the same over all processes of a team

    def add(self, pieces: list[tuple[float, Loss]]) -> int:
        """Remember a batch by its pieces here, each with its share; how many batches wait."""
        values = [share * loss.value.detach().float() for share, loss in pieces]
        rights = [loss.correct.sum() for _, loss in pieces]
        if not pieces:  # a short last batch has fewer pieces than there are processes
            values = rights = [torch.zeros((), device=self.team.device)]
        self.waiting.append((sum(values[1:], values[0]), sum(rights[1:], rights[0])))
        for share, loss in pieces:
            self.counted += len(loss.correct)
            for key, value in loss.statistics.items():
                before = self.means.get(key, torch.zeros(())).to(value)
                self.means[key] = before + share * value.detach()
        return len(self.waiting)

    def settle(self) -> int:
        """Sum up what waits and return its number; a loss that is not finite ends the run."""
        values = torch.stack([v for v, _ in self.waiting]).double()
        right = torch.stack([r for _, r in self.waiting]).sum().double()
        counted = torch.full_like(right, self.counted)
        both = torch.cat([values, torch.stack([right, counted])])
        self.team.sum([both])
        values, (right, counted) = both.cpu().split([len(values), 2])  # here it waits, once
        for i, value in enumerate(values.tolist()):
            if not torch.isfinite(values[i]):
                raise SmoothcertError(
                    f"training: the loss is {value} in epoch {self.epoch + 1}, batch"
                    f" {self.steps + i + 1}; a smaller lr may help"
                )
        self.total += values.sum().item()
        self.right += right.item()
        self.seen += counted.item()
        if self.team.size > 1:
            self.team.sum([*self.means.values()])
            self.settled = self.tensors()
            self.means = {key: torch.zeros_like(value) for key, value in self.means.items()}
        count = len(self.waiting)
        self.steps += count
        self.waiting, self.counted = [], 0
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
        return {key: value.item() / self.steps for key, value in self.tensors().items()}

    def plain(self) -> dict[str, float]:
        """The numbers settled, for a state within the epoch; :meth:`tensors` are the others."""
        assert not self.waiting
        return {name: getattr(self, name) for name in _NUMBERS}

    def tensors(self) -> dict[str, Tensor]:
        """The sums of the further numbers, over all processes."""
        of = self.settled
        return {key: of[key] + value if key in of else value for key, value in self.means.items()}

    def restore(self, plain: dict[str, float], tensors: dict[str, Tensor]) -> None:
        """Go on from what was kept."""
        for name in _NUMBERS:
            setattr(self, name, plain[name])
        self.steps = int(self.steps)
        self.means = {key: value.to(self.team.device) for key, value in tensors.items()}
        if self.team.size > 1:
            self.settled = self.means
            self.means = {key: torch.zeros_like(value) for key, value in self.means.items()}
