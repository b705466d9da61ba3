"""``smoothcert audit streams --model FILE --dataset NAME --out JSON``: is any noise used twice?

Chooses scales, certifies and attacks a few inputs, and compares every noise vector that was drawn.
"""

from __future__ import annotations

import argparse
from typing import Any

from smoothcert.cli.common import add_spec, require, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.verdict import write_verdicts

KEYS = {
    "dataset": str,
    "noise": str,
    "scaling": str,
    "budget": str,
    "max": int,
    "look": int,
    "seed": int,
}
_DEFAULTS: dict[str, Any] = {
    "scaling": "fixed", "budget": "fixed-2000", "max": 5, "look": 1000, "seed": 0,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="FILE", required=True)
    parser.add_argument("--out", required=True, metavar="JSON")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """1 where a vector is used twice."""
    from smoothcert import datasets
    from smoothcert.audits.reuse import record_pipeline, reuse_verdict
    from smoothcert.budget import BUDGETS
    from smoothcert.compute.devices import job_device
    from smoothcert.core import provenance
    from smoothcert.noise import NOISES
    from smoothcert.sampling.job import load_model

    spec = {**_DEFAULTS, **specification(args, KEYS)}
    require(spec, "dataset", "noise")
    if spec["max"] < 1:
        raise SmoothcertError(f"max {spec['max']}: expected at least 1")
    job_device("cpu")
    info = datasets.info(spec["dataset"])
    model, made = load_model(args.model, info)
    data = datasets.load(spec["dataset"], "test", args.data_dir, max=spec["max"])
    images = data.images[: len(data)]
    record = record_pipeline(
        model.eval().requires_grad_(False), NOISES.parse(spec["noise"]), images, data.idx,
        BUDGETS.parse(spec["budget"]), spec["scaling"], info.n_classes, look=spec["look"],
        seed=spec["seed"],
    )  # fmt: skip
    subject = ", ".join(
        str(p) for p in (spec["dataset"], made.get("training"), spec["noise"], spec["scaling"],
                         spec["budget"], f"{len(data)} inputs") if p
    )  # fmt: skip
    verdict = reuse_verdict(record, subject)
    print(verdict)
    about = {"specification": spec, "model": made.get("digest"), "made": provenance.record("cpu")}
    return write_verdicts(args.out, "streams", [verdict], about)
