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
    """Estimate the cost of targets: jobs, hours, wall time and disk, by rule and by output.

    Snakemake lists the jobs; the work of each is computed from its specification. The device's
    throughput comes from `smoothcert bench --write`; without such a file
    this device is measured first (about a minute) and the file is kept.
    """

    epilog: ClassVar[str] = "example: smoothcert plan ddrs_table1 --preset paper --gpus 8"

    targets: tuple[str, ...] = positional(("all",), "targets of the workflow", "TARGET")
    preset: str = place("smoke", "a preset, or your own file", "NAME|FILE.yaml")
    configfile: tuple[Path, ...] = place((), "overrides on top of the preset", "YAML")
    config: tuple[str, ...] = place((), "KEY=VALUE overrides, as for snakemake", "KEY=VALUE")
    throughput: Path = place(Path(DEFAULT), "file from smoothcert bench --write", "JSON")
    gpus: Count = place(1, "GPUs used in parallel")
    jobs: Count | None = place(None, "parallel CPU jobs (default: the cores here)", "N")
    all: bool = place(False, "also include what is already up to date")
    compare: bool = place(False, "compare planned and recorded times of finished jobs")

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
