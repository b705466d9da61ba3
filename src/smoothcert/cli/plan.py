"""``smoothcert plan``: what a target costs, before anything runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.bench import Bench, measured
from smoothcert.cli.command import Command, place, positional
from smoothcert.core.settings import Count
from smoothcert.workflow.planning.compare import compare
from smoothcert.workflow.planning.estimate import Estimate
from smoothcert.workflow.planning.jobs import dry_run
from smoothcert.workflow.planning.report import compared_text, plan_text
from smoothcert.workflow.planning.throughput import DEFAULT, Throughput


class Plan(Command):
    """What targets of the workflow cost: jobs, hours, wall time and disk, by rule and by output.

    Snakemake says which jobs are to do; the work of each is counted from its specification. The
    throughput of the device comes from `smoothcert bench --write`; where there is no such file,
    this device is measured first (about a minute) and the file is kept.
    """

    epilog: ClassVar[str] = "example: smoothcert plan ddrs_table1 --preset paper --gpus 8"

    targets: tuple[str, ...] = positional(("all",), "targets of the workflow", "TARGET")
    preset: str = place("smoke", "a preset, or a file of your own", "NAME|FILE.yaml")
    configfile: tuple[Path, ...] = place((), "laid over the preset", "YAML")
    config: tuple[str, ...] = place((), "laid over both, as snakemake takes them", "KEY=VALUE")
    throughput: Path = place(Path(DEFAULT), "of smoothcert bench --write", "JSON")
    gpus: Count = place(1, "GPUs at once")
    jobs: Count | None = place(None, "CPU jobs at once (default: the cores here)", "N")
    all: bool = place(False, "also what is there and up to date")
    compare: bool = place(False, "planned beside recorded times of what has run")

    def run(self) -> None:
        """Print the plan, or the comparison."""
        throughput = self._throughput()
        jobs = dry_run(
            self.targets, self.preset, self.configfile, self.config, self.all or self.compare
        )
        estimate = Estimate(jobs, throughput)
        if self.compare:
            print(compared_text(compare(estimate), throughput.clock), end="")
            return
        over = [*map(str, self.configfile), *self.config]
        title = f"{' '.join(self.targets)}, preset {' with '.join([self.preset, *over])}"
        print(plan_text(estimate, title, self.gpus, self.jobs or os.cpu_count() or 1), end="")

    def _throughput(self) -> Throughput:
        if self.throughput.exists() or self.throughput != Path(DEFAULT):
            return Throughput.read(self.throughput)
        print(f"{DEFAULT}: not there yet; measuring this device, about a minute", file=sys.stderr)
        wish = Bench(
            targets=self.targets, preset=self.preset, configfile=self.configfile, config=self.config
        )
        throughput = measured(wish)
        throughput.write(DEFAULT)
        return throughput


COMMAND = Plan
