"""Time and memory of comparing all pairs of certified balls.

    python benchmarks/overlaps.py --inputs 50000 --dataset cifar10-jpeg

Inputs of a data set (or, without --dataset, uniform random ones of --dimension), seven of ten
predicted as labelled, radii uniform up to --radius. Measured on one thread of an AMD EPYC (Zen 4)
that other jobs shared: 50,000 x 50,000 of dimension 3,072, l2, every margin exact: 86 CPU seconds,
1.54 GB at most, of which 1.01 GB are the images and what loading them took.
"""

import argparse
import resource
import time

import numpy as np

from smoothcert import datasets
from smoothcert.audits.overlap import overlaps


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


parser = argparse.ArgumentParser()
parser.add_argument("--inputs", type=int, default=8000)
parser.add_argument("--dataset")
parser.add_argument("--split", default="train")
parser.add_argument("--dimension", type=int, default=3072)
parser.add_argument("--norm", default="l2", choices=["l1", "l2", "linf"])
parser.add_argument("--radius", type=float, default=1.9)
args = parser.parse_args()

rng = np.random.default_rng(0)
if args.dataset:
    data = datasets.load(args.dataset, args.split, max=args.inputs)
    points, label = data.images.reshape(len(data), -1).numpy(), data.labels
else:
    points = rng.random((args.inputs, args.dimension), dtype=np.float32)
    label = rng.integers(0, 10, args.inputs)
predict = np.where(rng.random(len(label)) < 0.7, label, rng.integers(-1, 10, len(label)))
radius = np.where(predict < 0, 0.0, rng.random(len(label)) * args.radius)
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
found = overlaps(points, predict, radius, args.norm)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(
    f"{len(points):,} inputs of dimension {points.shape[1]}, {args.norm}: {found.pairs:,} pairs of"
    f" {found.balls:,} balls, {found.count:,} intersect, least margin {found.least:.4f},"
    f" least ratio {found.ratio:.4f}, {'exact' if found.exact else 'lower bounds'}"
)
print(f"{wall:.1f} s, {cpu:.1f} CPU s, peak {peak():.2f} GB ({before:.2f} GB before)")
