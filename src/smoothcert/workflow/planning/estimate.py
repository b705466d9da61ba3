"""The cost of a list of jobs: of all of them, of each rule, of each table and figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from smoothcert.workflow.planning.jobs import Job, needed_by, parents
from smoothcert.workflow.planning.schedule import makespan
from smoothcert.workflow.planning.throughput import Throughput
from smoothcert.workflow.planning.work import Work, inputs_of, work_of

NETWORK = frozenset({"sample", "scales", "train"})  # commands that a device is for


@dataclass(frozen=True)
class Cost:
    """A sum over jobs. ``device`` and ``device_most`` are seconds of the device, ``other`` those
    of CPU jobs beside it; ``disk`` is in bytes; ``uncounted`` jobs are in none of these.

    ``amounts`` are by unit. ``scaled`` is the part of ``device`` that was not measured for the
    very architecture, noise and passes.
    """

    jobs: int
    device: float
    device_most: float
    other: float
    disk: float
    uncounted: int
    scaled: float
    amounts: dict[str, float]


@dataclass(frozen=True)
class Estimate:
    """Jobs with their work, on the device of ``throughput``."""

    jobs: Sequence[Job]
    throughput: Throughput

    @cached_property
    def works(self) -> list[Work]:
        """The work of each job."""
        rows = {
            job.spec["dataset"]: inputs_of(job.spec)
            for job in self.jobs
            if job.command in ("sample", "scales")
        }
        return [work_of(job, self.throughput, rows) for job in self.jobs]

    @cached_property
    def waits(self) -> list[list[int]]:
        """For each job those that it waits for."""
        return parents(self.jobs)

    def cost(self, chosen: Iterable[int] | None = None) -> Cost:
        """The cost of the jobs at these positions, of all by default; each counted once."""
        positions = range(len(self.jobs)) if chosen is None else sorted(set(chosen))
        device = most = other = disk = scaled = 0.0
        uncounted = count = 0
        amounts: dict[str, float] = {}
        for i in positions:
            job, work = self.jobs[i], self.works[i]
            count += bool(job.shell)
            disk += work.disk
            if work.seconds is None:
                uncounted += 1
                continue
            amounts[work.unit] = amounts.get(work.unit, 0.0) + work.amount
            if job.command in NETWORK:
                device += work.seconds
                most += work.most
                scaled += 0.0 if work.measured else work.seconds
            else:
                other += work.seconds
        return Cost(count, device, most, other, disk, uncounted, scaled, amounts)

    def by_rule(self) -> dict[str, Cost]:
        """The cost of each rule's jobs, the dearest first."""
        rules: dict[str, list[int]] = {}
        for i, job in enumerate(self.jobs):
            if job.shell:
                rules.setdefault(job.rule, []).append(i)
        costs = {rule: self.cost(chosen) for rule, chosen in rules.items()}
        return dict(sorted(costs.items(), key=lambda item: -item[1].device - item[1].other))

    def by_target(self) -> dict[str, tuple[Cost, Cost]]:
        """For each rule that can be asked for by name: what it costs, and what only it needs.

        The first would be the cost if nothing else were wanted; what several targets need is in
        each of them, so these do not add up. The second is what leaving it out would save.
        """
        named = {i: job.rule for i, job in enumerate(self.jobs) if job.shell and not job.wildcards}
        reach = {i: needed_by(self.jobs, self.waits, [i]) for i in named}
        # A report shows the tables: they are needed without it.
        wanted: dict[int, set[int]] = {}
        for i, needed in reach.items():
            for j in needed:
                wanted.setdefault(j, set()).add(i)
        found = {}
        for i, rule in named.items():
            above = {j for j in named if i in reach[j]}
            only = {j for j in reach[i] if wanted[j] <= above}
            found[rule] = (self.cost(reach[i]), self.cost(only))
        return found

    def wall(self, devices: int, jobs: int, most: bool = False) -> float:
        """Seconds until all is done with so many devices and so many CPU jobs at once.

        On a CPU all jobs share the ``jobs`` slots. Uncounted jobs take no time here.
        """
        seconds = [(work.most if most else work.seconds) or 0.0 for work in self.works]
        gpu = self.throughput.gpu
        pools = ["device" if gpu and job.command in NETWORK else "cpu" for job in self.jobs]
        return makespan(seconds, self.waits, pools, {"device": devices, "cpu": jobs})

    def over_limit(self) -> list[tuple[Job, float]]:
        """Jobs that would take longer than the run time that they ask a cluster for."""
        return [
            (job, work.most)
            for job, work in zip(self.jobs, self.works, strict=True)
            if job.runtime and work.most > 60 * job.runtime
        ]
