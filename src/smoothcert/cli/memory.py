"""``smoothcert memory CERTIFICATES.tsv --out FILE.tsv``: certificates that never clash (DDRS)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from smoothcert.certificates import memory, memory_job
from smoothcert.certificates.spec import MemorySpec
from smoothcert.cli.command import Command, data_dir_place, place, positional


class Memory(MemorySpec, Command):
    """Apply a memory that makes certificates consistent (DDRS, Algorithm 3).

    The inputs pass through a memory of certified balls one by one. Where two balls of different
    classes would intersect, the memory changes the class or radius of the later one.
    FILE.tsv gains the columns predict_raw, radius_raw and memory_event; FILE.json counts the
    events and reports the nearest misses. With --orders, FILE.orders.csv has the results for
    random orders of the inputs, and FILE.json their spread.
    """

    epilog: ClassVar[str] = "example: smoothcert memory table.tsv --orders 10 --out memory.tsv"

    file: Path = positional(help="a certificate table (.tsv, .gz)", metavar="CERTIFICATES")
    out: Path = place(help="table to write", metavar="FILE.tsv")
    data_dir: Path | None = data_dir_place()

    def run(self) -> None:
        about = memory_job.run(self.only(MemorySpec), self.file, self.out, self.data_dir)
        print(f"{self.out}: {summary(about)}")


def summary(about: dict[str, Any]) -> str:
    """One line: how often the memory changed something, and how near it came to that."""
    events = about["events"]
    changed = events[memory.TRIMMED] + events[memory.INSIDE]
    text = (
        f"{about['inputs']} inputs, {about['norm']}: {changed} changed"
        f" ({events[memory.TRIMMED]} trimmed, {events[memory.INSIDE]} inside another's ball),"
        f" {events[memory.SAME]} overlap their own class"
    )
    if about["nearest_misses"]:
        pair = about["nearest_misses"][0]
        text += (
            f"; nearest balls of different classes: idx {pair['idx'][0]} and {pair['idx'][1]},"
            f" {pair['ratio']:.3g} times the sum of their radii apart"
        )
    if "orders" in about:
        low, high = about["orders"]["acr"]["low"], about["orders"]["acr"]["high"]
        text += f"; ACR in {about['orders']['orders']} random orders: {low:.6g} to {high:.6g}"
    return text


COMMAND = Memory
