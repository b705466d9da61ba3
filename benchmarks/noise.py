"""What a sample costs under each noise, against Gaussian noise: python benchmarks/noise.py

One thread. Each round takes 10,000 samples of one input under every noise in turn; ratios are
taken within a round, and medians over the rounds are shown. CPU time of the process, so that other
work on the machine counts little; it still slows caches, so run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from smoothcert.models import build
from smoothcert.noise import NOISES
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Draw, Sampler, default_batch

LOOK, LOOKS = 1000, 10
NOISE = {
    "tiny_cnn": "laplace gaussian-grid splitting centripetal-l1_k32 centripetal-l2_k48"
    " centripetal-linf_k4 mixed-linf_k4 mixed-linf_k16 mixed-linf_k48",
    "small_cnn": "laplace gaussian-grid splitting centripetal-l1_k392 centripetal-l2_k588"
    " centripetal-linf_k16 mixed-linf_k16 mixed-linf_k49 mixed-linf_k200",
}
SHAPES = {"tiny_cnn": (1, 8, 8), "small_cnn": (1, 28, 28)}


def seconds(sampler: Sampler, x: torch.Tensor, round_: int) -> float:
    """CPU seconds of LOOKS looks of one input."""
    streams = [torch.Generator().manual_seed(LOOKS * round_ + i) for i in range(LOOKS)]
    start = time.process_time()
    sampler.votes([Draw(x, 0.25, stream, LOOK) for stream in streams])
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    device = torch.device("cpu")
    for arch, shape in SHAPES.items():
        batch = default_batch(int(np.prod(shape)), device)
        samplers = {
            name: Sampler(
                open_engine(build(arch, 10, shape), shape, device),
                NOISES.parse(f"{name}-0.25"),
                10,
                batch,
            )
            for name in ("gaussian", *NOISE[arch].split())
        }
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
        spent = {name: np.empty(rounds) for name in samplers}
        for r in range(-1, rounds):  # the first one warms up
            for name, sampler in samplers.items():
                value = seconds(sampler, x, r + 1)
                if r >= 0:
                    spent[name][r] = value
        print(f"{arch}, d = {np.prod(shape)}")
        for name, value in spent.items():
            each = np.median(value) / (LOOK * LOOKS) * 1e6
            ratio = np.quantile(value / spent["gaussian"], [0.5, 0.25, 0.75])
            print(f"  {name:22} {each:6.2f} us a sample, {ratio[0]:.2f} of Gaussian", end="")
            print(f" [{ratio[1]:.2f}, {ratio[2]:.2f}]", flush=True)


if __name__ == "__main__":
    main()
