"""The processes that train one model together: those that torchrun started, or this one alone.

Each has a copy of the model and takes its pieces of every batch; gradients, losses and scales are
summed over all. Without torchrun nothing here communicates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from smoothcert.core.errors import SmoothcertError

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """``size`` processes, of which this is number ``rank``; number 0 writes the files."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Add up each tensor over all processes, in place; in one message a type of numbers."""
        if self.size == 1:
            return
        for dtype in dict.fromkeys(t.dtype for t in tensors):
            alike = [t for t in tensors if t.dtype == dtype]
            flat = torch.cat([t.reshape(-1) for t in alike])
            dist.all_reduce(flat)
            for tensor, part in zip(alike, flat.split([t.numel() for t in alike]), strict=True):
                tensor.copy_(part.view(tensor.shape))

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Of each flag, whether one of the processes raises it."""
        if self.size == 1:
            return list(flags)
        counts = torch.tensor(flags, dtype=torch.float32, device=self.device)
        self.sum([counts])
        return [count > 0 for count in counts.tolist()]

    def share(self, value: T) -> T:
        """The value of process 0."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]

    @contextmanager
    def one_first(self) -> Iterator[None]:
        """Process 0 goes through it before the others: it may download what all read."""
        if not self.leads:
            self.share(None)
        yield
        if self.leads:
            self.share(None)


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """The team that the environment names (RANK, WORLD_SIZE: torchrun), on ``device`` or its GPUs.

    NCCL sums on GPUs, gloo on CPUs. Raises SmoothcertError where there are more processes on this
    machine than GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(device)
        return
    if device.type == "cuda":
        here, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if here >= found:
            raise SmoothcertError(
                f"torchrun started process {here + 1} on this machine; torch sees {found} GPUs"
            )
        device = torch.device("cuda", here)
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(device, dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
