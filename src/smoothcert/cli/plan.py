"""``smoothcert plan``: what a target costs, before anything runs."""

from __future__ import annotations

import argparse
import os

from smoothcert.cli.bench import DEFAULT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of what, on what, and with how many."""
    parser.description = (
        "What targets of the workflow cost on the device of a throughput file: jobs, hours, wall"
        " time and disk, by rule and by table or figure. Snakemake says which jobs are to do; the"
        " work of each is counted from its specification."
    )
    parser.add_argument("targets", nargs="*", default=["all"], help="of the workflow; default: all")
    parser.add_argument("--preset", default="smoke", help="default: smoke")
    parser.add_argument("--configfile", action="append", default=[], metavar="YAML")
    parser.add_argument("--config", metavar="JSON", help="a whole configuration, or @FILE")
    parser.add_argument(
        "--throughput", metavar="JSON", help=f"of smoothcert bench --write; default {DEFAULT}"
    )
    parser.add_argument("--gpus", type=int, default=1, help="GPUs at once; default 1")
    parser.add_argument("--jobs", type=int, help="CPU jobs at once; default: the cores here")
    parser.add_argument("--all", action="store_true", help="also what is there and up to date")
    parser.add_argument(
        "--compare", action="store_true", help="planned beside recorded times of what has run"
    )


def run(args: argparse.Namespace) -> int:
    """Print the plan, or the comparison."""
    from smoothcert.cli.common import json_mapping
    from smoothcert.core.errors import SmoothcertError
    from smoothcert.workflow.planning.compare import compare
    from smoothcert.workflow.planning.estimate import Estimate
    from smoothcert.workflow.planning.jobs import dry_run
    from smoothcert.workflow.planning.report import compared_text, plan_text
    from smoothcert.workflow.planning.throughput import Throughput

    cores = args.jobs if args.jobs is not None else os.cpu_count() or 1
    for name, value in (("--gpus", args.gpus), ("--jobs", cores)):
        if value < 1:
            raise SmoothcertError(f"{name} {value}: expected at least 1")
    throughput = Throughput.read(args.throughput or DEFAULT)
    jobs = dry_run(
        args.targets,
        args.preset,
        args.configfile,
        json_mapping(args.config, "--config") if args.config else None,
        everything=args.all or args.compare,
    )
    estimate = Estimate(jobs, throughput)
    if args.compare:
        print(compared_text(compare(estimate), throughput.clock), end="")
        return 0
    title = f"{' '.join(args.targets)}, preset {args.preset}"
    print(plan_text(estimate, title, args.gpus, cores), end="")
    return 0
