"""A full disk: one line that names the file, nothing half-written, nothing that fitted is lost."""

import json
import multiprocessing
import os
import resource
import sys
from pathlib import Path

import pytest
import torch
from core_helpers import trained_digits_model

from smoothcert.cli import main

RECIPE = {
    "epochs": 2, "batch": 256, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9,
    "weight_decay": 0.0, "schedule": "constant", "lr_step": None, "lr_gamma": 0.1,
    "augmentation": "none", "normalization": "standardize",
}  # fmt: skip


def _limited(size: int, said: Path, arguments: list[str]) -> None:
    sys.dont_write_bytecode = True  # Python would leave half a .pyc for all that import it later
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    with said.open("w") as sys.stderr:
        status = main(arguments)
    os._exit(status)


def with_room(size: int, folder: Path, arguments: list[str]) -> tuple[int, str]:
    """Run a command that can write no file larger than ``size`` bytes: (status, what it said)."""
    torch.set_num_threads(1)  # a forked process has no other threads
    said = folder / "said"
    process = multiprocessing.get_context("fork").Process(
        target=_limited, args=(size, said, arguments)
    )
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, said.read_text()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_digits_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def test_sampling_keeps_the_looks_that_fitted_and_goes_on(model: Path, tmp_path: Path) -> None:
    def sample(out: Path) -> list[str]:
        return [
            "sample", "--dataset", "digits", "--max", "8", "--noise", "gaussian-0.50", "--budget",
            "fixed-2000", "--look", "200", "--model", str(model), "--out", str(out), "--quiet",
            "--device", "cpu",
        ]  # fmt: skip

    here, there = tmp_path / "a" / "votes.npz", tmp_path / "b" / "votes.npz"
    status, said = with_room(2500, tmp_path, sample(here))
    assert status == 2
    assert said.startswith(f"error: {here.parent}/.votes.npz.")
    assert "cannot be written: File too large" in said
    assert said.count("\n") == 1
    (journal,) = here.parent.glob(".*.partial/looks")
    stored = journal.read_bytes()
    assert stored.count(b"\n") > 5
    # once more, as long as there is no room
    assert with_room(2500, tmp_path, sample(here))[0] == 2
    assert journal.read_bytes().startswith(stored[: stored.rindex(b"\n") + 1])

    assert main(sample(here)) == 0
    assert main(sample(there)) == 0
    assert here.read_bytes() == there.read_bytes()
    assert {f.name for f in here.parent.iterdir()} == {"votes.npz", "votes.json"}


def test_training_without_room_for_its_state_leaves_nothing_half(tmp_path: Path) -> None:
    out = tmp_path / "a" / "model.safetensors"
    arguments = [
        "train", "--training", "cohen-fs-0.25", "--dataset", "digits", "--arch", "tiny_cnn",
        "--recipe", json.dumps(RECIPE), "--out", str(out), "--quiet", "--device", "cpu",
    ]  # fmt: skip
    status, said = with_room(4000, tmp_path, arguments)
    assert status == 2
    assert "state.safetensors: File too large" in said
    assert said.count("\n") == 1
    assert [f for f in tmp_path.rglob("*") if f.is_file() and f.name != "said"] == []
    assert main(arguments) == 0
    assert out.stat().st_size > 4000
