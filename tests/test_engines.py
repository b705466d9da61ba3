"""Engines: the same classifier to rounding, and the same bits whatever shares a pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from core_helpers import trained_digits_model

from smoothcert import cli, models
from smoothcert.budget import BUDGETS
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.sampling.engines import ENGINES, open_engine
from smoothcert.sampling.library import sample
from smoothcert.votes import VoteStore

CPU = torch.device("cpu")
ARCHITECTURES = {
    "tiny_cnn": (1, 8, 8),
    "mlp": (1, 28, 28),
    "resnet20": (3, 32, 32),
    "small_resnet": (3, 32, 32),
}


def opened(name, arch="tiny_cnn", precision=None):
    if name == "openvino":
        pytest.importorskip("openvino")
    shape = ARCHITECTURES[arch]
    model = models.build(arch, 10, shape, seed=1).eval()
    try:
        return open_engine(model, shape, CPU, name, precision), model, shape
    except SmoothcertError as error:
        if "this processor has no bfloat16" in str(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_gives_the_logits_of_the_network(name, arch):
    engine, model, shape = opened(name, arch)
    x = torch.randn(32, *shape)
    with torch.inference_mode():
        assert engine.logits(x).numpy() == pytest.approx(model(x).numpy(), rel=1e-3, abs=1e-4)
    assert engine.identity.split()[0] == name


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(("name", "precision"), [*((n, None) for n in ENGINES),
                                                 ("openvino", "bfloat16")])  # fmt: skip
def test_logits_have_the_same_bits_wherever_in_a_pass_an_image_is(name, precision, arch):
    """Why looks of several inputs may share a pass, and a killed run may share them otherwise."""
    engine, _, shape = opened(name, arch, precision)
    x = torch.randn(64, *shape)
    order = torch.randperm(64)
    with torch.inference_mode():
        one = engine.logits(x).clone()
        other = engine.logits(x[order].contiguous())
        mixed = torch.cat([x[:20], torch.rand(44, *shape)])
        assert torch.equal(one[order], other)
        assert torch.equal(one[:20], engine.logits(mixed)[:20])


def images(n=6, shape=(1, 8, 8)):
    return torch.rand((n, *shape), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("budget", ["fixed-1000", "sequential_0.10-3000"])
def test_votes_do_not_depend_on_how_many_threads_share_the_inputs(name, budget):
    _, model, _ = opened(name)
    stores = [
        sample(model, images(), BUDGETS.parse(budget), NOISES.parse("gaussian-0.50"), look=500,
               engine=name, jobs=jobs)
        for jobs in (1, 3)
    ]  # fmt: skip
    assert stores[0].identity == stores[1].identity
    assert stores[0].looks.tolist() == stores[1].looks.tolist()
    for i in range(6):
        assert (stores[0].dense_looks(i) == stores[1].dense_looks(i)).all()


def test_votes_do_not_depend_on_the_other_inputs_of_a_call():
    _, model, _ = opened("onnxruntime")
    budget, noise = BUDGETS.parse("sequential_0.10-3000"), NOISES.parse("gaussian-0.50")
    together = sample(model, images(), budget, noise, look=500, jobs=1)
    for i in range(6):
        alone = sample(model, images()[i : i + 1], budget, noise, look=500, idx=[i], jobs=1)
        assert (alone.dense_looks(0) == together.dense_looks(i)).all()


def test_another_engine_flips_only_votes_on_a_tie():
    _, model, _ = opened("torch")
    budget, noise = BUDGETS.parse("fixed-2000"), NOISES.parse("gaussian-0.50")
    one, other = (
        sample(model, images(), budget, noise, engine=name) for name in ("torch", "onnxruntime")
    )
    flipped = sum(np.abs(one.dense_looks(i) - other.dense_looks(i)).sum() // 2 for i in range(6))
    assert flipped <= 2
    assert one.identity["engine"].startswith("torch ")
    assert other.identity["engine"].startswith("onnxruntime ")


class Branches(torch.nn.Module):
    """Another function where an image is bright: a trace would have one of both."""

    def forward(self, x):
        logits = x.flatten(1)[:, :3]
        return -logits if bool((x.mean(dim=(1, 2, 3)) > 2).any()) else logits


class Stubborn(torch.nn.Module):
    """Exports as something else than it computes."""

    def forward(self, x):
        logits = x.flatten(1)[:, :3]
        return 2 * logits.square() if torch.onnx.is_in_onnx_export() else logits


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Branches(), "might cause the trace to be incorrect|Python boolean"),
        (Stubborn(), "differ from torch's"),
    ],
)
def test_a_network_that_does_not_export_as_it_is_stays_with_torch_and_says_why(model, says):
    found = open_engine(model, (1, 4, 4), CPU)
    assert found.name == "torch"
    assert found.note.startswith("engine torch: onnxruntime is not used: ")
    with pytest.raises(SmoothcertError, match=says):
        open_engine(model, (1, 4, 4), CPU, "onnxruntime")
    budget, noise = BUDGETS.parse("fixed-100"), NOISES.parse("gaussian-0.50")
    with pytest.warns(UserWarning, match="engine torch: onnxruntime is not used"):
        sample(model, images(1, (1, 4, 4)), budget, noise)


@pytest.mark.parametrize(
    ("engine", "precision", "says"),
    [
        ("jax", None, "engine 'jax': expected one of auto, torch, onnxruntime, openvino"),
        ("onnxruntime", "bfloat16", "engine onnxruntime: cannot run this network: it computes in"),
        ("torch", "int3", "precision 'int3': expected one of float32"),
    ],
)
def test_an_engine_that_cannot_is_refused_in_one_line(engine, precision, says):
    model = models.build("tiny_cnn", 10, (1, 8, 8))
    with pytest.raises(SmoothcertError, match=says):
        open_engine(model, (1, 8, 8), CPU, engine, precision)


def test_half_precision_is_another_classifier_and_leaves_the_network_as_it_was():
    model = models.build("tiny_cnn", 10, (1, 8, 8))
    engine = open_engine(model, (1, 8, 8), CPU, "torch", "bfloat16")
    assert next(model.parameters()).dtype == torch.float32
    with torch.inference_mode():
        assert engine.logits(images()).dtype == torch.bfloat16


def test_the_first_error_of_a_thread_ends_all():
    class Fails(torch.nn.Module):
        calls = 0

        def forward(self, x):
            Fails.calls += 1
            logits = x.flatten(1)[:, :3]
            return logits * float("nan") if Fails.calls > 12 else logits

    budget, noise = BUDGETS.parse("fixed-50000"), NOISES.parse("gaussian-0.50")
    with pytest.raises(SmoothcertError, match="NaN or infinite"):
        sample(Fails(), images(6, (1, 4, 4)), budget, noise, engine="torch", jobs=2)
    assert Fails.calls < 200  # of 6 * 100 passes


def test_a_quantized_network_is_a_classifier_of_its_own(tmp_path, capsys):
    pytest.importorskip("onnx")
    path = trained_digits_model(tmp_path / "model.safetensors")
    out = tmp_path / "int8.onnx"
    about = ["--dataset", "digits", "--noise", "gaussian-0.25"]
    assert cli.main(["quantize", "--model", str(path), *about, "--out", str(out)]) == 0
    said = json.loads(out.with_suffix(".json").read_text())
    assert 0.97 < said["agree"] <= 1
    assert said["accuracy_int8"] > said["accuracy"] - 0.02
    digests = []
    for model in (path, out):
        votes = tmp_path / f"{model.stem}.npz"
        sampling = ["--budget", "fixed-1000", "--max", "10", "--model", str(model)]
        assert cli.main(["sample", *about, *sampling, "--out", str(votes), "--quiet"]) == 0
        digests.append(VoteStore.read(votes).identity["model_digest"])
    assert digests[0] != digests[1]
    sampling[-1] = str(path)
    assert cli.main(["sample", *about, *sampling, "--out", str(votes), "--quiet"]) == 2
    assert "with another specification: " in capsys.readouterr().err
