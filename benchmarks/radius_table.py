"""How long a radius table takes, and a certificate by it: python benchmarks/radius_table.py

One process, one thread. Prints the noise, d, seconds of wall clock and of CPU for the table, and
microseconds a look-up of one input among 10,000.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from smoothcert.noise import NOISES, Gaussian
from smoothcert.noise.centripetal import Centripetal

CASES = [
    ("centripetal-l1_k20-0.25", 64),
    ("centripetal-l2_k20-0.25", 64),
    ("centripetal-linf_k20-0.25", 64),
    ("mixed-linf_k5-0.25", 64),
    ("centripetal-l1_k500-0.25", 3072),
    ("centripetal-l2_k500-0.25", 3072),
    ("centripetal-linf_k500-0.25", 3072),
    ("mixed-linf_k50-0.25", 3072),
]


def main() -> None:
    p = np.random.default_rng(0).uniform(0.5, 1, 10_000)
    print(f"{'noise':28} {'d':>6} {'wall s':>8} {'CPU s':>8} {'look-up us':>11}")
    start = time.perf_counter()
    Gaussian(0.25).radius(p, 0.25, 3072)
    print(f"{'gaussian (closed form)':28} {'':6} {'':8} {'':8} {_micro(start, p):11.3f}")
    for slug, d in CASES:
        noise = NOISES.parse(slug)
        assert isinstance(noise, Centripetal)
        wall, cpu = time.perf_counter(), time.process_time()
        table = noise.build_table(d)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        noise = noise.with_table(table)
        noise.radius(p[:10], 0.25, d)
        start = time.perf_counter()
        noise.radius(p, 0.25, d)
        print(f"{slug:28} {d:6} {wall:8.1f} {cpu:8.1f} {_micro(start, p):11.3f}", flush=True)


def _micro(start: float, p: np.ndarray) -> float:
    return (time.perf_counter() - start) / len(p) * 1e6


if __name__ == "__main__":
    main()
