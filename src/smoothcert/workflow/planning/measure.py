"""Timing a device with the jobs themselves: sampling, training and searching, on a few inputs.

Networks are untrained and inputs random: neither changes what is computed. A job is run twice,
once with little work and once with more; the difference is the cost of the work, the rest that of
starting. Measurements are in an order that gives each architecture something first, and stop at
a limit of time; what was left out a plan scales from what was not.
"""

from __future__ import annotations

import datetime
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from smoothcert import datasets, models
from smoothcert.compute.devices import job_device
from smoothcert.compute.streams import generator
from smoothcert.core import provenance
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import Dataset
from smoothcert.noise import NOISES
from smoothcert.sampling import job as sampling
from smoothcert.sampling.sampler import default_batch
from smoothcert.sampling.spec import SampleSpec
from smoothcert.scaling import job as scaling
from smoothcert.scaling.spec import ScalesSpec
from smoothcert.training.inputs import random_view
from smoothcert.training.run import train
from smoothcert.training.spec import Job as TrainingJob
from smoothcert.workflow.planning.jobs import Job
from smoothcert.workflow.planning.needs import Needs, kind, needs
from smoothcert.workflow.planning.overhead import overhead
from smoothcert.workflow.planning.passes import training_passes, training_plan
from smoothcert.workflow.planning.throughput import (
    Drawing,
    Network,
    Sampling,
    Search,
    Throughput,
    Training,
)


def measure(
    jobs: Sequence[Job], archs: Sequence[str], device: str, seconds: float, limit: float
) -> tuple[Throughput, list[str]]:
    """The throughput for all that ``jobs`` do, as far as the limit allows, and what it left out.

    ``archs``: only these networks (all by default). ``seconds`` is how long a measurement takes at
    least, ``limit`` the seconds of all. Prints each number as it comes.
    Raises SmoothcertError if the jobs run no network, or none of the name of one of ``archs``.
    """
    wanted = needs(jobs)
    known = sorted({need.arch for need in wanted})
    for arch in archs:
        if arch not in known:
            raise SmoothcertError(
                f"--arch {arch}: no network of these targets; expected one of {', '.join(known)}"
            )
    wanted = [need for need in wanted if not archs or need.arch in archs]
    if not wanted:
        raise SmoothcertError("these targets run no network: nothing to measure")
    surroundings = provenance.record(str(job_device(device)))
    throughput = Throughput(
        device=surroundings["device"],
        clock="cpu" if surroundings["device"] == "cpu" else "wall",
        made_by=surroundings,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    skipped = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(job_device(device), seconds, Path(folder), throughput)
        end = time.monotonic() + limit
        for name, work in bench.plan(wanted):
            if time.monotonic() > end:
                skipped.append(name)
            else:
                print(f"{name}: {work()}", flush=True)
    overhead(throughput, device)
    t = throughput
    print(f"start of a job: {t.start:.1f} s; a job without a network: {t.light:.1f} s")
    print(f"a look of votes: {t.bytes_per_look:.0f} bytes; a certificate: {t.bytes_per_row:.0f}")
    return throughput, skipped


@dataclass
class _Bench:
    device: torch.device
    seconds: float
    folder: Path
    throughput: Throughput
    counter: Iterator[int] = field(default_factory=lambda: iter(range(1 << 30)))

    def plan(self, wanted: Sequence[Needs]) -> Iterator[tuple[str, Callable[[], str]]]:
        """Names and measurements, the most useful first."""
        cheap = sorted(wanted, key=lambda need: _network(need).flops)
        for need in cheap:
            precision = next(iter(need.precisions), "float32")
            work = partial(self.sampling, need, _first(need.noises), precision)
            yield f"votes of {need.arch}", work
        drawn = set()
        for need in cheap:
            for slug in {kind(s): s for s in ("gaussian-0.25", *need.noises.values())}.values():
                if (kind(slug), need.shape) not in drawn:
                    drawn.add((kind(slug), need.shape))
                    name = f"noise {kind(slug)} of {'x'.join(map(str, need.shape))}"
                    yield name, partial(self.drawing, need, slug)
        for need in cheap:
            if need.searches:
                yield f"search of {need.arch}", partial(self.search, need, _first(need.searches))
        # The cheapest training of every network, then the second, ...
        trainings = {need.arch: _trainings(need) for need in cheap}
        for number in range(max(map(len, trainings.values()), default=0)):
            for need in cheap:
                for spec in trainings[need.arch][number : number + 1]:
                    name = f"training {spec['training'].rpartition('-')[0]} of {need.arch}"
                    yield name, partial(self.training, need, spec)
        if any(need.dataset == "imagenet" and need.trainings for need in cheap):
            yield "decoding of ImageNet", self.decoding
        for need in cheap:
            for precision in list(need.precisions)[1:]:
                work = partial(self.sampling, need, _first(need.noises), precision)
                yield f"votes of {need.arch} in {precision}", work

    def sampling(self, need: Needs, noise: str, precision: str) -> str:
        """A sampling job of one input; its work is the looks of at least one batch."""
        batch = default_batch(int(np.prod(need.shape)), self.device)
        look = max(batch, 16)  # fewer votes certify nothing, and no budget asks for them
        if self.device.type == "cuda":
            look = SampleSpec.model_fields["look"].default  # a batch holds several, as in a job
        unit = -(-batch // look) * look
        model, data = self.model(need), _random(need, 1, "test")

        def looks(n: int) -> None:
            spec = SampleSpec(
                dataset=need.dataset, noise=noise, budget=f"fixed_s1-{n * unit}", look=look,
                precision=precision,
            )  # fmt: skip
            sampling.run(spec, model, self.out("npz"), device=str(self.device), data=data)

        each, first = self.cost(looks)
        entry = Sampling(_network(need), kind(noise), precision, batch, each / unit, first)
        self.throughput.sampling.append(entry)
        return f"{unit / each:,.0f} samples per second ({kind(noise)}, {precision}, batch {batch})"

    def drawing(self, need: Needs, slug: str) -> str:
        noise, d = NOISES.parse(slug), int(np.prod(need.shape))
        batch = default_batch(d, self.device)

        x = torch.zeros(need.shape, device=self.device).expand(batch, *need.shape)

        def draw(n: int) -> None:
            for j in range(n):
                stream = generator(0, "bench", j, device=self.device)
                noise.noisy(x, noise.scale, stream)

        each = self.cost(draw)[0] / batch
        self.throughput.drawing.append(Drawing(kind(slug), d, each))
        return f"{1 / each:,.0f} samples per second"

    def training(self, need: Needs, spec: dict[str, Any]) -> str:
        """An epoch of a training job; its work is a batch of images."""
        parts = training_plan(spec, parent="given")
        passes, batch = training_passes(parts), parts.recipe.batch
        if self.device.type == "cpu":
            # A recipe's own batch can take minutes; a smaller one costs as much an image.
            rough = 6e10 / (_network(need).flops * passes.weight)  # images of a second or two
            batch = int(np.clip(rough, 4, batch))
        parent = None
        if parts.training.slug != parts.parent_training:
            parent = self.out("safetensors")
            self.epoch(need, spec, parts.parent_training, batch, 1, None, parent)

        def steps(n: int) -> None:
            self.epoch(need, spec, spec["training"], batch, n, parent, self.out("safetensors"))

        each = self.cost(steps)[0] / batch
        name, precision = spec["training"].rpartition("-")[0], parts.recipe.arithmetic(self.device)
        entry = Training(_network(need), name, passes, batch, precision, each)
        self.throughput.training.append(entry)
        return (
            f"{1 / each:,.1f} images per second (batch {batch},"
            f" {passes.forward:g} forward and {passes.backward:g} backward passes)"
        )

    def epoch(
        self, need: Needs, spec: Mapping[str, Any], training: str, batch: int, steps: int,
        parent: Path | None, out: Path,
    ) -> None:  # fmt: skip
        """One epoch of ``steps`` batches, as one is when no warm-up is left."""
        recipe = {k: v for k, v in spec["recipe"].items() if k != "snapshots"}
        recipe |= {"epochs": 1, "batch": batch}
        recipe |= {"lr_milestones": []} if "lr_milestones" in recipe else {}
        # Done where files are decoded, and images of a bench are in memory.
        if recipe.get("augmentation") == "resized-crop-flip":
            recipe["augmentation"] = "none"
        if "method" in recipe:
            warm = {"warmup": 1, "defer": 0}  # of none
            own = recipe["method"]
            recipe["method"] = {**own, **{k: v for k, v in warm.items() if k in own}}
        if parent is None:
            recipe.pop("ds2", None)
        job = {
            "dataset": need.dataset, "arch": need.arch, "training": training, "recipe": recipe,
            "parent": None if parent is None else str(parent),
        }  # fmt: skip
        data = _random(need, batch * steps, "train")
        train(TrainingJob.check(job, "bench"), out, None, str(self.device), True, dataset=data)

    def search(self, need: Needs, noise: str) -> str:
        """A search of DDRS; its work is a step of ascent, and then votes for the class."""
        batch = scaling.default_inputs(int(np.prod(need.shape)), 1, self.device)
        if self.device.type == "cpu":
            batch = int(np.clip(2e9 / _network(need).flops, 1, batch))
        block = default_batch(int(np.prod(need.shape)), self.device)
        model = self.model(need)

        def run(scalings: str, inputs: int) -> None:
            spec = ScalesSpec(dataset=need.dataset, noise=noise, scalings=(scalings,), batch=inputs)
            data = _random(need, inputs, "test")
            scaling.run(spec, model, self.out("tsv"), device=str(self.device), data=data)

        derivative = self.cost(lambda n: run(f"ascent_sel1-K{n}", batch))[0] / batch
        vote = self.cost(lambda n: run(f"ascent_sel{n * block}-K1", 1))[0] / block
        entry = Search(_network(need), kind(noise), batch, derivative, vote)
        self.throughput.search.append(entry)
        return (
            f"{1 / derivative:,.0f} steps of ascent and {1 / vote:,.0f} votes per second"
            f" ({kind(noise)}, {batch} inputs at once)"
        )

    def decoding(self) -> str:
        """A JPEG file of ImageNet's usual size, from its bytes to a random view."""
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

        self.throughput.decoding = self.cost(read)[0]
        return f"{1 / self.throughput.decoding:,.0f} images per second on one core"

    def cost(self, work: Callable[[int], None]) -> tuple[float, float]:
        """(seconds of one unit, seconds of the first beside it), where ``work(n)`` does n units.

        The first includes compiling and filling caches; units grow until they fill the time, and
        take as long as what comes before the first of them, which varies from call to call.
        """
        first, base, n = self.took(work, 1), self.took(work, 1), 2
        while True:
            more = self.took(work, n) - base
            if more > max(self.seconds / 2, base) or n > 1 << 20:
                each = max(more / (n - 1), 1e-9)
                return each, max(first - each, 0.0)
            n *= 4

    def took(self, work: Callable[[int], None], n: int) -> float:
        """On CPUs the time of this process, so that other processes do not count."""
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        start = clock()
        work(n)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return clock() - start

    def model(self, need: Needs) -> str:
        """A file of the network, untrained."""
        info, path = datasets.info(need.dataset), self.out("safetensors")
        models.save(models.build(need.arch, info.n_classes, need.shape), path, {})
        return str(path)

    def out(self, suffix: str) -> Path:
        """A file that is not there yet."""
        return self.folder / f"{next(self.counter)}.{suffix}"


def _random(need: Needs, count: int, split: str) -> Dataset:
    """Random images with the shape and classes of a data set, black and white: on every grid."""
    info = datasets.info(need.dataset)
    stream = torch.Generator().manual_seed(0)
    return Dataset(
        name=need.dataset,
        split=split,
        images=torch.rand((count, *need.shape), generator=stream).round(),
        labels=np.arange(count) % info.n_classes,
        idx=np.arange(count),
        classes=info.classes,
        digest="",
        shape=need.shape,
    )


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
