"""One certification job: a vote store -> certificates on disk, with what made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smoothcert.budget import BUDGETS
from smoothcert.certificates import CertificateTable, sidecar, write_certificates
from smoothcert.certificates.certification import certify
from smoothcert.certificates.spec import CertifySpec
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.noise.centripetal import Centripetal
from smoothcert.votes import VoteStore
from smoothcert.votes.records import read_record, record_path, seconds_of


def run(
    spec: CertifySpec, votes: Path, out: Path, radius_table: Path | None = None
) -> CertificateTable:
    """The certificates of the votes, written to ``out`` with their record beside it.

    ``radius_table`` is a file of ``smoothcert radius-table``; without it a noise that needs one
    makes it anew. Raises SmoothcertError where budget, noise or file names do not fit the votes.
    """
    if sidecar(out).resolve() == record_path(votes).resolve():
        raise SmoothcertError(
            f"--out {out}: its record {sidecar(out)} would replace that of the votes;"
            " choose another name"
        )
    budget = BUDGETS.parse(spec.budget)
    store = VoteStore.read(votes)
    sampled = read_record(votes)
    noise = read_as(store, spec.noise)
    if radius_table:
        noise = noise.with_table_file(radius_table)
    table = certify(store, budget, noise, seconds_of(sampled, store))
    record = {
        "budget": spec.budget,
        "code": spec.code,
        **store.identity,
        "votes": {key: value for key, value in sampled.items() if key != "seconds"},
        **_of_noise(noise, store),
    }
    write_certificates(out, table, record)
    return table


def read_as(store: VoteStore, slug: str | None) -> Noise:
    """The noise that certifies the votes; SmoothcertError if they are not draws of it."""
    drawn = NOISES.parse(store.identity["noise"])
    noise = drawn if slug is None else NOISES.parse(slug)
    if noise.drawn_as != drawn.drawn_as:
        raise SmoothcertError(
            f"noise {noise.slug}: the votes are of {drawn.slug}, which draws differently"
        )
    return noise


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
