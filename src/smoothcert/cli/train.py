"""``smoothcert train``: a base classifier from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, options_of, place
from smoothcert.training import METHODS, DataDependent, Job, Recipe


class Train(Job, NetworkCommand):
    """Train a base classifier under noise. A killed run goes on after its last epoch."""

    epilog: ClassVar[str] = (
        "example: smoothcert train --training cohen-fs-0.25 --dataset digits --arch tiny_cnn"
        """ --recipe '{"epochs": 8, "batch": 64, "lr": 0.05, "schedule": "cosine"}'"""
        " --out model.safetensors\n\n"
        + "\n".join(
            [
                options_of("recipe:", Recipe),
                options_of("recipe's ds2, of data-dependent scales:", DataDependent),
                *(options_of(f"recipe's method, of {name}:", METHODS[name]) for name in METHODS),
            ]
        )
    )

    out: Path = place(help="the model; a name that ends in .safetensors", metavar="FILE")
    snapshots: Path | None = place(None, "of the recipe's; default: beside --out", "DIR")

    def run(self) -> None:
        from smoothcert.compute.devices import job_device
        from smoothcert.training.run import train

        job_device(self.device)
        record = train(
            self.only(Job), self.out, self.data_dir, self.device, self.quiet, self.snapshots
        )
        final = record["final"]
        print(
            f"{self.out}: {record['training']} {record['arch']} on {record['dataset']},"
            f" {record['epoch']} epochs, loss {final['loss']:.4f}, noisy training accuracy"
            f" {final['noisy_accuracy']:.1%}, digest {record['digest'][:12]}"
        )


COMMAND = Train
