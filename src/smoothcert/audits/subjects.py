"""A certificate table, its images, and the classifier that it is about, made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothcert import datasets
from smoothcert.audits.base import Subject
from smoothcert.audits.subset import evenly
from smoothcert.budget import BUDGETS
from smoothcert.certificates import CertificateTable
from smoothcert.certificates.inputs import images_of
from smoothcert.certificates.routed import ROUTE
from smoothcert.certificates.runs import Run, read_run
from smoothcert.compute.devices import job_device
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.provenance import ANSWERS
from smoothcert.models.doors import load_model
from smoothcert.noise import NOISES, Noise
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Sampler, default_batch
from smoothcert.votes.identity import difference

if TYPE_CHECKING:
    import torch

KINDS_OF = {
    "fixed": "fixed-size", "iss": "ISS (as published)", "iss-fresh": "ISS (fresh votes)",
    "sequential": "sequential", "anytime": "anytime", "both": "both-bounds",
}  # fmt: skip


@dataclass(frozen=True)
class Certified:
    """A table of certificates with the images of its rows and the classifier they are about."""

    run: Run
    noise: Noise
    images: torch.Tensor  # [N, *shape] float32
    sampler: Sampler
    part: str = ""  # of a certificate that rests on several: which

    @property
    def name(self) -> str:
        """What was audited, in words."""
        run = self.run
        return ", ".join(str(v) for v in (run.dataset, run.arch, run.training, run.noise))

    @property
    def kind(self) -> str:
        """The kind of certificate, in words: budget, noise and norm, scaling."""
        text = f"{self.procedure} certificates, {self.noise.name} noise"
        if self.noise.boxed:
            text += " on inputs in [0, 1]"
        scaling = self.run.scaling
        if self.part:
            return f"{text}, {self.noise.norm}: {self.part}"
        if scaling not in (None, "fixed"):
            text += f" at its own frozen scale ({scaling})"
        return f"{text}, {self.noise.norm}"

    def some(self, most: int | None) -> tuple[CertificateTable, torch.Tensor]:
        """At most ``most`` rows of the table, evenly spread, with their images."""
        rows = evenly(np.arange(len(self.run.table)), most)
        columns = {k: v[rows] for k, v in self.run.table.columns.items()}
        return CertificateTable(columns), self.images[rows]

    @property
    def procedure(self) -> str:
        """What makes the certificates: the kind of budget, in words."""
        return KINDS_OF.get(self._budget, self._budget)

    @property
    def _budget(self) -> str:
        return BUDGETS.parse(self.run.budget).name if self.run.budget else "unknown"

    @property
    def ours(self) -> bool:
        """Whether this project calls such certificates sound: all but ISS as published."""
        return self._budget not in ("unknown", "iss")


def same_network(about: Mapping[str, Any], made: Mapping[str, Any], what: str, model: str) -> None:
    """Raise SmoothcertError unless ``about`` names the network of the record ``made``, or none.

    ``what`` begins the message; ``model`` is the file.
    """
    wanted = about.get("model_digest")
    if wanted is None:
        return
    if wanted != made["digest"]:
        raise SmoothcertError(f"{what} the model {wanted[:12]}; {model} is {made['digest'][:12]}")
    if said := difference({ANSWERS: about.get(ANSWERS)}, {ANSWERS: made.get(ANSWERS)}):
        raise SmoothcertError(f"{what} a model other than {model}: {said}")


def engine_of(record: Mapping[str, Any]) -> str:
    """The engine that an identity names; torch for one of before there were others."""
    return str(record.get("engine", "torch")).partition(" ")[0]


def certified(subject: Subject, table: Path, device: str | None = None) -> Certified:
    """Read a table and make its classifier again: same model, precision, batch and kernels.

    ``device``: in place of the subject's. Raises SmoothcertError for a table without noise, of
    several networks, of another model, or where the subject has none.
    """
    if subject.model is None:
        raise SmoothcertError(f"{table}: give the --model that it certifies")
    run = read_run(table)
    if run.noise is None:
        raise SmoothcertError(f"{table}: neither its record nor its columns name the noise")
    if ROUTE in run.record:
        raise SmoothcertError(
            f"{table}: uses an estimator and one model per level; only audit falsification"
            " accepts these (--model, --levels)"
        )
    images, device = images_of(run, subject.data_dir), device or subject.device
    return remade(run, run.record, NOISES.parse(run.noise), images, subject.model, device)


def remade(
    run: Run,
    about: Mapping[str, Any],
    noise: Noise,
    images: torch.Tensor,
    model: Path,
    device: str,
    n_classes: int | None = None,
) -> Certified:
    """The classifier of ``run``'s rows, made again from ``model``; ``about`` names its network.

    ``n_classes``: of the model, by default the data set's.
    """
    where, record = job_device(device), dict(run.record)
    info = datasets.info(datasets.recorded(str(run.dataset), record.get("votes", {})))
    info = replace(info, n_classes=n_classes or info.n_classes)
    network, made = load_model(str(model), info, where)
    same_network(about, made, f"{run.path}: certified for", str(model))
    batch = int(record.get("batch") or default_batch(int(np.prod(images.shape[1:])), where))
    precision = record.get("precision") or "float32"
    engine = open_engine(network, images.shape[1:], where, engine_of(record), precision)
    sampler = Sampler(engine, noise, made["n_classes"], batch)
    engine.model.requires_grad_(False)
    return Certified(run, noise, images, sampler)
