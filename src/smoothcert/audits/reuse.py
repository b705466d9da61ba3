"""Is any noise used twice? The noise that chose a scale or a class must not certify it.

Named streams promise it; here it is looked at. Every noise vector that a pipeline draws, from the
search for the scale to the attack, passes through a recorder that keeps its digest. A vector that
occurs in two draws was used twice: independent vectors of some tens of floats never agree.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from smoothcert import datasets
from smoothcert.audits.base import Audit, Result, Subject
from smoothcert.audits.settings import Ascent, StreamsSettings
from smoothcert.audits.smooth_attack import Target, ascend
from smoothcert.budget import BUDGETS, Budget
from smoothcert.compute.devices import job_device
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.doors import load_model
from smoothcert.noise import NOISES, Noise
from smoothcert.report.verdict import BROKEN, HOLDS, Verdict
from smoothcert.sampling.collect import Inputs, collect
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Sampler
from smoothcert.scaling import SCALINGS
from smoothcert.scaling.forward import SearchEngine
from smoothcert.scaling.problem import Problem

SEARCH, CERTIFY, ATTACK = "search for the scale", "certificate", "attack"


@dataclass
class Record:
    """Digests of all noise vectors, and in which phases each was drawn."""

    phase: str = ""
    drawn: Counter[str] = field(default_factory=Counter)
    where: dict[bytes, Counter[str]] = field(default_factory=dict)

    def add(self, noise: Tensor) -> None:
        """The vectors of one draw, [n, *shape]."""
        rows = noise.detach().cpu().reshape(len(noise), -1).numpy()
        for row in rows:
            key = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            self.where.setdefault(key, Counter())[self.phase] += 1
        self.drawn[self.phase] += len(rows)

    def reused(self) -> Counter[tuple[str, str]]:
        """How many vectors two phases share, or one phase has drawn more than once.

        A search may meet the same noise again (common random numbers), and so may an attack;
        neither certifies.
        """
        found: Counter[tuple[str, str]] = Counter()
        for phases in self.where.values():
            names = sorted(phases)
            found.update((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
            if phases[CERTIFY] > 1:
                found[CERTIFY, CERTIFY] += 1
        return found


def recording(noise: Noise, record: Record) -> Noise:
    """A copy of ``noise`` whose draws are recorded; all else is as it was."""
    kind: Any = type(noise)

    class Recording(kind):
        def sample(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
            drawn: Tensor = super().sample(shape, generator)
            record.add(drawn)
            return drawn

    twin = copy.copy(noise)
    object.__setattr__(twin, "__class__", Recording)
    return twin


def record_pipeline(
    model: nn.Module,
    noise: Noise,
    images: Tensor,
    idx: NDArray[np.int64],
    budget: Budget,
    scaling: str = "fixed",
    n_classes: int = 10,
    batch: int = 512,
    look: int = 1000,
    seed: int = 0,
) -> Record:
    """Choose scales, certify and attack N images with one seed, and keep all noise.

    ``scaling`` is the slug of a per-input scale, or ``fixed``. Raises SmoothcertError as the
    pipeline's parts do.
    """
    record = Record()
    engine = open_engine(model, images.shape[1:], torch.device("cpu"))
    seen = recording(noise, record)
    scale = np.full(len(images), noise.scale)
    if scaling != "fixed":
        record.phase = SEARCH
        part = SCALINGS.parse(scaling)
        if part.search is None:
            raise SmoothcertError(f"scaling {scaling!r}: there is no scale to search for")
        searching = SearchEngine(engine, part.cost.backward > 0)
        problem = Problem(searching, seen, images, idx.tolist(), seed)
        (found,) = part.find(problem, [part])
        scale = np.asarray(part.pooled(found, noise.scale).sigma, np.float64)
    record.phase = CERTIFY
    look = min(look, budget.n)
    rows = np.arange(len(images))
    inputs = Inputs(images, rows, idx, np.full(len(rows), -1), scale)
    identity = {
        "noise": noise.slug, "seed": seed, "look": look, "n0": budget.n0, "batch": batch,
        "shape": list(images.shape[1:]), "n_classes": n_classes, "scaling": scaling,
    }  # fmt: skip
    sampler = Sampler(engine, seen, n_classes, batch)
    store, _ = collect(sampler, inputs, budget, identity, len(rows))
    record.phase = ATTACK
    if noise.norm in ("l1", "l2", "linf"):
        top = torch.as_tensor(np.maximum(store.top_class(), 0))
        radius = torch.full((len(images),), float(noise.scale))
        target = Target(model, seen, images, top, torch.as_tensor(scale), radius, idx.tolist())
        ascend(target, images, "cross-entropy", Ascent(steps=3, copies=8, inputs=0, seed=seed), 0)
    return record


def reuse_verdict(record: Record, subject: str) -> Verdict:
    """BROKEN if a single vector of noise was used twice.

    Raises SmoothcertError for a record without the certificate's noise.
    """
    if not record.drawn[CERTIFY]:
        raise SmoothcertError(f"{subject}: no noise of the certificate was recorded")
    found = record.reused()
    drawn = ", ".join(f"{phase}: {n:,}" for phase, n in record.drawn.items())
    numbers = {
        "drawn": dict(record.drawn),
        "reused": {" and ".join(pair): n for pair, n in found.items()},
    }
    said = "; ".join(f"{n:,} shared by {a} and {b}" if a != b else f"{n:,} twice in the {a}"
                     for (a, b), n in found.items())  # fmt: skip
    return Verdict(
        "no noise used to choose a scale or class is used to certify, and none certifies twice",
        subject,
        BROKEN if found else HOLDS,
        f"vectors drawn ({drawn}): {said or 'none occurs in two of these, or twice in votes'}",
        True, numbers,
    )  # fmt: skip


class Streams(Audit[StreamsSettings]):
    """The subject is a model."""

    def run(self, subject: Subject, settings: StreamsSettings) -> Result:
        """Choose scales, certify and attack a few inputs, and compare all noise that was drawn."""
        if subject.model is None:
            raise SmoothcertError("model is missing: give --model")
        job_device("cpu")
        info = datasets.info(settings.dataset)
        model, made = load_model(str(subject.model), info)
        data = datasets.load(settings.dataset, "test", subject.data_dir, max=settings.max)
        record = record_pipeline(
            model.eval().requires_grad_(False),
            NOISES.parse(settings.noise),
            data.images[: len(data)],
            data.idx,
            BUDGETS.parse(settings.budget),
            settings.scaling,
            info.n_classes,
            look=settings.look,
            seed=settings.seed,
        )
        parts = (
            settings.dataset, made.get("training"), settings.noise, settings.scaling,
            settings.budget, f"{len(data)} inputs",
        )  # fmt: skip
        verdict = reuse_verdict(record, ", ".join(str(p) for p in parts if p))
        return Result([verdict], record={"model": made.get("digest")})
