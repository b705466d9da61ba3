"""``smoothcert audit attack-accuracy``: certified accuracy beside accuracy under attack.

TABLE --model FILE attacks every input at each radius and writes BASE.csv, BASE.json (does an
attack break a certified input?) and BASE.pdf, .png. CSV... alone draws what earlier runs wrote
into one figure, a panel each.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from smoothcert.audits.attack_accuracy import Robust
from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic

KEYS = {
    "max": int,
    "radii": str,
    "steps": int,
    "copies": int,
    "inputs": int,
    "screen": int,
    "votes": int,
    "seed": int,
}
_DEFAULTS: dict[str, Any] = {
    "max": None, "radii": None, "steps": 20, "copies": 32, "inputs": 2, "screen": 250,
    "votes": 1000, "seed": 0,
}  # fmt: skip
COLUMNS = ("kind", "subject", "norm", "radius", "certified", "robust", "inputs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="TABLE|CSV")
    parser.add_argument("--model", metavar="FILE", help="checkpoint of the table's classifier")
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.add_argument("--title", metavar="TEXT", help="of a figure of several panels")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.epilog = (
        "max: inputs (all); radii: as of `smoothcert metrics` (8 up to twice the largest);"
        " steps, copies, inputs: of the attack (20, 32, 2); screen, votes: for a candidate, for a"
        " prediction (250, 1000)."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Attack one table, or draw earlier results."""
    from smoothcert.audits.figure_attack import under_attack
    from smoothcert.report.style import save

    given = specification(args, KEYS)
    if args.model is None:
        for path in save(under_attack([_read(f) for f in args.files], args.title), args.out):
            print(path)
        return 0
    if len(args.files) != 1:
        raise SmoothcertError(f"audit attack-accuracy: expected one TABLE, found {len(args.files)}")
    status, rows = _attack(args, {**_DEFAULTS, **given})
    for path in save(under_attack([rows], args.title), args.out):
        print(path)
    return status


def _attack(args: argparse.Namespace, spec: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    import numpy as np

    from smoothcert.audits.attack_accuracy import accuracy_under_attack, some_rows, verdict
    from smoothcert.audits.falsification import Votes
    from smoothcert.audits.smooth_attack import Search
    from smoothcert.certificates.metrics import parse_radii
    from smoothcert.cli.audits.subjects import subject
    from smoothcert.core import provenance
    from smoothcert.report.verdict import write_verdicts

    of = subject(args.files[0], args.model, args.data_dir, args.device)
    table, images = some_rows(of.run.table, of.images, spec["max"])
    if spec["radii"] is None:
        reach = float(table.radius[np.isfinite(table.radius)].max(initial=0.0)) or 1.0
        radii = np.linspace(0, 2 * reach, 8)
    else:
        radii = parse_radii(spec["radii"])
    search = Search(
        steps=spec["steps"], copies=spec["copies"], inputs=spec["inputs"], seed=spec["seed"]
    )
    votes = Votes(spec["screen"], spec["votes"], seed=spec["seed"])
    found = accuracy_under_attack(
        of.sampler, table, images, of.noise, radii.tolist(), search, votes,
        lambda r, n: print(f"radius {r:.4g}: {n} of {len(table)} left", flush=True),
    )  # fmt: skip
    rows = _rows(found, of.kind, of.name, of.noise.norm)
    base = Path(args.out)
    with (
        atomic(base.with_name(base.name + ".csv")) as temporary,
        temporary.open("w", newline="") as handle,
    ):
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    said = verdict(found, f"{of.kind}: no certified input breaks", of.name, of.ours)
    print(said)
    record = {"specification": spec, "rows": rows, "made": provenance.record()}
    path = base.with_name(base.name + ".json")
    return write_verdicts(path, "attack-accuracy", [said], record), rows


def _rows(found: Robust, kind: str, name: str, norm: str) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "subject": name, "norm": norm, "radius": float(r), "certified": int(c),
         "robust": int(a), "inputs": found.inputs}
        for r, c, a in zip(found.radii, found.certified, found.robust, strict=True)
    ]  # fmt: skip


def _read(path: str) -> list[dict[str, Any]]:
    kinds = {"radius": float, "certified": int, "robust": int, "inputs": int}
    try:
        with Path(path).open(newline="") as handle:
            reader = csv.DictReader(handle)
            if reader.fieldnames != list(COLUMNS):
                raise SmoothcertError(
                    f"{path}:1: expected the columns {','.join(COLUMNS)} of `smoothcert audit"
                    f" attack-accuracy`, found {','.join(reader.fieldnames or [])}"
                )
            rows = [{k: kinds.get(k, str)(v) for k, v in row.items()} for row in reader]
    except ValueError as error:
        raise SmoothcertError(f"{path}: {error}") from None
    if not rows:
        raise SmoothcertError(f"{path}: no rows; expected at least one radius")
    return rows
