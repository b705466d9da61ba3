"""``smoothcert scales``: the noise scale of each input, by the scalings of one search."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from smoothcert.cli.common import Kind, checked, require
from smoothcert.core.errors import SmoothcertError

KEYS: dict[str, Kind] = {
    "dataset": str,
    "split": str,
    "skip": int,
    "max": int,
    "noise": str,
    "scalings": list,
    "batch": int,
    "seed": int,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags; those of the specification override the keys of --spec."""
    parser.add_argument("--spec", metavar="JSON", help=f"these as JSON or @FILE: {', '.join(KEYS)}")
    parser.add_argument("--dataset", metavar="NAME")
    parser.add_argument("--split", metavar="NAME")
    parser.add_argument("--skip", type=int, metavar="N", help="every N-th input")
    parser.add_argument("--max", type=int, metavar="N", help="at most so many inputs")
    parser.add_argument("--noise", metavar="SLUG", help="the noise at sigma_0: gaussian-0.25")
    parser.add_argument(
        "--scalings", nargs="+", metavar="SLUG", help="of one search: ascent-K100 ascent-K900"
    )
    parser.add_argument("--batch", type=int, metavar="N", help="inputs searched together")
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument("--model", required=True, metavar="FILE", help="or package.module:function")
    parser.add_argument("--out", required=True, metavar="TSV")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


def run(args: argparse.Namespace) -> int:
    """Search or resume; print one line a scaling."""
    flags = {key: getattr(args, key) for key in KEYS if getattr(args, key) is not None}
    spec = checked(args.spec, KEYS) | flags
    require(spec, "dataset", "noise", "scalings")
    if not all(isinstance(slug, str) for slug in spec["scalings"]):
        raise SmoothcertError(f"scalings: expected a list of texts, found {spec['scalings']!r}")
    from tqdm import tqdm

    from smoothcert.compute.devices import job_device
    from smoothcert.scaling import job as run_scales

    job_device(args.device)
    out = Path(args.out)
    # A log file gets a line now and then, a terminal a live bar.
    pace = 0.5 if sys.stderr.isatty() else 30
    bar = tqdm(
        unit=" passes",
        unit_scale=True,
        desc=out.name,
        disable=args.quiet,
        dynamic_ncols=True,
        mininterval=pace,
    )
    with bar:

        def progress(passes: int, total: int) -> None:
            bar.total = total
            bar.update(passes)

        table = run_scales.run(
            run_scales.ScalesSpec(**spec),
            args.model,
            out,
            data_dir=args.data_dir,
            device=args.device,
            progress=progress,
        )
    for slug in spec["scalings"]:
        print(f"{out}: {slug}: {run_scales.summary(table, slug)}")
    return 0
