"""``smoothcert bench``: the throughput of this device, for ``smoothcert plan``."""

from __future__ import annotations

import argparse
import sys

DEFAULT = "results/throughput.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, how long, and where the file goes."""
    parser.description = (
        "Measure what jobs of the workflow do most: samples of votes and noise, training images,"
        " steps of the search for noise scales, start of a job, bytes on the disk. Each network of"
        " the targets is measured as the jobs run it, with random weights and inputs; what does not"
        " fit into --limit a plan scales from what does. On a CPU one thread is measured, in"
        " processor time."
    )
    parser.add_argument("targets", nargs="*", default=["all"], help="of the workflow; default: all")
    parser.add_argument("--preset", default="smoke", help="whose networks; default: smoke")
    parser.add_argument("--configfile", action="append", default=[], metavar="YAML")
    parser.add_argument("--arch", action="append", metavar="SLUG", help="only these networks")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="of one measurement; default 0.5"
    )
    parser.add_argument("--limit", type=float, default=50, help="seconds in all; default 50")
    parser.add_argument(
        "--write", nargs="?", const=DEFAULT, metavar="JSON", help=f"by itself: {DEFAULT}"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, say each number as it comes, and write the file."""
    from smoothcert.compute.devices import job_device
    from smoothcert.core.errors import SmoothcertError
    from smoothcert.workflow.planning.jobs import dry_run
    from smoothcert.workflow.planning.measure import Bench, measure
    from smoothcert.workflow.planning.needs import needs
    from smoothcert.workflow.planning.overhead import overhead

    if args.seconds <= 0 or args.limit <= 0:
        raise SmoothcertError("--seconds and --limit: expected positive numbers")
    device = job_device(args.device)
    jobs = dry_run(args.targets, args.preset, args.configfile, everything=True)
    wanted = needs(jobs)
    archs = sorted({need.arch for need in wanted})
    for arch in args.arch or []:
        if arch not in archs:
            raise SmoothcertError(
                f"--arch {arch}: no network of {' '.join(args.targets)} at preset {args.preset};"
                f" expected one of {', '.join(archs)}"
            )
    wanted = [need for need in wanted if not args.arch or need.arch in args.arch]
    if not wanted:
        raise SmoothcertError(f"{' '.join(args.targets)}: runs no network, nothing to measure")
    bench = Bench(device, args.seconds, args.limit, say=lambda line: print(line, flush=True))
    found = measure(bench, wanted)
    overhead(found, args.device)
    print(f"start of a job: {found.start:.1f} s; a job without a network: {found.light:.1f} s")
    print(
        f"a look of votes: {found.bytes_per_look:.0f} bytes;"
        f" a certificate: {found.bytes_per_row:.0f} bytes"
    )
    for what in bench.skipped:
        print(f"not measured (--limit {args.limit:g}): {what}", file=sys.stderr)
    if args.write:
        found.write(args.write)
        print(f"{args.write}: {found.name}")
    return 0
