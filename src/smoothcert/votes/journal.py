"""The votes of a run in progress: looks are kept as they come, so that a kill loses none.

One line a look, ``row stream look seconds class:count,...``, in a checksummed journal.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from smoothcert.core.scratch import Journal

SELECTION, ESTIMATION = "selection", "estimation"


class Look(NamedTuple):
    """The votes of one look (or of the selection samples) of one input."""

    row: int
    stream: str
    look: int
    seconds: float
    votes: dict[int, int]


class LookJournal(Journal):
    """The looks that a run has drawn; ``looks`` is what the file held already."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.looks = [self._parse(number, line) for number, line in enumerate(self.lines, 1)]

    def _parse(self, number: int, text: str) -> Look:
        try:
            row, stream, look, seconds, votes = text.split(" ")
            pairs = (pair.split(":") for pair in votes.split(",") if pair)
            counts = {int(c): int(v) for c, v in pairs}
            return Look(int(row), stream, int(look), float(seconds), counts)
        except ValueError as error:
            self._handle.close()
            raise self.corrupt(number, str(error)) from None

    def add(self, look: Look) -> None:
        """Keep one look; raises as :meth:`append`."""
        votes = ",".join(f"{c}:{v}" for c, v in sorted(look.votes.items()) if v)
        self.append(f"{look.row} {look.stream} {look.look} {look.seconds:.6f} {votes}")
