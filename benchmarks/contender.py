"""One way to count votes, in a process of its own: python benchmarks/contender.py NAME NETWORK

Reads numbers of samples from standard input, one a line; draws so many and answers with the CPU
and the wall seconds that it took. NAME is one of CONTENDERS, perhaps with ``:cores``. The peers:

- ``cohen``: the loop of Cohen et al. 2019 (section 3.2, and their program): batches of 1000 that
  repeat the input, noise of the same shape, predictions counted in Python on the host.
- ``art``: ``PyTorchRandomizedSmoothing.certify`` of the Adversarial Robustness Toolbox.
- ``loop``: an engine alone, noise drawn by torch in place: what an engine can give.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from smoothcert import BUDGETS, NOISES, Smooth, models
from smoothcert.core.errors import SmoothcertError
from smoothcert.models.onnx import OnnxNetwork
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.library import Voter
from smoothcert.sampling.quantize import quantized
from smoothcert.sampling.sampler import default_batch

SHAPES = {"tiny_cnn": (1, 8, 8), "small_cnn": (1, 28, 28), "resnet20": (3, 32, 32)}
SIGMA, BATCH, IMAGES, LOOK = 0.25, 1000, 4, 1000
CPU = torch.device("cpu")
Work = Callable[[int], None]


def network(arch: str) -> torch.nn.Module:
    return models.build(arch, 10, SHAPES[arch]).eval()


def images(arch: str, n: int = IMAGES) -> torch.Tensor:
    return torch.rand((n, *SHAPES[arch]), generator=torch.Generator().manual_seed(0))


def cohen(arch: str, cores: int) -> Work:
    model, x = network(arch), images(arch)[0]
    torch.set_num_threads(cores)

    def draw(n: int) -> None:
        counts = np.zeros(10, dtype=int)
        with torch.no_grad():
            while n > 0:
                size = min(BATCH, n)
                n -= size
                batch = x.repeat((size, 1, 1, 1))
                noise = torch.randn_like(batch) * SIGMA
                predictions = model(batch + noise).argmax(1)
                for c in predictions.cpu().numpy():
                    counts[c] += 1

    return draw


def art(arch: str, cores: int) -> Work:
    from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing

    torch.set_num_threads(cores)
    smoothed = PyTorchRandomizedSmoothing(
        model=network(arch), loss=torch.nn.CrossEntropyLoss(), input_shape=SHAPES[arch],
        nb_classes=10, clip_values=(0.0, 1.0), sample_size=100, scale=SIGMA, alpha=0.001,
        device_type="cpu",
    )  # fmt: skip
    x = images(arch)[:1].numpy()
    return lambda n: smoothed.certify(x, n)


def library(engine: str, precision: str | None = None, int8: bool = False) -> Callable:
    def of(arch: str, cores: int) -> Work:
        model, x, noise = network(arch), images(arch), NOISES.parse(f"gaussian-{SIGMA:.2f}")
        if int8:
            model = OnnxNetwork(quantized(model, images(arch, 256), noise))
        # What `sample` does, but for opening the engine: once a call, however many images it has
        voter = Voter(model, SHAPES[arch], engine=engine, precision=precision)

        def draw(n: int) -> None:
            if n % (IMAGES * LOOK):
                raise ValueError(f"{n} samples: expected whole looks of {IMAGES} images")
            voter.votes(x, BUDGETS.parse(f"fixed_s1-{n // IMAGES}"), noise, look=LOOK, jobs=cores)

        return draw

    return of


def loop(engine: str, precision: str | None = None) -> Callable:
    @torch.inference_mode()
    def of(arch: str, cores: int) -> Work:
        x, batch = images(arch)[0], default_batch(int(np.prod(SHAPES[arch])), CPU)
        run = open_engine(network(arch), SHAPES[arch], CPU, engine, precision)
        stream, noisy = torch.Generator().manual_seed(0), torch.empty((batch, *SHAPES[arch]))
        counts = torch.zeros(10, dtype=torch.int64)

        @torch.inference_mode()
        def draw(n: int) -> None:
            for _ in range(-(-n // batch)):
                torch.add(x, noisy.normal_(generator=stream), alpha=SIGMA, out=noisy)
                counts.add_(torch.bincount(run.logits(noisy).argmax(1), minlength=10))

        return draw

    return of


def predict(arch: str, cores: int) -> Work:
    """``Smooth.predict`` at n = 1,000 on a batch of images, as in operation."""
    smoothed = Smooth(network(arch), 10, SIGMA)
    x = images(arch, 100)

    def draw(n: int) -> None:
        smoothed.predict(x[: n // LOOK], LOOK, jobs=cores)

    return draw


CONTENDERS: dict[str, Callable[[str, int], Work]] = {
    "predict": predict,
    "cohen": cohen,
    "art": art,
    "library torch": library("torch"),
    "library onnxruntime": library("onnxruntime"),
    "library openvino": library("openvino"),
    "library openvino bfloat16": library("openvino", "bfloat16"),
    "library onnxruntime int8": library("onnxruntime", int8=True),
    "library openvino int8": library("openvino", int8=True),
    "loop onnxruntime": loop("onnxruntime"),
    "loop openvino": loop("openvino"),
    "loop openvino bfloat16": loop("openvino", "bfloat16"),
}


def main() -> None:
    name, _, cores = sys.argv[1].partition(":")
    torch.set_num_threads(1)
    try:
        draw = CONTENDERS[name](sys.argv[2], int(cores or 1))
    except (ImportError, SmoothcertError) as error:
        sys.exit(f"{name} on {sys.argv[2]}: {error}")
    draw(2 * IMAGES * LOOK if sys.argv[2] != "resnet20" else IMAGES * LOOK)  # warm
    print("ready", flush=True)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        draw(int(line))
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


if __name__ == "__main__":
    main()
