"""One job of dual smoothing: an estimator, votes at its levels -> those of one classifier."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoothcert.budget import Fixed
from smoothcert.certificates.routed import routed
from smoothcert.core.errors import SmoothcertError
from smoothcert.sampling import job
from smoothcert.sampling.spec import SampleSpec
from smoothcert.scaling.spec import RouteSpec
from smoothcert.votes import VoteStore
from smoothcert.votes.records import read_record, seconds_of, write_record

_ESTIMATOR = "route.npz"


def run(
    spec: RouteSpec,
    router: str,
    levels: Sequence[Path],
    out: Path,
    *,
    data_dir: str | Path | None = None,
    device: str = "auto",
    progress: job.Progress | None = None,
) -> VoteStore:
    """Sample the estimator at the inputs of ``levels`` and write the routed store ``out``.

    The estimator's own votes lie beside it, in ``route.npz``; a killed run goes on from them. Its
    noise is that of the purpose ``routing``, which certifies no class. Raises SmoothcertError for
    stores that do not say their data, or do not belong together.
    """
    start = time.time()
    stores = [VoteStore.read(path) for path in levels]
    first = stores[0].identity
    if "dataset" not in first:
        raise SmoothcertError(
            f"{levels[0]}: does not state its data set; expected votes from smoothcert sample"
        )
    sampling = SampleSpec.check(
        {
            **{key: first[key] for key in ("dataset", "split", "skip", "max") if key in first},
            "noise": spec.noise,
            "budget": Fixed(spec.n, n0=spec.n0).slug,
            "look": spec.n,
            "purpose": "routing",
            "batch": spec.batch,
            "engine": spec.engine,
            "precision": spec.precision,
            "seed": spec.seed,
        },
        "route",
    )
    votes = out.with_name(_ESTIMATOR)
    route = job.run(
        sampling,
        router,
        votes,
        data_dir=data_dir,
        device=device,
        progress=progress,
        n_classes=len(stores),
    )
    store = routed(route, stores, spec.scaling, spec.of or "")
    store.write(out)
    _write_record(out, store, votes, levels, stores, start)
    return store


def _write_record(
    out: Path,
    store: VoteStore,
    votes: Path,
    levels: Sequence[Path],
    stores: Sequence[VoteStore],
    start: float,
) -> None:
    """Seconds an input: those of its level's votes and those of the estimator's."""
    of_route = read_record(votes)
    seconds = seconds_of(of_route, store)
    for k, (path, level) in enumerate(zip(levels, stores, strict=True)):
        here = store.extra["route_level"] == k
        seconds[here] += seconds_of(read_record(path), level)[here]
    record: dict[str, Any] = {
        "identity": store.identity,
        "surroundings": of_route.get("surroundings"),
        "wall_seconds": round(time.time() - start, 3),
        "seconds": {str(i): round(float(s), 6) for i, s in zip(store.idx, seconds, strict=True)},
    }
    write_record(out, record)
