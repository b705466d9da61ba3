"""``smoothcert import-checkpoint``: a published PyTorch checkpoint -> this project's format."""

from __future__ import annotations

import argparse

from smoothcert import datasets, models
from smoothcert.core.errors import SmoothcertError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("file", metavar="FILE", help="{arch, state_dict} or MACER's {net, ...}")
    parser.add_argument("--arch", required=True, metavar="SLUG", help="e.g. resnet110, resnet50")
    parser.add_argument("--dataset", required=True, metavar="NAME")
    parser.add_argument("--out", required=True, metavar="FILE.safetensors")
    parser.add_argument(
        "--normalization",
        choices=models.KINDS,
        help="the first layer, which the file does not hold: standardize (default), center"
        " (SmoothAdv's ImageNet and plain CIFAR-10 models), none (MACER; default for its layout)",
    )


def run(args: argparse.Namespace) -> int:
    """Convert, and print one line."""
    from smoothcert.models.published import import_published

    if not args.out.endswith(".safetensors"):
        raise SmoothcertError(f"{args.out}: expected a name that ends in .safetensors")
    info = datasets.info(args.dataset)
    model, record = import_published(
        args.file, args.arch, args.dataset, info.n_classes, info.shape, args.normalization
    )
    models.save(model, args.out, record)
    print(
        f"{args.out}: {args.arch} for {args.dataset}, normalization {record['normalization']},"
        f" digest {models.digest(model)[:12]}"
    )
    return 0
