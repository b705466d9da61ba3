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
    """Measure what jobs of the workflow do most, by running them on a few inputs.

    Samples of votes and of noise, training images, steps of the search for noise scales, the start
    of a job, bytes on the disk: each network of the targets runs as the jobs run it, with random
    weights and inputs. What does not fit into --limit a plan scales from what does. On a CPU one
    thread is measured, in processor time.
    """

    epilog: ClassVar[str] = (
        f"example: smoothcert bench ddrs_table1 --preset paper --write {DEFAULT}"
    )

    targets: tuple[str, ...] = positional(("all",), "targets of the workflow", "TARGET")
    preset: str = place("smoke", "whose networks: a preset, or your own", "NAME|FILE.yaml")
    configfile: tuple[Path, ...] = place((), "laid over the preset", "YAML")
    config: tuple[str, ...] = place((), "laid over both, as snakemake takes them", "KEY=VALUE")
    arch: tuple[str, ...] = place((), "only these networks", "SLUG")
    device: Literal["auto", "cpu", "cuda"] = place("auto", "where")
    seconds: Seconds = place(0.5, "seconds of one measurement, about")
    limit: Seconds = place(50.0, "seconds in all")
    write: Path | None = place(None, f"where to keep it for plans, such as {DEFAULT}", "JSON")

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
