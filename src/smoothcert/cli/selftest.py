"""``smoothcert selftest``: does this device compute what is certified?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.bench import Seconds
from smoothcert.cli.command import Command, place


class Selftest(Command):
    """Ask a device whether it computes what the CPU does, and the same in every run.

    Arithmetic by its name; logits and votes on identical noise against the CPU's; the law of every
    noise; votes and weights twice and after a kill; a step of every training method; the memory of
    the largest piece of an audit. Then its speed beside its own peaks, and that of the loader. It
    takes about two minutes, prints one line (all that was seen on standard error), and ends with
    status 1 where something is not as it must be.
    """

    epilog: ClassVar[str] = "example: smoothcert selftest --device cuda --out selftest.json"

    device: str = place("auto", "which device", "auto|cpu|cuda")
    seconds: Seconds = place(0.5, "seconds of one measurement, about")
    questions: tuple[str, ...] = place((), "only these, such as arithmetic noise votes", "NAME")
    out: Path | None = place(None, "all that was seen", "JSON")

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
