"""Every command that runs on a GPU, on one that is none: it sees both devices mixed up, and counts
what waits for the GPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_cuda import GPU, NAME, Seen, pretended

from smoothcert import models
from smoothcert.cli import main
from smoothcert.compute.streams import generator
from smoothcert.models.fold import folded
from smoothcert.noise import Gaussian
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Draw, Sampler
from smoothcert.votes import VoteStore

RECIPE = {"epochs": 2, "batch": 64, "lr": 0.05, "schedule": "cosine"}


# The network on a GPU


def shaken(arch: str, shape: tuple[int, int, int]) -> torch.nn.Module:
    """A network whose batch normalizations do something."""
    model = models.build(arch, 10, shape).eval()
    stream = torch.Generator().manual_seed(0)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for tensor in (part.weight.data, part.running_var):
                tensor.uniform_(0.5, 2, generator=stream)
            for tensor in (part.bias.data, part.running_mean):
                tensor.uniform_(-1, 1, generator=stream)
    return model


@pytest.mark.parametrize(
    ("arch", "shape"), [("resnet20", (3, 32, 32)), ("resnet18_stem7", (3, 32, 32))]
)
def test_a_folded_network_is_the_same_function_without_normalizations(arch, shape) -> None:
    model = shaken(arch, shape)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fast = folded(model)
    assert fast is not None
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in fast.modules())
    x = torch.rand(2, *shape, dtype=torch.float64)
    with torch.no_grad():
        a, b = fast.double()(x), model.double()(x)
    assert float((a - b).abs().max()) < 1e-6 * float(b.abs().max())
    assert all(torch.equal(v, before[k]) for k, v in model.float().state_dict().items())


def test_what_cannot_be_folded_is_left_alone() -> None:
    assert folded(models.build("tiny_cnn", 10, (1, 8, 8)).eval()) is None
    assert folded(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))) is None


@pytest.mark.parametrize("precision", ["float32", "tf32", "float16", "bfloat16"])
def test_the_engine_says_what_it_does_to_a_network(precision: str) -> None:
    model, shape = shaken("resnet20", (3, 32, 32)), (3, 32, 32)
    x = torch.rand(4, *shape)
    with torch.no_grad():
        plain = model(x)
    with pretended(), torch.no_grad():
        engine = open_engine(model, shape, GPU, precision=precision)
        logits = engine.logits(x.to(GPU)).float().cpu()
    how = "batch norm folded" + (", channels last" if precision != "float32" else "")
    assert engine.identity == f"torch {torch.__version__} ({how})"
    assert (
        float((logits - plain).abs().max())
        < (1e-4 if "32" in precision else 0.1) * plain.abs().max()
    )


# The budget of waiting


def drawn(draws: int, batch: int) -> Seen:
    model = models.build("tiny_cnn", 10, (1, 8, 8))
    with pretended() as seen:
        sampler = Sampler(open_engine(model, (1, 8, 8), GPU), Gaussian(0.25), 10, batch)
        x = torch.rand(1, 8, 8).to(GPU)
        streams = [generator(0, "estimation", j, device=GPU) for j in range(draws)]
        seen.waits.clear()
        seen.copies.clear()
        votes = sampler.votes([Draw(x, 0.25, stream, 100) for stream in streams])
    assert votes.sum() == draws * 100
    return seen


def test_no_pass_of_the_sampler_waits_for_the_gpu() -> None:
    """Two waits a call, for the check of the logits and for the counts, however many passes."""
    few, many = drawn(2, 100), drawn(40, 16)
    assert few.waits.total() == many.waits.total() == 2
    assert many.copies.total() == few.copies.total() <= 1  # which sample is of which draw


# Every command that uses a GPU


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained on the pretended GPU, a search, votes and certificates of it."""
    folder = tmp_path_factory.mktemp("gpu")
    train(folder, "cohen-fs-0.25", snapshots=[1])
    run("scales", *subject(folder), "--scalings", "ascent-K4", "--out", folder / "s.tsv")
    words = ["--budget", "fixed-1000", "--batch", 64, "--out", folder / "v.npz"]
    run("sample", *subject(folder), *words)
    own = ["--spec", json.dumps({"scaling": "ascent-K4"}), "--scales", folder / "s.tsv"]
    run("sample", *subject(folder), *own, "--budget", "fixed-1000", "--out", folder / "own.npz")
    for name in ("v", "own"):
        command = ["certify", "--votes", folder / f"{name}.npz", "--budget", "fixed-1000"]
        assert main([*map(str, command), "--out", str(folder / f"of-{name}.tsv")]) == 0
    return folder


def run(*words: object) -> Seen:
    with pretended() as seen:
        assert main([*map(str, words), "--device", "cuda"]) == 0
    return seen


def subject(folder: Path, noise: str = "gaussian-0.25", most: int = 3) -> list[object]:
    words: list[object] = ["--dataset", "digits", "--max", most, "--noise", noise, "--quiet"]
    return [*words, "--model", folder / "cohen-fs-0.25.safetensors"]


def train(folder: Path, training: str, parent: str = "", **recipe: object) -> Seen:
    words = ["train", "--training", training, "--dataset", "digits", "--arch", "tiny_cnn"]
    words += ["--recipe", json.dumps(RECIPE | recipe), "--quiet"]
    words += ["--parent", str(folder / parent)] if parent else []
    return run(*words, "--out", folder / f"{training}.safetensors")


@pytest.mark.parametrize(
    ("training", "recipe", "a_batch"),
    [
        ("cohen-ds2-0.25", {"ds2": {"n": 1}}, 0),
        ("smoothadv-fs-0.25", {"method": {"radius": 0.25, "steps": 2, "samples": 2}}, 3),
        ("macer-fs-0.25", {"lr": 0.01, "method": {"k": 4, "lam": 2.0, "gamma": 8.0}}, 2),
        ("consistency-fs-0.25", {"optimizer": "adam", "augmentation": "crop-flip"}, 0),
    ],
)
def test_every_training_waits_no_more_than_its_batches_need(
    made: Path, training: str, recipe: dict, a_batch: int
) -> None:
    """Beside the state after each epoch (a copy a tensor) and a look every 20 batches."""
    parent = "cohen-fs-0.25.epoch-1.safetensors" if "ds2" in training else ""
    seen = train(made, training, parent, epochs=2 if parent else 1, **recipe)
    batches = -(-1347 // 64)
    kept = ("training/state", "training/keeper", "training/run")
    saving = sum(n for line, n in seen.waits.items() if line.startswith(kept))
    looking = seen.waits.total() - saving - a_batch * batches
    assert saving <= 60
    assert looking <= 2 * (batches // 20 + 1) + 4
    record = models.read_record(made / f"{training}.safetensors")
    assert record["precision"] == "bfloat16"
    assert record["device"] == "cuda"


NOISES = [
    "uniform-0.50", "laplace-0.50", "gaussian-linf-0.50", "centripetal-l1_k32-0.50",
    "centripetal-l2_k48-1.00", "centripetal-linf_k8-0.50", "mixed-linf_k4-0.50",
]  # fmt: skip


@pytest.mark.parametrize("noise", NOISES)
def test_every_noise_is_sampled_and_waits_twice_a_call(made: Path, noise: str) -> None:
    out = made / f"v-{noise}.npz"
    seen = run("sample", *subject(made, noise), "--budget", "fixed-1000", "--out", out)
    # a call for the class, one for all looks of all inputs, and the answers without noise
    assert seen.waits.total() <= 5
    assert VoteStore.read(out).identity["device"] == f"cuda ({NAME})"


def test_every_budget_stops_and_every_arithmetic_is_named(made: Path) -> None:
    for budget in ("iss_ad0.05-2000", "sequential_0.02-2000"):
        out = made / f"{budget}.npz"
        assert run("sample", *subject(made), "--budget", budget, "--out", out).waits.total() <= 20
    for precision in ("tf32", "float16", "bfloat16"):
        out = made / f"{precision}.npz"
        words = ["--budget", "fixed-1000", "--precision", precision, "--out", out]
        run("sample", *subject(made), *words)
        identity = VoteStore.read(out).identity
        assert identity["precision"] == precision
        assert identity["engine"].endswith("(channels last)")


@pytest.mark.parametrize(
    "scaling",
    ["ascent_n8-K4", "ascent-mean-K4", "ascent_released-K4", "ascent-sound_val100-K10", "grid-n2",
     "grid-hard-n50", "grid-one-n50", "ramp-K4"],
)  # fmt: skip
def test_every_search_waits_a_few_times_a_batch_and_not_a_step(made: Path, scaling: str) -> None:
    out = made / f"{scaling}.tsv"
    seen = run("scales", *subject(made, most=4), "--scalings", scaling, "--out", out)
    assert seen.waits.total() <= 20, seen.waits


def test_audits_predictions_and_benches_run(made: Path) -> None:
    model = ["--model", made / "cohen-fs-0.25.safetensors"]
    small = {"max": 3, "steps": 2, "copies": 4, "inputs": 1, "screen": 50, "votes": 100}
    words = ["--spec", json.dumps(small | {"directions": 1}), "--out", made / "f"]
    seen = run("audit", "falsification", made / "of-v.tsv", *model, *words)
    assert seen.waits.total() <= 45, seen.waits
    words = ["--spec", json.dumps(small | {"radii": "0,0.2"}), "--out", made / "a"]
    run("audit", "attack-accuracy", made / "of-v.tsv", *model, *words)
    effort = {"max": 2, "steps": 2, "copies": 8, "unrolled": 2, "lines": 1, "held": 1}
    effort |= {"boundary": 1, "votes": 50, "orders": 1, "seeds": 1}
    words = ["--spec", json.dumps(effort), "--out", made / "m", "--quiet"]
    run("audit", "memory-soundness", made / "of-own.tsv", *model, *words)
    run("predict", *subject(made), "--n", 200, "--out", made / "p.tsv")


def test_the_experiments_of_lbrs_run(tmp_path: Path) -> None:
    spec = {
        "task": {"dataset": "digits", "positive": "8", "train": 60, "test": 10, "reserved": 4,
                 "draws": 1},
        "recipe": {"arch": "tiny_cnn", "epochs": 1, "batch": 32},
        "sweep": {
            "bias": [0, 1], "sigma": [0, 0.1], "sweep_radii": {"l2": [0, 0.5]},
            "radii": {"l2": [0, 0.5], "linf": [0]}, "fixed": {"bias": 1, "sigma": 0.1},
            "adaptive_radii": {"l2": [0.5], "linf": [0.1]},
            "adaptive_bias": {"logit": [1], "tanh": [1]}, "steps": 2, "samples": 4, "copies": 2,
            "adaptive_inputs": 4,
        },
    }  # fmt: skip
    run("lbrs", "image", "--spec", json.dumps(spec), "--out", tmp_path / "lbrs")


# A store belongs to a model of GPU


def test_a_store_of_one_gpu_is_not_gone_on_with_on_another(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", *subject(made), "--budget", "fixed-2000", "--batch", 64]
    command += ["--device", "cuda"]
    with pretended():
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Another GPU")
        assert main([*map(str, command), "--out", str(made / "v.npz")]) == 2
        said = capsys.readouterr().err
        assert f"device: 'cuda ({NAME})' and 'cuda (Another GPU)'" in said
        # As another job's start it is not taken over: all looks are drawn anew.
        words = ["--top-up", made / "v.npz", "--out", made / "other.npz"]
        assert main([*map(str, [*command, *words])]) == 0
    assert "(6,300 drawn now)" in capsys.readouterr().out


# What the pretended GPU must catch


def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> str:
    from smoothcert.sampling import collect

    monkeypatch.setattr(collect, "generator", lambda *name, device: generator(*name))
    return "found at least two devices, cuda:0 and cpu"


def not_fetched(monkeypatch: pytest.MonkeyPatch) -> str:
    from smoothcert.sampling import sampler

    monkeypatch.setattr(sampler._Tally, "counts", lambda self: self._classes.numpy())
    return "can't convert cuda:0 device type tensor to numpy"


def left_behind(monkeypatch: pytest.MonkeyPatch) -> str:
    from smoothcert.sampling.engines import pytorch

    real = pytorch.TorchEngine.logits
    monkeypatch.setattr(
        pytorch.TorchEngine, "logits", lambda self, x: real(self, x) + torch.zeros(len(x), 10)
    )
    return "found at least two devices, cuda:0 and cpu"


@pytest.mark.parametrize("plant", [on_the_cpu, not_fetched, left_behind])
def test_a_planted_mix_of_devices_ends_the_command(
    made: Path, plant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = plant(monkeypatch)  # type: ignore[operator]
    with pytest.raises((RuntimeError, TypeError), match=message):
        run("sample", *subject(made), "--budget", "fixed-1000", "--out", made / "broken.npz")


@pytest.mark.parametrize("how", ["bincount", "item", "mask"])
def test_a_planted_wait_in_a_pass_breaks_the_budget(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smoothcert.sampling import sampler

    def add(self: sampler._Tally, noisy: torch.Tensor, size: int) -> None:
        classes = self._engine.logits(noisy)[:size].argmax(1)
        if how == "item":
            assert classes.max().item() < 10
        if how == "mask":
            assert len(classes[classes >= 0]) == size
        if how == "bincount":
            torch.bincount(classes, minlength=10)
        self._classes[self._at : self._at + size] = classes
        self._at += size

    monkeypatch.setattr(sampler._Tally, "add", add)
    assert drawn(40, 16).waits.total() > drawn(2, 100).waits.total() + 100


def test_a_gpu_without_memory_says_so_and_its_generator_takes_no_state_of_a_cpu() -> None:
    with pretended(memory=1000):
        torch.zeros(100).to(GPU)
        with pytest.raises(torch.OutOfMemoryError):
            torch.zeros(1000, device=GPU)
    with pretended():
        state = torch.Generator().get_state()
        with pytest.raises(RuntimeError, match="RNG state is wrong size"):
            torch.Generator(device=GPU).set_state(state)
        stream = torch.Generator(device=GPU).manual_seed(-5)
        kept = stream.get_state()
        first = torch.rand(3, generator=stream, device=GPU).cpu()
        stream.set_state(kept)
        assert torch.equal(torch.rand(3, generator=stream, device=GPU).cpu(), first)


def test_an_attack_on_a_gpu_that_is_too_small_finds_the_same(made: Path) -> None:
    """The chunks are halved by a real command, and the verdict's evidence stays."""
    model = ["--model", made / "cohen-fs-0.25.safetensors"]
    small = {"max": 3, "steps": 2, "copies": 64, "inputs": 1, "screen": 20, "votes": 20}
    command = ["audit", "falsification", made / "of-v.tsv", *model, "--device", "cuda"]
    command += ["--spec", json.dumps(small | {"directions": 1}), "--out"]
    files = []
    # Of the first layer 64 copies of an input have 262 KB: two inputs fit, three do not.
    for name, memory in (("all", None), ("halved", 64 * 2 * 16 * 64 * 4)):
        with pretended(memory):
            assert main([*map(str, command), str(made / name)]) == 0
        files.append(np.load(made / f"{name}.npz")["0_point"])
    assert np.allclose(*files, atol=1e-5)
