"""The inputs of one search with the network and the noise, and the named draws of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from smoothcert.errors import SmoothcertError
from smoothcert.models.mode import evaluating
from smoothcert.streams import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from smoothcert.noise import Noise

# What a draw is for: each purpose has random streams of its own, and none of them is a purpose of
# the certifying votes ("selection", "estimation") or of training.
CLASS = "scale-class"  # the votes under sigma_0 that fix c_A
ASCENT = "scale-ascent"  # the noise of the steps
CHOICE = "scale-choice"  # the votes that choose between scales
GRID = "scale-grid"  # the estimates at the points of a grid
OBJECTIVE = "scale-objective"  # measuring what a search has reached
PURPOSES = (CLASS, ASCENT, CHOICE, GRID, OBJECTIVE)

_VALUES = 1 << 18  # of noise that one call to a generator draws for an input, at most
_MOST = 50  # samples of a block, at most
N_SEL = 100  # votes that fix c_A, unless a scaling says otherwise


@dataclass
class Problem:
    """B inputs ``x`` [B, *shape] with ``idx`` [B] in the data set, and all a search needs.

    ``model`` maps images in [0,1] to logits; its mode is kept, its parameters get no gradient.
    ``progress`` is told the passes through the network. What is found for an input depends on the
    seed, its idx, itself, the model and the noise; on the other inputs only as far as the kernels
    round differently in another batch.
    """

    model: nn.Module
    noise: Noise
    x: Tensor
    idx: Sequence[int]
    seed: int = 0
    progress: Callable[[int], None] = field(default=lambda passes: None)
    _classes: dict[int, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sigma_0(self) -> float:
        """The scale of the noise, where every search starts."""
        return self.noise.scale

    def c_a(self, n_sel: int = N_SEL) -> Tensor:
        """c_A [B]: the class with most of ``n_sel`` hard votes under sigma_0 (DDRS, eq. 2)."""
        if n_sel not in self._classes:
            start = torch.full((len(self), 1), self.sigma_0, dtype=torch.float64)
            self._classes[n_sel] = self.votes(start, CLASS, n_sel)[:, 0].argmax(1)
        return self._classes[n_sel]

    def block(self, n: int = 1) -> int:
        """How many draws of ``n`` samples an input a block of a stream holds.

        A function of the inputs' shape alone, so that noise does not depend on the batch.
        """
        return max(1, min(_MOST, _VALUES // self.x[0].numel()) // n)

    def draw(self, i: int, purpose: str, n: int, block: int = 0) -> Tensor:
        """Standard noise [n, *shape] of input ``i``, the ``block``-th of its stream."""
        stream = generator(self.seed, purpose, int(self.idx[i]), block, device=self.x.device)
        return self.noise.sample((n, *self.x.shape[1:]), stream).to(self.x.dtype)

    def draws(self, purpose: str, n: int, block: int = 0) -> Tensor:
        """Standard noise [B, n, *shape], each input's from its own stream."""
        out = self.x.new_empty((len(self), n, *self.x.shape[1:]))
        for i in range(len(self)):
            out[i] = self.draw(i, purpose, n, block)
        return out

    @torch.inference_mode()
    def votes(self, scales: Tensor, purpose: str, n: int) -> Tensor:
        """Hard votes [B, S, C] of ``n`` samples at the scales [B, S] of each input.

        The scales of an input share its noise. Raises SmoothcertError for logits that are not
        finite.
        """
        size = self.block()
        counts = []
        with evaluating(self.model):
            for i in range(len(self)):
                found: list[list[Tensor]] = [[] for _ in range(scales.shape[1])]
                for start in range(0, n, size):
                    eps = self.draw(i, purpose, min(size, n - start), start // size)
                    for s, scale in enumerate(scales[i].tolist()):
                        found[s].append(self.model(torch.add(self.x[i], eps, alpha=scale)))
                    self.progress(len(eps) * scales.shape[1])
                logits = torch.stack([torch.cat(f) for f in found])
                if not logits.isfinite().all():
                    raise SmoothcertError(
                        f"idx {self.idx[i]}: the model gave NaN or infinite logits"
                    )
                one_hot = torch.nn.functional.one_hot(logits.argmax(2), logits.shape[2])
                counts.append(one_hot.sum(1))
        return torch.stack(counts)
