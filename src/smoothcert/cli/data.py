"""smoothcert data NAME: fetch or verify a data set, and say what it is."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from smoothcert import datasets
from smoothcert.cli.common import Kind, specification
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic, write_text

HELP = "fetch or verify a data set"
_KEYS: dict[str, Kind] = {
    "dataset": str,
    "split": str,
    "data_dir": str,
    "skip": int,
    "max": int,
    "seed": int,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command; each key of --spec is also an option."""
    parser.epilog = "names: " + ", ".join(datasets.DATASETS)
    parser.add_argument("dataset", nargs="?", metavar="NAME", help="the data set")
    parser.add_argument("--spec", metavar="JSON", help=f"the keys {', '.join(_KEYS)} at once")
    parser.add_argument("--split", help="only this split (train or test; default: both)")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA, else ~/.cache/smoothcert"
    )
    parser.add_argument("--skip", type=int, help="use the rows 0, k, 2k, ...")
    parser.add_argument("--max", type=int, help="keep at most so many of them")
    parser.add_argument("--seed", type=int, help="of a synthetic set (default 0)")
    parser.add_argument("--no-download", action="store_true", help="fail where a file is missing")
    parser.add_argument("--out", metavar="FILE.json", help="write the record of what was found")
    parser.add_argument("--sample-image", metavar="FILE.png", help="write the first images as one")


def run(args: argparse.Namespace) -> int:
    """Verify every asked split, print a summary, write what was asked for."""
    settings = _settings(args)
    name = settings["dataset"]
    info = datasets.info(name)
    splits = [settings["split"]] if "split" in settings else list(info.splits)
    options: dict[str, Any] = {
        "data_dir": settings.get("data_dir"),
        "seed": settings.get("seed", 0),
        "download": not args.no_download,
    }
    skip, most = settings.get("skip", 1), settings.get("max")
    chosen = {split: datasets.select_rows(info, split, skip, most) for split in splits}
    record = datasets.record(name, splits, **options)
    print(f"{name}: {info.title}; {info.n_classes} classes; shape {'x'.join(map(str, info.shape))}")
    for split, about in record["splits"].items():
        count = f"{about['size']} rows"
        if len(chosen[split]) < about["size"]:
            count += f", {len(chosen[split])} of them selected"
        print(f"  {split}: {count}; digest {about['digest']}")
        for file, sha256 in about["files"].items():
            print(f"    {file}  SHA-256 {sha256}  verified")
    if args.sample_image:
        first = datasets.load(name, splits[-1], skip=skip, max=min(most or 40, 40), **options)
        _contact_sheet(first, args.sample_image)
        print(f"  images: {args.sample_image}")
    if args.out:
        write_text(args.out, json.dumps(record, indent=2) + "\n")
        print(f"  record: {args.out}")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The specification, with the options that were given in its place."""
    settings = specification(args, _KEYS)
    if "dataset" not in settings:
        names = ", ".join(datasets.DATASETS)
        raise SmoothcertError(f"data: NAME is missing; expected one of {names}")
    return settings


def _contact_sheet(dataset: datasets.Dataset, path: str | os.PathLike[str]) -> None:
    """Write the images side by side, ten a row, enlarged to at least 64 pixels."""
    import numpy as np
    from PIL import Image

    if len(dataset.shape) != 3:
        raise SmoothcertError(f"{dataset.name}: holds points, not images: no --sample-image")
    _, height, width = dataset.shape
    zoom = max(1, -(-64 // height))
    cell_h, cell_w = height * zoom + 2, width * zoom + 2
    columns = min(10, len(dataset))
    sheet = np.full((-(-len(dataset) // columns) * cell_h, columns * cell_w, 3), 255, np.uint8)
    for i, image in enumerate(dataset.images):
        values = (image * 255).round().byte().numpy().transpose(1, 2, 0)
        values = np.broadcast_to(values, (height, width, 3)).repeat(zoom, 0).repeat(zoom, 1)
        top, left = i // columns * cell_h, i % columns * cell_w
        sheet[top : top + height * zoom, left : left + width * zoom] = values
    with atomic(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
