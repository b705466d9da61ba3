"""``smoothcert train``: a base classifier from a recipe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, options_of, place
from smoothcert.training import METHODS, DataDependent, Job, Recipe


class Train(Job, NetworkCommand):
    """Train a base classifier under noise; ``torchrun -m smoothcert train``: by several processes.

    A killed run goes on after its last epoch, one ended by SIGTERM or SIGUSR1 where it was.
    """

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

    def run(self) -> int | None:
        from smoothcert.compute.devices import job_device
        from smoothcert.training.run import train
        from smoothcert.training.stop import Stop, Stopped

        job_device(self.device)
        stop, job = Stop(), self.only(Job)
        try:
            with stop.listening():
                record = train(
                    job, self.out, self.data_dir, self.device, self.quiet, self.snapshots, stop=stop
                )
        except Stopped as stopped:
            print(f"{self.out}: {stopped}", file=sys.stderr)
            return 128 + stopped.number
        if os.environ.get("RANK", "0") != "0":
            return None  # the first process of torchrun says it
        final = record["final"]
        print(
            f"{self.out}: {record['training']} {record['arch']} on {record['dataset']},"
            f" {record['epoch']} epochs, loss {final['loss']:.4f}, noisy training accuracy"
            f" {final['noisy_accuracy']:.1%}, digest {record['digest'][:12]}"
        )
        return None


COMMAND = Train
