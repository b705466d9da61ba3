"""Which device a job takes, what it says where there is none, and in which arithmetic it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from smoothcert.compute import devices
from smoothcert.compute.arithmetic import PRECISIONS, check_device, computing, dtype_of, switches
from smoothcert.core.errors import SmoothcertError
from smoothcert.models import build
from smoothcert.training import state as states
from smoothcert.training.recipe import recipe_model

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*devices._ASKED, "SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("name", devices._ASKED)
def test_a_job_that_was_given_a_gpu_does_not_take_the_cpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert devices.choose_device("auto") == CPU
    for nothing in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv(name, nothing)
        assert devices.choose_device("auto") == CPU
    monkeypatch.setenv(name, "3")
    with pytest.raises(SmoothcertError, match=f"{name}=3 gives this job a GPU.*--device cpu"):
        devices.choose_device("auto")
    assert devices.choose_device("cpu") == CPU


def test_a_driver_too_old_for_the_wheels_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "version"
    file.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\nGCC version: 12\n"
    )
    monkeypatch.setattr(devices, "_DRIVER", file)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(SmoothcertError) as caught:
        devices.choose_device("cuda")
    said = str(caught.value)
    assert "CUDA 13.0, which needs an NVIDIA driver of 580 or newer" in said
    assert "driver is 535.183.01" in said
    assert "\n" not in said
    file.unlink()
    with pytest.raises(SmoothcertError, match="no NVIDIA driver is loaded here"):
        devices.choose_device("cuda:0")
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(SmoothcertError, match="build without CUDA"):
        devices.choose_device("cuda")


def test_the_model_of_a_gpu_is_part_of_what_a_result_depends_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Card 7")
    assert devices.kind_of(torch.device("cuda", 0)) == "cuda (Card 7)"
    assert devices.kind_of(CPU) == "cpu"


def test_a_job_counts_its_own_cores_and_not_those_of_the_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert devices.cores() == 64
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")
    assert devices.cores() == 12
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert devices.cores() == 4


# Arithmetic


def test_every_name_sets_all_switches_and_gives_them_back() -> None:
    before = switches()
    for name in PRECISIONS:
        with computing(name), computing("tf32"), computing(name):
            mode = "tf32" if name == "tf32" else "ieee"
            assert switches() == {
                "matmul": mode, "conv": mode, "deterministic": True, "benchmark": False
            }  # fmt: skip
            assert not torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
        assert switches() == before
    with pytest.raises(ZeroDivisionError), computing("tf32"):
        raise ZeroDivisionError
    assert switches() == before


def test_names_and_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dtype_of("tf32") == dtype_of("float32") == torch.float32
    assert dtype_of("bfloat16") == torch.bfloat16
    with pytest.raises(SmoothcertError, match="precision 'int7': expected one of float32, tf32"):
        dtype_of("int7")
    with pytest.raises(SmoothcertError, match="needs a GPU; this device is cpu"):
        check_device("tf32", CPU)
    check_device("float32", CPU)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 0))
    with pytest.raises(SmoothcertError, match=r"compute capability 7\.0; expected 8\.0"):
        check_device("tf32", torch.device("cuda"))


def test_a_recipe_says_in_which_arithmetic_a_training_runs() -> None:
    recipe = {"epochs": 1, "batch": 8, "lr": 0.1, "schedule": "constant", "method": {}, "ds2": {}}
    model = recipe_model("cohen", "fs")
    auto = model.check(recipe, "recipe")
    assert auto.arithmetic(torch.device("cuda")) == "bfloat16"
    assert auto.arithmetic(CPU) == "float32"
    chosen = model.check({**recipe, "precision": "tf32"}, "recipe")
    assert chosen.arithmetic(torch.device("cuda")) == "tf32"
    with pytest.raises(SmoothcertError, match="precision: expected one of auto, float32, tf32"):
        model.check({**recipe, "precision": "float16"}, "recipe")


def test_momentum_lies_in_memory_as_it_did_before_a_kill() -> None:
    model = build("tiny_cnn", 10, (1, 8, 8)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)

    def step() -> None:
        optimizer.zero_grad()
        model(torch.rand(4, 1, 8, 8)).sum().backward()
        optimizer.step()

    step()
    saved = states.State(1, {}, [], states.gather(model, optimizer, {}, {}))
    fresh = build("tiny_cnn", 10, (1, 8, 8)).to(memory_format=torch.channels_last)
    other = torch.optim.SGD(fresh.parameters(), 0.1, 0.9)
    states.restore(saved, fresh, other, "here")
    wide = 0
    for a, b in zip(model.parameters(), fresh.parameters(), strict=True):
        before, after = optimizer.state[a]["momentum_buffer"], other.state[b]["momentum_buffer"]
        assert torch.equal(before, after)
        assert before.stride() == after.stride()
        wide += not before.is_contiguous()
    assert wide  # some of them lie otherwise than the file holds them
