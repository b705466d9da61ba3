"""The estimator of dual smoothing: a small network that learns which level suits an input.

What it learns, its noise and its size decide how much is certified, never whether the certificate
holds (certificates/routed.py). For each training input the levels are compared by the radius that
votes of their own networks give its true class; the best one is its target. Inputs are then drawn
again in proportion to what the best level is worth above the mean of all (cost-proportionate
sampling; Zadrozny, Langford, Abe 2003), so that plain cross-entropy under noise, the loop and the
recipes of any other training, minimizes the radius that is lost and not the number of errors.

An undecided estimator costs the whole radius, the wrong level a part of it. So every fifth training
input is kept back, and on those an offset is chosen for the level that is best on average: the one
whose certificates would be largest, from none (the estimator as trained) to so much that the
estimator is constant and what is certified is one scale for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smoothcert import datasets, models
from smoothcert.budget import Fixed
from smoothcert.compute.devices import choose_device
from smoothcert.compute.streams import generator, numpy_generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import Dataset
from smoothcert.models.doors import load_model
from smoothcert.noise import NOISES
from smoothcert.sampling.job import read_scales
from smoothcert.sampling.library import sample
from smoothcert.training.run import train
from smoothcert.training.spec import Job, RouterSpec

_KEPT = 5  # every so many training inputs choose the offset
_OFFSETS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 1000.0)  # of a logit


def train_router(
    spec: RouterSpec,
    files: Sequence[str],
    out: Path,
    *,
    scales: Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> dict[str, Any]:
    """Train the estimator, write it to ``out``, its log beside it, and return its record.

    ``files``: the model of each level, or one for all. ``scales``: a table (columns idx, sigma) of
    noise scales of training inputs, such as DDRS's own: the target of an input is then the level
    nearest to its scale, in ratio. The classes in the record are the levels, ``offset`` is what was
    added to the logit of the level ``default``. Raises SmoothcertError for what does not fit,
    before any training.
    """
    noises = spec.noises()
    if len(files) not in (1, len(noises)):
        raise SmoothcertError(
            f"models: expected one, or one for each of the {len(noises)} levels; found {len(files)}"
        )
    every = -(-datasets.info(spec.dataset).splits["train"] // spec.inputs)
    data = datasets.load(spec.dataset, "train", data_dir, skip=every)
    worth = worth_of_levels(spec, files, data, device)
    if scales is None:
        target, weight = worth.argmax(1), worth.max(1) - worth.mean(1)
    else:
        target, weight = _nearest(spec, scales, data), np.ones(len(data))
    kept = np.arange(len(data)) % _KEPT == 0
    plain = spec.plain()
    keep = {key: plain[key] for key in ("dataset", "arch", "recipe", "seed", "code")}
    job = Job.check({"training": spec.training, **keep}, "router")
    learnt = _drawn(spec, data, target, np.where(kept, 0.0, weight))
    train(job, out, data_dir, device, quiet, dataset=learnt)
    rows = np.flatnonzero(kept)
    held = replace(data, images=data.images[rows], labels=data.labels[rows], idx=data.idx[rows])
    return _settled(spec, out, held, worth[rows], choose_device(device))


def worth_of_levels(
    spec: RouterSpec, files: Sequence[str], data: Dataset, device: str = "auto"
) -> NDArray[np.float64]:
    """The radius [N, K] at the share of votes for the true class of each level's network, pixels.

    Of a plain share: with few votes a bound would stand at its ceiling, which grows with the scale.
    """
    info, where = datasets.info(spec.dataset), choose_device(device)
    noises = spec.noises()
    networks = [load_model(name, info, where)[0] for name in files]
    columns = []
    for k, noise in enumerate(noises):
        store = sample(
            networks[min(k, len(networks) - 1)],
            data.images,
            Fixed(spec.votes, n0=1),
            noise,
            idx=data.idx,
            seed=spec.seed,
            look=spec.votes,
            device=str(where),
            purpose="targets",
        )
        share = _share(store.count(data.labels, spec.votes), spec.votes)
        columns.append(noise.radius(share, noise.scale, store.d))
    return np.stack(columns, 1)


def _share(count: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """The share of ``count`` among n votes, kept away from 0 and 1 by half a vote."""
    return np.asarray((count + 0.5) / (n + 1))


def _nearest(spec: RouterSpec, scales: Path, data: Dataset) -> NDArray[np.int64]:
    """The level nearest to each input's scale, in ratio, [N]."""
    sigma = read_scales(scales, data.idx, spec.scaling)
    away = np.abs(np.log(sigma[:, None] / np.array([noise.scale for noise in spec.noises()])))
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


def _settled(
    spec: RouterSpec, out: Path, held: Dataset, worth: NDArray[np.float64], device: torch.device
) -> dict[str, Any]:
    """Add the best offset to the estimator in ``out``; returns its record.

    ``worth`` [N, K]: the radii of the inputs ``held`` at each level.
    """
    model, record = models.load(out)
    default = int(worth.mean(0).argmax())
    found = offset(spec, model.to(device), held, worth, default)
    last = [part for part in model.modules() if isinstance(part, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.bias[default] += found
    made_anew = ("format", "digest", "torch", *model.description)
    kept = {key: value for key, value in record.items() if key not in made_anew}
    models.save(model.to("cpu"), out, {**kept, "default": default, "offset": found})
    return models.read_record(out)


@torch.inference_mode()
def offset(
    spec: RouterSpec,
    model: torch.nn.Module,
    held: Dataset,
    worth: NDArray[np.float64],
    default: int,
) -> float:
    """The offset of _OFFSETS with the largest mean radius, the smaller of level's and class's.

    The level's from the share of ``spec.votes`` noisy answers; of equally good offsets the largest.
    """
    noise, device = NOISES.parse(spec.noise), next(model.parameters()).device
    d, n = held.images[0].numel(), spec.votes
    value = np.zeros(len(_OFFSETS))
    for i, idx in enumerate(held.idx.tolist()):
        stream = generator(spec.seed, "router-offset", idx)
        noisy = noise.noisy(held.images[i].expand(n, *held.shape), noise.scale, stream)
        logits = model(noisy.to(device)).cpu()
        for j, shift in enumerate(_OFFSETS):
            moved = logits.clone()
            moved[:, default] += shift
            votes = torch.bincount(moved.argmax(1), minlength=logits.shape[1])
            level = int(votes.argmax())
            reach = noise.radius(_share(votes[level].numpy(), n), noise.scale, d)
            value[j] += min(float(reach), worth[i, level])
    return _OFFSETS[int(np.flatnonzero(value >= value.max() * (1 - 1e-9))[-1])]
