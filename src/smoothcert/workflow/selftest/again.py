"""Two runs give the same bits, and so does one that was killed and went on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from smoothcert.sampling import job as sampling
from smoothcert.sampling.spec import SampleSpec
from smoothcert.training.run import train
from smoothcert.training.spec import Job
from smoothcert.workflow.selftest.place import RECIPE, Check, Place


class _Killed(BaseException):
    """In place of a kill."""


def votes(place: Place) -> Iterator[Check]:
    """A vote store of eight inputs, twice, and once more with a kill after the first looks."""
    spec = SampleSpec(
        dataset="digits", noise="gaussian-0.25", budget="fixed-20000", look=1000, max=8
    )
    model, device = str(place.trained()), str(place.device)

    def sampled(name: str, kill: bool = False) -> bytes:
        drawn = 0

        def stop(inputs: int, samples: int, of: int) -> None:
            nonlocal drawn
            drawn += samples
            if kill and drawn > 2000:
                raise _Killed

        out = place.folder / f"{name}.npz"
        sampling.run(spec, model, out, device=device, progress=stop)
        return out.read_bytes()

    one, other = sampled("one"), sampled("other")
    stopped = False
    try:
        sampled("killed", kill=True)
    except _Killed:
        stopped = True
    left = list(place.folder.glob(".killed.npz.*.partial/looks"))
    resumed = sampled("killed")
    went_on = stopped and bool(left)
    yield Check(
        "votes again", one == other, "two runs " + _words(one == other), {"bytes": len(one)}
    )
    yield Check(
        "votes after a kill", one == resumed and went_on,
        f"killed after its first looks and resumed: {_words(one == resumed)}"
        if went_on else "could not be killed before it was done",
    )  # fmt: skip


def weights(place: Place) -> Iterator[Check]:
    """A training, twice, and once more from the state after its first epoch."""
    recipe = {**RECIPE, "epochs": 2, "snapshots": [1], "precision": "auto"}

    def trained(name: str, parent: Path | None = None) -> str:
        job = Job(
            training="cohen-fs-0.25", dataset="digits", arch="tiny_cnn", recipe=recipe,
            parent=None if parent is None else str(parent),
        )  # fmt: skip
        out = place.folder / f"{name}.safetensors"
        return str(train(job, out, device=str(place.device), quiet=True)["digest"])

    one, other = trained("first"), trained("second")
    kept = place.folder / "state.safetensors"
    shutil.copyfile(place.folder / "first.epoch-1.safetensors", kept)
    resumed = trained("third", kept)
    yield Check("weights again", one == other, "two trainings " + _words(one == other))
    yield Check(
        "weights after a stop", one == resumed,
        "resumed after an epoch: " + _words(one == resumed),
    )  # fmt: skip


def _words(same: bool) -> str:
    return "gave the same bits" if same else "gave different bits"
