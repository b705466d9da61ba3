"""The jobs of a target, as Snakemake itself lists them in a dry run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError

PLUGINS = Path(__file__).parent / "plugins"


@dataclass(frozen=True)
class Job:
    """One job of the workflow, before it runs.

    ``threads`` are the cores and ``runtime`` the minutes that it asks for (None: no limit);
    ``shell`` is the command that it would run, empty for a rule that only collects.
    """

    rule: str
    shell: str = ""
    wildcards: dict[str, str] = field(default_factory=dict)
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    gpu: int = 0
    threads: int = 1
    runtime: float | None = None

    @cached_property
    def words(self) -> list[str]:
        """The words of the shell command."""
        return shlex.split(self.shell)

    @cached_property
    def command(self) -> str:
        """Which command of ``smoothcert`` it runs, the first if several; "" for none."""
        after = (i + 1 for i, word in enumerate(self.words) if word == "smoothcert")
        return next((self.words[i] for i in after if i < len(self.words)), "")

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Its one specification; empty for a job that has none."""
        text = self.option("--spec")
        return json.loads(text) if text else {}

    def option(self, name: str) -> str | None:
        """The word after ``name`` in its command."""
        words = self.words
        return words[words.index(name) + 1] if name in words[:-1] else None


def dry_run(
    targets: Sequence[str],
    preset: str = "smoke",
    configfiles: Sequence[str | os.PathLike[str]] = (),
    config: Sequence[str] = (),
    everything: bool = False,
    folder: str | os.PathLike[str] = ".",
) -> list[Job]:
    """The jobs that Snakemake would run for ``targets`` in the checkout ``folder``.

    Only those whose results are missing or out of date; all of them with ``everything``.
    ``configfiles`` are laid over the preset, and ``config`` (KEY=VALUE) over them.
    Raises SmoothcertError with Snakemake's own last line if it refuses.
    """
    if not Path(folder, "Snakefile").is_file():
        raise SmoothcertError(f"{Path(folder, 'Snakefile')}: not found; run this in the checkout")
    with tempfile.TemporaryDirectory() as scratch:
        out, files = Path(scratch, "jobs.jsonl"), list(map(str, configfiles))
        # Locks are for writers; a plan may be made beside a run.
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--quiet", "all"]
        # A job of a cluster has the threads that it asks for, however few cores are here.
        command += ["--cores", "4096"]
        command += ["--logger", "joblist", "--logger-joblist-out", str(out)]
        command += ["--configfile", *files] if files else []
        command += [
            "--config",
            f"preset={preset}",
            *config,
            *["--forceall"] * everything,
            "--",
            *targets,
        ]
        path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path}
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise SmoothcertError(f"snakemake: {error}") from None
        if done.returncode:
            raise SmoothcertError(f"snakemake {' '.join(targets)}: {_why(done.stderr)}")
        return [_job(json.loads(line)) for line in out.read_text(encoding="utf-8").splitlines()]


def _job(said: dict[str, Any]) -> Job:
    resources = said["resources"]
    return Job(
        rule=said["rule"],
        shell=said["shell"] or "",
        wildcards=said["wildcards"],
        input=tuple(map(_path, said["input"])),
        output=tuple(map(_path, said["output"])),
        gpu=int(resources.get("gpu", 0)),
        threads=said["threads"],
        runtime=resources.get("runtime"),
    )


def _path(name: str) -> str:
    """A file's name without what Snakemake adds of its flags, such as `` (update)``."""
    return re.sub(r" \([a-z: ]+\)$", "", name)


def _why(said: str) -> str:
    """The line of Snakemake's output that says what is wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("No module named snakemake" in line for line in lines):
        return "it is not installed here; install smoothcert[workflow]"
    wrong = [
        i for i, line in enumerate(lines) if re.match(r"\w*(Exception|Error)\b.*:?$|error:", line)
    ]
    return " ".join(lines[wrong[-1] : wrong[-1] + 3]) if wrong else " ".join(lines[-1:])


def parents(jobs: Sequence[Job]) -> list[list[int]]:
    """For each job the positions of those it waits for, among ``jobs``."""
    makers = {path: i for i, job in enumerate(jobs) for path in job.output}
    found = []
    for job in jobs:
        # A file inside a directory that is another job's output is of that job too.
        made = {makers.get(path, makers.get(os.path.dirname(path))) for path in job.input}  # noqa: PTH120
        found.append(sorted(i for i in made if i is not None))
    return found


def needed_by(jobs: Sequence[Job], waits: Sequence[Sequence[int]], last: Iterable[int]) -> set[int]:
    """The positions of the jobs ``last`` and of all that they wait for, however far."""
    seen: set[int] = set()
    stack = list(last)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            stack += waits[i]
    return seen
