"""Votes of a model of one's own, in memory: the library's door to sampling."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.base import Budget
from smoothcert.compute.devices import choose_device
from smoothcert.core.progress import bar
from smoothcert.core.slugs import check_part
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.models.doors import adapted
from smoothcert.models.mode import evaluating
from smoothcert.models.own import device_of, examine
from smoothcert.models.spec import Given
from smoothcert.noise.base import Noise
from smoothcert.sampling.checks import (
    as_idx,
    as_images,
    as_labels,
    as_scales,
    check_images,
    check_look,
)
from smoothcert.sampling.collect import Inputs, collect
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Sampler, default_batch
from smoothcert.sampling.spec import Purpose
from smoothcert.votes import VoteStore


class Voter:
    """A network that was examined for images of ``shape``, with its engine, ready to sample.

    Raises SmoothcertError as :func:`sample`. Who changes the network's weights makes another.
    """

    def __init__(
        self,
        model: Any,
        shape: Sequence[int],
        *,
        form: Given | None = None,
        device: str | torch.device | None = None,
        engine: str = "auto",
        precision: str | None = None,
    ) -> None:
        network = adapted(model, form or Given(path="model"), shape)
        where = device_of(network) if device is None else choose_device(str(device))
        if _elsewhere(network, where):
            network = copy.deepcopy(network).to(where)
        else:
            where = device_of(network)
        self.network, self.shape, self.device = network, tuple(shape), where
        with evaluating(network):
            self.n_classes = examine(network, shape).shape[1]
            self.engine = open_engine(network, shape, where, engine, precision)
        if self.engine.note:
            warnings.warn(self.engine.note, stacklevel=3)

    def votes(
        self,
        images: torch.Tensor | LazyImages,
        budget: Budget,
        noise: Noise,
        *,
        labels: ArrayLike | None = None,
        scales: ArrayLike | None = None,
        idx: ArrayLike | None = None,
        seed: int = 0,
        look: int = 1000,
        batch: int | None = None,
        purpose: Purpose = "certification",
        jobs: int | None = None,
        progress: bool = False,
    ) -> VoteStore:
        """As :func:`sample`, for images [N, *shape] float32."""
        n = len(images)
        batch = batch or default_batch(int(np.prod(self.shape)), self.device)
        with evaluating(self.network):
            inputs = Inputs(
                images=images,  # type: ignore[arg-type]
                row=np.arange(n),
                idx=np.arange(n) if idx is None else as_idx(idx, n),
                label=np.full(n, -1) if labels is None else as_labels(labels, n, self.n_classes),
                scale=np.full(n, noise.scale) if scales is None else as_scales(scales, n),
            )
            identity = {
                "noise": noise.slug,
                "seed": seed,
                "look": look,
                "n0": budget.n0,
                **({"copies": "all"} if budget.exhaustive else {}),
                "batch": batch,
                "shape": list(self.shape),
                "n_classes": self.n_classes,
                "engine": self.engine.identity,
                "precision": self.engine.precision,
                "scaling": "fixed" if scales is None else "given",
            }
            if purpose != "certification":
                identity["purpose"] = purpose
            sampler = Sampler(self.engine, noise, self.n_classes, batch)
            with bar("sampling", " inputs", not progress, total=n) as shown:

                def done(inputs: int, samples: int, total: int) -> None:
                    shown.update(inputs)

                return collect(sampler, inputs, budget, identity, n, progress=done, jobs=jobs)[0]


def sample(
    model: Any,
    images: torch.Tensor | NDArray | LazyImages,
    budget: Budget,
    noise: Noise,
    *,
    labels: ArrayLike | None = None,
    scales: ArrayLike | None = None,
    idx: ArrayLike | None = None,
    seed: int = 0,
    look: int = 1000,
    batch: int | None = None,
    device: str | torch.device | None = None,
    purpose: Purpose = "certification",
    engine: str = "auto",
    precision: str | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> VoteStore:
    """Votes of a model of your own, in memory: the first step of certifying it.

    ``model`` maps images in [0,1] (normalization inside) to logits: a torch module or what
    :func:`smoothcert.adapt` makes one of, which declares the rest. It is asked in eval mode,
    where it is (or a copy of it on ``device``), and left as it was. ``engine`` computes its
    logits in ``precision`` (default: the network's own); both are part of the classifier that is
    certified. ``auto`` is ONNX Runtime on a CPU for a network that it can run, else torch, with
    a warning that says why. ``jobs`` threads (default: the cores this process may use; 1 on a
    GPU) share the inputs, to the same votes; ``progress`` shows a bar.

    ``images`` are [N, *shape], floating-point, read as float32; ``labels`` [N] default to -1
    (unknown); ``scales`` [N] (or one for all) to the noise's own. ``look`` is cut to the
    budget's n.

    The noise of an input is named by ``seed`` and its ``idx`` [N], by default 0 to N - 1. Whoever
    samples a data set in several calls, batch by batch of a loader say, gives each its idx, as in
    ``idx=range(start, start + len(images))``: else every call repeats the noise of the first.
    The same seed and idx draw the same noise again; a larger n after having looked at a smaller
    one is no fresh sample (docs/methods/iss.md, topping up). ``purpose`` "prediction" draws other
    noise for the same names, so that ``predict`` of its votes is a check on certificates.

    Raises SmoothcertError for a network that is no function of each image (see
    models.own.examine), images outside [0,1], a scale that is not positive, labels that are no
    classes, an n that is no multiple of the look, or arguments of another shape or type.
    """
    check_part(budget, Budget)
    check_part(noise, Noise)
    look = budget.look_of(min(look, budget.n))
    check_look(budget, look)
    images = as_images(images)
    check_images(images[:1], [0])
    voter = Voter(model, images.shape[1:], device=device, engine=engine, precision=precision)
    return voter.votes(
        images, budget, noise, labels=labels, scales=scales, idx=idx, seed=seed, look=look,
        batch=batch, purpose=purpose, jobs=jobs, progress=progress,
    )  # fmt: skip


def _elsewhere(model: torch.nn.Module, where: torch.device) -> bool:
    now = device_of(model)
    return now.type != where.type or where.index not in (None, now.index)
