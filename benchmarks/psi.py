"""Time to build the sample-size mapping of ISS, against a plain scan and the paper's Table 3.

    OMP_NUM_THREADS=1 python benchmarks/psi.py [--scan]

One core, kbar = 100,000, alpha = 0.001, 501 grid points, sizes in steps of 200 as in the
authors' program, and in steps of 1. ``--scan`` also times Algorithm 1 as printed: from each
grid point try one size after the other (AD may resume where the last point ended, for it
rises; RD may not), one Beta quantile a try, and checks that the sizes are the same.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time

import numpy as np
from scipy.special import betaincinv, ndtri

from smoothcert.budget.psi import Decline, table
from smoothcert.noise import Gaussian

KBAR, ALPHA = 100_000, 0.001
PAPER = {("ad", 0.01): 0.70, ("ad", 0.05): 0.65, ("ad", 0.10): 0.57,
         ("rd", 0.01): 39.47, ("rd", 0.05): 13.52, ("rd", 0.10): 7.50}  # fmt: skip


def radius(p: float, k: float) -> float:
    """Definition 1 at noise scale 1."""
    return float(ndtri(betaincinv(p * k, k - p * k + 1, ALPHA)))


def scan(kind: str, u: float, sigma: float, step: int) -> list[int]:
    """Algorithm 1, one size after the other."""
    sizes, last = [], step
    for p in 0.5 + np.arange(501) / 1000:
        desired = sigma * radius(p, KBAR)
        least = desired - u if kind == "ad" else desired * (1 - u)
        if desired <= 0 or least <= 0:
            sizes.append(0)
            continue
        k = last if kind == "ad" else step
        while sigma * radius(p, k) < least:
            k += step
        sizes.append(k)
        last = k
    return sizes


def build(kind: str, u: float, sigma: float, step: int) -> tuple[float, np.ndarray]:
    """Best of five process times of a cold build, in seconds."""
    decline = Decline(ad=u / sigma) if kind == "ad" else Decline(rd=u)
    times = []
    for _ in range(5):
        table.cache_clear()
        start = time.process_time()
        sizes = table(decline, Gaussian(1.0), 3072, KBAR, ALPHA, step)
        times.append(time.process_time() - start)
    return min(times), sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scan", action="store_true", help="also time the plain scan (minutes)")
    parser.add_argument("--sigma", type=float, default=0.5)
    args = parser.parse_args()
    print(f"# {platform.machine()}, {os.cpu_count()} cores, python {platform.python_version()}")
    out = csv.writer(sys.stdout)
    out.writerow(["decline", "U", "step", "seconds", "scan_seconds", "paper_seconds", "equal"])
    for (kind, u), paper in PAPER.items():
        for step in (200, 1):
            seconds, sizes = build(kind, u, args.sigma, step)
            scanned, equal = "", ""
            if args.scan and step == 200:
                start = time.process_time()
                plain = scan(kind, u, args.sigma, step)
                scanned = f"{time.process_time() - start:.2f}"
                equal = str(plain == sizes.tolist())
            out.writerow([kind, u, step, f"{seconds:.4f}", scanned, paper, equal])


if __name__ == "__main__":
    main()
