"""How fast the device is, beside its own peaks; what an attack keeps; what the loader gives."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from smoothcert.compute.arithmetic import computing, dtype_of
from smoothcert.compute.devices import cores
from smoothcert.compute.memory import in_chunks
from smoothcert.compute.streams import generator
from smoothcert.datasets import Dataset
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.models.activations import at_once, saved_bytes
from smoothcert.models.attacks import cross_entropy, gradient_of
from smoothcert.noise import Gaussian
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Draw, Sampler, default_batch
from smoothcert.training.inputs import Decoded
from smoothcert.workflow.planning.passes import network_size
from smoothcert.workflow.selftest.place import Check, Place, images, settled

GOAL = 0.5  # of the rate of matrix products, in half precision, for residual networks
MOST = 32 << 30  # bytes of memory, at the peak of the largest piece of an audit
FILES = 128


def rates(place: Place) -> Iterator[Check]:
    """Votes a second of each network and arithmetic, as a share of the device's products."""
    copied = _copy_rate(place)
    yield Check("copies", None, f"{copied / 1e9:,.0f} GB/s read and written", {"rate": copied})
    peaks = {}
    for name in place.precisions:
        peaks[name] = _product_rate(place, name)
        said = f"{peaks[name] / 1e12:,.2f} TFLOP/s"
        yield Check(f"products in {name}", None, said, {"rate": peaks[name]})
    for arch, shape, n_classes in place.networks:
        model, (flops, _) = settled(arch, shape, n_classes), network_size(arch, shape, n_classes)
        batch = default_batch(math.prod(shape), place.device)
        for name in place.precisions:
            if name == "float64" or (name == "float16" and not place.gpu):
                continue
            engine = open_engine(model, shape, place.device, "torch", name)
            sampler = Sampler(engine, Gaussian(0.25), n_classes, batch)
            x = images(shape, 1)[0].to(place.device)

            def votes(sampler: Sampler = sampler, x: torch.Tensor = x, n: int = batch) -> None:
                sampler.votes([Draw(x, 0.25, generator(0, "bench", device=place.device), n)])

            rate = batch / place.timed(votes)
            part = rate * flops / peaks[name]
            goal = f"; goal {GOAL:.0%}" if place.gpu and name in ("float16", "bfloat16") else ""
            yield Check(
                f"votes of {arch} in {name}", None,
                f"{rate:,.0f} per second, {part:.0%} of the products{goal}",
                {"rate": rate, "share": part},
            )  # fmt: skip


def _product_rate(place: Place, precision: str) -> float:
    """Floating-point operations a second of a product of two square matrices."""
    side = 8192 if place.gpu and precision != "float64" else 1024
    kind: dict[str, Any] = {"device": place.device, "dtype": dtype_of(precision)}
    a, b = torch.ones((side, side), **kind), torch.ones((side, side), **kind)
    with computing(precision):
        return 2 * side**3 / place.timed(lambda: a @ b)


def _copy_rate(place: Place) -> float:
    """Bytes a second, read and written, of a copy within the device."""
    size = 1 << (28 if place.gpu else 24)
    a = torch.zeros(size, device=place.device)
    b = torch.empty_like(a)
    return 2 * 4 * size / place.timed(lambda: b.copy_(a))


def memory(place: Place) -> Iterator[Check]:
    """The peak of the largest piece that an audit takes of the deepest network."""
    arch, shape, copies = "resnet110", (3, 32, 32), 64
    if not place.gpu:
        yield Check("memory of an audit", None, "only for GPUs")
        return
    model = settled(arch, shape, 10).requires_grad_(False).to(place.device)
    inputs = at_once(model, shape, copies, place.device)
    assert inputs is not None
    n = inputs * copies
    x = images(shape, 1).to(place.device).expand(n, *shape)
    y = torch.zeros(n, dtype=torch.int64, device=place.device)
    torch.cuda.reset_peak_memory_stats(place.device)
    pieces = in_chunks(lambda part: gradient_of(cross_entropy(model, y[part]))(x[part]), n, n)
    peak = torch.cuda.max_memory_allocated(place.device)
    counted = n * saved_bytes(model, shape)
    whole = len(pieces) == 1
    yield Check(
        "memory of an audit", whole and peak <= MOST and bool(torch.cat(pieces).isfinite().all()),
        f"{inputs} inputs of {arch} with {copies} copies: {peak / 1e9:.1f} GB at the peak, of which"
        f" {counted / 1e9:.1f} GB were predicted (at most {MOST / 1e9:.0f} GB)"
        + ("" if whole else "; it did not fit in one piece"),
        {"peak": peak, "counted": counted},
    )  # fmt: skip


def loader(place: Place) -> Iterator[Check]:
    """Training images a second from JPEG files of ImageNet's usual size, and through the GPU."""
    files = FILES * cores()
    paths = [place.folder / f"{i}.jpeg" for i in range(files)]
    picture = _photograph()
    for path in paths:
        path.write_bytes(picture)
    data = Dataset(
        name="imagenet", split="train", images=LazyImages(tuple(map(str, paths))),
        idx=np.arange(files), labels=np.zeros(files, np.int64), classes=(), digest="",
        shape=(3, 224, 224),
    )  # fmt: skip
    order = list(torch.arange(files).split(32))
    batches = Decoded(data, place.device, 0, True).batches

    def epoch() -> None:
        for x, _ in batches(order, 0):
            assert x.shape[1:] == (3, 224, 224)

    given = files / place.timed(epoch)
    said = f"{given:,.0f} images per second with {cores()} cores"
    numbers: dict[str, float] = {"rate": given, "cores": cores()}
    if place.gpu:
        taken = _training_rate(place)
        numbers["gpu"] = taken
        said += f"; ResNet-50 trains on {taken:,.0f} in bfloat16: " + (
            "the GPU waits for the files" if given < taken else "the files are fast enough"
        )
    yield Check("loader", None, said, numbers)


def _photograph() -> bytes:
    """A JPEG file of 500 x 375 pixels, coarse shapes and fine grain, of about 100 KB."""
    stream = np.random.default_rng(0)
    coarse = Image.fromarray(stream.integers(0, 256, (24, 32, 3), np.uint8))
    smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC)).astype(int)
    pixels = np.clip(smooth + stream.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _training_rate(place: Place) -> float:
    """Images a second of optimizer steps of ResNet-50, all data on the GPU."""
    batch, shape = 128, (3, 224, 224)
    model = settled("resnet50", shape, 1000).to(place.device).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)
    x = images(shape, batch).to(place.device)
    y = torch.zeros(batch, dtype=torch.int64, device=place.device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(place.device.type, torch.bfloat16):
            loss = cross_entropy(model, y)(x).mean()
        loss.backward()
        optimizer.step()

    with computing("bfloat16"):
        return batch / place.timed(step)
