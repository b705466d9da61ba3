"""What a list of jobs has the throughput of: each network with its noises, trainings, searches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from smoothcert import datasets
from smoothcert.workflow.planning.jobs import Job


@dataclass
class Needs:
    """All that the jobs do with one architecture on inputs of one shape.

    ``noises`` are slugs, each of one kind once (its scale does not matter); ``trainings`` are
    specifications, one for each method, schedule and variant; ``precisions`` those of sampling.
    """

    arch: str
    dataset: str
    noises: dict[str, str] = field(default_factory=dict)
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)
    precisions: dict[str, None] = field(default_factory=dict)
    searches: dict[str, str] = field(default_factory=dict)  # noise kind -> slug

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of the inputs."""
        return datasets.info(self.dataset).shape


def kind(slug: str) -> str:
    """A noise without its scale: ``centripetal-l2_k48-1.00`` -> ``centripetal-l2_k48``."""
    return slug.rpartition("-")[0]


def needs(jobs: Iterable[Job]) -> list[Needs]:
    """In the order of the jobs; those that no network runs in have no part in it."""
    found: dict[tuple[str, tuple[int, ...]], Needs] = {}
    for job in jobs:
        spec, arch = job.spec, job.wildcards.get("arch") or job.spec.get("arch")
        if job.command not in ("sample", "scales", "train") or arch is None:
            continue
        dataset = spec["dataset"]
        entry = found.setdefault(
            (arch, datasets.info(dataset).shape), Needs(arch=arch, dataset=dataset)
        )
        if job.command == "train":
            training = spec["training"].rpartition("-")[0]
            entry.trainings.setdefault(training, spec)
            continue
        entry.noises.setdefault(kind(spec["noise"]), spec["noise"])
        if job.command == "sample":
            entry.precisions.setdefault(spec.get("precision") or "float32")
        else:
            entry.searches.setdefault(kind(spec["noise"]), spec["noise"])
    return list(found.values())
