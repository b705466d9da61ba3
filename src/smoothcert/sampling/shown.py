"""A sampling job with its bar on standard error."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from smoothcert.core.progress import bar
from smoothcert.sampling.spec import SampleSpec
from smoothcert.votes import VoteStore
from smoothcert.votes.records import read_record


def sample(
    spec: SampleSpec,
    model: str,
    out: Path,
    *,
    jobs: int | None = None,
    shard: str = "0/1",
    scales: Path | None = None,
    top_up: Path | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> tuple[VoteStore, int]:
    """The vote store of a job, written to ``out``, and how many samples were drawn for it now.

    Raises SmoothcertError as :func:`job.run`.
    """
    from smoothcert.compute.devices import job_device
    from smoothcert.sampling import job

    job_device(device)
    drawn, shown = 0, None
    with ExitStack() as opened:

        def progress(inputs: int, samples: int, total: int) -> None:
            nonlocal drawn, shown
            drawn += samples
            if shown is None:  # not before the first samples: a refusal is one line
                shown = opened.enter_context(bar(out.name, " inputs", quiet, total=total))
            shown.set_postfix_str(f"{drawn:,} samples", refresh=False)
            shown.update(inputs)

        store = job.run(
            spec,
            model,
            out,
            job.parse_shard(shard),
            scales=scales,
            top_up=top_up,
            data_dir=data_dir,
            device=device,
            progress=progress,
            jobs=jobs,
        )
    if note := read_record(out).get("engine_note"):
        print(note, file=sys.stderr)
    return store, drawn
