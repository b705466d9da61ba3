"""The engine of a search: its derivatives are torch's, or torch takes them and a line says why."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from core_helpers import trained_digits_model
from scaling_helpers import searching

from smoothcert import models
from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.sampling.job import read_scales
from smoothcert.scaling import forward

RUNTIME = f"onnxruntime {onnxruntime.__version__}"
TORCH = f"torch {torch.__version__}"


class Pooled(torch.nn.Sequential):
    def __init__(self) -> None:
        conv = torch.nn.Conv2d(1, 3, 7, 2, 3)
        super().__init__(conv, torch.nn.MaxPool2d(3, 2, 1), torch.nn.Flatten())


@pytest.mark.parametrize("arch", ["small_cnn", "small_cnn_softplus", "resnet20", "pooled"])
def test_the_engine_of_the_votes_carries_the_derivative(arch: str) -> None:
    shape = (3, 32, 32) if arch == "resnet20" else (1, 28, 28)
    torch.manual_seed(0)
    network = Pooled() if arch == "pooled" else models.build(arch, 10, shape)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[operator, union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[operator, union-attr]
    engine, plain = (searching(network, shape, name) for name in ("auto", "torch"))
    assert (engine.identity, engine.note) == (RUNTIME, "")
    assert isinstance(engine.softmax, forward._Graph)
    x, eps = torch.rand(35, *shape), torch.randn(35, *shape)  # a full pass and a part of one
    with torch.no_grad():
        found, expected = engine.softmax(x, eps), plain.softmax(x, eps)  # type: ignore[misc]
    assert expected[1].norm() > 1e-3
    assert torch.allclose(found[0], expected[0], atol=1e-6)
    assert (found[1] - expected[1]).norm() < 1e-4 * expected[1].norm()


def test_at_its_kink_a_relu_has_the_derivative_zero_in_each_engine() -> None:
    last = torch.nn.Linear(4, 2, bias=False)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU(), last)
    x = torch.tensor([0.0, -1.0, 1e-30, 2.0]).view(1, 1, 2, 2)
    slopes = []
    for name in ("auto", "torch"):
        softmax = searching(network, (1, 2, 2), name).softmax
        assert softmax
        with torch.no_grad():
            slopes.append([float(softmax(x, e.view(1, 1, 2, 2))[1][0, 0]) for e in torch.eye(4)])
    for slope in slopes:
        assert slope[:2] == [0.0, 0.0]
        assert min(abs(s) for s in slope[2:]) > 1e-4
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-5)


def test_a_graph_of_another_derivative_is_not_used() -> None:
    def ungated(g, tangent, value, threshold):  # type: ignore[no-untyped-def]
        return g.op("Identity", tangent)

    network = models.build("tiny_cnn", 10, (1, 8, 8))
    name = "aten::threshold_backward"
    torch.onnx.register_custom_op_symbolic(name, ungated, 17)
    try:
        engine = searching(network, (1, 8, 8), "auto")
    finally:
        torch.onnx.register_custom_op_symbolic(name, forward._gate, 17)
    assert "derivatives by" in engine.note
    assert engine.identity == f"{RUNTIME}, derivatives by {TORCH}"
    assert isinstance(engine.softmax, forward.Softmax)


def test_a_network_that_forward_mode_does_not_know_is_differentiated_by_torch() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3), torch.nn.SiLU())
    engine = searching(network, (1, 2, 2), "auto")
    assert engine.identity == f"{RUNTIME}, derivatives by {TORCH} in reverse mode"
    assert engine.softmax is None


def test_a_network_without_derivatives_is_refused_in_a_line() -> None:
    class Detached(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.detach().flatten(1)

    with pytest.raises(SmoothcertError, match="not differentiable in its images; use a search"):
        searching(Detached(), (1, 2, 2))


def test_the_record_names_the_engine_and_engines_differ_by_rounding(tmp_path: Path) -> None:
    model = str(trained_digits_model(tmp_path / "model.safetensors"))
    scales = {}
    for engine, said in (("auto", RUNTIME), ("torch", TORCH)):
        out = tmp_path / f"{engine}.tsv"
        spec = {
            "dataset": "digits", "noise": "gaussian-0.25", "scalings": ["ascent-K200"],
            "max": 20, "engine": engine,
        }  # fmt: skip
        assert (
            main(["scales", "--spec", json.dumps(spec), "--model", model, "--out", str(out)]) == 0
        )
        assert json.loads(out.with_suffix(".json").read_text())["identity"]["engine"] == said
        scales[engine] = read_scales(out, np.arange(20), "ascent-K200")
    assert np.ptp(scales["auto"]) > 0.005
    assert scales["auto"] == pytest.approx(scales["torch"], abs=1e-4)
