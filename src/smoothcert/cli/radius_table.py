"""``smoothcert radius-table NOISE --d D --out FILE``: tabulate p*(r) of a centripetal noise."""

from __future__ import annotations

import argparse
import time
from typing import Any

from smoothcert.cli.common import add_spec, require, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal

HELP = "tabulate p*(r) of a centripetal noise"
KEYS = {"noise": str, "d": int, "samples": int, "seed": int}
MONTE_CARLO = ("samples", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """NOISE is a slug, with or without its scale; samples and seed are for mixed-linf."""
    parser.add_argument("noise", nargs="?", metavar="NOISE", help="e.g. centripetal-l2_k500")
    parser.add_argument("--out", required=True, metavar="FILE.json")
    add_spec(parser, {key: kind for key, kind in KEYS.items() if key != "noise"})


def run(args: argparse.Namespace) -> None:
    """Build the table, write it, print one line."""
    spec = specification(args, KEYS)
    require(spec, "noise", "d")
    noise = parse_shape(spec["noise"])
    settings: dict[str, Any] = {key: spec[key] for key in MONTE_CARLO if key in spec}
    if settings and noise.name != "mixed-linf":
        raise SmoothcertError(f"{', '.join(settings)}: noise {noise.shape_slug} is not sampled")
    start = time.monotonic()
    table = noise.build_table(spec["d"], **settings)
    table.save(args.out)
    print(
        f"{args.out}: {noise.shape_slug}, d = {spec['d']}, {len(table.radius)} radii up to"
        f" {table.radius[-1]:.4g} at scale 1, {table.record['method']},"
        f" failure probability {table.failure_probability:g}, {time.monotonic() - start:.1f} s"
    )


def parse_shape(slug: str) -> Centripetal:
    """The noise of a slug that may leave out the scale, which a table does not depend on."""
    _, dash, tail = slug.rpartition("-")
    has_scale = bool(dash) and tail.replace(".", "", 1).isdigit()
    noise = NOISES.parse(slug if has_scale else f"{slug}-1.00")
    if not isinstance(noise, Centripetal):
        raise SmoothcertError(f"noise {slug}: its radius has a closed form, no table is needed")
    return noise
