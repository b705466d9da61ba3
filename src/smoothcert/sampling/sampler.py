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
        tally = _Tally(self.engine, self.n_classes, len(draws))
        shape = draws[0].x.shape if draws else ()
        held = torch.empty((self.batch, *shape), device=self.device)
        draw_of = torch.empty(self.batch, dtype=torch.int64, device=self.device)
        filled = 0
        for number, draw in enumerate(draws):
            x = draw.x.to(self.device)
            rest = self._noisy(x.expand(draw.n, *shape), draw)
            while len(rest):
                part, rest = rest[: self.batch - filled], rest[self.batch - filled :]
                now = slice(filled, filled + len(part))
                draw_of[now] = number
                if len(part) == self.batch:
                    tally.add(part, draw_of)  # a pass of one look need not be copied together
                    continue
                held[now] = part
                filled = now.stop
                if filled == self.batch:
                    tally.add(held, draw_of)
                    filled = 0
        if filled:
            held[filled:] = held[0]  # any image: their votes are not counted
            tally.add(held, draw_of[:filled])
        return tally.counts()

    def _noisy(self, x: torch.Tensor, draw: Draw) -> torch.Tensor:
        if isinstance(draw.stream, range):
            numbers = torch.tensor(draw.stream, device=self.device)
            return self.noise.noisy_by(x, draw.scale, numbers)
        return self.noise.noisy(x, draw.scale, draw.stream)


class _Tally:
    """The votes of a call, on the device: nothing waits for it before :meth:`counts`."""

    def __init__(self, engine: Engine, n_classes: int, draws: int) -> None:
        self._engine, self._n_classes, self._draws = engine, n_classes, draws
        self._counts = torch.zeros(draws * n_classes, dtype=torch.int64, device=engine.device)
        self._finite = torch.ones((), dtype=torch.bool, device=engine.device)

    def add(self, noisy: torch.Tensor, draw_of: torch.Tensor) -> None:
        """One pass; its first len(draw_of) images count, for these draws."""
        logits = self._engine.logits(noisy)
        if logits.ndim != 2 or logits.shape[1] != self._n_classes:
            raise SmoothcertError(
                f"the model gives an output of shape {tuple(logits.shape)};"
                f" expected (batch, {self._n_classes}) logits"
            )
        logits = logits[: len(draw_of)]
        self._finite &= torch.isfinite(logits).all()
        where = draw_of * self._n_classes + logits.argmax(1)
        self._counts.scatter_add_(0, where, torch.ones_like(where))

    def counts(self) -> NDArray[np.int64]:
        """[draws, n_classes]."""
        if not self._finite:
            raise SmoothcertError("the model gave NaN or infinite logits: nothing to count")
        return self._counts.view(self._draws, self._n_classes).cpu().numpy()
