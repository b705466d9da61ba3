"""Every comparison of speed, interleaved, into a CSV and a figure: python benchmarks/speed.py

    --out FOLDER   speed.csv, speed.png and machine.json (default: results/benchmark)
    --rounds 7     each contender draws once a round; ratios are taken within a round
    --only NAME    contenders, cores, shares, curves, adaptive, table, search; default: all

One process a contender, one thread a core; the order of contenders changes from round to round.
Ratios of one core are of CPU time, so that other work counts little; those of two are of wall
time and want a quiet machine. "Allocator fixed": glibc's thresholds raised, without which it maps
and unmaps every large activation. The peers are installed where they are missing, without their
dependencies, into benchmarks/.peers (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
from contender import CONTENDERS, SHAPES
from figure import draw
from machine import about, peaks
from parts import PARTS
from processes import SAMPLES, Contender, install_peers, processes

ONE_CORE = [Contender("cohen"), Contender("cohen", fixed=False), Contender("art", fixed=False)]
ONE_CORE += [Contender(name) for name in CONTENDERS if name not in ("cohen", "art")]
TWO_CORES = [
    Contender(name, cores) for name in ("library onnxruntime", "library torch") for cores in (1, 2)
] + [Contender("cohen", 2, fixed=False)]


def compared(contenders: Sequence[Contender], arch: str, rounds: int) -> pd.DataFrame:
    """Seconds a sample, a row a round and contender."""
    rows = []
    with processes(contenders, arch) as running:
        for r in range(rounds):
            order = list(running.items())
            for of, process in order[r % len(order) :] + order[: r % len(order)]:
                n = SAMPLES[arch] // (4 if of.name == "art" and arch == "resnet20" else 1)
                cpu, wall = process.draw(n)
                rows.append({
                    "network": arch, "contender": of.name, "cores": of.cores,
                    "allocator": of.allocator, "round": r, "cpu": cpu, "wall": wall,
                })  # fmt: skip
    return pd.DataFrame(rows)


def ratios(frame: pd.DataFrame, base: Contender, time: str, part: str) -> pd.DataFrame:
    """Times of ``base`` over those of each contender, taken within a round: the median over the
    rounds, the least and the largest."""
    keys = ["network", "contender", "cores", "allocator"]
    wide = frame.pivot(index="round", columns=keys, values=time)
    arch = frame["network"].iloc[0]
    base_key = (arch, base.name, base.cores, base.allocator)
    if base_key not in wide.columns:  # it did not run, and has said why
        return pd.DataFrame()
    of_base, rows = wide[base_key], []
    for key in wide.columns:
        ratio = of_base / wide[key]
        rows.append({
            "part": part, **dict(zip(keys, key, strict=True)),
            "measure": f"{time} time of {base.name} ({base.cores} core, {base.allocator}) over its",
            "value": ratio.median(), "low": ratio.min(), "high": ratio.max(),
            "microseconds": 1e6 * wide[key].median(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def contenders(rounds: int) -> pd.DataFrame:
    """One core: every contender against Cohen's loop, and against ART."""
    frames = [compared(ONE_CORE, arch, rounds) for arch in SHAPES]
    return pd.concat(ratios(f, base, "cpu", "contenders") for f in frames for base in ONE_CORE[:3])


def cores(rounds: int) -> pd.DataFrame:
    """Two cores over one, by the wall."""
    frames = [compared(TWO_CORES, arch, rounds) for arch in SHAPES]
    bases = [TWO_CORES[0], TWO_CORES[2], TWO_CORES[4]]
    return pd.concat(ratios(f, base, "wall", "cores") for f in frames for base in bases)


def main() -> None:
    every = {"contenders": contenders, "cores": cores, **PARTS}
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--out", type=Path, default=Path("results/benchmark"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=every, default=list(every))
    args = parser.parse_args()
    install_peers()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        print(f"{name} ...", flush=True)
        table = every[name](args.rounds)
        table.to_csv(args.out / f"{name}.csv", index=False)
        print(table.to_string(index=False, float_format="%.4g"), flush=True)
    facts = {**about(), **peaks()}
    (args.out / "machine.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    found = [args.out / f"{name}.csv" for name in every]
    frame = pd.concat([pd.read_csv(path) for path in found if path.exists()])
    frame.to_csv(args.out / "speed.csv", index=False)
    draw(frame, facts, args.out / "speed.png")


if __name__ == "__main__":
    main()
