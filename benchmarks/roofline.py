"""What a forward pass costs a GPU, counted without one: kernels, bytes, operations, waits.

    python benchmarks/roofline.py

For the papers' three networks, as they are written (float32, batch normalizations apart, images
channels first) and as they compute on a GPU (float16, folded, channels last). Every call of torch
that computes is taken for one kernel that reads its inputs and writes its output; waits are those
of ``tests/test_gpu.py``. The time is the larger of two: operations at ``--tflops``, bytes at
``--gbs`` (an H100 has 60 in float32, 800 in float16, and 3,300 GB/s), so a bound and no estimate.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from smoothcert import models
from smoothcert.models.fold import folded

NETWORKS = (
    ("resnet18_stem7", (3, 32, 32), 10, 4096),
    ("resnet110", (3, 32, 32), 10, 4096),
    ("resnet50", (3, 224, 224), 1000, 128),
)
VIEWS = frozenset(
    ("view", "_unsafe_view", "t", "permute", "transpose", "expand", "unsqueeze", "squeeze",
     "detach", "alias", "slice", "select", "unbind", "split", "as_strided", "reshape")
)  # fmt: skip
COLUMNS = (
    "network, samples a pass", "computed", "kernels", "GFLOP a sample", "MB a sample",
    "votes/s, at most",
)  # fmt: skip


@dataclass
class Cost:
    kernels: int = 0
    operations: float = 0.0
    read_and_written: float = 0.0


class Count(TorchDispatchMode):
    """Adds up every kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.cost = Cost()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.__name__.split(".")[0]
        if name not in VIEWS and not name.startswith("empty"):
            self.cost.kernels += 1
            if func._overloadpacket in flop_registry:
                count = flop_registry[func._overloadpacket]
                self.cost.operations += count(*args, **(kwargs or {}), out_val=out)
            self.cost.read_and_written += sum(map(size, flat(args))) + size(first(out))
        return out


def flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from flat(value)
        else:
            yield value


def size(one: Any) -> int:
    return one.numel() * one.element_size() if isinstance(one, Tensor) else 0


def first(out: Any) -> Any:
    return out[0] if isinstance(out, list | tuple) else out


def cost(network: nn.Module, shape: tuple[int, ...], batch: int, dtype: torch.dtype) -> Cost:
    """Of one pass: noise drawn and added, the network, the class."""
    network = network.to("meta", dtype)
    with torch.no_grad(), torch.device("meta"), Count() as count:
        noisy = torch.empty(batch, *shape).normal_()
        noisy = torch.add(torch.empty(1, *shape), noisy, alpha=0.5, out=noisy)
        network(noisy.to(dtype)).argmax(1)
    return count.cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tflops", type=float, nargs=2, default=(60.0, 800.0), metavar="T")
    parser.add_argument("--gbs", type=float, default=3300.0)
    wish = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |")
    print("| --- " * len(COLUMNS) + "|")
    for arch, shape, n_classes, batch in NETWORKS:
        plain = models.build(arch, n_classes, shape).eval()
        fast = folded(plain)
        assert fast is not None
        for network, dtype, rate, how in (
            (plain, torch.float32, wish.tflops[0], "float32, as written"),
            (fast, torch.float16, wish.tflops[1], "float16, folded"),
        ):
            one = cost(network, shape, batch, dtype)
            seconds = max(one.operations / rate / 1e12, one.read_and_written / wish.gbs / 1e9)
            bound = "bytes" if one.read_and_written / wish.gbs / 1e9 == seconds else "products"
            print(
                f"| {arch}, {batch} | {how} | {one.kernels} | {one.operations / batch / 1e9:.3f}"
                f" | {one.read_and_written / batch / 1e6:.2f} | {batch / seconds:,.0f} ({bound}) |"
            )


if __name__ == "__main__":
    main()
