"""A batch in pieces, shared by processes or not: the same weights; a training that is stopped."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from training_helpers import signalled

from smoothcert import datasets
from smoothcert.compute.devices import cores
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.models import build, load, load_side_tensors, normalization
from smoothcert.training import Job
from smoothcert.training.pieces import RunningAverages, cut
from smoothcert.training.run import train
from smoothcert.training.stop import Stop, Stopped
from smoothcert.training.team import Team

RECIPE = {"epochs": 2, "batch": 64, "lr": 0.05, "schedule": "cosine"}
CPU = torch.device("cpu")


def job(training="cohen-fs-0.25", parent=None, **changes):
    return Job(
        training=training, dataset="digits", arch="tiny_cnn", recipe=RECIPE | changes, parent=parent
    )


class After(Stop):
    """Asks to stop when it is looked at for the n-th time."""

    def __init__(self, n):
        self.left = n

    @property
    def number(self):
        self.left -= 1
        return 15 if self.left < 0 else 0


def together(size, job, out, stops=None, **options):
    """Train in ``size`` processes, as torchrun starts them; their exit codes (3: stopped)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def one(rank):
        local = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
        os.environ.update({k: str(v) for k, v in local.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        stop = (stops or {}).get(rank)
        try:
            train(job, out, device="cpu", quiet=True, stop=stop, **options)
        except Stopped:
            os._exit(3)
        os._exit(0)

    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=one, args=(rank,)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def weights(path):
    return load(path)[0].state_dict()


def same(one, other, tolerance):
    return all(
        torch.allclose(one[k].double(), other[k].double(), rtol=0, atol=tolerance) for k in one
    )


def images(n=41):  # with batches of 20, the last one has fewer pieces than processes
    stream = torch.Generator().manual_seed(4)
    x, y = torch.rand(n, 3, 32, 32, generator=stream), torch.randint(10, (n,), generator=stream)
    rows = np.arange(n)
    classes = datasets.info("cifar10").classes
    return datasets.Dataset("cifar10", "train", x, y.numpy(), rows, classes, "d", (3, 32, 32))


def test_a_batch_in_pieces_has_the_gradient_of_the_whole_batch(tmp_path):
    """One step of SGD by hand, on the noise that the pieces draw, all inputs at once."""
    settings = {"epochs": 1, "batch": 1437, "parts": 4, "momentum": 0.0, "schedule": "constant"}
    train(job(**settings), tmp_path / "m.safetensors", quiet=True)
    data = datasets.load("digits", "train")
    n = len(data.labels)
    model = build("tiny_cnn", 10, (1, 8, 8), normalization("digits", "standardize", 1), seed=0)
    assert n <= 1437
    order = torch.randperm(n, generator=generator(0, "training-order", 0))
    pieces = cut(order, 4)
    assert torch.equal(torch.cat(pieces), order)
    assert {len(p) for p in pieces} <= {n // 4, n // 4 + 1}
    noise = [
        torch.randn((len(p), 1, 8, 8), generator=generator(0, "training-noise", 0, 0, i))
        for i, p in enumerate(pieces)
    ]
    logits = model(data.images[order] + 0.25 * torch.cat(noise))
    y = torch.as_tensor(data.labels)[order]
    torch.nn.functional.cross_entropy(logits, y).backward()
    trained = load(tmp_path / "m.safetensors")[0]
    for found, p in zip(trained.parameters(), model.parameters(), strict=True):
        expected = p.detach() - 0.05 * (p.grad + 1e-4 * p.detach())
        assert torch.allclose(found, expected, rtol=0, atol=2e-6)


def test_running_averages_are_updated_once_a_batch_by_the_mean_of_its_pieces():
    model = torch.nn.BatchNorm1d(2, momentum=0.1)
    averages = RunningAverages(model, 2, Team(CPU))
    x = torch.randn(9, 2)
    with averages.batch():
        for piece in (x[:6], x[6:]):
            with averages.piece(len(piece) / 9):
                model(piece)
    expected = 0.1 * (6 / 9 * x[:6].mean(0) + 3 / 9 * x[6:].mean(0))
    assert torch.allclose(model.running_mean, expected, atol=1e-6)
    spread = 6 / 9 * x[:6].var(0) + 3 / 9 * x[6:].var(0)
    assert torch.allclose(model.running_var, 0.9 + 0.1 * spread, atol=1e-6)
    assert model.num_batches_tracked == 1


def test_two_processes_train_the_weights_of_one_batch_normalization_included(tmp_path):
    # Few steps: after more of them batch normalization of five images makes rounding visible.
    recipe = {"epochs": 1, "batch": 20, "lr": 0.005, "schedule": "constant", "parts": 4}
    recipe |= {"augmentation": "crop-flip"}
    specification = Job(training="cohen-fs-0.25", dataset="cifar10", arch="resnet20", recipe=recipe)
    assert together(2, specification, tmp_path / "two.safetensors", dataset=images()) == [0, 0]
    train(specification, tmp_path / "one.safetensors", quiet=True, dataset=images())
    two, one = weights(tmp_path / "two.safetensors"), weights(tmp_path / "one.safetensors")
    assert any("running_mean" in name for name in one)
    assert same(one, two, 2e-5)
    other = train(
        specification.model_copy(update={"recipe": recipe | {"parts": 2}}),
        tmp_path / "other.safetensors", quiet=True, dataset=images(),
    )  # fmt: skip
    assert other["epoch"] == 1
    assert not same(one, weights(tmp_path / "other.safetensors"), 1e-3)


@pytest.mark.parametrize("training", ["macer-fs-0.25", "cohen-ds2-0.25"])
def test_a_team_that_one_of_them_stops_goes_on_exactly(tmp_path, training):
    parent, changes = None, {"parts": 2, "batch": 16, "method": {}}
    if "fs" in training:
        changes["method"] = {"k": 2}
    else:
        parent = str(tmp_path / "parent.safetensors")
        train(job(epochs=1), parent, quiet=True)
        changes["ds2"] = {"step_size": 0.01}
    specification = job(training, parent, **changes)
    whole, out = tmp_path / "whole.safetensors", tmp_path / "m.safetensors"
    assert together(2, specification, whole) == [0, 0]
    # Process 1 is signalled: after the second look of the second epoch
    assert together(2, specification, out, {1: After(7)}) == [3, 3]
    assert not out.exists()
    assert together(2, specification, out) == [0, 0]
    assert same(weights(whole), weights(out), 0)
    assert not list(tmp_path.glob(".*"))
    train(specification, tmp_path / "one.safetensors", quiet=True)
    assert same(weights(whole), weights(tmp_path / "one.safetensors"), 2e-5)
    logs = [(tmp_path / f"{n}.log.csv").read_text().splitlines() for n in ("whole", "m", "one")]
    timed = logs[0][0].split(",").index("seconds")
    rows = [[row.split(",")[:timed] + row.split(",")[timed + 1 :] for row in log] for log in logs]
    assert rows[0] == rows[1]
    assert float(rows[0][-1][1]) == pytest.approx(float(rows[2][-1][1]), rel=1e-5)
    if "ds2" in training:
        scales = load_side_tensors(whole)["scale"]
        assert torch.equal(scales, load_side_tensors(out)["scale"])
        assert torch.allclose(scales, load_side_tensors(tmp_path / "one.safetensors")["scale"])
        assert (scales != 0.25).float().mean() > 0.9


@pytest.mark.parametrize("method", ["cohen", "macer"])
def test_a_training_stopped_within_an_epoch_ends_as_one_never_stopped(tmp_path, method):
    changes = {"batch": 16, "method": {"k": 2} if method == "macer" else {}}
    specification = job(f"{method}-fs-0.25", **changes)
    whole = train(specification, tmp_path / "whole.safetensors", quiet=True)
    out = tmp_path / "m.safetensors"
    for n, where in [(2, "in epoch 1, after batch 60"), (3, "in epoch 2, after batch 40")]:
        with pytest.raises(Stopped, match=f"stopped by SIGTERM {where}"):
            train(specification, out, quiet=True, stop=After(n))
    again = train(specification, out, quiet=True)
    assert again["digest"] == whole["digest"]
    finals = [{k: v for k, v in r["final"].items() if k != "seconds"} for r in (whole, again)]
    assert finals[0] == finals[1]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_the_command_keeps_its_state_when_it_is_asked_to_end(tmp_path, name, capfd):
    specification = job(epochs=15, batch=16)  # long enough to be asked in the middle
    out = tmp_path / "m.safetensors"
    number = signalled(specification, out, name)
    assert f"stopped by {name}" in capfd.readouterr().err
    assert not out.exists()
    again = train(specification, out, device="cpu", quiet=True)
    whole = train(specification, tmp_path / "whole.safetensors", device="cpu", quiet=True)
    assert number > 128
    assert again["digest"] == whole["digest"]


def test_pieces_that_processes_cannot_share_are_refused_in_one_line(tmp_path, monkeypatch, capsys):
    with pytest.raises(SmoothcertError, match="parts: 65 pieces, but a batch of 64"):
        train(job(parts=65), tmp_path / "m.safetensors", quiet=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_: None)
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: None)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    with pytest.raises(SmoothcertError, match="parts: 3 pieces of a batch, which 2 processes"):
        train(job(parts=3), tmp_path / "m.safetensors", quiet=True)


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cores() == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")  # torchrun, which had set OMP_NUM_THREADS
    assert cores() == 16
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "32")
    assert cores() == 8


@pytest.mark.slow
def test_torchrun_trains_with_the_command(tmp_path):
    out = tmp_path / "m.safetensors"
    specification = job(parts=2)
    command = [sys.executable, "-m", "smoothcert", "train", "--processes", "2"]
    command += ["--spec", specification.model_dump_json()]
    command += ["--device", "cpu", "--quiet", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("digest") == 1
    train(specification, tmp_path / "one.safetensors", device="cpu", quiet=True)
    assert same(weights(out), weights(tmp_path / "one.safetensors"), 2e-5)
