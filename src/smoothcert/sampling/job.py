"""One sampling job: a model and a data set -> a vote store on disk, resumable.

A job has one specification (spec.py); its shards, its partial store and its
top-up all follow from that and from the digests of the model and the data.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smoothcert import datasets
from smoothcert.budget import BUDGETS
from smoothcert.compute.devices import choose_device, kind_of
from smoothcert.core import provenance
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.provenance import ANSWERS
from smoothcert.core.scratch import Scratch
from smoothcert.models.doors import load_model
from smoothcert.models.spec import Given, given
from smoothcert.noise import NOISES
from smoothcert.sampling import clean
from smoothcert.sampling.checks import check_look
from smoothcert.sampling.collect import Inputs, Progress, collect
from smoothcert.sampling.engines import Engine, check_precision, open_engine
from smoothcert.sampling.sampler import Sampler, default_batch
from smoothcert.sampling.spec import SampleSpec
from smoothcert.votes import VoteStore
from smoothcert.votes.identity import difference
from smoothcert.votes.journal import LookJournal
from smoothcert.votes.readings import KEY, Readings, merged, read_readings
from smoothcert.votes.records import read_record, seconds_of, write_record


def parse_shard(text: str) -> tuple[int, int]:
    """``i/k`` -> (i, k) with 0 <= i < k; raises SmoothcertError otherwise."""
    try:
        i, k = (int(part) for part in text.split("/"))
    except ValueError:
        i, k = -1, 0
    if not 0 <= i < k:
        raise SmoothcertError(f"shard {text!r}: expected i/k with 0 <= i < k, such as 0/4")
    return i, k


def subject(
    data: datasets.Dataset, made: Mapping[str, Any], device: torch.device
) -> dict[str, Any]:
    """What a job is about, in its identity: data, model (by its record), and the model of the GPU
    where there is one: another draws other noise (compute/devices.py)."""
    return {
        "dataset": data.name,
        "device": kind_of(device),
        "shape": list(data.shape),
        "n_classes": made["n_classes"],
        "data_digest": data.digest,
        "model_digest": made["digest"],
        "arch": made.get("arch"),
        "training": made.get("training"),
        **({ANSWERS: made[ANSWERS]} if ANSWERS in made else {}),
    }


def read_scales(
    path: str | Path, idx: NDArray[np.int64], scaling: str | None = None
) -> NDArray[np.float64]:
    """Noise scales [N] of the inputs ``idx`` from a table with columns idx and sigma.

    Where the table has a column ``scaling`` (it holds several choices for each input), only its
    rows of ``scaling`` count. Raises SmoothcertError for a malformed row and for the first idx
    without a scale.
    """
    scales: dict[int, float] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SmoothcertError(f"{path}: not a table of noise scales: {error}") from None
    names = lines[0].split("\t") if lines else []
    if not {"idx", "sigma"} <= set(names):
        raise SmoothcertError(f"{path}:1: expected the columns idx and sigma, found {names}")
    for number, line in enumerate(lines[1:], 2):
        row = dict(zip(names, line.split("\t"), strict=False))
        try:
            i, sigma = int(row["idx"]), float(row["sigma"])
        except (ValueError, KeyError):
            raise SmoothcertError(f"{path}:{number}: expected idx and sigma") from None
        if row.get("scaling", scaling) != scaling:
            continue
        if scales.setdefault(i, sigma) != sigma:
            raise SmoothcertError(f"{path}:{number}: a second noise scale for idx {i}: {sigma:g}")
    missing = [int(i) for i in idx if int(i) not in scales]
    if missing:
        of = f" of scaling {scaling!r}" if "scaling" in names else ""
        raise SmoothcertError(f"{path}: no noise scale{of} for idx {missing[0]}")
    return np.array([scales[int(i)] for i in idx])


def _with_scaling(spec: SampleSpec, scales: str | Path | None) -> SampleSpec:
    """The specification with a true word for where the noise scales come from."""
    if scales is None and spec.scaling != "fixed":
        raise SmoothcertError(
            f"scaling {spec.scaling!r}: its noise scales are missing; give them (--scales)"
        )
    if scales is not None and spec.scaling == "fixed":
        return spec.model_copy(update={"scaling": "given"})
    return spec


def run(
    spec: SampleSpec,
    model: str | tuple[torch.nn.Module, dict[str, Any]],
    out: Path,
    shard: tuple[int, int] = (0, 1),
    *,
    scales: str | Path | None = None,
    top_up: Path | None = None,
    data_dir: str | Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    data: datasets.Dataset | None = None,
    n_classes: int | None = None,
    declared: Given | None = None,
    jobs: int | None = None,
) -> VoteStore:
    """Sample the shard of the store into ``out`` (and its record beside it).

    A killed run leaves a partial store beside ``out`` and goes on from it. The looks of
    ``top_up`` are taken over if there is such a store and it is of the same specification;
    else those of ``out``, which must be of the same specification and shard if it exists.
    ``model`` is what ``--model`` takes, or a network with its record. ``data``: these inputs in
    place of the data set's own. ``n_classes``: of the model, where it
    tells other classes apart than the data set's (a router's levels). ``declared``: what is said of
    a network that is given with its record. ``jobs`` threads (default:
    the cores this process may use; 1 on a GPU) share the inputs, to the same votes.
    Raises SmoothcertError for all that does not fit, before any sampling.
    """
    start = time.time()
    budget, noise = BUDGETS.parse(spec.budget), NOISES.parse(spec.noise)
    spec = spec.model_copy(update={"look": budget.look_of(spec.look)})
    check_look(budget, spec.look)
    spec = _with_scaling(spec, scales)
    where = choose_device(device)
    if isinstance(model, str):
        info = datasets.info(spec.dataset)
        info = replace(info, n_classes=n_classes or info.n_classes)
        network, made = load_model(model, info, where)
    else:
        network, made = model
    check_precision(network, spec.precision)
    about = {} if data is not None else datasets.place(spec.dataset)
    if data is None:
        data = datasets.load(spec.dataset, spec.split, data_dir, skip=spec.skip, max=spec.max)
    batch = spec.batch or default_batch(int(np.prod(data.shape)), where)
    engine = open_engine(network, data.shape, where, spec.engine, spec.precision)
    sampler = Sampler(engine, noise, made["n_classes"], batch)
    identity = {
        **_identifying(spec),
        "batch": batch,
        "engine": engine.identity,
        "n0": budget.n0,
        **({"copies": "all"} if budget.exhaustive else {}),
        **subject(data, made, where),
    }
    rows = np.arange(shard[0], len(data), shard[1])
    inputs = Inputs(
        images=_Lazy(data.images, rows),  # type: ignore[arg-type]
        row=rows,
        idx=data.idx[rows],
        label=data.labels[rows],
        scale=(
            np.full(len(rows), noise.scale)
            if scales is None
            else read_scales(scales, data.idx[rows], spec.scaling)
        ),
    )
    base = clean.answers(engine, data.images, rows, batch)
    if ANSWERS in made and n_classes is None:  # a router may name one level everywhere
        form = given(model) if isinstance(model, str) else declared or Given(path=made["arch"])
        clean.warn_of(form, data, rows, base)
    before = _existing(out, top_up, identity, inputs)
    # The file of readings beside ``out`` stays; what its record says would be lost.
    read_before = merged([read_record(out).get(KEY, {})])
    if top_up is not None:
        read_before = merged([read_before, read_readings(top_up, read_record(top_up))])
    work = {**identity, "shard": list(shard), "scales": inputs.scale.tolist()}
    with Scratch(out, work) as scratch, LookJournal(scratch.path("looks")) as journal:
        store, seconds = collect(
            sampler, inputs, budget, identity, len(data), journal, before and before[0],
            progress, jobs,
        )  # fmt: skip
        if before:
            seconds += seconds_of(before[1], store)
        store.write(out)
        about |= clean.record_of(base, inputs.label) if n_classes is None else {}
        _write_record(out, store, spec.budget, seconds, made, start, engine, read_before, about)
        scratch.remove()
    return store


def _identifying(spec: SampleSpec) -> dict[str, Any]:
    """What of a specification stands in the identity; a purpose only if it is another."""
    usual = {"budget"} if spec.purpose != "certification" else {"budget", "purpose"}
    return {k: v for k, v in spec.only(SampleSpec).plain().items() if k not in usual}


class _Lazy:
    """The rows of a data set's images, fetched one at a time."""

    def __init__(self, images: Any, rows: NDArray[np.int64]) -> None:
        self._images, self._rows = images, rows

    def __getitem__(self, i: int) -> torch.Tensor:
        return self._images[int(self._rows[i])]


def _existing(
    out: Path, top_up: Path | None, identity: dict[str, Any], inputs: Inputs
) -> tuple[VoteStore, dict[str, Any]] | None:
    """The store to take looks from, with its record: ``top_up`` if it exists, else ``out``."""
    rows = inputs.row
    for path in (top_up, out):
        if path is not None and path.exists():
            store = VoteStore.read(path)
            said = difference(store.identity, identity)
            if said and path == out:
                raise SmoothcertError(
                    f"{path} holds votes with another specification: {said}; give another --out"
                )
            if path == out and not np.isin(store.row, rows).all():
                raise SmoothcertError(
                    f"{path} holds {len(store)} inputs of {store.rows} that are not all in this"
                    " shard; give another --out, or the store as --top-up"
                )
            if not said and (path == out or _same_scales(store, inputs)):
                return store, read_record(path)
    return None


def _same_scales(store: VoteStore, inputs: Inputs) -> bool:
    """Whether the inputs that both have were sampled at the noise scales wanted now."""
    ours = dict(zip(inputs.row.tolist(), inputs.scale.tolist(), strict=True))
    theirs = zip(store.row.tolist(), store.scale.tolist(), strict=True)
    return all(ours.get(row, scale) == scale for row, scale in theirs)


def _write_record(
    out: Path,
    store: VoteStore,
    budget: str,
    seconds: NDArray[np.float64],
    made: dict[str, Any],
    start: float,
    engine: Engine,
    read_before: Readings,
    about: Mapping[str, Any],
) -> None:
    record = {
        "identity": store.identity,
        **about,
        "budget": budget,  # what this run sampled for; the votes may serve others
        "model": made,
        "surroundings": provenance.record(str(engine.device)),
        **({"engine_note": engine.note} if engine.note else {}),
        "wall_seconds": round(time.time() - start, 3),
        **({KEY: read_before} if read_before else {}),
        "seconds": {str(i): round(float(s), 6) for i, s in zip(store.idx, seconds, strict=True)},
    }
    write_record(out, record)
