"""``smoothcert train``: a base classifier from a recipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from smoothcert.cli.command import NetworkCommand, options_of, place
from smoothcert.core import warm
from smoothcert.training import METHODS, DataDependent, Job, Recipe


class Train(Job, NetworkCommand):
    """Train a base classifier under noise.

    A killed run resumes after its last epoch; after SIGTERM or SIGUSR1 it resumes where it stopped.
    """

    epilog: ClassVar[str] = (
        "example: smoothcert train --training cohen-fs-0.25 --dataset digits --arch tiny_cnn"
        """ --recipe '{"epochs": 8, "batch": 64, "lr": 0.05, "schedule": "cosine"}'"""
        " --out model.safetensors\n\n"
        + "\n".join(
            [
                options_of("recipe:", Recipe),
                options_of("ds2 in the recipe, for data-dependent scales:", DataDependent),
                *(
                    options_of(f"method in the recipe, for {name}:", METHODS[name])
                    for name in METHODS
                ),
            ]
        )
    )

    out: Path = place(help="model to write; must end in .safetensors", metavar="FILE")
    snapshots: Path | None = place(
        None, "folder for the recipe's snapshots; default: the folder of --out", "DIR"
    )
    processes: int = place(
        1,
        "processes that share the pieces of a batch (recipe's parts), one GPU each, by torchrun",
        "N",
    )

    def run(self) -> int | None:
        from smoothcert.compute.devices import job_device
        from smoothcert.training.run import train
        from smoothcert.training.stop import Stop, Stopped

        if self.processes > 1 and "WORLD_SIZE" not in os.environ:
            return self._torchrun()
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

    def _torchrun(self) -> int:
        """The same command by so many processes of this machine; their exit status."""
        from smoothcert.training.stop import SIGNALS

        torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={self.processes}"]
        command = [sys.executable, "-m", *torchrun, "-m", "smoothcert", "train"]
        command += ["--spec", self.only(Job).model_dump_json(), "--out", str(self.out)]
        command += ["--device", self.device, *(["--quiet"] if self.quiet else [])]
        for name, folder in (("snapshots", self.snapshots), ("data-dir", self.data_dir)):
            command += [f"--{name}", str(folder)] if folder else []
        handed_on = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"
        environment = os.environ | {"TORCHELASTIC_SIGNALS_TO_HANDLE": handed_on}
        environment.pop(warm.VARIABLE, None)  # each process is one of its own
        child = subprocess.Popen(command, env=environment)
        for number in SIGNALS:
            signal.signal(number, lambda number, _: child.send_signal(number))
        status = child.wait()
        return status if status >= 0 else 128 - status


COMMAND = Train
