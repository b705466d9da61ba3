"""A network in 8-bit integers: a classifier of its own, in a file of its own.

Its weights are rounded to 8 bits a channel and its activations to 8 bits, in ranges found on
noisy images (static quantization). Votes of one are no votes of the other, so it is certified, and
predicts, under its own name; how often the two disagree is measured and said.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import Dataset
from smoothcert.models.graph import NotExported, graph_of, session
from smoothcert.noise import Noise
from smoothcert.sampling.checks import check_images

CALIBRATION, HELD_OUT = "calibration", "calibration-check"  # streams of noise


def quantized(model: nn.Module, images: Tensor, noise: Noise, seed: int = 0) -> bytes:
    """The graph of ``model`` with 8-bit weights and activations (ONNX, QDQ), for any batch.

    ``images`` [N, *shape] are seen once, each under one draw of ``noise``. Raises SmoothcertError
    where the network does not export, or a package is missing.
    """
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError:
        raise SmoothcertError(
            "8 bits: needs the packages onnx and onnxruntime (pip install 'smoothcert[onnx]')"
        ) from None
    check_images(images, range(len(images)))
    try:
        graph = onnx.load_from_string(graph_of(model, tuple(images.shape[1:])))
    except NotExported as why:
        raise SmoothcertError(f"model: cannot be exported: {why}") from None

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._parts = _noisy(images, noise, seed, CALIBRATION)

        def get_next(self) -> dict[str, Any] | None:
            part = next(self._parts, None)
            return None if part is None else {name: part.numpy()}

    name = next(i.name for i in graph.graph.input)
    with tempfile.TemporaryDirectory() as folder, _silent():
        out = Path(folder, "int8.onnx")
        quantization.quantize_static(
            graph, out, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
        return out.read_bytes()


@contextmanager
def _silent() -> Iterator[None]:
    """Without the advice that the package gives through the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _noisy(images: Tensor, noise: Noise, seed: int, purpose: str) -> Iterator[Tensor]:
    for start in range(0, len(images), 64):
        part = images[start : start + 64]
        yield noise.noisy(part, noise.scale, generator(seed, purpose, start))


@torch.inference_mode()
def agreement(
    model: nn.Module, graph: bytes, data: Dataset, noise: Noise, seed: int = 0
) -> dict[str, float]:
    """Shares of the images of ``data`` under one draw of noise that no calibration saw: both give
    the same class; each is right."""
    run = session(graph)
    name = run.get_inputs()[0].name
    images, labels = data.images[: len(data)], torch.as_tensor(data.labels)
    ours, theirs = [], []
    for part in _noisy(images, noise, seed, HELD_OUT):
        ours.append(model(part).argmax(1))
        theirs.append(torch.from_numpy(run.run(None, {name: part.numpy()})[0]).argmax(1))
    a, b = torch.cat(ours), torch.cat(theirs)
    return {
        "agree": float((a == b).double().mean()),
        "accuracy": float((a == labels).double().mean()),
        "accuracy_int8": float((b == labels).double().mean()),
        "inputs": len(labels),
    }
