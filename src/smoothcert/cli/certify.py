"""``smoothcert certify``: votes -> certificates; with --model both steps at once.

``--noise`` reads Gaussian votes as those of gaussian-linf (or the reverse); ``--radius-table``
names what ``smoothcert radius-table`` has made, else it is made anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from smoothcert.budget import BUDGETS
from smoothcert.certificates import CertificateTable, sidecar, write_certificates
from smoothcert.certificates.certification import certify
from smoothcert.certificates.metrics import (
    abstention_rate,
    average_certified_radius,
    certified_accuracy,
)
from smoothcert.cli.common import require, specification
from smoothcert.cli.sample import KEYS, add_sampling_arguments, sample
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.noise.centripetal import Centripetal
from smoothcert.report.printing import percent, radius, radius_interval
from smoothcert.votes import VoteStore
from smoothcert.votes.records import read_record, record_path, seconds_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Either --votes, or --model with what ``sample`` takes."""
    add_sampling_arguments(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--votes", metavar="NPZ", help="a vote store")
    source.add_argument("--model", metavar="FILE", help="a checkpoint, or package.module:function")
    parser.add_argument("--radius-table", metavar="JSON", help="of a non-Gaussian noise")
    parser.add_argument("--out", required=True, metavar="TSV")


def run(args: argparse.Namespace) -> int:
    """Certify and print a summary."""
    spec = specification(args, KEYS)
    out = Path(args.out)
    if args.votes:
        for key in spec.keys() - {"budget", "noise", "code"}:
            raise SmoothcertError(f"{key}: the votes were sampled already; only budget is chosen")
        require(spec, "budget")
        votes = Path(args.votes)
        if sidecar(out).resolve() == record_path(votes).resolve():
            raise SmoothcertError(
                f"--out {out}: its record {sidecar(out)} would replace that of the votes;"
                " choose another name"
            )
    else:
        votes = out.with_suffix(".votes.npz")
        sample(args, spec, votes)
    budget = BUDGETS.parse(spec["budget"])
    store = VoteStore.read(votes)
    record = read_record(votes)
    noise = _noise(spec, store, args.radius_table)
    table = certify(store, budget, noise, seconds_of(record, store))
    write_certificates(out, table, {**_record(spec, store, record), **_of_noise(noise, store)})
    print(f"{out}\n{summary(table)}")
    return 0


def _record(spec: dict[str, Any], store: VoteStore, votes: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in votes.items() if key != "seconds"}
    return {"budget": spec["budget"], "code": spec.get("code"), **store.identity, "votes": kept}


def _noise(spec: dict[str, Any], store: VoteStore, table: str | None) -> Noise:
    """What the votes are read as, with its radius table; SmoothcertError if they cannot be."""
    drawn = NOISES.parse(store.identity["noise"])
    noise = NOISES.parse(spec.get("noise", drawn.slug))
    if noise.drawn_as != drawn.drawn_as:
        raise SmoothcertError(
            f"noise {noise.slug}: the votes are of {drawn.slug}, which draws differently"
        )
    return noise.with_table_file(table) if table else noise


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


def summary(table: CertificateTable) -> str:
    """Two lines: what was certified, and how well."""
    radii = [r for r in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0) if r <= table.radius.max(initial=0)]
    accuracy = certified_accuracy(table, radii)
    acr = average_certified_radius(table)
    unit = table.single("norm") or "l2"
    return (
        f"{len(table)} inputs, {table.single('noise')}, {table.single('budget')},"
        f" alpha {table.single('alpha')}: ACR {radius(acr.value)}"
        f" {radius_interval(acr)} (95%), abstains {percent(abstention_rate(table).value)}%\n"
        f"certified accuracy at {unit} radius: "
        + ", ".join(f"{r:g}: {percent(accuracy[i].value)}%" for i, r in enumerate(radii))
    )
