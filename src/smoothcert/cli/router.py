"""``smoothcert router``: the estimator of dual smoothing."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, place
from smoothcert.training.spec import RouterSpec


class Router(RouterSpec, NetworkCommand):
    """Train a small network that chooses the noise level for an input (dual smoothing).

    Its classes are the levels; ``smoothcert route`` smooths it and combines the levels' votes.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert router --dataset digits --arch tiny_cnn --noise gaussian-1.00"
        " --levels gaussian-0.25 gaussian-0.50 --models cohen-0.25.safetensors"
        """ cohen-0.50.safetensors --recipe '{"epochs": 8, "batch": 64, "lr": 0.05, "schedule":"""
        """ "cosine"}' --out router.safetensors"""
    )

    models: tuple[str, ...] = place(help="model of each level, or one for all", metavar="FILE")
    scales: Path | None = place(
        None, "learn these scales of training inputs instead (columns idx, sigma)", "TSV"
    )
    out: Path = place(help="estimator to write; must end in .safetensors", metavar="FILE")

    def run(self) -> None:
        from smoothcert.compute.devices import job_device
        from smoothcert.training.router import train_router

        job_device(self.device)
        record = train_router(
            self.only(RouterSpec),
            self.models,
            self.out,
            scales=self.scales,
            data_dir=self.data_dir,
            device=self.device,
            quiet=self.quiet,
        )
        final = record["final"]
        print(
            f"{self.out}: {record['arch']} on {record['dataset']}, levels"
            f" {', '.join(record['classes'])}, {record['epoch']} epochs, loss {final['loss']:.4f},"
            f" digest {record['digest'][:12]}"
        )


COMMAND = Router
