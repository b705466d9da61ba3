"""``smoothcert data NAME``: fetch or verify a data set, and say what it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from smoothcert import datasets
from smoothcert.cli.command import Command, data_dir_place, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic, write_text
from smoothcert.core.settings import Count, Natural
from smoothcert.datasets import published
from smoothcert.datasets.spec import YOURS


class Data(Command):
    """Fetch or verify a data set and describe it: sizes, classes, digests."""

    epilog: ClassVar[str] = "example: smoothcert data digits --out digits.json"

    dataset: str = positional(
        help=f"the data set: {', '.join(datasets.DATASETS)}, published, or {YOURS}",
        metavar="NAME",
        specified=True,
    )
    split: str | None = Field(None, description="split to check: train or test; default: both")
    skip: Count = Field(1, description="use rows 0, k, 2k, ...")
    max: Count | None = Field(None, description="use at most this many rows; default: all")
    seed: Natural = Field(0, description="seed of a synthetic data set")
    data_dir: Path | None = data_dir_place()
    no_download: bool = place(False, "fail if a file is missing")
    out: Path | None = place(None, "write a record of what was found", "FILE.json")
    sample_image: Path | None = place(None, "write a grid of the first images", "FILE.png")

    def run(self) -> None:
        """Verify every asked split, print a summary, write what was asked for."""
        name = self.dataset
        if name == "published":
            self._published()
            return
        info = datasets.info(name)
        splits = [self.split] if self.split else list(info.splits)
        options: dict[str, Any] = {
            "data_dir": self.data_dir,
            "seed": self.seed,
            "download": not self.no_download,
        }
        chosen = {split: datasets.select_rows(info, split, self.skip, self.max) for split in splits}
        record = datasets.record(name, splits, **options)
        shape = "x".join(map(str, info.shape))
        print(f"{info.name}: {info.title}; {info.n_classes} classes; shape {shape}")
        for split, about in record["splits"].items():
            count = f"{about['size']} rows"
            if len(chosen[split]) < about["size"]:
                count += f", {len(chosen[split])} of them selected"
            print(f"  {split}: {count}; digest {about['digest']}")
            for file, sha256 in about["files"].items():
                print(f"    {file}  SHA-256 {sha256}  verified")
        if self.sample_image:
            few = min(self.max or 40, 40)
            first = datasets.load(name, splits[-1], skip=self.skip, max=few, **options)
            _contact_sheet(first, self.sample_image)
            print(f"  images: {self.sample_image}")
        if self.out:
            write_text(self.out, json.dumps(record, indent=2) + "\n")
            print(f"  record: {self.out}")

    def _published(self) -> None:
        """Verify every published certificate table, or fetch it."""
        for one in published.tables().values():
            file = published.fetch(one, self.data_dir, download=not self.no_download)
            print(f"{one.name}: {one.rows:,} rows by {one.authors}, licence {one.licence}")
            print(f"  {file}  SHA-256 {one.sha256}  verified")


COMMAND = Data


def _contact_sheet(dataset: datasets.Dataset, path: str | os.PathLike[str]) -> None:
    """Write the images side by side, ten a row, enlarged to at least 64 pixels."""

    if len(dataset.shape) != 3:
        raise SmoothcertError(
            f"{dataset.name}: holds points, not images; --sample-image needs images"
        )
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
