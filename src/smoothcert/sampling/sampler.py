"""The hot loop: class counts of a base classifier under noise.

The noise of a look is one draw from the look's own named stream. Every forward pass holds the
same number of samples, of as many looks and inputs as it takes: kernels may round differently
in another batch size, but not by what else is in the batch, so the votes do not depend on what
is drawn together. Counts stay on the device until all passes of a call are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smoothcert.compute.arithmetic import switch
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise.base import Noise
from smoothcert.sampling.engines import Engine


def default_batch(d: int, device: torch.device) -> int:
    """Samples of one forward pass: on CPUs small enough for the cache, else filling a GPU."""
    values, most = (1 << 18, 512) if device.type == "cpu" else (1 << 25, 4096)
    return int(np.clip(1 << int(np.log2(max(values / d, 1))), 16, most))


@dataclass(frozen=True)
class Draw:
    """``n`` noisy copies of one input ``x`` [*shape] float32, their noise from ``stream``; or
    those of its numbers (:meth:`smoothcert.noise.Noise.noisy_by`)."""

    x: torch.Tensor
    scale: float
    stream: torch.Generator | range
    n: int


@dataclass
class Sampler:
    """Counts the votes of ``engine`` (images in [0,1] -> logits) under ``noise``, ``batch``
    samples a pass. Several threads may use one sampler."""

    engine: Engine
    noise: Noise
    n_classes: int
    batch: int

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise SmoothcertError(f"batch {self.batch}: expected at least 1")
        if self.n_classes < 2:
            raise SmoothcertError(f"classes {self.n_classes}: expected at least 2")

    @property
    def device(self) -> torch.device:
        return self.engine.device

    @torch.inference_mode()
    def votes(self, draws: Sequence[Draw]) -> NDArray[np.int64]:
        """Class counts [len(draws), n_classes]; the inputs of the draws are of one shape.

        Raises SmoothcertError where the model gives NaN or another number of classes.
        """
        if self.device.type == "cuda":
            switch(self.engine.precision)  # of the whole process, and only GPUs have them
        tally = _Tally(self.engine, self.n_classes, [draw.n for draw in draws])
        shape = draws[0].x.shape if draws else ()
        held = torch.empty((self.batch, *shape), device=self.device)
        filled = 0
        for draw in draws:
            x = draw.x.to(self.device)
            copies = None if self._in_parts(draw) else self._noisy(x.expand(draw.n, *shape), draw)
            start = 0
            while start < draw.n:
                end = min(start + self.batch - filled, draw.n)
                size = end - start
                if copies is None:
                    self._fill(held[filled : filled + size], x, draw)
                elif size == self.batch:
                    tally.add(copies[start:end], size)  # no need to copy it together
                    start = end
                    continue
                else:
                    held[filled : filled + size] = copies[start:end]
                start = end
                filled += size
                if filled == self.batch:
                    tally.add(held, filled)
                    filled = 0
        if filled:
            held[filled:] = held[0]  # any image: their votes are not counted
            tally.add(held, filled)
        return tally.counts()

    def _in_parts(self, draw: Draw) -> bool:
        """Whether its noise may be drawn as the passes want it, in memory that a core has near."""
        kind, cut = type(self.noise), self.noise.cut
        own = kind.sample is not Noise.sample or kind.noisy is not Noise.noisy
        return cut > 0 and not own and self.device.type == "cpu" and draw.x.numel() % cut == 0

    def _fill(self, out: torch.Tensor, x: torch.Tensor, draw: Draw) -> None:
        """The next copies of ``draw``, as many as ``out`` holds."""
        assert isinstance(draw.stream, torch.Generator)
        torch.add(x, self.noise.fill(out, draw.stream), alpha=draw.scale, out=out)

    def _noisy(self, x: torch.Tensor, draw: Draw) -> torch.Tensor:
        if isinstance(draw.stream, range):
            numbers = torch.tensor(draw.stream, device=self.device)
            return self.noise.noisy_by(x, draw.scale, numbers)
        return self.noise.noisy(x, draw.scale, draw.stream)


class _Tally:
    """The votes of a call, on the device: nothing waits for it before :meth:`counts`."""

    def __init__(self, engine: Engine, n_classes: int, sizes: Sequence[int]) -> None:
        self._engine, self._n_classes, self._sizes = engine, n_classes, sizes
        self._classes = torch.empty(sum(sizes), dtype=torch.int64, device=engine.device)
        self._extremes: list[torch.Tensor] = []
        self._at = 0

    def add(self, noisy: torch.Tensor, size: int) -> None:
        """One pass; its first ``size`` images are the next samples."""
        logits = self._engine.logits(noisy)
        if logits.ndim != 2 or logits.shape[1] != self._n_classes:
            raise SmoothcertError(
                f"the model returned an output of shape {tuple(logits.shape)};"
                f" expected (batch, {self._n_classes}) logits"
            )
        logits = logits[:size]
        self._extremes += torch.aminmax(logits)  # both are NaN if one logit is
        torch.argmax(logits, 1, out=self._classes[self._at : self._at + size])
        self._at += size

    def counts(self) -> NDArray[np.int64]:
        """[draws, n_classes]."""
        if self._extremes and not torch.isfinite(torch.stack(self._extremes)).all():
            raise SmoothcertError("the model gave NaN or infinite logits: no class to count")
        draws = len(self._sizes)
        first = self._n_classes * np.repeat(np.arange(draws), self._sizes)  # of each, in counts
        where = torch.from_numpy(first).to(self._classes.device, non_blocking=True) + self._classes
        counts = self._classes.new_zeros(draws * self._n_classes)
        counts.scatter_add_(0, where, self._classes.new_ones(()).expand(len(where)))
        return counts.view(draws, self._n_classes).cpu().numpy()
