"""Training: the recipe is followed, every draw is named, a killed run ends as one never killed."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from training_helpers import killed_and_resumed

from smoothcert import datasets
from smoothcert.cli import main
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.models import build, digest, load, normalization
from smoothcert.training import METHODS, Cohen, Job
from smoothcert.training import state as states
from smoothcert.training.augmentation import crop_flip
from smoothcert.training.inputs import Decoded, random_part
from smoothcert.training.recipe import FixedScales, Recipe
from smoothcert.training.run import train

RECIPE = {"epochs": 2, "batch": 128, "lr": 0.05, "schedule": "constant"}


def job(training="cohen-fs-0.25", parent=None, seed=0, **changes):
    return Job(
        training=training, dataset="digits", arch="tiny_cnn", recipe=RECIPE | changes,
        seed=seed, parent=parent,
    )  # fmt: skip


def rows(path):
    with path.open() as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", "train")


def test_cohens_training_is_sgd_on_cross_entropy_under_noise(tmp_path, digits):
    """The same two epochs written out by hand, from the named streams."""
    recipe = {"nesterov": True, "momentum": 0.8, "weight_decay": 0.01}
    train(job(seed=5, **recipe), tmp_path / "m.safetensors", quiet=True)
    trained, _ = load(tmp_path / "m.safetensors")

    layer = normalization("digits", "standardize", 1)
    model = build("tiny_cnn", 10, (1, 8, 8), layer, seed=5)
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    for epoch in range(2):
        order = torch.randperm(1297, generator=generator(5, "training-order", epoch))
        for step, start in enumerate(range(0, 1297, 128)):
            idx = order[start : start + 128]
            stream = generator(5, "training-noise", epoch, step)
            noise = torch.randn((len(idx), 1, 8, 8), generator=stream)
            logits = model(digits.images[idx] + 0.25 * noise)
            picked = logits.log_softmax(1)[torch.arange(len(idx)), digits.labels[idx]]
            gradients = torch.autograd.grad(-picked.mean(), list(model.parameters()))
            with torch.no_grad():
                for p, v, g in zip(model.parameters(), velocity, gradients, strict=True):
                    g = g + 0.01 * p
                    v.mul_(0.8).add_(g)
                    p -= 0.05 * (g + 0.8 * v)
    for ours, theirs in zip(model.parameters(), trained.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-5)


def test_digits_are_learned_under_noise_in_seconds(tmp_path):
    recipe = {"epochs": 8, "batch": 64, "schedule": "cosine"}
    train(job(**recipe), tmp_path / "m.safetensors", quiet=True)
    test = datasets.load("digits", "test")
    model, _ = load(tmp_path / "m.safetensors")
    noisy = test.images + 0.25 * torch.randn(test.images.shape, generator=generator(1, "check"))
    with torch.inference_mode():
        accuracy = (model(noisy).argmax(1).numpy() == test.labels).mean()
    assert accuracy > 0.85


def test_the_record_says_what_was_trained_on_what_and_how(tmp_path, digits):
    record = train(job(seed=3), tmp_path / "m.safetensors", quiet=True)
    assert record["training"] == "cohen-fs-0.25"
    assert record["data_digest"] == digits.digest
    assert record["recipe"]["momentum"] == 0.9
    assert record["epoch"] == 2
    assert record["seed"] == 3
    assert record["classes"] == list("0123456789")
    assert record["made_by"]["packages"]["torch"]
    model, _ = load(tmp_path / "m.safetensors")
    assert record["digest"] == digest(model)


def test_the_log_has_one_row_an_epoch_and_nothing_else_stays(tmp_path):
    record = train(job(schedule="step", lr_step=1), tmp_path / "m.safetensors", quiet=True)
    log = rows(tmp_path / "m.log.csv")
    assert [r["epoch"] for r in log] == ["1", "2"]
    assert [float(r["lr"]) for r in log] == pytest.approx([0.05, 0.005])
    assert float(log[0]["loss"]) > float(log[1]["loss"])
    assert 0 < float(log[1]["noisy_accuracy"]) <= 1
    assert record["final"]["loss"] == pytest.approx(float(log[1]["loss"]), rel=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.log.csv", "m.safetensors"]


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(tmp_path):
    digests = [
        train(job(seed=s), tmp_path / f"{i}.safetensors", quiet=True)["digest"]
        for i, s in enumerate([1, 1, 2])
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_scale_of_zero_trains_without_noise(tmp_path, digits):
    train(job("cohen-fs-0.00", epochs=6), tmp_path / "m.safetensors", quiet=True)
    model, _ = load(tmp_path / "m.safetensors")
    with torch.inference_mode():
        accuracy = (model(digits.images).argmax(1).numpy() == digits.labels).mean()
    assert accuracy > 0.93


# Killed and resumed


class Killed(BaseException):
    """Ends a run at once, as a signal would."""


def interrupted(monkeypatch, at):
    """Make the optimizer step number ``at`` (from 0) of the next run raise."""
    count = 0
    original = torch.optim.SGD.step

    def step(self, *args, **kwargs):
        nonlocal count
        count += 1
        if count > at:
            raise Killed
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    return lambda: monkeypatch.setattr(torch.optim.SGD, "step", original)


@pytest.mark.parametrize("at", [5, 14, 29])
def test_a_run_interrupted_anywhere_ends_with_the_same_weights_and_log(tmp_path, monkeypatch, at):
    settings = {"epochs": 3, "schedule": "cosine"}
    whole = train(job(**settings), tmp_path / "whole.safetensors", quiet=True)
    restore = interrupted(monkeypatch, at)
    with pytest.raises(Killed):
        train(job(**settings), tmp_path / "m.safetensors", quiet=True)
    restore()
    assert not (tmp_path / "m.safetensors").exists()
    again = train(job(**settings), tmp_path / "m.safetensors", quiet=True)
    assert again["digest"] == whole["digest"]

    def timeless(path):
        return [{k: v for k, v in r.items() if k != "seconds"} for r in rows(path)]

    assert timeless(tmp_path / "m.log.csv") == timeless(tmp_path / "whole.log.csv")
    assert not list(tmp_path.glob(".*"))


def test_a_run_of_another_specification_does_not_resume_what_it_finds(tmp_path, monkeypatch):
    restore = interrupted(monkeypatch, 14)
    with pytest.raises(Killed):
        train(job(), tmp_path / "m.safetensors", quiet=True)
    restore()
    other = train(job(lr=0.04), tmp_path / "m.safetensors", quiet=True)
    fresh = train(job(lr=0.04), tmp_path / "fresh.safetensors", quiet=True)
    assert other["digest"] == fresh["digest"]


def start_command(out, recipe, *more):
    command = [
        sys.executable,
        "-c",
        "import sys; from smoothcert.cli import main; sys.exit(main())",
    ]
    command += ["train", "--training", "cohen-fs-0.25", "--dataset", "digits", "--arch", "tiny_cnn"]
    command += ["--recipe", json.dumps(recipe), "--device", "cpu", "--quiet", "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, *more], env=environment, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_the_command_killed_and_run_again_gives_the_weights_of_a_run_never_killed(tmp_path):
    recipe = RECIPE | {"epochs": 12, "batch": 32}
    out = tmp_path / "killed.safetensors"
    first = start_command(out, recipe)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".killed.*.partial/state.safetensors")):
        assert first.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not out.exists()
    second = start_command(out, recipe)
    assert second.wait() == 0
    whole = Job("cohen-fs-0.25", "digits", "tiny_cnn", recipe)
    record = train(whole, tmp_path / "whole.safetensors", device="cpu", quiet=True)
    assert load(out)[1]["digest"] == record["digest"]
    assert len(rows(tmp_path / "killed.log.csv")) == 12


def test_sigkill_and_running_again_gives_the_weights_of_a_run_never_killed(tmp_path):
    settings = {"epochs": 6, "batch": 32}
    killed = killed_and_resumed(job(**settings), tmp_path / "killed.safetensors")
    whole = train(job(**settings), tmp_path / "whole.safetensors", device="cpu", quiet=True)
    assert killed["digest"] == whole["digest"]
    assert not list(tmp_path.glob(".*"))


# What is refused


def test_a_residual_network_killed_within_an_epoch_goes_on_to_the_same_weights(
    tmp_path, monkeypatch
):
    """The network and the recipe of preset cifar: running averages, both sides in turn."""
    monkeypatch.setattr("smoothcert.training.keeper.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("smoothcert.training.loop.CHECK_EVERY", 2)
    images, rows_ = torch.rand(64, 3, 32, 32), np.arange(64)
    data = datasets.Dataset(
        "cifar10", "train", images, rows_ % 10, rows_, datasets.info("cifar10").classes, "",
        (3, 32, 32),
    )  # fmt: skip
    recipe = RECIPE | {"epochs": 3, "batch": 8, "augmentation": "crop-flip", "flip": "alternate"}
    spec = Job(training="cohen-fs-0.25", dataset="cifar10", arch="small_resnet_w2", recipe=recipe)
    whole = train(spec, tmp_path / "whole.safetensors", device="cpu", quiet=True, dataset=data)
    restore = interrupted(monkeypatch, 13)  # in the second epoch, after its fifth step of eight
    with pytest.raises(Killed):
        train(spec, tmp_path / "m.safetensors", device="cpu", quiet=True, dataset=data)
    restore()
    (kept,) = tmp_path.glob(".m.*.partial/state.safetensors")
    state = states.read(kept)
    assert (state.epoch, state.within["steps"]) == (1, 4)
    again = train(spec, tmp_path / "m.safetensors", device="cpu", quiet=True, dataset=data)
    assert again["digest"] == whole["digest"]


def test_a_loss_that_is_not_finite_ends_with_epoch_and_batch(tmp_path):
    with pytest.raises(SmoothcertError, match=r"the loss is (nan|inf) in epoch 1, batch \d+"):
        train(job(lr=1e25), tmp_path / "m.safetensors", quiet=True)
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": "cohen-0.25"}, "expected METHOD-SCHEDULE-SCALE"),
        ({"training": "nocohen-fs-0.25"}, "training method 'nocohen': unknown"),
        ({"training": "cohen-lin-0.25"}, "unknown schedule 'lin'; expected fs"),
        ({"training": "cohen-fs_x3-0.25"}, "unknown variant _x3; known: _ft"),
        ({"training": "cohen-fs-cauchy-0.25"}, "noise 'cauchy-0.25': unknown"),
        ({"dataset": "digit"}, "data set 'digit': unknown"),
        ({"dataset": "spiral"}, "training needs images"),
        ({"arch": "small_cnn"}, "takes 28x28 or 32x32 images, not 8x8"),
        ({"recipe": {"epochs": 2, "lr": 0.1}}, "recipe: batch: missing"),
        ({"recipe": RECIPE | {"epoch": 3}}, "epoch: unknown key; expected one of epochs, batch"),
        ({"recipe": RECIPE | {"epochs": 0}}, "recipe: epochs: expected at least 1, found 0"),
        ({"recipe": RECIPE | {"epochs": 2.5}}, "epochs: expected a whole number, found 2.5"),
        ({"recipe": RECIPE | {"batch": True}}, "batch: expected a whole number, found True"),
        ({"recipe": RECIPE | {"lr": -1}}, "recipe: lr: expected more than 0, found -1"),
        ({"recipe": RECIPE | {"lr": "0.1"}}, "recipe: lr: expected a number, found '0.1'"),
        ({"recipe": RECIPE | {"momentum": 1}}, "recipe: momentum: expected less than 1, found 1"),
        ({"recipe": RECIPE | {"schedule": "linear"}}, "expected one of constant, step"),
        ({"recipe": RECIPE | {"schedule": "step"}}, "lr_step: required by schedule step"),
        ({"recipe": RECIPE | {"lr_milestones": [2]}}, "required by schedule multistep"),
        ({"recipe": RECIPE | {"augmentation": "cutout"}}, "expected one of none, crop-flip"),
        ({"recipe": RECIPE | {"augmentation": "resized-crop-flip"}}, "not for data set 'digits'"),
        ({"recipe": RECIPE | {"flip": "alternate"}}, "flip: alternate requires crop-flip, not"),
        ({"recipe": RECIPE | {"normalization": "whiten"}}, "expected one of standardize"),
        ({"recipe": RECIPE | {"snapshots": [3]}}, r"3 is not in 1\.\.2 epochs"),
        ({"recipe": RECIPE | {"method": {"k": 3}}}, "method.k: unknown key; expected one of lab"),
        ({"recipe": RECIPE | {"ds2": {"n": 3}}}, "has a fixed scale and does not use"),
        ({"recipe": []}, r"--spec: recipe: expected a mapping, found \[\]"),
        ({"sede": 3}, "--spec: sede: unknown key; expected one of"),
        ({"seed": "3"}, "--spec: seed: expected a whole number, found '3'"),
    ],
)
def test_a_wrong_specification_ends_in_one_clear_line(tmp_path, capsys, changes, message):
    spec = {"training": "cohen-fs-0.25", "dataset": "digits", "arch": "tiny_cnn", "recipe": RECIPE}
    out = tmp_path / "m.safetensors"
    assert main(["train", "--spec", json.dumps(spec | changes), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert not list(tmp_path.iterdir())


def test_flags_override_the_specification(tmp_path, capsys):
    spec = {"training": "cohen-fs-0.50", "dataset": "digits", "arch": "tiny_cnn", "recipe": {}}
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(RECIPE | {"epochs": 1}))
    out = tmp_path / "m.safetensors"
    flags = ["--training", "cohen-fs-0.25", "--recipe", f"@{path}", "--seed", "4", "--quiet"]
    assert main(["train", "--spec", json.dumps(spec), *flags, "--out", str(out)]) == 0
    assert "cohen-fs-0.25 tiny_cnn on digits, 1 epochs" in capsys.readouterr().out
    assert load(out)[1]["seed"] == 4
    assert main(["train", "--spec", "{", "--out", str(out)]) == 2
    assert "--spec: not valid JSON" in capsys.readouterr().err


def test_an_output_that_is_no_safetensors_name_or_a_missing_device_is_refused(tmp_path):
    with pytest.raises(SmoothcertError, match=r"ends in \.safetensors"):
        train(job(), tmp_path / "m.pt", quiet=True)
    with pytest.raises(SmoothcertError, match="device 'warp' cannot be used"):
        train(job(), tmp_path / "m.safetensors", device="warp", quiet=True)


# Recipes and augmentation


def test_learning_rates_follow_their_schedules():
    def rates(epochs, **schedule):
        parts = {"method": Cohen(), "ds2": FixedScales()}
        recipe = Recipe(epochs=epochs, batch=1, lr=1.0, **parts, **schedule)
        return [recipe.learning_rate(e, 0.5) for e in range(epochs)]

    assert rates(5, schedule="constant") == [1.0] * 5
    assert rates(5, schedule="step", lr_step=2) == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    multistep = {"schedule": "multistep", "lr_milestones": (1, 4), "lr_gamma": 0.5}
    assert rates(5, **multistep) == [1, 0.5, 0.5, 0.5, 0.25]
    cosine = [(1 + math.cos(math.pi * (e + 0.5) / 5)) / 2 for e in range(5)]
    assert rates(5, schedule="cosine") == pytest.approx(cosine)
    warm = [0.5 / 2 * cosine[0], 1.5 / 2 * cosine[1], *cosine[2:]]  # at half of each epoch
    assert rates(5, schedule="cosine", lr_warmup=2) == pytest.approx(warm)


def test_a_crop_is_a_shift_of_at_most_four_pixels_perhaps_mirrored():
    x = torch.rand(200, 3, 10, 10)
    seen = set()
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (4, 4), (4, 4)])
    for i, view in enumerate(crop_flip(x, generator(1, "test")).numpy()):
        found = [
            (top, left, mirrored)
            for top in range(9)
            for left in range(9)
            for mirrored in (False, True)
            for part in [padded[i, :, top : top + 10, left : left + 10]]
            if np.array_equal(part[:, :, ::-1] if mirrored else part, view)
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len({t for t, _, _ in seen}) == len({s for _, s, _ in seen}) == 9
    assert {m for _, _, m in seen} == {False, True}


def test_alternate_flips_show_each_image_from_either_side_in_turn(tmp_path, monkeypatch):
    seen = []

    def watched(x, stream, mirrored=None):
        seen.append(mirrored.bool())
        view = crop_flip(x, stream, mirrored)
        again = crop_flip(x, generator(0, "training-augmentation", 0, 0), torch.zeros(len(x)))
        if len(seen) == 1:  # the same crops, mirrored or not
            for i in range(len(x)):
                assert torch.equal(view[i].flip(2) if mirrored[i] else view[i], again[i])
        return view

    monkeypatch.setattr("smoothcert.training.loop.crop_flip", watched)
    recipe = {"epochs": 3, "augmentation": "crop-flip", "flip": "alternate"}
    train(job(**recipe), tmp_path / "m.safetensors", quiet=True)
    order = [torch.randperm(1297, generator=generator(0, "training-order", e)) for e in range(3)]
    first, second, third = (
        sides[idx.argsort()] for sides, idx in zip(torch.cat(seen).split(1297), order, strict=True)
    )
    assert 550 < first.sum() < 750
    assert torch.equal(second, ~first)
    assert torch.equal(third, first)


def test_crops_and_losses_are_what_they_were_before_the_keys_that_are_off_by_default():
    """So that a recipe without them trains the weights that it always did, to the bit."""
    stream, x = generator(1, "training-augmentation", 0, 0), torch.rand(8, 3, 32, 32)
    top, left = torch.randint(9, (2, 8), generator=stream)
    mirrored = torch.rand(8, generator=stream) < 0.5
    padded = torch.nn.functional.pad(x, [4] * 4)
    for i, view in enumerate(crop_flip(x, generator(1, "training-augmentation", 0, 0))):
        part = padded[i, :, top[i] : top[i] + 32, left[i] : left[i] + 32]
        assert torch.equal(view, part.flip(2) if mirrored[i] else part)
    logits, y = torch.randn(16, 10), torch.arange(16) % 10
    for method in (Cohen(), METHODS["smoothadv"](radius=0.25), METHODS["consistency"]()):
        plain = torch.nn.functional.cross_entropy(logits, y)
        assert torch.equal(method.cross_entropy(logits, y), plain)


def test_label_smoothing_shares_a_part_of_the_target_among_all_classes():
    logits, y = torch.randn(16, 10), torch.arange(16) % 10
    target = 0.8 * torch.eye(10)[y] + 0.2 / 10
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    assert torch.allclose(Cohen(label_smoothing=0.2).cross_entropy(logits, y), expected)


def test_augmentation_is_a_function_of_seed_epoch_and_batch():
    x = torch.rand(8, 3, 32, 32)
    a, b, c = (crop_flip(x, generator(1, "training-augmentation", 0, i)) for i in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_decoded_view_is_a_function_of_seed_epoch_and_input_alone(tmp_path):
    from PIL import Image

    paths = []
    for i in range(5):
        paths.append(str(tmp_path / f"{i}.png"))
        pixels = np.random.default_rng(i).integers(0, 255, (230 + i, 260, 3), np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    labels = np.arange(5)
    images = LazyImages(tuple(paths))
    dataset = datasets.Dataset("x", "train", images, labels, labels, (), "", (3, 224, 224))

    def views(order, seed=1, epoch=0, random=True):
        inputs = Decoded(dataset, torch.device("cpu"), seed, random)
        found = {}
        for x, y in inputs.batches([torch.tensor(o) for o in order], epoch):
            found |= dict(zip(y.tolist(), x, strict=True))
        return torch.stack([found[i] for i in range(5)])

    first = views([[0, 1, 2], [3, 4]])
    assert first.shape == (5, 3, 224, 224)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, views([[4, 2], [0], [1, 3]]))
    assert not torch.equal(first, views([[0, 1, 2, 3, 4]], epoch=1))
    assert not torch.equal(first, views([[0, 1, 2, 3, 4]], seed=2))
    assert torch.equal(views([[0, 1, 2, 3, 4]], random=False), images[:5])


def test_a_random_part_lies_in_the_image_with_the_documented_areas_and_ratios():
    for rows_, columns in [(300, 400), (50, 900)]:
        for i in range(300):
            top, left, height, width = random_part(rows_, columns, np.random.default_rng(i))
            assert 0 <= top <= rows_ - height
            assert 0 <= left <= columns - width
            assert 0.99 * 3 / 4 - 0.05 < width / height < 4 / 3 * 1.01 + 0.05
            assert height * width > 0.07 * rows_ * columns or height == min(rows_, columns)
