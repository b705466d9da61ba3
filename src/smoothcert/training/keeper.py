"""The state of a training, kept in its scratch folder: after each epoch, and within one."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field

from smoothcert.core.scratch import Scratch
from smoothcert.training import state as states
from smoothcert.training.log import write_log
from smoothcert.training.loop import Loop
from smoothcert.training.stop import Stop, Stopped
from smoothcert.training.sums import Sums

SAVE_SECONDS = 600  # of training that a kill may cost within an epoch
STATE = "state.safetensors"


@dataclass
class Keeper:
    """Of a team process 0 has the scratch folder, and the others agree on when to write.

    ``name``: of the snapshots, ``{name}.epoch-{epoch}.safetensors``.
    """

    scratch: Scratch | None
    state: states.State
    loop: Loop
    stop: Stop
    name: str
    kept: float = field(default_factory=time.monotonic)

    def done(self, epoch: int, row: dict[str, float]) -> None:
        """``epoch`` epochs are done; ``row`` is the log's of the last. May raise Stopped."""
        self.state.epoch = epoch
        self.state.rows.append(row)
        self._write(None)
        (stopping,) = self.loop.team.any([bool(self.stop.number)])
        if stopping and epoch < self.loop.recipe.epochs:
            raise Stopped(self.stop.number or signal.SIGTERM, f"after epoch {epoch}")

    def pause(self, epoch: int, sums: Sums) -> None:
        """Within ``epoch`` (from 0): write what is due, or wanted by a signal (raises Stopped)."""
        due = self.loop.team.leads and time.monotonic() - self.kept > SAVE_SECONDS
        stopping, due = self.loop.team.any([bool(self.stop.number), due])
        if stopping or due:
            self._write(sums)
        if stopping:
            raise Stopped(
                self.stop.number or signal.SIGTERM,
                f"in epoch {epoch + 1}, after batch {sums.steps}",
            )

    def _write(self, sums: Sums | None) -> None:
        if self.scratch is None:
            return
        loop, state = self.loop, self.state
        further = {} if sums is None else {f"sums.{k}": v for k, v in sums.tensors().items()}
        state.within = None if sums is None else sums.plain()
        state.tensors = states.gather(loop.model, loop.optimizer, loop.scales.tensors(), further)
        # A snapshot comes first: a run killed in between trains this epoch again. It waits in the
        # scratch folder, which survives whoever clears away the outputs of a killed run.
        if sums is None and state.epoch in loop.recipe.snapshots:
            file = f"{self.name}.epoch-{state.epoch}.safetensors"
            states.write(self.scratch.path(file), state)
        states.write(self.scratch.path(STATE), state)
        write_log(self.scratch.path("log.csv"), state.rows)
        self.kept = time.monotonic()
