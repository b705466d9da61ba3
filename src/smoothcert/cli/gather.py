"""``smoothcert gather``: join the shards of a vote store."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import Command, place, positional
from smoothcert.votes.records import gather_files


class Gather(Command):
    """Join the shards of a vote store, in any order.

    Rejects gaps, overlaps and shards with different specifications.
    """

    epilog: ClassVar[str] = "example: smoothcert gather 0.npz 1.npz --out votes.npz"

    shards: tuple[Path, ...] = positional(help="the shards to join", metavar="NPZ")
    out: Path = place(help="the joined vote store", metavar="NPZ")

    def run(self) -> None:
        store = gather_files(self.shards, self.out)
        print(f"{self.out}: {len(store)} inputs from {len(self.shards)} shards")


COMMAND = Gather
