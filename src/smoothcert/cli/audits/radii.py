"""``smoothcert audit radii --out FILE.json``: radius formulas against the worst base classifier.

Needs no model and no data: each noise's certified radius is tried on the classifier that the
lemma of Neyman and Pearson says is the worst, in a given dimension.
"""

from __future__ import annotations

import argparse
from typing import Any

from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.verdict import write_verdicts

KEYS = {"d": int, "n": int, "margin": float, "alpha": float, "seed": int}
_DEFAULTS: dict[str, Any] = {"d": 64, "n": 100_000, "margin": 0.05, "alpha": 0.001, "seed": 0}
NOISES_OF = (
    "gaussian-1.00", "uniform-1.00", "laplace-1.00", "gaussian-linf-1.00",
    "centripetal-l1_k8-1.00", "centripetal-l2_k8-1.00", "centripetal-linf_k8-1.00",
    "mixed-linf_k8-1.00",
)  # fmt: skip
PROBABILITIES = (0.9, 0.95)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("noises", nargs="*", metavar="NOISE", help="slugs; default: one a family")
    parser.add_argument("--out", required=True, metavar="JSON")
    parser.epilog = (
        "d: dimension (64); n: draws for each bound (100000); margin: by how much a radius must be"
        " too large to be sure to be caught (0.05); alpha: that a right formula is called broken."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Try each noise; 1 where a radius is too large."""
    from smoothcert.audits.extremal import radii_verdict
    from smoothcert.compute.devices import job_device
    from smoothcert.core import provenance
    from smoothcert.noise import NOISES

    spec = {**_DEFAULTS, **specification(args, KEYS)}
    for key in ("d", "n"):
        if spec[key] < 1:
            raise SmoothcertError(f"{key} {spec[key]}: expected at least 1")
    if not 0 < spec["alpha"] < 1 or spec["margin"] <= 0:
        raise SmoothcertError("audit radii: expected 0 < alpha < 1 and a positive margin")
    job_device("cpu")
    verdicts, rows = [], []
    for slug in args.noises or NOISES_OF:
        verdict, of = radii_verdict(
            NOISES.parse(slug), spec["d"], PROBABILITIES, spec["n"], spec["margin"],
            spec["alpha"], spec["seed"],
        )  # fmt: skip
        print(verdict)
        verdicts.append(verdict)
        rows += of
    record = {"specification": spec, "rows": rows, "made": provenance.record("cpu")}
    return write_verdicts(args.out, "radii", verdicts, record)
