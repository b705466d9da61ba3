"""Pairs: noisy copies that two classifiers answer, to certify one from votes of the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from smoothcert.budget.incremental import DIFFER, PAIRS
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.mode import evaluating
from smoothcert.models.own import device_of
from smoothcert.noise import NOISES
from smoothcert.sampling.checks import as_images
from smoothcert.sampling.engines import Engine, open_engine
from smoothcert.votes import VoteStore

STREAM = "pairs"


def with_pairs(
    store: VoteStore,
    model: torch.nn.Module,
    images: torch.Tensor | NDArray,
    m: int,
    *,
    engine: str = "auto",
    precision: str = "float32",
) -> VoteStore:
    """``store`` (of ``model`` in a cheaper engine or precision) with ``m`` pairs an input.

    The result is for budget ``incremental`` and certifies ``model`` in ``precision`` on ``engine``;
    its identity names both. ``images`` [N, *shape] are those of the store. The pairs have noise of
    their own, so that they are independent of all votes. Raises SmoothcertError for a store that
    has pairs, or of other images.
    """
    if PAIRS in store.extra:
        raise SmoothcertError("pairs: the store already has pairs; expected one without")
    inputs = as_images(images)
    if list(inputs.shape) != [len(store), *store.identity["shape"]]:
        raise SmoothcertError(
            f"pairs: images of shape {tuple(inputs.shape)}; the store has {len(store)} inputs of"
            f" {tuple(store.identity['shape'])}"
        )
    about, where = store.identity, device_of(model)
    shape, chosen = tuple(about["shape"]), store.top_class()
    with evaluating(model):
        cheap = open_engine(model, shape, where, about["engine"].split()[0], about["precision"])
        dear = open_engine(model, shape, where, engine, precision)
        if cheap.identity != about["engine"]:
            raise SmoothcertError(
                f"pairs: the votes are from {about['engine']}, not from {cheap.identity}"
            )
        differ = [
            _differ(store, i, inputs[i].to(where), int(chosen[i]), (cheap, dear), m)
            for i in range(len(store))
        ]
    identity = {
        **about,
        "engine": dear.identity,
        "precision": dear.precision,
        "votes_of": f"{cheap.identity} in {cheap.precision}",
    }
    extra = {DIFFER: np.array(differ, np.int64), PAIRS: np.full(len(store), m)}
    return replace(store, identity=identity, extra={**store.extra, **extra})


@torch.inference_mode()
def _differ(
    store: VoteStore, i: int, x: torch.Tensor, c: int, engines: tuple[Engine, Engine], m: int
) -> int:
    """Pairs of which the first engine says ``c`` and the second does not."""
    about, batch = store.identity, int(store.identity["batch"])
    noise, count = NOISES.parse(about["noise"]), 0
    for j, start in enumerate(range(0, m, store.look)):
        size = min(store.look, m - start)
        stream = generator(about["seed"], STREAM, int(store.idx[i]), j, device=x.device)
        noisy = noise.noisy(x.expand(size, *x.shape), float(store.scale[i]), stream)
        for part in noisy.split(batch):
            whole = torch.cat([part, part[:1].expand(batch - len(part), *x.shape)])
            says, means = (e.logits(whole)[: len(part)].argmax(1) for e in engines)
            count += int(((says == c) & (means != c)).sum())
    return count
