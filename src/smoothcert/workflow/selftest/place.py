"""What a self-test is made on: a device, a folder, small networks; and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from smoothcert import datasets, models
from smoothcert.compute.arithmetic import PRECISIONS, check_device
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import Dataset
from smoothcert.training.run import train
from smoothcert.training.spec import Job

CPU = torch.device("cpu")
RECIPE = {"epochs": 3, "batch": 64, "lr": 0.05, "schedule": "cosine", "precision": "float32"}


@dataclass(frozen=True)
class Check:
    """One question: its name, whether it was answered as it must be, and what was seen.

    ``passed`` is None where nothing is asked of a number (a speed), or not of this device.
    """

    name: str
    passed: bool | None
    said: str
    numbers: dict[str, float] = field(default_factory=dict)


Ask = Callable[["Place"], Iterator[Check]]


@dataclass
class Place:
    """The device under test; ``seconds`` is how long a measurement takes at least."""

    device: torch.device
    folder: Path
    seconds: float = 0.5

    @property
    def gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def precisions(self) -> list[str]:
        """The arithmetics that the device has."""
        return [p for p in PRECISIONS if self._has(p)]

    def _has(self, precision: str) -> bool:
        try:
            check_device(precision, self.device)
        except SmoothcertError:
            return False
        return True

    @property
    def networks(self) -> list[tuple[str, tuple[int, int, int], int]]:
        """(architecture, shape, classes): the papers' on a GPU, small ones on a CPU."""
        small, large = (3, 32, 32), (3, 224, 224)
        if self.gpu:
            return [
                ("resnet18_stem7", small, 10), ("resnet110", small, 10), ("resnet50", large, 1000)
            ]  # fmt: skip
        return [("tiny_cnn", (1, 8, 8), 10), ("resnet20", small, 10)]

    def digits(self, split: str = "train", most: int | None = None) -> Dataset:
        return datasets.load("digits", split, max=most)

    def trained(self) -> Path:
        """A small classifier of the digits, trained once on the CPU."""
        path = self.folder / "model.safetensors"
        if not path.exists():
            job = Job(training="cohen-fs-0.25", dataset="digits", arch="tiny_cnn", recipe=RECIPE)
            train(job, path, device="cpu", quiet=True)
        return path

    def model(self) -> nn.Module:
        return models.load(str(self.trained()))[0].eval()

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds of ``work`` once its kernels are loaded: the least of repeats that fill the
        time."""
        work()
        self.wait()
        best, end = float("inf"), time.perf_counter() + self.seconds
        while True:
            start = time.perf_counter()
            work()
            self.wait()
            best = min(best, time.perf_counter() - start)
            if time.perf_counter() > end:
                return best

    def wait(self) -> None:
        if self.gpu:
            torch.cuda.synchronize(self.device)


def settled(arch: str, shape: tuple[int, int, int], n_classes: int) -> nn.Module:
    """An untrained network whose batch normalizations know their inputs, so that no activation
    grows or vanishes with depth; in eval mode, the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.build(arch, n_classes, shape)
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in norms:
        part.momentum = 1.0  # the statistics of the one batch
    with torch.no_grad():
        network.train()(images(shape, 8 if shape[1] > 100 else 32))
    return network.eval()


def images(shape: tuple[int, ...], n: int, stream: str = "selftest-images") -> Tensor:
    """[n, *shape] float32, on the CPU, the same at every call."""
    return torch.rand((n, *shape), generator=generator(0, stream))


def share(a: np.ndarray, b: np.ndarray) -> float:
    """How many of the answers differ."""
    return float((a != b).mean())
