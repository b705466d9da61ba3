"""``smoothcert selftest``: does this device compute what is certified?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.bench import Seconds
from smoothcert.cli.command import Command, place


class Selftest(Command):
    """Check that a device agrees with the CPU and repeats its own results.

    Checks every arithmetic mode; logits and votes on identical noise against the CPU's; the
    distribution of every noise; votes and weights repeated, and resumed after a kill; a step of
    every training method; the peak memory of an audit; the speed of the device and the loader.
    Takes up to two minutes, prints one line (details on standard error) and exits with status 1
    if a check fails.
    """

    epilog: ClassVar[str] = "example: smoothcert selftest --device cuda --out selftest.json"

    device: str = place("auto", "device to check", "auto|cpu|cuda")
    seconds: Seconds = place(0.5, "approximate seconds per measurement")
    questions: tuple[str, ...] = place(
        (), "run only these checks, such as arithmetic noise votes", "NAME"
    )
    out: Path | None = place(None, "file for all details", "JSON")

    def run(self) -> int:
        from smoothcert.workflow.selftest.run import selftest, write  # torch

        def say(text: str) -> None:
            print(text, file=sys.stderr, flush=True)

        seen = selftest(self.device, self.seconds, self.questions, say)
        if self.out:
            write(self.out, seen)
        print(seen["verdict"])
        return 0 if seen["passed"] else 1


COMMAND = Selftest
