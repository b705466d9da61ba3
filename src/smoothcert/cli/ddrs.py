"""``smoothcert ddrs images SCALES [CERT...] --out BASE``: inputs under their noise (figure 6).

SCALES is a table of noise scales (``smoothcert scales``). CERT are certificates of the same
model at the fixed scale and at the scales shown: with them, prediction and radius stand below
each picture. The other figures of DDRS are read from certificates alone: ``smoothcert figure``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from smoothcert.certificates import CertificateTable
from smoothcert.cli.common import add_spec, json_mapping, require, specification
from smoothcert.core.errors import SmoothcertError

KEYS = {
    "dataset": str,
    "noise": str,
    "scaling": str,
    "split": str,
    "rows": int,
    "seed": int,
    "title": str,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["images"])
    parser.add_argument("scales", metavar="SCALES", help="table of noise scales (.tsv)")
    parser.add_argument("files", nargs="*", metavar="CERT", help="certificate tables (.tsv)")
    parser.add_argument("--out", required=True, metavar="BASE", help="writes BASE.pdf and BASE.png")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.epilog = (
        "dataset, noise: found in the record of SCALES; scaling: of several in SCALES (the last);"
        " split: test; rows: inputs shown, 3 for the smallest, nearest and largest scale (3);"
        " seed: of the noise drawn (0)."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Draw; prints what was written."""
    from smoothcert import datasets
    from smoothcert.certificates import sidecar
    from smoothcert.noise import NOISES
    from smoothcert.papers.ddrs.figure_images import images, read_scales
    from smoothcert.report.style import save

    spec: dict[str, Any] = {"split": "test", "rows": 3, "seed": 0}
    record = sidecar(args.scales)
    if record.exists():
        found = json_mapping(f"@{record}", str(record)).get("identity")
        known = found if isinstance(found, dict) else {}
        keys = ("dataset", "noise", "split")
        spec |= {key: known[key] for key in keys if isinstance(known.get(key), str)}
    spec |= specification(args, KEYS)
    require(spec, "dataset", "noise")
    if spec["rows"] < 1:
        raise SmoothcertError(f"rows {spec['rows']}: expected at least 1")
    scales = read_scales(args.scales, spec.get("scaling"))
    fixed, adapted = _certificates(args.files, spec, scales.scaling)
    figure = images(
        datasets.load(spec["dataset"], spec["split"], args.data_dir),
        NOISES.parse(spec["noise"]),
        scales,
        rows=spec["rows"],
        seed=spec["seed"],
        fixed=fixed,
        adapted=adapted,
        title=spec.get("title"),
    )
    for path in save(figure, args.out):
        print(path)
    return 0


def _certificates(
    files: Sequence[str], spec: dict[str, Any], scaling: str
) -> tuple[CertificateTable | None, CertificateTable | None]:
    """Those at the fixed scale and those at the scales shown, as far as they are given."""
    from smoothcert.certificates.runs import read_runs

    found: dict[str | None, CertificateTable] = {}
    for run in read_runs(files):
        if run.scaling not in ("fixed", scaling):
            raise SmoothcertError(
                f"{run.path}: scaling {run.scaling}; expected fixed or {scaling}, those shown"
            )
        if (run.dataset, run.noise) != (spec["dataset"], spec["noise"]):
            raise SmoothcertError(
                f"{run.path}: of {run.dataset} and {run.noise}; expected {spec['dataset']} and"
                f" {spec['noise']}, those of the scales"
            )
        if run.scaling in found:
            raise SmoothcertError(f"{run.path}: a second table of scaling {run.scaling}")
        found[run.scaling] = run.table
    return found.get("fixed"), found.get(scaling)
