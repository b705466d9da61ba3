"""Small classifiers that others published as packages, through the doors.

They run where the packages are installed (``pip install --no-deps digit-recognizer-py rapidocr
cifar-10-model``, and h5py for the last), else they are skipped.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from smoothcert import cli, datasets
from smoothcert.certificates import metrics, read_certificates
from smoothcert.core.errors import SmoothcertError

pytestmark = pytest.mark.slow

DIGITS = """
import importlib.util
from pathlib import Path

import torch

# Not the package itself, which imports torchvision: its network and its weights.
where = Path(next(iter(importlib.util.find_spec("digit_recognizer").submodule_search_locations)))

def make():
    spec = importlib.util.spec_from_file_location("digit_model", where / "model.py")
    package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    network = package.CNN()
    weights = where / "models" / "handwriting_model.pth"
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network
"""


def folder(package):
    """Where a package lies, without importing it; skips the test where it does not."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(next(iter(found.submodule_search_locations)))


def certified(told, data, noise="gaussian-0.25", budget="fixed-1000", most=20):
    """The table of ``smoothcert certify``, run here."""
    words = f"certify --noise {noise} --budget {budget} --max {most} --out t.tsv --quiet"
    assert cli.main([*words.split(), "--model", json.dumps(told), "--data", data]) == 0, told
    return read_certificates("t.tsv")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_torch_classifier_of_mnist_with_a_normalization(capsys):
    folder("digit_recognizer")
    try:
        datasets.load("mnist", max=1, download=False)
    except SmoothcertError as error:
        pytest.skip(str(error))
    Path("digits_model.py").write_text(DIGITS)
    told = {"path": "digits_model:make", "accuracy": 0.98, "mean": [0.1307], "std": [0.3081]}
    table = certified(told, "mnist", most=20)
    assert "warning" not in capsys.readouterr().err
    assert metrics.clean_accuracy(table).value > 0.9
    assert metrics.average_certified_radius(table).value > 0.3


def text_images(count, seed=0):
    """Words in black on white, 48x192, upright (0) or turned by half (1)."""
    rng, images, labels = np.random.default_rng(seed), [], []
    words = ("certificate", "smoothing", "robust radius", "Gaussian noise", "Lower bound 0.99")
    font = ImageFont.load_default(30)
    for i in range(count):
        image = Image.new("RGB", (192, 48), (255, 255, 255))
        place = (int(rng.integers(2, 12)), int(rng.integers(2, 10)))
        ImageDraw.Draw(image).text(place, words[i % len(words)], (0, 0, 0), font=font)
        turned = i % 2
        images.append(np.asarray(image.rotate(180) if turned else image))
        labels.append(turned)
    return np.stack(images), np.array(labels)


def test_an_onnx_classifier_of_the_direction_of_text(capsys):
    models = folder("rapidocr") / "models"
    path = next(models.glob("*cls*.onnx"), None)
    if path is None:
        pytest.skip("rapidocr holds no text-direction model")
    images, labels = text_images(20)
    np.savez("texts.npz", x=images, y=labels)
    told = {"path": str(path), "mean": [0.5], "std": [0.5], "channels": "bgr"}
    table = certified(told, "texts.npz")
    assert "warning" not in capsys.readouterr().err
    assert metrics.clean_accuracy(table).value > 0.7
    record = json.loads(Path("t.json").read_text())
    assert record["engine"].startswith("onnxruntime ")
    assert record["votes"]["base"]["correct"] >= 18


class Keras:
    """cifar-10-model's network from its .h5: bytes 0..255, [B, H, W, C]."""

    def __init__(self, path):
        h5py = pytest.importorskip("h5py")
        self.layers = []
        with h5py.File(path) as file:
            root = file.get("model_weights", file)
            for name in np.asarray(root.attrs["layer_names"]).astype(str):
                names = np.asarray(root[name].attrs["weight_names"]).astype(str)
                self.layers.append((name, [torch.from_numpy(root[name][n][()]) for n in names]))

    def __call__(self, x):
        x = x.permute(0, 3, 1, 2)
        for name, weights in self.layers:
            if name.startswith("conv"):
                x = F.relu(F.conv2d(x, weights[0].permute(3, 2, 0, 1), weights[1]))
            elif name.startswith("batch"):
                gamma, beta, mean, var = weights
                x = F.batch_norm(x, mean, var, gamma, beta, eps=1e-3)
            elif name.startswith("max"):
                x = F.max_pool2d(x, 2 if x.shape[2] > 6 else 1, 2 if x.shape[2] > 6 else 1)
            elif name.startswith("flatten"):
                x = x.permute(0, 2, 3, 1).flatten(1)
            elif name.startswith("dense"):
                x = F.relu(x @ weights[0] + weights[1])
        return x


def test_a_keras_classifier_of_bytes_with_channels_last(capsys, monkeypatch):
    path = folder("cifar_10_model") / "trained_models" / "cnn_model.h5"
    data = datasets.data_directory() / "cifar10-jpeg-mini.npz"
    if not data.is_file():
        pytest.skip(f"{data} is not there")
    module = ModuleType("keras_model")
    module.make = lambda: Keras(path)
    monkeypatch.setitem(sys.modules, "keras_model", module)
    right = {"path": "keras_model:make", "white": 255, "layout": "nhwc", "accuracy": 0.7}
    few = {"noise": "gaussian-0.12", "most": 30, "budget": "fixed_s10-50 --look 50"}
    table = certified(right, str(data), **few)
    assert "warning: model" not in capsys.readouterr().err
    record = json.loads(Path("t.json").read_text())["votes"]["base"]
    assert record["correct"] / record["inputs"] > 0.6
    assert len(table) == 30
    # Its trap: images in [0,1]. It is warned of, and what helps is said.
    Path("t.votes.npz").unlink()
    certified({**right, "white": 1}, str(data), **few)
    said = capsys.readouterr().err
    assert "warning: model 'keras_model:make'" in said
    assert '"white": 255.0' in said
