"""The training set on its way to the device: from memory, or decoded by worker processes."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from smoothcert.compute.devices import cores
from smoothcert.compute.lazy import torchvision
from smoothcert.compute.streams import numpy_generator
from smoothcert.datasets import Dataset
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.training.stop import SIGNALS


class InMemory:
    """All images lie on the device."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        assert isinstance(dataset.images, torch.Tensor)
        self.x = dataset.images.to(device)
        self.y = torch.as_tensor(dataset.labels, device=device)

    def __len__(self) -> int:
        return len(self.y)

    def batches(self, order: list[Tensor], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for idx in order:
            rows = idx.to(self.x.device)
            yield self.x[rows], self.y[rows]


MOST_WORKERS = 16  # more of them decode faster than one GPU trains


class Decoded:
    """Images are decoded, cropped and mirrored at random by a worker process a core of the job.

    They travel to the device as bytes and become numbers in [0,1] there.
    """

    def __init__(self, dataset: Dataset, device: torch.device, seed: int, random: bool) -> None:
        self.dataset, self.device, self.seed, self.random = dataset, device, seed, random

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, order: list[Tensor], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        assert not isinstance(self.dataset.images, torch.Tensor)
        views = _Views(self.dataset.images, self.dataset.labels, self.seed, epoch, self.random)
        loader = torch.utils.data.DataLoader(
            views,
            batch_sampler=[batch.tolist() for batch in order],
            # With one core a process of its own would only take turns with this one.
            num_workers=min(cores(), MOST_WORKERS) if cores() > 1 else 0,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_deaf,
        )
        for x, y in loader:
            pixels = x.to(self.device, non_blocking=True).float().div_(255)
            yield pixels, y.to(self.device, non_blocking=True)


def _deaf(worker: int) -> None:
    """A signal to stop is for the training, which needs its workers a little longer."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass
class _Views(torch.utils.data.Dataset):
    """Item i is image i as epoch ``epoch`` sees it: a function of (seed, epoch, i) alone."""

    images: LazyImages
    labels: np.ndarray
    seed: int
    epoch: int
    random: bool

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        images = self.images
        if self.random:
            stream = numpy_generator(self.seed, "training-augmentation", self.epoch, i)
            images = images.with_transform(partial(random_view, stream=stream))
        return images.bytes(i), int(self.labels[i])


def random_view(image: Image, stream: np.random.Generator, side: int = 224) -> Image:
    """A random part of ``image`` at ``side`` x ``side``, mirrored or not.

    The part has 8% to 100% of the area and a ratio of sides between 3/4 and 4/3 (Szegedy et al.
    2015, as torchvision's RandomResizedCrop): ten attempts, then the largest central square.
    """
    functional = torchvision.transforms.functional
    top, left, height, width = random_part(image.height, image.width, stream)
    part: Image = functional.resized_crop(image, top, left, height, width, [side, side])
    return functional.hflip(part) if stream.random() < 0.5 else part


def random_part(rows: int, columns: int, stream: np.random.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the random part of :func:`random_view`."""
    for _ in range(10):
        area = rows * columns * stream.uniform(0.08, 1.0)
        ratio = math.exp(stream.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= columns and 0 < height <= rows:
            top = int(stream.integers(rows - height + 1))
            return top, int(stream.integers(columns - width + 1)), height, width
    side = min(rows, columns)
    return (rows - side) // 2, (columns - side) // 2, side, side
