"""Witnesses of memory-soundness, confirmed again with fresh votes and other seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smoothcert import datasets
from smoothcert.audits.base import Subject
from smoothcert.audits.deployed import Deployed
from smoothcert.audits.memory_soundness import fixed
from smoothcert.audits.subjects import same_network
from smoothcert.audits.witness import Witnesses, again
from smoothcert.compute.devices import job_device
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.doors import load_model
from smoothcert.noise import NOISES
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Sampler, default_batch
from smoothcert.scaling import SCALINGS


def recheck(
    path: Path, subject: Subject, seeds: int, seed: int | None = None, budget: str | None = None
) -> int:
    """Confirm the witnesses of ``path`` against the subject's model; prints a line each.

    ``seed``: by default not that of the audit. 1 if a witness does not hold. Raises
    SmoothcertError for another model.
    """
    old = Witnesses.read(path)
    if len(old) == 0:
        print(f"{path}: no witness to check")
        return 0
    about = old.about
    info = datasets.info(about["dataset"])
    if subject.model is None:
        raise SmoothcertError(f"{path}: give the --model of the witnesses")
    where, noise = job_device(subject.device), NOISES.parse(about["noise"])
    network, made = load_model(str(subject.model), info, where)
    same_network(about, made, f"{path}: witnesses against", str(subject.model))
    shape = tuple(old.x1.shape[1:])
    batch = default_batch(int(np.prod(shape)), where)
    sampler = Sampler(open_engine(network, shape, where), noise, made["n_classes"], batch)
    deployed = Deployed(sampler, SCALINGS.parse(about["scaling"]), shape)
    seed = int(about["seed"]) + 1 if seed is None else seed
    new = again(deployed, old, fixed(budget or about["budget"]), seed, seeds)
    held, distance = new.broken(noise.norm), new.distance(noise.norm)
    same = np.isclose(new.sigma_2[:, 0], old.sigma_2[:, 0], rtol=1e-4)
    for i in range(len(old)):
        print(
            f"idx {old.idx[i]}: {'BROKEN' if held[i] else 'does not hold'};"
            f" class {new.predict_1[i]} certified again to {new.again_radius[i]:.4f} at scale"
            f" {new.sigma_1[i]:.4f}; at distance {distance[i]:.4f} the query's scale"
            f" {new.sigma_2[i, 0]:.4f}{'' if same[i] else ' (differs from the recorded one)'} gives"
            f" {new.predict_2[i].tolist()}; at the frozen scale class {new.frozen[i]}"
        )
    print(f"{path}: {int(held.sum())} of {len(old)} witnesses hold")
    return int(not held.all())
