"""The inputs of one search with the network and the noise, and the named draws of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smoothcert.compute.lazy import torch
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.mode import wide
from smoothcert.noise import Noise
from smoothcert.noise.soft_radius import soft_radius

if TYPE_CHECKING:
    from smoothcert.scaling.forward import SearchEngine

# What a draw is for: each purpose has random streams of its own, and none of them is a purpose of
# the certifying votes ("selection", "estimation") or of training.
CLASS = "scale-class"  # the votes under sigma_0 that fix c_A
ASCENT = "scale-ascent"  # the noise of the steps
CHOICE = "scale-choice"  # the votes that choose between scales
GRID = "scale-grid"  # the estimates at the points of a grid
OBJECTIVE = "scale-objective"  # measuring what a search has reached
PURPOSES = (CLASS, ASCENT, CHOICE, GRID, OBJECTIVE)

_VALUES = 1 << 18  # of noise that one call to a generator draws for an input, at most
_MOST = 50  # draws of a block, at most
N_SEL = 100  # votes that fix c_A, unless a scaling says otherwise


@dataclass
class Problem:
    """B inputs ``x`` [B, *shape] with ``idx`` [B] in the data set, and all a search needs.

    ``engine`` computes the network, in eval mode; its parameters get no gradient. ``progress`` is
    told the samples through the network. A pass whose samples are only classified holds up to
    ``together`` of them: without it one block of one input's noise, which is enough for a CPU
    and, of large images, a single draw. What is found for an input depends on the seed, its idx,
    itself, the engine and the noise; on the other inputs only as far as the kernels round
    differently in another batch.
    """

    engine: SearchEngine
    noise: Noise
    x: torch.Tensor
    idx: Sequence[int]
    seed: int = 0
    progress: Callable[[int], None] = field(default=lambda passes: None)
    together: int = 0
    _classes: dict[int, torch.Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sigma_0(self) -> float:
        """The scale of the noise, where every search starts."""
        return self.noise.scale

    def c_a(self, n_sel: int = N_SEL) -> torch.Tensor:
        """c_A [B]: the class with most of ``n_sel`` hard votes under sigma_0 (DDRS, eq. 2)."""
        if n_sel not in self._classes:
            start = torch.full((len(self), 1), self.sigma_0, dtype=torch.float64)
            self._classes[n_sel] = self.votes(start, CLASS, n_sel)[:, 0].argmax(1)
        return self._classes[n_sel]

    def block(self, n: int = 1) -> int:
        """How many draws of ``n`` samples each a block of an input's stream holds.

        A function of the inputs' shape alone, so that noise does not depend on the batch.
        """
        return max(1, min(_MOST, _VALUES // self.x[0].numel() // n))

    def draw(self, i: int, purpose: str, n: int, block: int = 0) -> torch.Tensor:
        """Standard noise [n, *shape] of input ``i``, the ``block``-th of its stream."""
        stream = generator(self.seed, purpose, int(self.idx[i]), block, device=self.x.device)
        return self.noise.sample((n, *self.x.shape[1:]), stream).to(self.x.dtype)

    def draws(self, purpose: str, n: int) -> torch.Tensor:
        """Standard noise [B, n, *shape], the first of each input's stream."""
        return torch.stack([self.draw(i, purpose, n) for i in range(len(self))])

    def steps(self, purpose: str, n: int, count: int) -> Iterator[torch.Tensor]:
        """Standard noise [B, n, *shape] of each of ``count`` steps; a later one overwrites it."""
        size = self.block(n)
        held = self.x.new_empty((size, len(self), n, *self.x.shape[1:]))
        for k in range(count):
            if k % size == 0:
                for i in range(len(self)):
                    drawn = self.draw(i, purpose, size * n, k // size)
                    held[:, i] = drawn.unflatten(0, (size, n))
            yield held[k % size]

    def outputs(
        self,
        scales: torch.Tensor,
        purpose: str,
        n: int,
        reduce: Callable[[torch.Tensor], torch.Tensor],
    ) -> list[torch.Tensor]:
        """For each input the sum over ``n`` samples of ``reduce``d logits [S, m, C]: [S, C].

        At its scales, a row of ``scales`` [B, S], which share its noise. Raises SmoothcertError
        for logits that are not finite.
        """
        totals: list[torch.Tensor | None] = [None] * len(self)
        finite = torch.ones(len(self), dtype=torch.bool, device=self.x.device)
        factors = scales.to(self.x).view(*scales.shape, 1, *[1] * (self.x.dim() - 1))
        with torch.inference_mode():
            for group in self._passes(purpose, n, scales.shape[1]):
                noisy = [
                    torch.addcmul(self.x[i], factors[i], eps).flatten(0, 1) for i, eps in group
                ]
                logits = self.engine.logits(torch.cat(noisy)).split([len(z) for z in noisy])
                for (i, eps), part in zip(group, logits, strict=True):
                    each = part.unflatten(0, (-1, len(eps)))
                    finite[i] &= each.isfinite().all()
                    summed, total = reduce(each).sum(1), totals[i]
                    totals[i] = summed if total is None else total + summed
                    self.progress(len(part))
        if not finite.all():
            wrong = int(finite.logical_not().nonzero()[0])
            raise SmoothcertError(f"idx {self.idx[wrong]}: the model gave NaN or infinite logits")
        return [total for total in totals if total is not None]

    def _passes(
        self, purpose: str, n: int, scales: int
    ) -> Iterator[list[tuple[int, torch.Tensor]]]:
        """What goes through the network together: inputs with a block of their noise each.

        As many blocks as ``together`` samples hold, of whatever inputs; at least one.
        """
        size = self.block()
        group: list[tuple[int, torch.Tensor]] = []
        samples = 0
        for i in range(len(self)):
            for start in range(0, n, size):
                eps = self.draw(i, purpose, min(size, n - start), start // size)
                if group and samples + len(eps) * scales > self.together:
                    yield group
                    group, samples = [], 0
                group.append((i, eps))
                samples += len(eps) * scales
        if group:
            yield group

    def votes(self, scales: torch.Tensor, purpose: str, n: int) -> torch.Tensor:
        """Hard votes [B, S, C], int64, of ``n`` samples at the scales [B, S] of each input.

        The scales of an input share its noise.
        """

        def one_hot(logits: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(logits.argmax(2), logits.shape[2])

        return torch.stack(self.outputs(scales, purpose, n, one_hot))

    def soft_radii(
        self, scales: torch.Tensor, c_a: torch.Tensor, clamp: float, purpose: str, n: int
    ) -> torch.Tensor:
        """The soft radius [B, S] for the classes c_a [B] at the scales [B, S], float64.

        From ``n`` samples, which the scales of an input share.
        """

        def softmax(logits: torch.Tensor) -> torch.Tensor:
            return wide(logits).softmax(2).double()

        radii = []
        for i, total in enumerate(self.outputs(scales, purpose, n, softmax)):
            mean = total.cpu() / n
            same = c_a[i].cpu().expand(len(mean))
            radii.append(soft_radius(mean, scales[i].cpu(), self.noise, clamp, same))
        return torch.stack(radii)
