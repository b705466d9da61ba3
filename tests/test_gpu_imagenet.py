"""ImageNet's way through a GPU: a folder of a few files, a small network, the pretended GPU."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_cuda import Seen, pretended
from PIL import Image

from smoothcert import models
from smoothcert.cli import main
from smoothcert.datasets.imagenet import ImageNet
from smoothcert.models.architectures import ARCHITECTURES, Architecture
from smoothcert.training import inputs
from smoothcert.votes import VoteStore

CLASSES = ("n01440764", "n01443537")


@dataclass(frozen=True)
class Small(Architecture):
    """A network for large images that takes no time."""

    reference = "this test"
    sides = (224,)

    def network(self, shape: tuple[int, int, int], n_classes: int) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Conv2d(shape[0], 4, 16, stride=16), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
            torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, n_classes),
        )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """train/ and val/ of two classes with three photographs each, of different sizes."""
    info = replace(ImageNet.info, n_classes=2, splits={"train": 6, "test": 6})
    monkeypatch.setattr(ImageNet, "info", info)
    monkeypatch.setitem(ARCHITECTURES._members, "small_large", Small)
    Small.name = "small_large"
    # A worker would be a copy of this process, and of what it pretends.
    monkeypatch.setattr(inputs, "cores", lambda: 0)
    stream = np.random.default_rng(0)
    for part in ("train", "val"):
        for wnid in CLASSES:
            place = tmp_path / "imagenet" / part / wnid
            place.mkdir(parents=True)
            for i in range(3):
                pixels = stream.integers(0, 256, (240 + 20 * i, 300, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"ILSVRC2012_{i}.JPEG")
    return tmp_path


def run(folder: Path, *words: object) -> Seen:
    with pretended() as seen:
        data = ["--data-dir", str(folder), "--device", "cuda", "--quiet"]
        assert main([*map(str, words), *data]) == 0
    return seen


def test_large_images_are_trained_on_searched_and_sampled(folder: Path) -> None:
    model = folder / "m.safetensors"
    recipe = {"epochs": 1, "batch": 2, "lr": 0.01, "schedule": "constant"}
    recipe |= {"augmentation": "resized-crop-flip"}
    words = ["train", "--training", "cohen-fs-0.50", "--dataset", "imagenet", "--out", model]
    seen = run(folder, *words, "--arch", "small_large", "--recipe", json.dumps(recipe))
    # A batch is one copy of bytes, one of labels; the rest is the network and the state.
    copies = [n for line, n in seen.copies.items() if line.startswith("training/inputs.py")]
    assert copies == [3, 3]
    assert models.read_record(model)["precision"] == "bfloat16"

    of = ["--dataset", "imagenet", "--noise", "gaussian-0.50", "--max", 3, "--model", model]
    seen = run(folder, "scales", *of, "--scalings", "ascent-K2", "--out", folder / "s.tsv")
    assert seen.waits.total() <= 20, seen.waits  # and not one for each of 300 votes
    out = folder / "v.npz"
    words = ["--budget", "fixed_s20-200", "--look", 100, "--precision", "float16", "--out", out]
    seen = run(folder, "sample", *of, *words)
    assert seen.waits.total() <= 5  # two calls, and the answers at the images themselves
    store = VoteStore.read(out)
    assert store.identity["engine"].endswith("(batch norm folded, channels last)")
    assert store.samples().tolist() == [200] * 3
