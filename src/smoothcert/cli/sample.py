"""``smoothcert sample``: class counts under noise, into a vote store."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from smoothcert.cli.common import add_spec, require, specification
from smoothcert.core.errors import SmoothcertError

KEYS = {
    "dataset": str,
    "split": str,
    "skip": int,
    "max": int,
    "noise": str,
    "scaling": str,
    "budget": str,
    "look": int,
    "batch": int,
    "precision": str,
    "seed": int,
}


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that samples."""
    add_spec(parser, KEYS)
    parser.add_argument("--scales", metavar="TSV", help="noise scale of each input (idx, sigma)")
    parser.add_argument("--data-dir", metavar="DIR", help="default: SMOOTHCERT_DATA")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (shards); default 1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags; those of the specification override the keys of --spec."""
    add_sampling_arguments(parser)
    parser.add_argument("--model", required=True, metavar="FILE", help="or package.module:function")
    parser.add_argument("--shard", default="0/1", metavar="i/k", help="every k-th input from i on")
    parser.add_argument("--top-up", metavar="NPZ", help="a store whose looks are taken over")
    parser.add_argument("--out", required=True, metavar="NPZ")


def run(args: argparse.Namespace) -> int:
    """Sample, resume or top up; print one line about the store."""
    spec = specification(args, KEYS)
    sample(args, spec, Path(args.out), args.shard)
    return 0


def sample(args: argparse.Namespace, spec: dict[str, Any], out: Path, shard: str = "0/1") -> None:
    """What ``sample`` and the two-step ``certify`` do, in one process or one a core."""
    require(spec, "dataset", "noise", "budget")
    if args.jobs is not None and args.jobs < 1:
        raise SmoothcertError(f"--jobs {args.jobs}: expected at least 1")
    if args.jobs and args.jobs > 1:
        _sample_in_parts(args, spec, out)
        return
    from tqdm import tqdm

    from smoothcert.compute.devices import job_device
    from smoothcert.sampling import job as run_sampling

    job_device(args.device)
    top_up = getattr(args, "top_up", None)
    part = run_sampling.parse_shard(shard)
    # A log file gets a line now and then, a terminal a live bar.
    pace = 0.5 if sys.stderr.isatty() else 30
    bar = tqdm(
        unit=" inputs", desc=out.name, disable=args.quiet, dynamic_ncols=True, mininterval=pace
    )
    with bar:
        drawn = 0

        def progress(inputs: int, samples: int, total: int) -> None:
            nonlocal drawn
            drawn += samples
            bar.total = total
            bar.set_postfix_str(f"{drawn:,} samples", refresh=False)
            bar.update(inputs)

        store = run_sampling.run(
            run_sampling.SampleSpec(**spec),
            args.model,
            out,
            part,
            scales=args.scales,
            top_up=Path(top_up) if top_up else None,
            data_dir=args.data_dir,
            device=args.device,
            progress=progress,
        )
    print(
        f"{out}: {len(store)} inputs, {int(store.samples().sum()):,} estimation samples"
        f" ({drawn:,} drawn now), look {store.look}, n0 {store.n0}, seed {store.identity['seed']}"
    )


def _sample_in_parts(args: argparse.Namespace, spec: dict[str, Any], out: Path) -> None:
    """One process a shard, then gather: on CPUs the fastest use of several cores."""
    from smoothcert.votes.records import gather_files, record_path

    parts = [out.with_name(f".{out.stem}.{i}-of-{args.jobs}.npz") for i in range(args.jobs)]
    common = ["--spec", json.dumps(spec), "--model", args.model, "--device", args.device]
    for name in ("scales", "data_dir", "top_up"):
        if getattr(args, name, None):
            common += [f"--{name.replace('_', '-')}", getattr(args, name)]
    if not common.count("--top-up") and out.exists():
        common += ["--top-up", str(out)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "smoothcert", "sample", *common]
            + ["--shard", f"{i}/{args.jobs}", "--out", str(part)]
            + (["--quiet"] if args.quiet or i else []),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=None if i == 0 and not args.quiet else subprocess.PIPE,
            text=True,
        )
        for i, part in enumerate(parts)
    ]
    try:
        _wait(workers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()
    store = gather_files(parts, out)
    for part in parts:
        part.unlink()
        record_path(part).unlink(missing_ok=True)
    print(f"{out}: {len(store)} inputs, {int(store.samples().sum()):,} estimation samples")


def _wait(workers: list[subprocess.Popen[str]]) -> None:
    """Until all are done; the first that fails ends them all, with its own message."""
    running = list(workers)
    while running:
        time.sleep(0.05)
        for worker in [w for w in running if w.poll() is not None]:
            running.remove(worker)
            if worker.returncode == 0:
                continue
            if worker.stderr is None:
                raise SystemExit(worker.returncode)  # it has said why
            said = worker.stderr.read().strip().splitlines() or ["it was killed"]
            raise SmoothcertError(said[-1].removeprefix("error: "))
