"""What the tests of scalings share: models whose radii are known, and the inputs of a search."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smoothcert.noise import NOISES
from smoothcert.sampling.engines import open_engine
from smoothcert.scaling.forward import SearchEngine
from smoothcert.scaling.problem import Problem


class Probit(nn.Module):
    """Two classes with probabilities Phi(a(x)) and Phi(-a(x)), a(x) = weight . x + bias.

    Under N(0, sigma^2 I), with w = |weight|, the mean output of the first class is
    Phi(a / sqrt(1 + sigma^2 w^2)) and its share of the hard votes Phi(a / (sigma w)).
    """

    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        a = x.flatten(1) @ self.weight + self.bias
        return torch.stack([torch.special.log_ndtr(a), torch.special.log_ndtr(-a)], 1)


class Constant(nn.Module):
    """The same logits whatever the input."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1) + 0 * x.flatten(1).sum(1, keepdim=True)


def searching(model: nn.Module, shape: tuple[int, ...], engine: str = "torch") -> SearchEngine:
    """The engine of a search of ``model`` for images of ``shape``."""
    return SearchEngine(open_engine(model, shape, torch.device("cpu"), engine))


def problem(
    model: nn.Module, noise: str = "gaussian-0.25", n: int = 3, seed: int = 0, d: int = 4
) -> Problem:
    """``n`` inputs of ``d`` pixels, the same at every call."""
    x = torch.rand(n, d, generator=torch.Generator().manual_seed(0))
    return Problem(searching(model, (d,)), NOISES.parse(noise), x, list(range(n)), seed)
