"""One certification job: a vote store -> certificates on disk, with what made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothcert.budget import BUDGETS, Budget
from smoothcert.certificates import CertificateTable, sidecar, write_certificates
from smoothcert.certificates.certification import certify, read_as
from smoothcert.certificates.routed import Route
from smoothcert.certificates.spec import CertifySpec
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.noise.centripetal import Centripetal
from smoothcert.votes import VoteStore
from smoothcert.votes.readings import first_read_at, note_reading, read_readings
from smoothcert.votes.records import read_record, record_path, seconds_of


def run(
    spec: CertifySpec, votes: Path, out: Path, radius_table: Path | None = None
) -> tuple[CertificateTable, str]:
    """The certificates of the votes, written to ``out`` with their record beside it; and a line
    of warning, '' where there is nothing to warn of.

    It warns, and the record says, that samples were drawn after the votes had been read (see
    votes/readings.py). ``radius_table`` is a file of ``smoothcert radius-table``; without it a
    noise that needs one makes it anew. Raises SmoothcertError where budget, noise or file names
    do not fit the votes.
    """
    if sidecar(out).resolve() == record_path(votes).resolve():
        raise SmoothcertError(
            f"--out {out}: its record {sidecar(out)} would overwrite that of the votes;"
            " choose another name"
        )
    budget = BUDGETS.parse(spec.budget)
    store = VoteStore.read(votes)
    sampled = read_record(votes)
    noise = read_as(store, None if spec.noise is None else NOISES.parse(spec.noise))
    if radius_table:
        noise = noise.with_table_file(radius_table)
    table = certify(store, budget, noise, seconds_of(sampled, store))
    earlier = read_readings(votes, sampled)
    late = _late(table, store, first_read_at(earlier, store), budget)
    record = {
        "budget": spec.budget,
        "code": spec.code,
        **store.identity,
        "votes": {key: value for key, value in sampled.items() if key != "seconds"},
        **_of_noise(noise, store),
        **({"drawn_after_reading": late} if late else {}),
    }
    write_certificates(out, table, record)
    note_reading(votes, store, earlier)
    return table, _warning(votes, budget, late)


def _late(
    table: CertificateTable, store: VoteStore, read_at: NDArray[np.int64], budget: Budget
) -> dict[str, int]:
    """What rests on samples that were drawn after the votes had been read; {} for nothing."""
    route = Route.of(store)
    fixed = store.n0 + (0 if route is None else route.samples)
    used = table.columns["samples"] - fixed
    late = np.flatnonzero(used > read_at)
    if budget.anytime_valid or not len(late):
        return {}
    i = late[0]
    return {"inputs": len(late), "read_at": int(read_at[i]), "samples": int(used[i])}


def _warning(votes: Path, budget: Budget, late: dict[str, int]) -> str:
    if not late:
        return ""
    return (
        f"{votes} was read at {late['read_at']:,} samples per input, and {budget.slug} needs"
        " samples drawn later: if you drew them because of what you saw, a certificate can be wrong"
        f" with nearly twice alpha; anytime-{budget.n} holds at any time, and a sequential budget"
        " stops by itself"
    )


def _of_noise(noise: Noise, store: VoteStore) -> dict[str, Any]:
    """What the record says beside the votes' own: a noise of the same draws, a radius table."""
    more: dict[str, Any] = {}
    if noise.slug != store.identity["noise"]:
        more = {"noise": noise.slug, "drawn_as": store.identity["noise"]}
    if isinstance(noise, Centripetal) and noise.table is not None:
        more["radius_table"] = {
            "noise": noise.table.noise,
            "d": noise.table.d,
            "failure_probability": noise.table.failure_probability,
            **noise.table.record,
        }
    return more
