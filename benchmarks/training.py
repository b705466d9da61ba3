"""Training throughput: images a second for each method, and where the time goes.

    OMP_NUM_THREADS=1 python benchmarks/training.py [--arch small_cnn] [--device cpu]

Random images of the architecture's size; one optimizer step after the other, the methods in
turn in every round. An image is one distinct training image, whatever number of noisy copies
and attack steps a method makes of it. ``noise`` is drawing, scaling and adding, ``forward`` and
``backward`` include those of the attack and of the ascent on scales, ``rest`` is the loss, the
optimizer and the loop. The shares are measured in steps of their own, with clocks around each
part (and, on a GPU, a synchronization at each, so that they only say proportions).
``--plain`` leaves the memory layout as it is (channels first), ``--compile`` compiles the
network, ``--precision`` is that of the autocast: what each gives is the ratio of two runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch

from smoothcert.models import build
from smoothcert.noise import Gaussian
from smoothcert.training import METHODS, Batch, DataDependent, Loss
from smoothcert.training.scales import DataDependentScale, FixedScale

SHAPES = {"tiny_cnn": (1, 8, 8), "small_cnn": (1, 28, 28), "resnet50": (3, 224, 224)}
SETTINGS = {
    "cohen": {},
    "smoothadv": {"radius": 0.25, "steps": 2, "samples": 1},
    "macer": {"k": 16},
    "consistency": {},
}


class Clocks:
    """Seconds by part; a part inside another is counted once, by itself."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.inside: list[str] = []
        self.last = 0.0

    def mark(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[self.inside[-1] if self.inside else "rest"] += now - self.last
        self.last = now

    @contextmanager
    def part(self, name: str):
        self.mark()
        self.inside.append(name)
        yield
        self.mark()
        self.inside.pop()

    def around(self, name: str, function: Callable) -> Callable:
        def timed(*args, **kwargs):
            with self.part(name):
                return function(*args, **kwargs)

        return timed


class Run:
    """One method with its own model, a step at a time."""

    def __init__(self, name: str, ds2: bool, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device(options.device)
        shape = SHAPES.get(options.arch, (3, 32, 32))
        self.model = build(options.arch, 10, shape).to(self.device).train()
        if not options.plain:
            self.model.to(memory_format=torch.channels_last)
        self.network = torch.compile(self.model) if options.compile else self.model
        self.optimizer = torch.optim.SGD(self.model.parameters(), 1e-3, 0.9)
        self.method = METHODS[name](**SETTINGS[name])
        self.noise = Gaussian(0.25)
        self.scales = FixedScale(0.25)
        if ds2:
            self.scales = DataDependentScale(DataDependent(), 0.25, options.batch, self.device)
        stream = torch.Generator().manual_seed(0)
        self.x = torch.rand(options.batch, *shape, generator=stream).to(self.device)
        self.y = torch.randint(10, (options.batch,), generator=stream).to(self.device)
        self.idx = torch.arange(options.batch, device=self.device)
        self.done = 0

    def step(self) -> Loss:
        batch = Batch(self.x, self.y, self.idx, self.x[:0], self.noise, 0, (0, self.done))
        precision = getattr(torch, self.options.precision)
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            batch.scale = self.scales.visit(self.network, batch)
            loss = self.method.loss(self.network, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.value.backward()
        self.optimizer.step()
        self.done += 1
        return loss

    def timed(self, seconds: float) -> float:
        """Images a second over about ``seconds``."""
        start, steps = self._now(), 0
        while self._now() - start < seconds:
            self.step()
            steps += 1
            if self.device.type == "cuda":
                torch.cuda.synchronize()
        return steps * self.options.batch / (self._now() - start)

    def shares(self, steps: int) -> dict[str, float]:
        """The part of the time in noise, forward, backward and the rest."""
        clocks = Clocks(self.device)
        forward = type(self.network).__call__
        with (
            patch.object(Gaussian, "sample", clocks.around("noise", Gaussian.sample)),
            patch.object(Batch, "noisy", clocks.around("noise", Batch.noisy)),
            patch.object(Batch, "draw_noise", clocks.around("noise", Batch.draw_noise)),
            patch.object(type(self.network), "__call__", clocks.around("forward", forward)),
            patch.object(torch.autograd, "grad", clocks.around("backward", torch.autograd.grad)),
            patch.object(
                torch.Tensor, "backward", clocks.around("backward", torch.Tensor.backward)
            ),
        ):
            clocks.last = time.perf_counter()
            for _ in range(steps):
                self.step()
            clocks.mark()
        total = sum(clocks.seconds.values())
        return {k: clocks.seconds[k] / total for k in ("noise", "forward", "backward", "rest")}

    def _now(self) -> float:
        """On CPUs the time of this process, so that other processes do not count."""
        return time.process_time() if self.device.type == "cpu" else time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--arch", default="small_cnn")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one method in a round")
    options = parser.parse_args()

    runs = {
        f"{name}-{schedule}": Run(name, schedule == "ds2", options)
        for name in SETTINGS
        for schedule in ("fs", "ds2")
    }
    for run in runs.values():
        run.step()
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, run in runs.items():
            rates[name].append(run.timed(options.seconds))
    what = platform.processor() or platform.machine()
    if options.device.startswith("cuda"):
        what = torch.cuda.get_device_name()
    print(
        f"{options.arch}, batch {options.batch}, {options.precision},"
        f" channels {'first' if options.plain else 'last'},"
        f" {'compiled' if options.compile else 'eager'}; {what}, torch {torch.__version__},"
        f" {torch.get_num_threads()} thread(s) of {os.cpu_count()}"
    )
    print(f"{'training':14} {'images/s':>9} {'min':>7} {'max':>7}   noise forward backward   rest")
    for name, run in runs.items():
        part = run.shares(10)
        print(
            f"{name:14} {np.median(rates[name]):9.0f} {min(rates[name]):7.0f}"
            f" {max(rates[name]):7.0f}   {part['noise']:5.1%} {part['forward']:7.1%}"
            f" {part['backward']:8.1%} {part['rest']:6.1%}"
        )


if __name__ == "__main__":
    main()
