"""What a job costs beside its samples: starting, reading, certifying, and bytes on the disk."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from smoothcert import models
from smoothcert.compute.streams import numpy_generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.votes import Counts, VoteStore
from smoothcert.workflow.planning.stopping import vote_shares
from smoothcert.workflow.planning.throughput import Throughput

_INPUTS, _LOOKS, _LOOK, _CLASSES = 100, 20, 1000, 10


def overhead(found: Throughput, device: str) -> None:
    """Run the smallest sampling and certification jobs there are, as the workflow's rules do."""
    with tempfile.TemporaryDirectory() as folder:
        model, votes = Path(folder, "model.safetensors"), Path(folder, "votes.npz")
        models.save(models.build("tiny_cnn", 10, (1, 8, 8)), model, {})
        spec = "--dataset digits --noise gaussian-0.25 --budget fixed_s1-10 --look 10 --max 1"
        command = ["sample", *spec.split(), "--model", str(model), "--out", str(votes)]
        found.start = _seconds(found, [*command, "--device", device, "--quiet"])
        store = made_store()
        store.write(votes)
        found.bytes_per_look = votes.stat().st_size / (_INPUTS * _LOOKS)
        out = Path(folder, "certificates.tsv")
        command = ["certify", "--votes", str(votes), "--budget", f"fixed-{_LOOKS * _LOOK}"]
        found.light = _seconds(found, [*command, "--out", str(out)])
        size = out.stat().st_size + out.with_suffix(".json").stat().st_size
        found.bytes_per_row = size / _INPUTS


def made_store() -> VoteStore:
    """A store whose looks hold as many classes as those of published certificates suggest."""
    stream = numpy_generator(0, "plan-store")
    shares = np.resize(vote_shares("cifar10", 0.5), _INPUTS)
    rows, selection = [], []
    for share in shares:
        rest = stream.dirichlet(np.full(_CLASSES - 1, 0.3)) * (1 - share)
        looks = stream.multinomial(_LOOK, [share, *rest], _LOOKS)
        rows += [dict(enumerate(look.tolist())) for look in looks]
        selection.append({0: 100})
    return VoteStore(
        identity={
            "noise": "gaussian-0.50",
            "look": _LOOK,
            "n0": 100,
            "n_classes": _CLASSES,
            "shape": [3, 32, 32],
            "scaling": "fixed",
        },
        rows=_INPUTS,
        row=np.arange(_INPUTS),
        idx=np.arange(_INPUTS),
        label=np.zeros(_INPUTS, np.int64),
        scale=np.full(_INPUTS, 0.5),
        looks=np.full(_INPUTS, _LOOKS),
        selection=Counts.from_rows(selection),
        estimation=Counts.from_rows(rows),
    )


def _seconds(found: Throughput, arguments: list[str]) -> float:
    """Seconds of one command, in the throughput's clock."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "smoothcert", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SmoothcertError(
            f"smoothcert {arguments[0]}: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu if found.clock == "cpu" else time.perf_counter() - wall
