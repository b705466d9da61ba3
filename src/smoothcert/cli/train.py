"""``smoothcert train``: a base classifier from a recipe."""

from __future__ import annotations

import argparse
from typing import Any

from smoothcert.cli.common import json_mapping

KEYS = ("training", "dataset", "arch", "recipe", "seed", "parent")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags; those of the specification override the keys of --spec."""
    parser.add_argument("--spec", metavar="JSON", help="the specification, JSON or @FILE")
    parser.add_argument("--training", metavar="SLUG", help="e.g. cohen-fs-0.25, macer-ds2-0.25")
    parser.add_argument("--dataset", metavar="NAME")
    parser.add_argument("--arch", metavar="SLUG", help="e.g. tiny_cnn, resnet110")
    parser.add_argument("--recipe", metavar="JSON", help="the recipe, JSON or @FILE")
    parser.add_argument("--seed", type=int, metavar="N", help="default 0")
    parser.add_argument(
        "--parent", metavar="FILE", help="model or snapshot to start from (ds2, fine-tuning)"
    )
    parser.add_argument("--out", required=True, metavar="FILE.safetensors")
    parser.add_argument("--snapshots", metavar="DIR", help="of the recipe's; default: beside --out")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


def run(args: argparse.Namespace) -> int:
    """Train, and print one line about the model."""
    spec = json_mapping(args.spec, "--spec") if args.spec else {}
    flags: dict[str, Any] = {k: getattr(args, k) for k in KEYS if getattr(args, k) is not None}
    if "recipe" in flags:
        flags["recipe"] = json_mapping(args.recipe, "--recipe")

    from smoothcert.compute.devices import job_device
    from smoothcert.training import Job, train
    from smoothcert.training.settings import from_mapping

    job = from_mapping(Job, spec | flags, "specification")
    job_device(args.device)
    record = train(job, args.out, args.data_dir, args.device, args.quiet, args.snapshots)
    final = record["final"]
    print(
        f"{args.out}: {record['training']} {record['arch']} on {record['dataset']},"
        f" {record['epoch']} epochs, loss {final['loss']:.4f},"
        f" noisy training accuracy {final['noisy_accuracy']:.1%}, digest {record['digest'][:12]}"
    )
    return 0
