"""What is measured beside the contenders: shares of time, curves, stopping early, a whole table."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from contender import CPU, IMAGES, LOOK, SHAPES, SIGMA, images, network
from processes import SAMPLES, Contender, processes
from scaling import searches

from smoothcert import BUDGETS, NOISES, certify, datasets, models, sample
from smoothcert.compute.streams import generator
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Draw, Sampler, default_batch
from smoothcert.workflow.planning.passes import network_size

NOISE = NOISES.parse(f"gaussian-{SIGMA:.2f}")
SLICE = {"tiny_cnn": 40, "small_cnn": 16, "resnet20": 2}  # looks
MODEL = Path("results/laptop/models/mnist/small_cnn/cohen-fs-0.25/model.safetensors")
SOUND, FIXED, TABLE = "sequential_ad0.05-100000", "fixed-100000", 50  # budgets; inputs


def sampler_of(arch: str) -> Sampler:
    shape = SHAPES[arch]
    batch = default_batch(int(np.prod(shape)), CPU)
    return Sampler(open_engine(network(arch), shape, CPU), NOISE, 10, batch)


def draws_of(arch: str, round_: int) -> list[Draw]:
    x = images(arch)[0]
    return [Draw(x, SIGMA, generator(round_, "bench", 0, j), LOOK) for j in range(SLICE[arch])]


class Timed:
    """A function, and the CPU seconds spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *given: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return self.function(*given, **named)
        finally:
            self.seconds += time.process_time() - start


def shares(rounds: int) -> pd.DataFrame:
    """Of the sampler's time: noise, forward passes, and the rest (counting, Python)."""
    torch.set_num_threads(1)
    rows = []
    for arch in SHAPES:
        sampler = sampler_of(arch)
        sampler.votes(draws_of(arch, 0))
        found: dict[str, list[float]] = {"noise": [], "forward": [], "counting": []}
        rate = []
        for r in range(rounds):
            noise, forward = Timed(sampler._fill), Timed(sampler.engine.logits)
            with (
                mock.patch.object(sampler, "_fill", noise),
                mock.patch.object(sampler.engine, "logits", forward),
            ):
                start = time.process_time()
                sampler.votes(draws_of(arch, r + 1))
                whole = time.process_time() - start
            found["noise"].append(noise.seconds / whole)
            found["forward"].append(forward.seconds / whole)
            found["counting"].append(1 - (noise.seconds + forward.seconds) / whole)
            rate.append(forward.seconds / (SLICE[arch] * LOOK))
        rows += [_row("shares", arch, f"share of {k}", v) for k, v in found.items()]
        flops, _ = network_size(arch, SHAPES[arch], 10)
        rows.append(
            _row("shares", arch, "GFLOP/s of the forward passes", [flops / s / 1e9 for s in rate])
        )
    return pd.DataFrame(rows)


def _row(part: str, arch: str, measure: str, values: Sequence[float], at: Any = None) -> dict:
    return {
        "part": part, "network": arch, "measure": measure, "at": at,
        "value": statistics.median(values), "low": min(values), "high": max(values),
    }  # fmt: skip


def curves(rounds: int) -> pd.DataFrame:
    """Wall microseconds a sample of the library call over n, inputs, batch and cores."""
    settings: list[tuple[str, int, dict[str, int]]] = []
    settings += [("n", n, {"n": n}) for n in (1000, 4000, 16_000, 64_000)]
    settings += [("inputs", k, {"inputs": k}) for k in (1, 4, 16, 64)]
    settings += [("batch", b, {"batch": b}) for b in (16, 64, 256, 1024)]
    settings += [("cores", c, {"cores": c}) for c in (1, 2)]
    rows = []
    for arch in ("tiny_cnn", "small_cnn"):
        model = network(arch)
        found: dict[tuple[str, int], list[float]] = {}
        for _ in range(rounds):
            for axis, at, given in settings:
                n, inputs = given.get("n", 8000), given.get("inputs", IMAGES)
                start = time.perf_counter()
                sample(
                    model, images(arch, inputs), BUDGETS.parse(f"fixed-{n}"), NOISE,
                    batch=given.get("batch"), jobs=given.get("cores", 1),
                )  # fmt: skip
                spent = (time.perf_counter() - start) / (inputs * (n + 100))
                found.setdefault((axis, at), []).append(1e6 * spent)
        rows += [_row("curves", arch, f"µs a sample, by {axis}", v, at)
                 for (axis, at), v in found.items()]  # fmt: skip
    return pd.DataFrame(rows)


def adaptive(rounds: int) -> pd.DataFrame:
    """Time a sample of a budget that stops early, over that of a fixed one of as many samples."""
    rows = []
    for arch in ("tiny_cnn", "small_cnn"):
        model, x = network(arch), images(arch, 64)
        ratio, each = [], []
        for r in range(rounds):
            spent = []
            for budget in ("sequential_ad0.30-100000", "fixed-1500"):
                start = time.process_time()
                store = sample(
                    model, x, BUDGETS.parse(budget), NOISE, look=500, seed=r, jobs=1
                )  # fmt: skip
                samples = int(store.samples().sum()) + 100 * len(x)
                spent.append((time.process_time() - start) / samples)
                if budget.startswith("sequential"):
                    each.append(samples / len(x))
            ratio.append(spent[0] / spent[1])
        rows.append(_row("adaptive", arch, "time a sample, sequential over fixed", ratio))
        rows.append(_row("adaptive", arch, "samples an input, sequential", each))
    return pd.DataFrame(rows)


def table(rounds: int) -> pd.DataFrame:
    """A table of MNIST certificates on two cores, of the same guarantee, against Cohen's loop.

    The loop's time is of slices of it, before and after, for as many samples as it would draw.
    """
    if not MODEL.exists():
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--config", "preset=laptop"]
        subprocess.run([*command, str(MODEL)], check=True)
    model, _ = models.load(str(MODEL))
    data = datasets.load("mnist", skip=10_000 // TABLE, max=TABLE)
    given = {"labels": data.labels, "idx": data.idx, "jobs": 2}
    loop = Contender("cohen", 2, fixed=False)
    found: dict[str, list[float]] = {"ratio": [], "seconds an input": [], "samples an input": []}
    declines, theirs = [], []
    whole = certify(sample(model, data.images, BUDGETS.parse(FIXED), NOISE, **given),
                    BUDGETS.parse(FIXED))  # fmt: skip
    with processes([loop], "small_cnn") as running:
        for r in range(min(rounds, 3)):
            before = running[loop].draw(SAMPLES["small_cnn"])[1]
            start = time.perf_counter()
            store = sample(model, data.images, BUDGETS.parse(SOUND), NOISE, seed=r + 1, **given)
            ours = certify(store, BUDGETS.parse(SOUND))
            spent = (time.perf_counter() - start) / len(data)
            after = running[loop].draw(SAMPLES["small_cnn"])[1]
            theirs.append(100_100 * (before + after) / 2)
            found["ratio"].append(theirs[-1] / spent)
            found["seconds an input"].append(spent)
            found["samples an input"].append(float(store.samples().mean()) + 100)
            declines.append(float((whole.radius - ours.radius).mean()))
    rows = [_row("table", "small_cnn on MNIST", f"{SOUND}, {k}", v) for k, v in found.items()]
    rows.append(_row("table", "small_cnn on MNIST", "Cohen's loop, seconds an input", theirs))
    rows.append(_row("table", "small_cnn on MNIST", "mean decline of the radius", declines))
    return pd.DataFrame(rows)


def search(rounds: int) -> pd.DataFrame:
    """The search for a scale (K = 900) over the votes of a fixed certificate (n = 100,000)."""
    torch.set_num_threads(1)
    rows = []
    for arch in SHAPES:
        sampler, run = sampler_of(arch), searches(arch, 256)["ascent-K900"]
        sampler.votes(draws_of(arch, 0))
        share = []
        for r in range(min(rounds, 3)):
            start = time.process_time()
            sampler.votes(draws_of(arch, r + 1))
            votes = (time.process_time() - start) / (SLICE[arch] * LOOK) * 100_100
            start = time.process_time()
            n = run()
            share.append((time.process_time() - start) / n / votes)
        rows.append(_row("search", arch, "ascent-K900 over fixed votes, n = 100,000", share))
    return pd.DataFrame(rows)


PARTS = {"shares": shares, "curves": curves, "adaptive": adaptive, "table": table,
         "search": search}  # fmt: skip
