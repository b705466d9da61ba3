"""Timing the parts of the work on a device, with the code that does the work.

Networks are untrained and inputs random: neither changes what is computed. Measurements are in
an order that gives each architecture something first, and stop at a limit of time; what was
left out a plan scales from what was not.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from smoothcert import datasets, models
from smoothcert.compute.streams import generator
from smoothcert.core import provenance
from smoothcert.datasets import Dataset
from smoothcert.noise import NOISES
from smoothcert.sampling.sampler import Sampler, default_batch
from smoothcert.scaling import SCALINGS
from smoothcert.scaling.job import default_inputs
from smoothcert.scaling.problem import Problem
from smoothcert.training.log import Progress
from smoothcert.training.run import _loop as loop_of_job
from smoothcert.workflow.planning.needs import Needs, kind
from smoothcert.workflow.planning.passes import training_passes, training_plan
from smoothcert.workflow.planning.throughput import (
    Drawing,
    Network,
    Sampling,
    Search,
    Throughput,
    Training,
)


@dataclass
class Bench:
    """A device and how long to look at it: ``seconds`` a measurement, ``limit`` in all."""

    device: torch.device
    seconds: float = 0.5
    limit: float = 50.0
    say: Callable[[str], None] = print
    skipped: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    first: float = 0.0

    @property
    def spent(self) -> bool:
        """Whether the limit is reached."""
        return time.monotonic() - self.started > self.limit

    def now(self) -> float:
        """On CPUs the time of this process, so that other processes do not count."""
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def rate(self, work: Callable[[int], None], most: int = 1 << 20) -> float:
        """Seconds of one unit, where ``work(n)`` does n of them.

        After a first unit (compiling, caches; ``first`` has its seconds) as many as fill the
        time; the fastest of three rounds, for whatever disturbs a measurement makes it longer.
        """
        start = self.now()
        work(1)
        self.first = self.now() - start
        start = self.now()
        work(1)
        once = max(self.now() - start, 1e-9)
        n = int(np.clip(self.seconds / 3 / once, 1, most))
        if once > self.seconds:
            return once
        rounds = []
        for _ in range(3):
            start = self.now()
            work(n)
            rounds.append((self.now() - start) / n)
        return min(rounds)


def measure(bench: Bench, wanted: Sequence[Needs]) -> Throughput:
    """Fill a throughput with what ``wanted`` asks for, as far as the limit allows."""
    surroundings = provenance.record(str(bench.device))
    found = Throughput(
        device=surroundings["device"],
        clock="cpu" if bench.device.type == "cpu" else "wall",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        made_by=surroundings,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    networks = {need.arch: _network(need) for need in wanted}
    cheap = sorted(wanted, key=lambda need: networks[need.arch].flops)
    bench.started = time.monotonic()
    for what, work in _plan(bench, found, cheap):
        if bench.spent:
            bench.skipped.append(what)
            continue
        bench.say(f"{what}: {work()}")
    return found


def _plan(
    bench: Bench, found: Throughput, cheap: Sequence[Needs]
) -> Iterator[tuple[str, Callable[[], str]]]:
    """Names and measurements, the most useful first."""
    for need in cheap:
        precision = next(iter(need.precisions), "float32")
        work = partial(_sampling, bench, found, need, _first(need.noises), precision)
        yield f"votes of {need.arch}", work
    drawn = set()
    for need in cheap:
        for slug in {kind(s): s for s in ("gaussian-0.25", *need.noises.values())}.values():
            if (kind(slug), need.shape) not in drawn:
                drawn.add((kind(slug), need.shape))
                what = f"noise {kind(slug)} of {'x'.join(map(str, need.shape))}"
                yield what, partial(_drawing, bench, found, need, slug)
    for need in cheap:
        if need.searches:
            work = partial(_search, bench, found, need, _first(need.searches))
            yield f"search of {need.arch}", work
    # The cheapest training of every network, then the second, ...
    trainings = {need.arch: _trainings(need) for need in cheap}
    for number in range(max(map(len, trainings.values()), default=0)):
        for need in cheap:
            for spec in trainings[need.arch][number : number + 1]:
                what = f"training {spec['training'].rpartition('-')[0]} of {need.arch}"
                yield what, partial(_training, bench, found, need, spec)
    if any(need.dataset == "imagenet" and need.trainings for need in cheap):
        yield "decoding of ImageNet", partial(_decoding, bench, found)
    for need in cheap:
        for precision in list(need.precisions)[1:]:
            what = f"votes of {need.arch} in {precision}"
            yield what, partial(_sampling, bench, found, need, _first(need.noises), precision)


def _first(noises: Mapping[str, str]) -> str:
    """The slug of Gaussian noise, else of the first kind."""
    return noises.get("gaussian") or next(iter(noises.values()), "gaussian-0.25")


def _trainings(need: Needs) -> list[dict[str, Any]]:
    """One specification for each number of passes, the cheapest first."""
    by_passes: dict[Any, dict[str, Any]] = {}
    for spec in need.trainings.values():
        by_passes.setdefault(training_passes(training_plan(spec, "given")), spec)
    return [by_passes[passes] for passes in sorted(by_passes, key=lambda p: p.weight)]


def _network(need: Needs) -> Network:
    return Network.of(need.arch, need.shape, datasets.info(need.dataset).n_classes)


def _model(need: Needs) -> torch.nn.Module:
    return models.build(need.arch, datasets.info(need.dataset).n_classes, need.shape)


def _sampling(bench: Bench, found: Throughput, need: Needs, slug: str, precision: str) -> str:
    """As run_sampling samples: a look at a time, several looks a call."""
    noise, n_classes = NOISES.parse(slug), datasets.info(need.dataset).n_classes
    batch = default_batch(int(np.prod(need.shape)), bench.device)
    trace = bench.device.type == "cpu" and precision == "float32"
    sampler = Sampler(_model(need), noise, n_classes, batch, bench.device, precision, trace)
    x = torch.rand(need.shape, generator=torch.Generator().manual_seed(0))

    def votes(n: int) -> None:
        look = batch * max(1, 1000 // batch) if n > 1 else batch
        looks = max(1, n * batch // look)
        draws = [(generator(0, "bench", j, device=bench.device), look) for j in range(looks)]
        sampler.votes(x, noise.scale, draws)

    seconds = bench.rate(votes) / batch
    network = _network(need)
    found.sampling.append(Sampling(network, kind(slug), precision, batch, seconds, bench.first))
    return f"{1 / seconds:,.0f} samples a second ({kind(slug)}, {precision}, batch {batch})"


def _drawing(bench: Bench, found: Throughput, need: Needs, slug: str) -> str:
    noise, d = NOISES.parse(slug), int(np.prod(need.shape))
    batch = default_batch(d, bench.device)

    def draw(n: int) -> None:
        for j in range(n):
            noise.sample((batch, *need.shape), generator(0, "bench", j, device=bench.device))

    seconds = bench.rate(draw) / batch
    found.drawing.append(Drawing(kind(slug), d, seconds))
    return f"{1 / seconds:,.0f} samples a second"


def _training(bench: Bench, found: Throughput, need: Needs, spec: dict[str, Any]) -> str:
    """The loop of a training job, on one batch of random images an epoch."""
    parts = training_plan(spec, parent="given")
    passes = training_passes(parts)
    name = spec["training"].rpartition("-")[0]
    network = _network(need)
    # On a CPU a recipe's own batch can take minutes a step; a smaller one costs as much an image.
    batch = parts.recipe.batch
    if bench.device.type == "cpu":
        rough = 6e10 / (network.flops * passes.weight)  # images of a second or two
        batch = int(np.clip(rough, 4, batch))
    steps = 1 if bench.device.type == "cpu" else 4
    precision = torch.bfloat16 if bench.device.type == "cuda" else torch.float32
    stream = torch.Generator().manual_seed(0)
    dataset = Dataset(
        name=need.dataset,
        split="train",
        images=torch.rand((batch * steps, *need.shape), generator=stream),
        labels=np.arange(batch * steps) % parts.info.n_classes,
        idx=np.arange(batch * steps),
        classes=parts.info.classes,
        digest="",
        shape=need.shape,
    )
    recipe = dataclasses.replace(parts.recipe, batch=batch)
    if recipe.augmentation == "resized-crop-flip":  # done where files are decoded
        recipe = dataclasses.replace(recipe, augmentation="none")
    parts = dataclasses.replace(parts, recipe=recipe)
    loop = loop_of_job(parts, _model(need).train(), dataset, bench.device, precision)  # type: ignore[arg-type]
    last = parts.recipe.epochs - 1  # as an epoch is when no warm-up is left

    def epochs(n: int) -> None:
        for _ in range(n):
            loop.run(last, Progress("", 0, steps, quiet=True), lambda epoch, row: None)

    seconds = bench.rate(epochs) / (batch * steps)
    entry = Training(network, name, passes, batch, str(precision).removeprefix("torch."), seconds)
    found.training.append(entry)
    return (
        f"{1 / seconds:,.1f} images a second (batch {batch},"
        f" {passes.forward:g} forward and {passes.backward:g} backward passes)"
    )


def _search(bench: Bench, found: Throughput, need: Needs, slug: str) -> str:
    """Steps of the ascent of DDRS, and votes as a search casts them."""
    noise = NOISES.parse(slug)
    batch = default_inputs(int(np.prod(need.shape)), 1, bench.device)
    if bench.device.type == "cpu":
        batch = int(np.clip(2e9 / _network(need).flops, 1, batch))
    model = _model(need).requires_grad_(False).eval().to(bench.device)
    x = torch.rand((batch, *need.shape), generator=torch.Generator().manual_seed(0))
    problem = Problem(model, noise, x.to(bench.device), list(range(batch)))
    problem.c_a(1)

    def steps(n: int) -> None:
        ascent = SCALINGS.parse(f"ascent_sel1-K{n}")
        ascent.find(problem, [ascent])

    scale = torch.full((1, 1), noise.scale, dtype=torch.float64)
    one = Problem(model, noise, problem.x[:1], [0])

    def votes(n: int) -> None:
        for _ in range(n):
            one.votes(scale, "scale-class", one.block())

    derivative = bench.rate(steps) / batch
    vote = bench.rate(votes) / one.block()
    found.search.append(Search(_network(need), kind(slug), batch, derivative, vote))
    return (
        f"{1 / derivative:,.0f} steps of ascent and {1 / vote:,.0f} votes a second"
        f" ({kind(slug)}, {batch} inputs at once)"
    )


def _decoding(bench: Bench, found: Throughput) -> str:
    """A JPEG file of ImageNet's usual size, from its bytes to a random view."""
    import io

    from PIL import Image

    from smoothcert.training.inputs import random_view

    stream = np.random.default_rng(0)
    coarse = stream.integers(0, 256, (24, 32, 3), np.uint8)
    grain = stream.integers(-12, 13, (375, 500, 3))
    smooth = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC))
    pixels = np.clip(smooth.astype(int) + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)

    def read(n: int) -> None:
        for _ in range(n):
            file.seek(0)
            random_view(Image.open(file).convert("RGB"), stream)

    # One process decodes, whatever the device trains.
    found.decoding = dataclasses.replace(bench, device=torch.device("cpu")).rate(read)
    return f"{1 / found.decoding:,.0f} images a second on one core"
