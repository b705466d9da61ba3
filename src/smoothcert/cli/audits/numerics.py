"""``smoothcert audit numerics TABLE --model FILE --out BASE``: certificates in other arithmetic.

Writes BASE.json, the table BASE-arithmetic.* (CSV, Markdown, LaTeX) and BASE.pdf, .png.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from smoothcert.cli.common import add_spec, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.verdict import write_verdicts

KEYS = {"max": int, "n": int, "look": int, "alpha": float, "steps": int, "seed": int}
_DEFAULTS: dict[str, Any] = {
    "max": 50, "n": 10_000, "look": 1000, "alpha": 0.001, "steps": 256, "seed": 0,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="certificates (.tsv): inputs and scales")
    parser.add_argument("--model", metavar="FILE", required=True)
    parser.add_argument("--out", required=True, metavar="BASE")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.epilog = (
        "max: inputs (50); n, look: votes of an input, of one stream (10000, 1000); steps: of the"
        " lattice a unit (256); the seed is that of the streams, as of `smoothcert sample`."
    )
    add_spec(parser, KEYS)


def run(args: argparse.Namespace) -> int:
    """Compare, tabulate, draw, judge."""
    from smoothcert.audits.arithmetic import bits_verdicts
    from smoothcert.audits.attack_accuracy import some_rows
    from smoothcert.audits.figure_numerics import arithmetic as figure
    from smoothcert.audits.numerics import compare, lattice, variants
    from smoothcert.audits.numerics_verdicts import (
        bound_verdict,
        difference,
        rounding_verdict,
        variant_verdicts,
    )
    from smoothcert.audits.tables import arithmetic as table
    from smoothcert.cli.audits.subjects import subject
    from smoothcert.core import provenance
    from smoothcert.report.style import save
    from smoothcert.report.write import to_markdown, write_table

    spec = {**_DEFAULTS, **specification(args, KEYS)}
    for key in ("max", "n", "look"):
        if spec[key] < 1:
            raise SmoothcertError(f"{key} {spec[key]}: expected at least 1")
    of = subject(args.table, args.model, args.data_dir, "cpu")
    rows, images = some_rows(of.run.table, of.images, spec["max"])
    scale = rows.optional("sigma")
    scale = np.full(len(rows), of.noise.scale) if scale is None else scale
    what = images, rows.idx, rows.label, scale
    sampler = of.sampler
    tried = variants(sampler.batch, sampler.precision, sampler.trace)
    found = compare(
        sampler.model, of.noise, *what, tried, spec["n"], alpha=spec["alpha"], seed=spec["seed"],
        look=spec["look"],
    )  # fmt: skip
    verdicts = variant_verdicts(found, of.name)
    rounded = rounding_verdict(
        sampler.model, of.noise, images, rows.idx, scale, sampler.batch, of.name,
        min(spec["n"], 2000), spec["seed"],
    )  # fmt: skip
    verdicts += [rounded] if rounded else []
    exact = lattice(
        sampler.model, of.noise, *what, spec["steps"], sampler.batch, spec["n"],
        alpha=spec["alpha"], seed=spec["seed"],
    )  # fmt: skip
    found += [exact] if exact else []
    verdicts += [*bits_verdicts(spec["steps"], seed=spec["seed"]), bound_verdict()]
    both = [(one, difference(found[0], one)) for one in found]
    base = Path(args.out)
    made = table(both, of.name)
    write_table(base.with_name(base.name + "-arithmetic"), made)
    print(to_markdown(made), end="")
    for path in save(figure(both, of.name), args.out):
        print(path)
    for verdict in verdicts:
        print(verdict)
    record = {"specification": spec, "table": args.table, "made": provenance.record("cpu")}
    return write_verdicts(base.with_name(base.name + ".json"), "numerics", verdicts, record)
