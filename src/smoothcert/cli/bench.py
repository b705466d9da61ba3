"""``smoothcert bench``: the throughput of this device, for ``smoothcert plan``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from smoothcert.cli.command import Command, place, positional
from smoothcert.workflow.planning.jobs import dry_run
from smoothcert.workflow.planning.throughput import DEFAULT, Throughput

Seconds = Annotated[float, Field(gt=0)]


class Bench(Command):
    """Measure how fast this device runs the main work of the workflow's jobs.

    Measured: votes and noise samples, training images, steps of noise-scale searches, the start
    of a job, bytes on the disk: each network of the targets runs as the jobs run it, with random
    weights and inputs. What does not fit into --limit a plan scales from what does. On a CPU one
    thread is measured, in processor time.
    """

    epilog: ClassVar[str] = (
        f"example: smoothcert bench ddrs_table1 --preset paper --write {DEFAULT}"
    )

    targets: tuple[str, ...] = positional(("all",), "targets of the workflow", "TARGET")
    preset: str = place(
        "smoke", "preset whose networks are measured, or your own file", "NAME|FILE.yaml"
    )
    configfile: tuple[Path, ...] = place((), "overrides on top of the preset", "YAML")
    config: tuple[str, ...] = place((), "KEY=VALUE overrides, as for snakemake", "KEY=VALUE")
    arch: tuple[str, ...] = place((), "measure only these networks", "SLUG")
    device: Literal["auto", "cpu", "cuda"] = place("auto", "where")
    seconds: Seconds = place(0.5, "approximate seconds per measurement")
    limit: Seconds = place(50.0, "total seconds allowed")
    write: Path | None = place(None, f"file to keep it in for plans, such as {DEFAULT}", "JSON")

    def run(self) -> None:
        """Measure, say each number as it comes, and write the file."""
        throughput = measured(self)
        if self.write:
            throughput.write(self.write)
            print(f"{self.write}: {throughput.name}")


def measured(wish: Bench) -> Throughput:
    """What ``wish`` asks for; the numbers are printed as they come.

    Raises SmoothcertError for targets that run no network, or an architecture none of them has.
    """
    from smoothcert.workflow.planning.measure import measure  # torch

    jobs = dry_run(wish.targets, wish.preset, wish.configfile, wish.config, everything=True)
    throughput, skipped = measure(jobs, wish.arch, wish.device, wish.seconds, wish.limit)
    for name in skipped:
        print(f"not measured (--limit {wish.limit:g}): {name}", file=sys.stderr)
    return throughput


COMMAND = Bench
