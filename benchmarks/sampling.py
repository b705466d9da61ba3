"""Samples per second of the sampler, against Cohen's published loop re-created here.

    python benchmarks/sampling.py [--rounds 5]

One thread. The published loop (Cohen et al. 2019, section 3.2, and their program) takes
batches of 1000: it repeats the input, draws noise of the same shape, and after each batch
copies the predictions to the host, where a Python loop counts them. Both sides are measured
with the default malloc, and with its mmap and trim thresholds raised, which alone makes large
batches faster: glibc otherwise maps and unmaps every large activation. Rounds are
interleaved, ratios are taken within a round, and medians over rounds are shown; CPU time is
of the process, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

SIGMA, BATCH = 0.25, 1000
MODELS = {"tiny_cnn": ((1, 8, 8), 100_000), "small_cnn": ((1, 28, 28), 20_000)}
LOOPS = ("cohen", "sampler", "sampler, not traced")
MALLOCS = {
    "default": {},
    "raised": {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)},
}


def cohen(model: torch.nn.Module, x: torch.Tensor, n: int, n_classes: int) -> list[int]:
    """Class counts of ``n`` noisy copies of ``x``, as the published program counts them."""
    import torch

    counts = [0] * n_classes
    with torch.no_grad():
        while n > 0:
            size = min(BATCH, n)
            n -= size
            batch = x.repeat((size, 1, 1, 1))
            noise = torch.randn_like(batch) * SIGMA
            predictions = model(batch + noise).argmax(1)
            for c in predictions.cpu().numpy():
                counts[c] += 1
    return counts


def loops(name: str) -> dict[str, Callable[[int], int]]:
    """For each loop a function that draws so many samples and returns how many it counted."""
    import torch

    from smoothcert import models
    from smoothcert.compute.streams import generator
    from smoothcert.noise import NOISES
    from smoothcert.sampling.sampler import Sampler, default_batch

    shape, _ = MODELS[name]
    cpu, noise = torch.device("cpu"), NOISES.parse(f"gaussian-{SIGMA:.2f}")
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    model = models.build(name, 10, shape).eval()
    batch = default_batch(x.numel(), cpu)

    def ours(trace: bool) -> Callable[[int], int]:
        sampler = Sampler(model, noise, 10, batch, cpu, trace=trace)

        def draw(n: int) -> int:
            # Four looks a call, as a store is sampled.
            return sum(
                int(
                    sampler.votes(
                        x, SIGMA, [(generator(0, "estimation", i, j), 1000) for j in range(4)]
                    ).sum()
                )
                for i in range(n // 4000)
            )

        return draw

    return {
        LOOPS[0]: lambda n: sum(cohen(model, x, n, 10)),
        LOOPS[1]: ours(True),
        LOOPS[2]: ours(False),
    }


def worker() -> None:
    """Answer ``[model, loop, samples]`` lines with ``[CPU seconds, wall seconds]`` lines."""
    import torch

    torch.set_num_threads(1)
    made = {name: loops(name) for name in MODELS}
    for line in sys.stdin:
        name, loop, n = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        counted = made[name][loop](n)
        times = time.process_time() - cpu, time.perf_counter() - wall
        assert counted == n, (counted, n)
        print(json.dumps(times), flush=True)


class Worker:
    """A process with its own malloc settings."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            env={**os.environ, "OMP_NUM_THREADS": "1", **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, name: str, loop: str, n: int) -> tuple[float, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, loop, n]) + "\n")
        self._process.stdin.flush()
        cpu, wall = json.loads(self._process.stdout.readline())
        return cpu, wall

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker()
        return
    workers = {malloc: Worker(settings) for malloc, settings in MALLOCS.items()}
    # (model, malloc, loop) -> per round (CPU, wall) microseconds a sample
    found: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for turn in range(-1, args.rounds):  # the first one warms up
        for name, (_, n) in MODELS.items():
            for loop in LOOPS:
                for malloc, process in workers.items():
                    cpu, wall = process.measure(name, loop, n if turn >= 0 else 4000)
                    if turn >= 0:
                        times = (1e6 * cpu / n, 1e6 * wall / n)
                        found.setdefault((name, malloc, loop), []).append(times)
    for process in workers.values():
        process.close()
    show(found, args.rounds)


def show(found: dict[tuple[str, str, str], list[tuple[float, float]]], rounds: int) -> None:
    print(f"{platform.machine()}, one thread, median of {rounds} interleaved rounds; samples/s")
    print(
        f"{'model':10} {'malloc':8} {'loop':20} {'by CPU':>9} {'by wall':>9}   times Cohen's loop"
    )
    print(f"{'':10} {'':8} {'':20} {'':>9} {'':>9}   same malloc (CPU, wall)  raised (CPU)")
    for (name, malloc, loop), times in found.items():
        cpu, wall = (1e6 / statistics.median(t[i] for t in times) for i in (0, 1))
        same, raised = found[name, malloc, LOOPS[0]], found[name, "raised", LOOPS[0]]
        ratios = [
            statistics.median(c[i] / t[i] for c, t in zip(cohens, times, strict=True))
            for cohens, i in ((same, 0), (same, 1), (raised, 0))
        ]
        shown = f"{ratios[0]:11.2f} {ratios[1]:11.2f} {ratios[2]:14.2f}"
        print(f"{name:10} {malloc:8} {loop:20} {cpu:9,.0f} {wall:9,.0f} {shown}")


if __name__ == "__main__":
    main()
