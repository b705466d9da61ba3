"""A sampling job on one core, or cut into shards with one process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.progress import bar
from smoothcert.sampling.spec import SampleSpec
from smoothcert.votes import VoteStore
from smoothcert.votes.records import gather_files, record_path


def sample(
    spec: SampleSpec,
    model: str,
    out: Path,
    *,
    jobs: int = 1,
    shard: str = "0/1",
    scales: Path | None = None,
    top_up: Path | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> tuple[VoteStore, int | None]:
    """The vote store of a job, written to ``out``, and how many samples were drawn for it now
    (None where several processes have drawn them).

    ``jobs`` above 1 are processes that take every ``jobs``-th input each: on CPUs the fastest
    use of several cores, to the same bits. Raises SmoothcertError as :func:`job.run`.
    """
    files: dict[str, Any] = {"scales": scales, "top_up": top_up, "data_dir": data_dir}
    if jobs > 1:
        if shard != "0/1":
            raise SmoothcertError(f"--shard {shard}: expected without --jobs, which cuts the store")
        return _in_parts(spec, model, out, jobs, files, device, quiet)
    from smoothcert.compute.devices import job_device
    from smoothcert.sampling import job

    job_device(device)
    drawn = 0
    with bar(out.name, " inputs", quiet) as shown:

        def progress(inputs: int, samples: int, total: int) -> None:
            nonlocal drawn
            drawn += samples
            shown.total = total
            shown.set_postfix_str(f"{drawn:,} samples", refresh=False)
            shown.update(inputs)

        part = job.parse_shard(shard)
        store = job.run(spec, model, out, part, device=device, progress=progress, **files)
    return store, drawn


def _in_parts(
    spec: SampleSpec,
    model: str,
    out: Path,
    jobs: int,
    files: dict[str, Any],
    device: str,
    quiet: bool,
) -> tuple[VoteStore, int | None]:
    """One process a shard, then gather."""
    parts = [out.with_name(f".{out.stem}.{i}-of-{jobs}.npz") for i in range(jobs)]
    if files["top_up"] is None and out.exists():
        files = {**files, "top_up": out}
    common = ["--spec", json.dumps(spec.plain()), "--model", model, "--device", device]
    for name, file in files.items():
        common += [f"--{name.replace('_', '-')}", str(file)] if file else []
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "smoothcert", "sample", *common]
            + ["--shard", f"{i}/{jobs}", "--out", str(part)]
            + (["--quiet"] if quiet or i else []),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=None if i == 0 and not quiet else subprocess.PIPE,
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
    return store, None


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
