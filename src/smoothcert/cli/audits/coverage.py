"""``smoothcert audit coverage --out BASE``: how often each confidence procedure fails.

Writes BASE.json (a verdict a procedure), BASE.csv (the curves) and BASE.pdf, .png.
"""

from __future__ import annotations

import argparse
import csv
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.audits.procedures import Curve
from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.report.verdict import BROKEN, HOLDS, Verdict, write_verdicts

KEYS = {
    "n": int,
    "alpha": float,
    "scale": float,
    "look": int,
    "runs": int,
    "points": int,
    "looks": int,
    "seed": int,
}
_DEFAULTS: dict[str, Any] = {
    "n": 100_000, "alpha": 0.001, "scale": 0.5, "look": 1000, "runs": 200_000, "points": 200,
    "looks": 4, "seed": 0,
}  # fmt: skip
# Just below Phi(1/2) and Phi(1), where the rules that decide at a radius are at their worst.
SIMULATED_AT = (0.5, 0.6, 0.6914, 0.8413, 0.9, 0.99)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.epilog = (
        "n, alpha, scale, look: of the procedures at full size (100000, 0.001, 0.5, 1000); runs:"
        " simulated inputs at each p (200000); points: of the exact curves (200);"
        " looks: of 10 votes each, whose paths are all listed (4)."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Compute, draw, judge; 1 where a procedure that is called valid is not."""
    from smoothcert.audits.figure_coverage import coverage
    from smoothcert.audits.procedures import full_exact, full_simulated, small_curves
    from smoothcert.core import provenance
    from smoothcert.report.style import save

    spec = {**_DEFAULTS, **specification(args, KEYS)}
    for key in ("n", "look", "runs", "points", "looks"):
        if spec[key] < 1:
            raise SmoothcertError(f"{key} {spec[key]}: expected at least 1")
    n, alpha, points = spec["n"], spec["alpha"], spec["points"]
    grid = np.concatenate([np.linspace(0.5, 0.53, points // 4 + 2)[:-1],
                           np.linspace(0.53, 0.9995, points)])  # fmt: skip
    small = small_curves(points, looks=spec["looks"])
    exact = full_exact(n, alpha, spec["scale"], grid)
    simulated = full_simulated(
        n, alpha, spec["scale"], SIMULATED_AT, spec["runs"], spec["look"], spec["seed"]
    )
    base = Path(args.out)
    _write(base.with_name(base.name + ".csv"), small, exact, simulated)
    for path in save(coverage(small, exact, simulated), args.out):
        print(path)
    verdicts = _verdicts([*small, *exact, *simulated], spec["runs"])
    for verdict in verdicts:
        print(verdict)
    record = {"specification": spec, "made": provenance.record("cpu")}
    return write_verdicts(base.with_name(base.name + ".json"), "coverage", verdicts, record)


def _verdicts(curves: list[Curve], runs: int) -> list[Verdict]:
    """One a procedure, from all that was computed of it."""
    out = []
    for name, group in groupby(sorted(curves, key=lambda c: c.name), key=lambda c: c.name):
        members = list(group)
        parts = [
            f"largest failure probability {c.failure[c.worst]:.3f} alpha at p = {c.p[c.worst]:.4f}"
            f" ({_how(c, runs)}, n = {c.n:,}, alpha = {c.alpha:g})"
            for c in members
        ]
        numbers = {"rows": [c.row() for c in members]}
        word = BROKEN if any(c.broken for c in members) else HOLDS
        what = "prediction" if name.startswith("PREDICT") else "certificate"
        out.append(
            Verdict(
                f"a {what} is wrong with probability at most alpha", name, word,
                "; ".join(parts), members[0].ours, numbers,
            )
        )  # fmt: skip
    return out


def _how(curve: Curve, runs: int) -> str:
    if curve.exact:
        return "exact"
    return f"{runs:,} runs a point, +-{curve.errors[curve.worst]:.2f}"


def _write(path: Path, *groups: list[Curve]) -> None:
    columns = ("procedure", "how", "n", "alpha", "ours", "p", "failure_over_alpha", "error")
    with atomic(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        for curve in (c for group in groups for c in group):
            how = "exact" if curve.exact else "simulated"
            for p, value, error in zip(curve.p, curve.failure, curve.errors, strict=True):
                writer.writerow([curve.name, how, curve.n, curve.alpha, int(curve.ours),
                                 float(p), float(value), float(error)])  # fmt: skip
