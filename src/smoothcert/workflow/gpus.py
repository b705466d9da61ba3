"""Where jobs compute: what the rules say of GPUs and cores, and of a job that is one already."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any

from smoothcert.workflow import experiments


def device(config: dict[str, Any], stage: str) -> str:
    """The device of a stage's jobs: one that asks for a GPU ends in one line where there is none.

    Where ``resources`` gives the stage no GPU, a job takes one that is there.
    """
    return "cuda" if config["resources"][stage]["gpu"] else "auto"


def resources(config: dict[str, Any], stage: str | None, network: bool = True) -> dict[str, Any]:
    """What a job asks for: nothing where it is of no stage, a GPU only for a network.

    A retry asks for a multiple of time and memory, up to what a site allows.
    """
    if stage is None:
        return {}
    given: dict[str, int] = config["resources"][stage]
    asked: dict[str, Any] = {}
    for name in ("mem_mb", "runtime"):
        most = int(os.environ.get(f"SMOOTHCERT_MAX_{name.upper()}", 10**9))
        asked[name] = lambda wildcards, attempt, n=name, m=most: min(attempt * given[n], m)
    return {"gpu": given["gpu"] if network else 0, **asked}


def selftest(config: dict[str, Any], stage: str | None) -> list[str]:
    """What a stage's jobs wait for: on a GPU, that its kind has passed the self-test.

    None is the stage of jobs that run no network.
    """
    return [verdict()] if stage and config["resources"][stage]["gpu"] else []


def verdict() -> str:
    """The file of the self-test of the kind of GPU that jobs ask for ($SMOOTHCERT_GPU_TYPE)."""
    kind = re.sub(r"[^\w.-]", "-", os.environ.get("SMOOTHCERT_GPU_TYPE", "")) or "gpu"
    return f"results/selftest/{kind}.json"


def of_training(config: dict[str, Any], wildcards: Mapping[str, str]) -> int:
    """How many GPUs a training takes, one process each.

    As many of those that ``resources`` allows as can share the pieces of its batches alike (the
    recipe's ``parts``): a training whose batches are one piece takes one.
    """
    return math.gcd(config["resources"]["train"]["gpu"], _parts(config, wildcards))


def training_threads(config: dict[str, Any], wildcards: Mapping[str, str]) -> int:
    """The cores of a training: of each of its GPUs as many as ``resources`` gives its data set."""
    train = config["resources"]["train"]
    each = train.get("threads_of", {}).get(wildcards["dataset"], train["threads"])
    return int(each) * max(1, of_training(config, wildcards))


def for_training(config: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of a training, made of those of its kind of job: one node, memory for each GPU.

    ``asked``: numbers, or functions of (wildcards, attempt), as Snakemake calls them.
    """

    def memory(wildcards: Mapping[str, str], attempt: int) -> int:
        return int(asked["mem_mb"](wildcards, attempt * max(1, of_training(config, wildcards))))

    def taken(wildcards: Mapping[str, str]) -> int:
        return of_training(config, wildcards)

    return {**asked, "gpu": taken, "mem_mb": memory, "nodes": 1}


def _parts(config: dict[str, Any], wildcards: Mapping[str, str]) -> int:
    has_gpus = config["resources"]["train"]["gpu"] > 0
    return int(experiments.recipe(config, wildcards).get("parts", 1)) if has_gpus else 0


_JOB = os.environ.get("SLURM_JOB_ID", "")  # read before Snakemake's executor for Slurm hides it


def inside_a_job(job: str = _JOB) -> str:
    """A word for whoever starts the workflow inside a job of Slurm; '' outside."""
    if not job:
        return ""
    return (
        f"started inside Slurm job {job}: without --profile slurm everything runs in this job, with"
        " its cores and GPUs; with it Snakemake ends with this job, while submitted jobs keep"
        " running (start it on a login node)"
    )
