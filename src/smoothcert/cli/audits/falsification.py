"""``smoothcert audit falsification TABLE... --model FILE --out BASE``: attack certificates.

Writes BASE.json (a verdict a table), BASE.tsv (a row a certificate) and BASE.npz (the attacked
inputs, by which a break can be checked again). Tables of `smoothcert lbrs certify` need no
--model; --spiral adds the exact check of linear LBRS.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.certificates.runs import Run
from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.report.verdict import Verdict, write_verdicts

KEYS = {
    "max": int,
    "steps": int,
    "copies": int,
    "directions": int,
    "inputs": int,
    "screen": int,
    "votes": int,
    "alpha": float,
    "seed": int,
}
_DEFAULTS: dict[str, Any] = {
    "max": 200, "steps": 40, "copies": 64, "directions": 16, "inputs": 3, "screen": 250,
    "votes": 10_000, "alpha": 0.001, "seed": 0,
}  # fmt: skip
COLUMNS = (
    "table", "idx", "label", "predict", "radius", "norm", "sigma", "p_lower", "how", "distance",
    "count", "n", "p_upper", "found", "lost", "flipped", "cause",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="certificates (.tsv)")
    parser.add_argument("--model", metavar="FILE", help="checkpoint of the tables' classifier")
    parser.add_argument("--spiral", metavar="NPZ", help="what `smoothcert lbrs spiral` wrote")
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.epilog = (
        "max: certificates of a table that are attacked (200); steps, copies: of an ascent, noises"
        " of a step (40, 64); directions, inputs: random vertices, other inputs (16, 3); screen,"
        " votes: for a candidate, for the verdict (250, 10000); alpha: of all the verdict's"
        " answers together (0.001)."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Attack; 1 where certificates that this project calls sound are broken."""
    from smoothcert.core import provenance

    spec = {**_DEFAULTS, **specification(args, KEYS)}
    verdicts: list[Verdict] = []
    rows: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, table in enumerate(args.tables):
        verdicts.append(_table(args, spec, table, number, rows, arrays))
    if args.spiral:
        from smoothcert.audits.falsify_lbrs import exact_verdicts
        from smoothcert.lbrs.results import read_spiral

        verdicts += exact_verdicts(read_spiral(args.spiral))
    if not verdicts:
        raise SmoothcertError("audit falsification: expected at least one TABLE, or --spiral")
    base = Path(args.out)
    _write_rows(base.with_name(base.name + ".tsv"), rows)
    with atomic(base.with_name(base.name + ".npz")) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    record = {"specification": spec, "tables": args.tables, "made": provenance.record()}
    for verdict in verdicts:
        print(verdict)
    return write_verdicts(base.with_name(base.name + ".json"), "falsification", verdicts, record)


def _table(
    args: argparse.Namespace, spec: dict[str, Any], table: str, number: int,
    rows: list[dict[str, Any]], arrays: dict[str, np.ndarray],
) -> Verdict:  # fmt: skip
    from smoothcert.certificates.runs import read_run

    run = read_run(table)
    if "form" in run.record:
        return _lbrs(args, spec, run, number, rows, arrays)
    if args.model is None:
        raise SmoothcertError(f"{table}: give the --model that it certifies")
    from smoothcert.audits.falsification import Votes, claims, falsify, verdict
    from smoothcert.audits.smooth_attack import Search
    from smoothcert.cli.audits.subjects import subject

    of = subject(table, args.model, args.data_dir, args.device)
    search = Search(
        steps=spec["steps"], copies=spec["copies"], directions=spec["directions"],
        inputs=spec["inputs"], seed=spec["seed"],
    )  # fmt: skip
    votes = Votes(spec["screen"], spec["votes"], spec["alpha"], spec["seed"])
    claimed = claims(of.run.table, of.images, of.noise, spec["max"])
    attacked = falsify(of.sampler, claimed, search, votes)
    c = attacked.claims
    rows += [
        {
            "table": table, "idx": c.idx[i], "label": c.label[i], "predict": c.predict[i],
            "radius": c.radius[i], "norm": c.noise.norm, "sigma": c.scale[i],
            "p_lower": c.p_lower[i], "how": attacked.how[i], "distance": attacked.distance[i],
            "count": attacked.count[i], "n": attacked.n, "p_upper": attacked.upper[i],
            "found": attacked.found[i], "lost": int(attacked.lost[i]),
            "flipped": int(attacked.flipped[i]), "cause": attacked.cause[i] or "-",
        }
        for i in range(len(c))
    ]  # fmt: skip
    arrays[f"{number}_idx"], arrays[f"{number}_point"] = c.idx, attacked.point.numpy()
    found = verdict(
        attacked, f"{of.kind}: unchanged inside the radius", of.name, str(search), of.ours
    )
    return _with_witness(found, args, bool(attacked.lost.any()))


def _lbrs(
    args: argparse.Namespace, spec: dict[str, Any], run: Run, number: int,
    rows: list[dict[str, Any]], arrays: dict[str, np.ndarray],
) -> Verdict:  # fmt: skip
    from smoothcert.audits.falsify_lbrs import falsify, rebuild, verdict
    from smoothcert.compute.devices import job_device

    job_device("cpu")
    model = rebuild(run.record, run.table)
    size = {
        "steps": spec["steps"], "directions": spec["directions"], "seed": spec["seed"],
        "most": spec["max"],
    }  # fmt: skip
    attacked = falsify(model, run.table, **size)
    beyond = falsify(model, run.table, factor=2.0, **size)
    for i, idx in enumerate(attacked.idx):
        at = int(np.flatnonzero(run.table.idx == idx)[0])
        broken = int(attacked.broken[i])
        rows.append({
            "table": str(run.path), "idx": idx, "label": run.table.label[at],
            "predict": run.table.predict[at], "radius": attacked.radius[i], "norm": model.norm,
            "sigma": "-", "p_lower": "-", "how": "ascent", "distance": attacked.distance[i],
            "count": "-", "n": "-", "p_upper": "-",
            "found": 1 - run.table.predict[at] if broken else run.table.predict[at],
            "lost": broken, "flipped": broken, "cause": "radius" if broken else "-",
        })  # fmt: skip
    arrays[f"{number}_idx"], arrays[f"{number}_point"] = attacked.idx, attacked.point
    task = run.record["specification"].get("task", {})
    name = (
        f"{task.get('dataset')}, class {task.get('positive')} against the rest, {model.norm},"
        f" bias {model.bias:g}"
    )
    found = verdict(attacked, beyond, name, run.record["form"], spec["steps"])
    return _with_witness(found, args, bool(attacked.broken.any()))


def _with_witness(found: Verdict, args: argparse.Namespace, broken: bool) -> Verdict:
    from dataclasses import replace

    return replace(found, witness=f"{Path(args.out).name}.npz") if broken else found


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="\n") as handle:
        handle.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            cells = (row[name] for name in COLUMNS)
            handle.write("\t".join(_text(cell) for cell in cells) + "\n")


def _text(cell: Any) -> str:
    if isinstance(cell, float | np.floating):
        return repr(float(cell))
    return json.dumps(cell) if isinstance(cell, bool) else str(cell)
