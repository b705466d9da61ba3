"""``smoothcert gather``: join the shards of a vote store."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, place, positional
from smoothcert.votes.records import gather_files


class Gather(Command):
    """Join the shards of a vote store, in any order.

    Gaps, overlaps and shards of different specifications are refused.
    """

    epilog: ClassVar[str] = "example: smoothcert gather 0.npz 1.npz --out votes.npz"

    shards: tuple[Path, ...] = positional(help="vote stores of parts of the inputs", metavar="NPZ")
    out: Path = place(help="the whole store", metavar="NPZ")

    def run(self) -> None:
        store = gather_files(self.shards, self.out)
        print(f"{self.out}: {len(store)} inputs from {len(self.shards)} shards")


COMMAND = Gather
