"""A training that is asked to end keeps its state first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What ends a job at its time limit, at a preemption or by scancel; and what a site sends before.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(Exception):
    """The training has kept its state and ended, because of a signal."""

    def __init__(self, number: int, where: str) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name} {where}; run the same command to resume"
        )
        self.number = number


class Stop:
    """Whether somebody asked this process to end; ``number`` is that of the signal, or 0."""

    number: int = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the signals are only noted (under torchrun each may come twice)."""
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
