"""The workflow at its real size: starts in seconds, thousands of jobs, nothing redone in vain."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import copy_workflow

from smoothcert.workflow.planning.jobs import Job, dry_run, parents

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]


def snakemake(folder: Path, *arguments: str) -> tuple[str, float]:
    """Its output and the processor seconds that it took, its children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env={**inherited, "XDG_CACHE_HOME": str(folder / ".cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-3000:]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout + done.stderr, spent


def total(output: str) -> int:
    lines = [line.split() for line in output.splitlines()]
    return next(int(words[1]) for words in lines if len(words) == 2 and words[0] == "total")


def test_everything_at_preset_paper_is_planned_in_seconds(tmp_path: Path) -> None:
    """Processor time, so that other work on the machine counts little."""
    folder = copy_workflow(tmp_path)
    output, seconds = snakemake(folder, "--dry-run", "all", "--config", "preset=paper")
    assert total(output) > 1500
    assert seconds < 20


def test_ten_thousand_jobs_are_no_trouble(tmp_path: Path) -> None:
    folder = copy_workflow(tmp_path)
    grid = {
        "dataset": "digits",
        "arch": "tiny_cnn",
        "scale": [f"{i / 100:.2f}" for i in range(1, 51)],
        "training": [f"cohen-fs-{j / 100:.2f}" for j in range(1, 26)],
        "noise": "gaussian-{scale}",
        "scaling": "fixed",
        "budget": ["fixed-1000", "fixed-500"],
    }
    over = {"experiments": {"cohen": [grid]}, "inputs": {"digits": {"max": 20, "shards": 5}}}
    (folder / "many.yaml").write_text(yaml.safe_dump(over))
    output, seconds = snakemake(folder, "--dry-run", "cohen_table", "--configfile", "many.yaml")
    assert total(output) == 1 + 25 + 1250 * (5 + 1 + 2) + 1
    assert seconds < 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Job]]:
    """A copy of the workflow where every result of the smoke preset is there, with its jobs.

    The files are empty, and Snakemake has recorded them as made by its present jobs.
    """
    folder = copy_workflow(tmp_path_factory.mktemp("made"))
    jobs = dry_run(["all"], everything=True, folder=folder)
    for name in (name for job in jobs for name in job.output):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir()  # snapshots
    snakemake(folder, "--touch", "--forceall", "all")
    assert dry_run(["all"], folder=folder) == []
    return folder, jobs


def below(jobs: Sequence[Job], changed: set[int]) -> set[int]:
    """The jobs ``changed`` and all that wait for them."""
    waits, found = parents(jobs), set(changed)
    while more := {i for i, wait in enumerate(waits) if i not in found and found & set(wait)}:
        found |= more
    return found


def names(jobs: Sequence[Job]) -> set[tuple[str, tuple[str, ...]]]:
    return {(job.rule, job.output) for job in jobs if job.shell}


@pytest.mark.parametrize(
    ("recipes", "method"),
    [
        ({"smoothadv": {"digits": {"lr": 0.02}}}, "smoothadv"),
        ({"macer-ds2": {"digits": {"weight_decay": 0.0003}}}, "macer-ds2"),
    ],
)
def test_one_parameter_of_one_training_redoes_only_what_depends_on_it(
    made: tuple[Path, list[Job]], recipes: dict[str, Any], method: str
) -> None:
    folder, jobs = made
    (folder / "touched.yaml").write_text(yaml.safe_dump({"name": "smoke", "recipes": recipes}))
    wanted = dry_run(["all"], configfiles=["touched.yaml"], folder=folder)
    trained = {
        i
        for i, job in enumerate(jobs)
        if job.rule == "train" and job.wildcards["training"].startswith(f"{method}-")
    }
    expected = below(jobs, trained)
    assert trained
    assert names(wanted) == names([jobs[i] for i in expected])
    assert len(wanted) < len(jobs) / 2
    others = {job.wildcards["training"].split("-")[0] for job in wanted if job.rule == "sample"}
    assert others == {method.split("-")[0]}
    rules = {job.rule for job in wanted}
    assert not rules & {"cohen_table", "ddrs_table1", "iss_table1", "lbrs_image", "data"}
