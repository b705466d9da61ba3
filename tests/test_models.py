"""Base classifiers and their checkpoints."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from smoothcert.core.errors import SmoothcertError
from smoothcert.models import (
    ARCHITECTURES,
    Normalization,
    build,
    digest,
    load,
    load_side_tensors,
    normalization,
    read_record,
    save,
)
from smoothcert.models.activations import operations

SHAPES = {
    "tiny_cnn": (1, 8, 8),
    "small_cnn": (1, 28, 28),
    "small_cnn_softplus": (3, 32, 32),
    "small_resnet": (3, 32, 32),
    "resnet20": (3, 32, 32),
    "resnet18": (3, 32, 32),
    "resnet18_stem7": (3, 32, 32),
}


@pytest.mark.parametrize(("arch", "shape"), SHAPES.items())
def test_every_architecture_maps_a_batch_of_images_to_logits(arch, shape):
    model = build(arch, 7, shape).eval()
    out = model(torch.rand(3, *shape))
    assert out.shape == (3, 7)
    assert (out.softmax(1).sum(1) - 1).abs().max() < 1e-5
    assert not torch.allclose(out.sum(1), torch.ones(3))  # logits, not probabilities


@pytest.mark.parametrize(
    ("arch", "low", "high"), [("small_cnn", 0.25e6, 0.35e6), ("small_cnn_w16", 0.8e6, 1.3e6)]
)
def test_small_cnn_is_three_convolutions_with_relu_and_one_linear_layer(arch, low, high):
    model = build(arch, 10, (1, 28, 28))
    kinds = [type(m) for m in model.modules() if not list(m.children())]
    assert kinds == [nn.Conv2d, nn.ReLU] * 3 + [nn.Flatten, nn.Linear]
    flop = 0

    def count(module, inputs, output):
        nonlocal flop
        flop += 2 * output[0].numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    model(torch.rand(1, 1, 28, 28))
    assert low < flop < high


@pytest.mark.parametrize(
    ("arch", "millions"), [("small_resnet", 12.7), ("small_resnet_b121", 17.4), ("resnet20", 40.8)]
)
def test_the_multiply_adds_of_residual_networks_are_those_that_are_documented(arch, millions):
    model = build(arch, 10, (3, 32, 32))
    assert round(operations(model, (3, 32, 32)) / 2e6, 1) == millions


def test_resnet110_has_the_depth_and_the_parameters_of_the_paper():
    model = build("resnet110", 10, (3, 32, 32))
    # 1 stem + 2 * 54 in blocks + 1 linear layer; projections are not counted as layers.
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len([n for n in layers if "downsample" not in n]) == 110
    assert len([n for n in layers if "downsample" in n]) == 2
    assert abs(sum(p.numel() for p in model.parameters()) / 1e6 - 1.73) < 0.01


def test_resnet18_has_the_tensors_of_torchvisions_but_for_the_stem():
    torchvision = pytest.importorskip("smoothcert.compute.torchvision_shim").torchvision
    theirs = torchvision.models.resnet18(weights=None, num_classes=10).state_dict()
    ours = build("resnet18", 10, (3, 32, 32)).network.state_dict()
    assert list(ours) == list(theirs)
    differing = [k for k in ours if ours[k].shape != theirs[k].shape]
    assert differing == ["conv1.weight"]


def test_resnet20_computes_what_torchvisions_blocks_compute():
    """The same weights in a network put together from torchvision's own basic blocks."""
    tv = pytest.importorskip("smoothcert.compute.torchvision_shim").torchvision
    block = tv.models.resnet.BasicBlock
    model = build("resnet20", 10, (3, 32, 32), seed=3).eval()

    def stage(inputs, width, stride):
        down = None
        if stride != 1:
            down = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        rest = [block(width, width) for _ in range(2)]
        return nn.Sequential(block(inputs, width, stride, down), *rest)

    class Reference(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.layer1 = stage(16, 16, 1)
            self.layer2 = stage(16, 32, 2)
            self.layer3 = stage(32, 64, 2)
            self.fc = nn.Linear(64, 10)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            x = self.layer3(self.layer2(self.layer1(x)))
            return self.fc(nn.functional.avg_pool2d(x, 8).flatten(1))

    reference = Reference().eval()
    reference.load_state_dict(model.network.state_dict())
    x = torch.rand(4, 3, 32, 32)
    assert torch.allclose(model(x), reference(x), atol=1e-5)


def test_noise_is_added_before_the_normalization():
    layer = normalization("cifar10", "standardize", 3)
    plain = build("resnet20", 10, (3, 32, 32), seed=1).eval()
    normalized = build("resnet20", 10, (3, 32, 32), layer, seed=1).eval()
    x = torch.rand(2, 3, 32, 32) + 0.5 * torch.randn(2, 3, 32, 32)
    by_hand = (x - torch.tensor(layer.mean).view(3, 1, 1)) / torch.tensor(layer.std).view(3, 1, 1)
    assert torch.equal(normalized(x), plain(by_hand))


def test_center_only_subtracts_and_none_changes_nothing():
    assert normalization("imagenet", "center", 3).std == (1.0, 1.0, 1.0)
    assert normalization("anything", "none", 2) == Normalization((0.0, 0.0), (1.0, 1.0))
    with pytest.raises(SmoothcertError, match="no channel statistics for data set 'spiral'"):
        normalization("spiral", "center", 1)
    with pytest.raises(SmoothcertError, match="expected one of standardize, center, none"):
        normalization("mnist", "whiten", 1)


def test_weights_depend_on_the_seed_alone_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a = build("tiny_cnn", 10, (1, 8, 8), seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert digest(build("tiny_cnn", 10, (1, 8, 8), seed=1)) == digest(a)
    assert digest(build("tiny_cnn", 10, (1, 8, 8), seed=2)) != digest(a)


def test_a_checkpoint_gives_back_the_model_its_record_and_its_side_tensors(tmp_path):
    layer = normalization("mnist", "standardize", 1)
    model = build("small_cnn", 10, (1, 28, 28), layer, seed=4)
    scales = torch.linspace(0.2, 0.3, 17)
    save(model, tmp_path / "m.safetensors", {"epoch": 9, "seed": 4}, {"scale": scales})
    again, record = load(tmp_path / "m.safetensors")
    assert not again.training
    x = torch.rand(5, 1, 28, 28)
    assert torch.equal(again(x), model(x))
    assert record["epoch"] == 9
    assert record["arch"] == "small_cnn"
    assert record["shape"] == [1, 28, 28]
    assert record["digest"] == digest(again) == digest(model)
    assert torch.equal(load_side_tensors(tmp_path / "m.safetensors")["scale"], scales)
    assert read_record(tmp_path / "m.safetensors") == record
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_digest_tells_apart_what_computes_differently():
    relu = build("small_cnn", 10, (1, 28, 28), seed=1)
    softplus = build("small_cnn_softplus", 10, (1, 28, 28), seed=1)
    assert digest(relu) != digest(softplus)  # the same tensors, another function
    centred = build("small_cnn", 10, (1, 28, 28), normalization("mnist", "center", 1), seed=1)
    assert digest(relu) != digest(centred)
    with torch.no_grad():
        bias = relu.network[0].bias
        bias[0] = torch.nextafter(bias[0], torch.tensor(1.0))
    assert digest(relu) != digest(build("small_cnn", 10, (1, 28, 28), seed=1))


def test_a_digest_of_a_users_own_module():
    own = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert digest(own) == digest(own)
    assert len(digest(own)) == 64


def _saved(tmp_path):
    path = tmp_path / "m.safetensors"
    save(build("tiny_cnn", 10, (1, 8, 8)), path, {})
    return path


@pytest.mark.parametrize("keep", [0, 5, 100, 3000, -1])
def test_a_truncated_checkpoint_is_refused_with_its_name(tmp_path, keep):
    path = _saved(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SmoothcertError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"no tensors here, only a sentence of some length")
    with pytest.raises(SmoothcertError, match="not a safetensors file"):
        load(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(SmoothcertError, match="import-checkpoint"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.safetensors")


def _rewrite(path, tensors=None, **changes):
    old = load_file(path)
    record = read_record(path) | changes
    save_file(tensors or old, path, {"smoothcert": json.dumps(record)})


def test_tensors_of_another_architecture_are_listed(tmp_path):
    path = _saved(tmp_path)
    tensors = load_file(path)
    tensors["network.0.weight"] = torch.zeros(8, 1, 3, 3)
    tensors["network.9.weight"] = tensors.pop("network.5.weight")
    tensors["mean"] = tensors["mean"].long()
    _rewrite(path, tensors)
    with pytest.raises(SmoothcertError) as error:
        load(path)
    text = str(error.value)
    assert f"{path}: does not fit tiny_cnn" in text
    assert "missing network.5.weight" in text
    assert "not expected network.9.weight" in text
    assert "network.0.weight has shape [8, 1, 3, 3], expected [16, 1, 3, 3]" in text
    assert "mean has type int64, expected float32" in text
    assert "\n" not in text


def test_a_checkpoint_with_a_weight_that_is_not_finite_is_refused(tmp_path):
    path = _saved(tmp_path)
    tensors = load_file(path)
    tensors["network.0.bias"][3] = float("nan")
    _rewrite(path, tensors)
    with pytest.raises(SmoothcertError, match=r"not finite: network\.0\.bias"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "resnet99"}, "architecture 'resnet99': unknown"),
        ({"arch": "resnet20"}, "takes 32x32 images, not 8x8"),
        ({"format": "smoothcert-model-9"}, "format 'smoothcert-model-9'"),
        ({"n_classes": 1}, "expected at least 2"),
    ],
)
def test_a_record_that_makes_no_model_is_refused(tmp_path, changes, message):
    path = _saved(tmp_path)
    _rewrite(path, **changes)
    with pytest.raises(SmoothcertError, match=message):
        load(path)


def test_slugs_of_architectures_round_trip():
    for slug in [*ARCHITECTURES, "small_cnn_softplus", "resnet18_stem7"]:
        assert ARCHITECTURES.parse(slug).slug == slug
    with pytest.raises(SmoothcertError, match="unknown argument"):
        ARCHITECTURES.parse("resnet20_wide")


def test_a_softplus_network_has_a_gradient_without_jumps():
    model = build("small_cnn_softplus", 10, (1, 28, 28)).double()
    x = torch.rand(1, 1, 28, 28, dtype=torch.float64)
    d = torch.randn_like(x)

    def slope(t):
        point = (x + t * d).requires_grad_()
        (g,) = torch.autograd.grad(model(point)[0, 0], point)
        return (g * d).sum().item()

    steps = np.array([slope(t) for t in np.linspace(0, 1e-3, 21)])
    second = np.diff(steps, 2)
    assert np.abs(second).max() < 1e-3 * np.abs(np.diff(steps)).max()
