"""What an audit of a certificate table needs beside it: its images, its model, its sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothcert import datasets
from smoothcert.budget import BUDGETS
from smoothcert.certificates.runs import Run, read_run
from smoothcert.compute.devices import job_device
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.sampling.sampler import Sampler, default_batch
from smoothcert.sampling.job import load_model

if TYPE_CHECKING:
    import torch

KINDS_OF = {
    "fixed": "fixed-size", "iss": "ISS (as published)", "iss-fresh": "ISS (fresh votes)",
    "sequential": "sequential", "anytime": "anytime",
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """A table of certificates with the images of its rows and the classifier they are about."""

    run: Run
    noise: Noise
    images: torch.Tensor  # [N, *shape] float32
    sampler: Sampler

    @property
    def name(self) -> str:
        """What was audited, in words."""
        run = self.run
        return ", ".join(str(v) for v in (run.dataset, run.arch, run.training, run.noise))

    @property
    def kind(self) -> str:
        """The kind of certificate, in words: budget, noise and norm, scaling."""
        budget = BUDGETS.parse(self.run.budget).name if self.run.budget else "unknown"
        text = f"{KINDS_OF.get(budget, budget)} certificates, {self.noise.name} noise"
        scaling = self.run.scaling
        if scaling not in (None, "fixed"):
            text += f" at its own frozen scale ({scaling})"
        return f"{text}, {self.noise.norm}"

    @property
    def ours(self) -> bool:
        """Whether this project calls such certificates sound: all but ISS as published."""
        return self.run.budget is not None and BUDGETS.parse(self.run.budget).name != "iss"


def images_of(run: Run, data_dir: str | None) -> torch.Tensor:
    """The images of a table's rows; SmoothcertError if its record does not say which."""
    import torch

    if run.dataset is None:
        raise SmoothcertError(f"{run.path}: neither its record nor its path says the data set")
    record = run.record
    split, skip = record.get("split") or "test", int(record.get("skip") or 1)
    data = datasets.load(run.dataset, split, data_dir, skip=skip, max=record.get("max"))
    digest = record.get("data_digest")
    if digest is not None and digest != data.digest:
        raise SmoothcertError(f"{run.path}: certified on other data of the name {run.dataset!r}")
    where = {int(idx): i for i, idx in enumerate(data.idx)}
    missing = [int(i) for i in run.table.idx if int(i) not in where]
    if missing:
        raise SmoothcertError(f"{run.path}: idx {missing[0]} is not among {run.dataset}'s inputs")
    return torch.stack([data.images[where[int(i)]] for i in run.table.idx])


def subject(table: str, model: str, data_dir: str | None = None, device: str = "auto") -> Subject:
    """Read a table and make its classifier again: same model, precision, batch and kernels.

    Raises SmoothcertError for a table without noise or of another model.
    """
    run = read_run(table)
    if run.noise is None:
        raise SmoothcertError(f"{table}: neither its record nor its columns say the noise")
    noise, images = NOISES.parse(run.noise), images_of(run, data_dir)
    network, made = load_model(model, datasets.info(str(run.dataset)))
    wanted = run.record.get("model_digest")
    if wanted is not None and wanted != made["digest"]:
        raise SmoothcertError(
            f"{table}: certified for the model {wanted[:12]}; {model} is {made['digest'][:12]}"
        )
    where = job_device(device)
    record: dict[str, Any] = run.record
    batch = int(record.get("batch") or default_batch(int(np.prod(images.shape[1:])), where))
    precision = record.get("precision") or "float32"
    trace = bool(record.get("traced", False)) and where.type == "cpu"
    classes = datasets.info(str(run.dataset)).n_classes
    sampler = Sampler(network, noise, classes, batch, where, precision, trace)
    sampler.model.requires_grad_(False)
    return Subject(run, noise, images, sampler)
