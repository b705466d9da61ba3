"""Passes through the network, counted by running the very code on a network of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from smoothcert.training.plan import Plan, plan
from smoothcert.training.spec import Job

# A backward pass computes the gradients of the inputs and of the weights of each layer, with as
# many multiplications each as the forward pass.
BACKWARD = 2.0


@dataclass(frozen=True)
class Passes:
    """Forward and backward passes of one noisy sample."""

    forward: float
    backward: float

    @property
    def weight(self) -> float:
        """In forward passes."""
        return self.forward + BACKWARD * self.backward


def training_passes(parts: Plan) -> Passes:
    """Passes of one training image in one epoch, noisy copies, attack and ascent included.

    The method's loss, its backward pass and the visit of the scales are run on two images and
    a network that counts.
    """
    import torch

    from smoothcert.training.method import Batch
    from smoothcert.training.scales import DataDependentScale, FixedScale

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(parts.info.n_classes))
            self.forwards = self.backwards = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.forwards += len(x)
            logits = x.flatten(1).sum(1, keepdim=True) * self.weight
            if logits.requires_grad:
                logits.register_hook(self.count)
            return logits

        def count(self, gradient: torch.Tensor) -> None:
            self.backwards += len(gradient)

    n, device, network = 2, torch.device("cpu"), Counting()
    x, y, idx = (
        torch.zeros((n, *parts.info.shape)),  # on the grid of every noise
        torch.zeros(n, dtype=torch.int64),
        torch.arange(n),
    )
    # The last epoch: what a method leaves out at first, it has by then.
    epoch = parts.recipe.epochs - 1
    batch = Batch(x, y, idx, x.new_empty(0), parts.noise, 0, (epoch, 0))
    scales: FixedScale | DataDependentScale = FixedScale(parts.training.scale)
    if parts.ds2 is not None:
        scales = DataDependentScale(parts.ds2, parts.training.scale, n, device)
    with torch.random.fork_rng(devices=[]):
        batch.scale = scales.visit(network, batch)
        parts.method.loss(network, batch).value.backward()
    return Passes(network.forwards / n, network.backwards / n)


@cache
def network_size(arch: str, shape: tuple[int, ...], n_classes: int) -> tuple[float, int]:
    """(floating-point operations of one forward pass of one image, values in the network).

    Counted on tensors that hold no data, so that the largest network takes no time or memory.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from smoothcert.models import ARCHITECTURES

    channels, height, width = shape
    with torch.device("meta"):
        architecture = ARCHITECTURES.parse(arch)
        network = architecture.network((channels, height, width), n_classes).eval()
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.empty(1, *shape))
    values = sum(t.numel() for t in network.state_dict().values())
    return float(counter.get_total_flops()), values


@dataclass(frozen=True)
class SearchPasses:
    """Passes of a search for one input: samples that are only classified, and derivatives."""

    votes: float
    derivatives: float


def search_passes(scalings: Sequence[str]) -> SearchPasses:
    """What ``smoothcert scales`` spends on one input for scalings of one search.

    Their costs as they state them, the votes that fix the class, and the fresh samples with
    which the scales found are measured beside the first one.
    """
    from smoothcert.scaling import SCALINGS
    from smoothcert.scaling.job import MEASURED
    from smoothcert.scaling.problem import N_SEL

    parts = [SCALINGS.parse(slug) for slug in scalings]
    forward = max(part.cost.forward for part in parts)
    backward = max(part.cost.backward for part in parts)
    votes = forward - backward + getattr(parts[0], "n_sel", N_SEL)
    return SearchPasses(votes + MEASURED * (1 + len(parts)), backward)


def training_plan(spec: dict[str, Any], parent: str | None) -> Plan:
    """The parts of a training job from its specification; raises SmoothcertError as ``plan``."""
    return plan(Job.check({**spec, "parent": parent}, "specification"))
