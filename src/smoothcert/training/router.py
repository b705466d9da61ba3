"""The estimator of dual smoothing: a small network that learns which level suits an input.

What it learns, its noise and its size decide how much is certified, never whether the certificate
holds (certificates/routed.py). For each training input the levels are compared by the radius that
votes of their own networks give its true class; the best one is its target. Inputs are then drawn
again in proportion to what the best level is worth above the mean of all (cost-proportionate
sampling; Zadrozny, Langford, Abe 2003), so that plain cross-entropy under noise, the loop and the
recipes of any other training, minimizes the radius that is lost and not the number of errors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert import datasets
from smoothcert.budget import Fixed
from smoothcert.compute.devices import choose_device
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Training
from smoothcert.datasets import Dataset
from smoothcert.models.doors import load_model
from smoothcert.noise import NOISES, Noise
from smoothcert.sampling.job import read_scales
from smoothcert.sampling.library import sample
from smoothcert.training.run import train
from smoothcert.training.spec import Job, RouterSpec

_ALPHA = 0.001  # of the radii that are compared; nothing is claimed of them


def train_router(
    spec: RouterSpec,
    models: Sequence[str],
    out: Path,
    *,
    scales: Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> dict[str, Any]:
    """Train the estimator, write it to ``out``, its log beside it, and return its record.

    ``models``: the network of each level, or one for all. ``scales``: a table (columns idx, sigma)
    of noise scales of training inputs, such as DDRS's own: the target of an input is then the level
    nearest to its scale, in ratio, and the models are not asked. The classes in the record are the
    levels. Raises SmoothcertError for what does not fit, before any training.
    """
    noises = spec.noises()
    if len(models) not in (1, len(noises)):
        raise SmoothcertError(
            f"models: expected one, or one for each of {len(noises)} levels; found {len(models)}"
        )
    every = -(-datasets.info(spec.dataset).splits["train"] // spec.inputs)
    data = datasets.load(spec.dataset, "train", data_dir, skip=every)
    if scales is None:
        worth = worth_of_levels(spec, models, data, device)
        target, weight = worth.argmax(1), worth.max(1) - worth.mean(1)
    else:
        target, weight = _nearest(scales, noises, data), np.ones(len(data))
    noise = NOISES.parse(spec.noise)
    training = Training("cohen", "fs", noise.scale, spec.noise.rpartition("-")[0]).slug
    plain = spec.plain()
    keep = {key: plain[key] for key in ("dataset", "arch", "recipe", "seed", "code")}
    job = Job.check({"training": training, **keep}, "router")
    return train(job, out, data_dir, device, quiet, dataset=_drawn(spec, data, target, weight))


def worth_of_levels(
    spec: RouterSpec, models: Sequence[str], data: Dataset, device: str = "auto"
) -> NDArray[np.float64]:
    """The radius [N, K] that votes of each level's network give the true class, pixels."""
    info, where = datasets.info(spec.dataset), choose_device(device)
    noises = spec.noises()
    networks = [load_model(name, info, where)[0] for name in models]
    columns = []
    for k, noise in enumerate(noises):
        store = sample(
            networks[min(k, len(networks) - 1)],
            data.images,
            Fixed(spec.votes, alpha=_ALPHA, n0=1),
            noise,
            idx=data.idx,
            seed=spec.seed,
            look=spec.votes,
            device=str(where),
            purpose="targets",
        )
        p_lower = clopper_pearson_lower(store.count(data.labels, spec.votes), spec.votes, _ALPHA)
        columns.append(noise.radius(p_lower, noise.scale, store.d))
    return np.stack(columns, 1)


def _nearest(scales: Path, noises: Sequence[Noise], data: Dataset) -> NDArray[np.int64]:
    """The level nearest to each input's scale, in ratio, [N]."""
    sigma = read_scales(scales, data.idx)
    away = np.abs(np.log(sigma[:, None] / np.array([noise.scale for noise in noises])))
    return away.argmin(1)


def _drawn(
    spec: RouterSpec, data: Dataset, target: NDArray[np.int64], weight: NDArray[np.float64]
) -> Dataset:
    """As many inputs, drawn in proportion to ``weight`` [N], with their targets as labels."""
    if weight.sum() <= 0:
        raise SmoothcertError(
            "router: all levels are equally good at every training input: there is nothing to learn"
        )
    stream = numpy_generator(spec.seed, "router-inputs")
    rows = np.sort(stream.choice(len(data), len(data), p=weight / weight.sum()))
    digest = hashlib.sha256(data.digest.encode())
    digest.update(rows.astype("<i8").tobytes() + target.astype("<i8").tobytes())
    return replace(
        data,
        images=data.images[rows],
        labels=target[rows],
        idx=data.idx[rows],
        classes=spec.levels,
        digest=digest.hexdigest(),
    )
