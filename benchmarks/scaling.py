"""What data-dependent scales cost, as a share of fixed certification with n = 100,000.

    python benchmarks/scaling.py [--rounds 3] [--inputs 256] [--model small_cnn]

One thread. In each round one input is certified with the noise's own scale (100 + 100,000 samples
by the sampler, with the engine that the workflow takes), and the scales of a batch of inputs are
searched, votes for c_A included; the ratio of CPU seconds an input is taken within the round, and
its median over rounds shown with the least and the largest. CPU time is of the process, so that
other work on the machine counts little. The rows `reverse mode` and `torch's forward mode` are
the same search with the derivative taken another way, `torch` with torch for all of it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from smoothcert import models
from smoothcert.compute.streams import generator
from smoothcert.noise import NOISES
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Draw, Sampler, default_batch
from smoothcert.scaling import SCALINGS
from smoothcert.scaling.dual import Dual
from smoothcert.scaling.forward import SearchEngine
from smoothcert.scaling.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"tiny_cnn": (1, 8, 8), "small_cnn": (1, 28, 28), "resnet20": (3, 32, 32)}
N, LOOK = 100_000, 1000
SEARCHES = ("ascent-K900", "ascent_n8-K100", "ascent-sound-K50", "grid-n4", "grid-hard-n200")


def certify(sampler: Sampler, x: torch.Tensor) -> None:
    """The votes of one fixed certificate, drawn as a store is sampled."""
    looks = [Draw(x, 0.25, generator(0, "estimation", 0, j), LOOK) for j in range(N // LOOK)]
    sampler.votes([Draw(x, 0.25, generator(0, "selection", 0, 0), 100)])
    for first in range(0, len(looks), 4):
        sampler.votes(looks[first : first + 4])


class _TorchForward(torch.nn.Module):
    """A network that takes a Dual and carries it forward with torch.func.jvp."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor | Dual) -> torch.Tensor | Dual:
        if isinstance(x, Dual):
            return Dual(*torch.func.jvp(self.network, (x.value,), (x.tangent,)))
        return self.network(x)


def searches(name: str, inputs: int) -> dict[str, Callable[[], int]]:
    """For each row a function that searches and returns for how many inputs."""
    shape = SHAPES[name]
    network = models.build(name, 10, shape).eval().requires_grad_(False)
    noise = NOISES.parse("gaussian-0.25")
    stream = torch.Generator().manual_seed(0)
    batch = default_batch(torch.Size(shape).numel(), torch.device("cpu"))
    images = torch.rand(inputs, *shape, generator=stream)

    cpu = torch.device("cpu")
    usual = SearchEngine(open_engine(network, shape, cpu))
    plain = SearchEngine(open_engine(network, shape, cpu, "torch"))
    torchs = SearchEngine(open_engine(_TorchForward(network).eval(), shape, cpu, "torch"))
    reverse = SearchEngine(open_engine(network, shape, cpu, "torch"), derivative=False)
    print(f"searches: {usual.identity} {usual.note}")

    def search(slug: str, engine: SearchEngine, size: int) -> Callable[[], int]:
        def run() -> int:
            scaling = SCALINGS.parse(slug)
            n = max(1, min(size, batch // getattr(scaling, "n", 1)))
            if scaling.name == "grid-hard":
                n = min(n, 16)  # it takes one input after the other
            scaling.find(Problem(engine, noise, images[:n], range(n)), [scaling])
            return n

        return run

    rows = {slug: search(slug, usual, inputs) for slug in SEARCHES}
    for size in (32, 64):
        if size < inputs:
            rows[f"ascent-K900, {size} inputs"] = search("ascent-K900", usual, size)
    rows["ascent-K100"] = search("ascent-K100", usual, inputs)
    rows["ascent-K100, torch"] = search("ascent-K100", plain, inputs)
    rows["ascent-K100, reverse mode"] = search("ascent-K100", reverse, inputs)
    rows["ascent-K100, torch's forward mode"] = search("ascent-K100", torchs, inputs)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inputs", type=int, default=256, help="searched together")
    parser.add_argument("--model", choices=SHAPES, default="small_cnn")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shape, cpu = SHAPES[args.model], torch.device("cpu")
    sampler = Sampler(
        open_engine(models.build(args.model, 10, shape), shape, cpu),
        NOISES.parse("gaussian-0.25"),
        10,
        default_batch(torch.Size(shape).numel(), cpu),
    )
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    rows = searches(args.model, args.inputs)
    sampler.votes([Draw(x, 0.25, generator(0, "warm", 0, j), LOOK) for j in range(4)])
    rows["ascent-K100"]()
    print(f"{platform.machine()}, one thread, {args.model}, {args.rounds} rounds; CPU time")
    seconds: dict[str, list[float]] = {}
    fixed = []
    for _ in range(args.rounds):
        start = time.process_time()
        certify(sampler, x)
        fixed.append(time.process_time() - start)
        for name, run in rows.items():
            start = time.process_time()
            n = run()
            seconds.setdefault(name, []).append((time.process_time() - start) / n)
    print(f"fixed certification, n = {N:,}: {statistics.median(fixed):.3f} s an input")
    print(f"{'search':36} {'inputs/s':>9}   share of fixed certification (least, largest)")
    for name, spent in seconds.items():
        share = [100 * s / f for s, f in zip(spent, fixed, strict=True)]
        middle = statistics.median(share)
        print(
            f"{name:36} {1 / statistics.median(spent):9.1f}"
            f"   {middle:6.2f}% ({min(share):.2f}%, {max(share):.2f}%)"
        )


if __name__ == "__main__":
    main()
