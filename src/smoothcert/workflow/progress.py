"""What a run of the workflow says while it runs: one line that moves, and what failed.

The jobs come from Snakemake's events (``snakemake_logger_plugin_smoothcert``); here they are
counted, timed and put in words.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Seconds of a job of preset smoke, by what its rule's name holds, the first that fits: what other
# rules take is known in proportion, until one of them has run.
_TYPICAL = (
    (r"(^|_)sample$", 3.3),
    (r"scales", 5.6),
    (r"^train$|^lbrs_(image|certify)", 5.0),
    (r"^audit_\w+_run|^lbrs_spiral|_report$", 5.0),
    (r"radius_table|_points$|_fig|figure|curves", 3.0),
    (r"", 1.0),
)
_WARM = 5.0  # seconds until what was measured outweighs what is typical
_TAIL = 12  # lines of a log


@dataclass
class Job:
    """A job that was started, by the names of its rule and wildcards."""

    rule: str
    wildcards: Mapping[str, str]
    logs: Sequence[str] = ()
    silent: bool = True  # makes a file; the others print on the terminal
    since: float = 0.0

    @property
    def name(self) -> str:
        return " ".join([self.rule, *self.wildcards.values()])

    @property
    def short(self) -> str:
        """Without what is the same for most jobs of a run."""
        usual = ("dataset", "arch", "i", "n")
        return " ".join([self.rule, *(v for k, v in self.wildcards.items() if k not in usual)])


class Progress:
    """Counts the jobs of a run; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._rules: Counter[str] = Counter()  # still to do or running
        self._took: dict[str, list[float]] = {}
        self.total = self.done = 0
        self.running: dict[int, Job] = {}
        self.failed: list[Job] = []

    def plan(self, stats: Mapping[str, Any]) -> None:
        """How many jobs of each rule there are."""
        self._rules = Counter({k: int(n) for k, n in stats.items() if k != "total"})
        self.total = sum(self._rules.values())
        self._start = self._clock()

    def begin(self, number: int, job: Job) -> None:
        job.since = self._clock()
        self.running[number] = job

    def finish(self, number: int) -> None:
        job = self.running.pop(number, None)
        self.done += 1
        if job is not None:
            self._took.setdefault(job.rule, []).append(self._clock() - job.since)
            self._rules[job.rule] -= 1

    def fail(self, number: int) -> Job | None:
        """The job, unless its failure was told before."""
        job = self.running.pop(number, None)
        if job is not None:
            self.failed.append(job)
        return job

    @property
    def elapsed(self) -> float:
        return self._clock() - self._start

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take; None before a job is done.

        A rule's jobs take what those took that are done, in the mean; those of a rule without any
        the typical time, in proportion. A job that runs for longer is expected to be half done,
        and counts as one of its rule. As many run at once as have up to now.
        """
        now = self._clock()
        spent = [(job, now - job.since) for job in self.running.values()]
        took = {rule: list(seconds) for rule, seconds in self._took.items()}
        done = sum(map(sum, took.values()))
        if not done:
            return None
        for job, seconds in spent:
            if job.rule not in self._took and seconds > _typical(job.rule) * _pace(self._took):
                took.setdefault(job.rule, []).append(2 * seconds)
        work = {rule: _typical(rule) * _pace(took) for rule in self._rules}
        work |= {rule: sum(seconds) / len(seconds) for rule, seconds in took.items()}
        rest = sum(n * work[rule] for rule, n in self._rules.items() if n > 0)
        rest -= sum(min(seconds, work.get(job.rule, 0.0)) for job, seconds in spent)
        at_once = (done + sum(seconds for _, seconds in spent)) / max(self.elapsed, 1e-9)
        return max(rest, 0.0) / max(at_once, 1.0)

    def line(self, width: int | None = None) -> str:
        """Jobs done of all, time left, what is running; "" while a job has the terminal."""
        if self.done == self.total or not all(job.silent for job in self.running.values()):
            return ""
        said = [f"{self.done} of {self.total} jobs"]
        if self.failed:
            said.append(f"{len(self.failed)} failed")
        if self.left is not None:
            said.append(f"about {duration(self.left)} left")
        jobs = sorted(self.running.values(), key=lambda job: job.since)
        text = ", ".join(said) + ("; now " + ", ".join(job.short for job in jobs) if jobs else "")
        return text if width is None or len(text) <= width else text[: max(width - 3, 0)] + "..."

    def closing(self) -> str:
        """How it ended; "" for a run without jobs."""
        if not self.total:
            return ""
        if self.failed:
            names = ", ".join(job.name for job in self.failed[:3])
            more = f" and {len(self.failed) - 3} more" if len(self.failed) > 3 else ""
            return (
                f"{len(self.failed)} failed ({names}{more}), {self.done} of {self.total} jobs done"
                f" in {duration(self.elapsed)}. Finished work is kept; run it again to resume."
            )
        if self.done < self.total:
            return f"stopped: {self.done} of {self.total} jobs done in {duration(self.elapsed)}"
        return f"{self.total} jobs in {duration(self.elapsed)}"


def _typical(rule: str) -> float:
    return next(seconds for pattern, seconds in _TYPICAL if re.search(pattern, rule))


def _pace(took: Mapping[str, Sequence[float]]) -> float:
    """What jobs take relative to the typical time of their rules."""
    taken = sum(map(sum, took.values()))
    return (taken + _WARM) / (sum(len(s) * _typical(rule) for rule, s in took.items()) + _WARM)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def failure(job: Job) -> str:
    """What failed, its one-line error, and the end of its log."""
    lines = [f"FAILED: {job.name}"]
    for log in job.logs:
        try:
            text = Path(log).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        said = [line.rstrip() for line in text.splitlines() if line.strip()]
        if not said:
            continue
        error = _error(said)
        lines.append(f"  {error}")
        if said != [error]:
            lines += [f"  the end of {log}:", *(f"  | {line}" for line in said[-_TAIL:])]
        else:
            lines.append(f"  ({log})")
        return "\n".join(lines)
    return "\n".join([*lines, f"  nothing in its log ({', '.join(job.logs) or 'it has none'})"])


def _error(said: Iterable[str]) -> str:
    """The line of a log that says what went wrong: a command's, an exception's, or the last."""
    lines = list(said)
    for pattern in (r"error: ", r"[\w.]*(Error|Exception|Interrupt)\b"):
        for line in reversed(lines):
            if re.match(pattern, line):
                return line
    return lines[-1]
