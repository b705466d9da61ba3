"""``smoothcert import-checkpoint``: a published PyTorch checkpoint -> this project's format."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from smoothcert import datasets
from smoothcert.cli.command import Command, place, positional
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.spec import DatasetName


class ImportCheckpoint(Command):
    """Convert a published PyTorch checkpoint to this project's format."""

    epilog: ClassVar[str] = (
        "example: smoothcert import-checkpoint checkpoint.pth.tar --dataset cifar10"
        " --arch resnet110 --out model.safetensors"
    )

    file: Path = positional(help="{arch, state_dict} or MACER's {net, ...}", metavar="FILE")
    dataset: DatasetName
    arch: str = Field(description="architecture, such as resnet110 or resnet50")
    normalization: Literal["standardize", "center", "none"] | None = Field(
        None,
        description="normalization layer, which the file does not include: standardize (default),"
        " center (SmoothAdv's ImageNet and plain CIFAR-10 models), none (MACER; the default for"
        " its file layout)",
    )
    out: Path = place(help="file to write; must end in .safetensors", metavar="FILE")

    def run(self) -> None:
        from smoothcert import models
        from smoothcert.models.published import import_published

        if self.out.suffix != ".safetensors":
            raise SmoothcertError(f"{self.out}: expected a name that ends in .safetensors")
        info = datasets.info(self.dataset)
        model, record = import_published(
            self.file, self.arch, self.dataset, info.n_classes, info.shape, self.normalization
        )
        models.save(model, self.out, record)
        print(
            f"{self.out}: {self.arch} for {self.dataset}, normalization"
            f" {record['normalization']}, digest {models.digest(model)[:12]}"
        )


COMMAND = ImportCheckpoint
