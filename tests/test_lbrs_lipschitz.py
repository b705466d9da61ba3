"""Bounds of smooth networks hold, and the certificates that rest on them cannot be broken."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from lbrs_helpers import steepest
from torch import nn

from smoothcert import models
from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs import lipschitz
from smoothcert.lbrs.classifier import LBRS, Network, effective_bias, head_score, switching_bias
from smoothcert.lbrs.oracle import Oracle
from smoothcert.models import Normalization


def mlp(activation, d=6, widths=(12,), seed=0, gain=1.0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers, size = [], d
        for width in widths:
            layers += [nn.Linear(size, width), activation()]
            size = width
        net = nn.Sequential(*layers, nn.Linear(size, 2)).double()
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(gain)
    return net


def small_cnn(stride, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, stride, padding=1),
            nn.Softplus(),
            nn.Conv2d(4, 5, 3, 1, padding=1),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(5 * (-(-7 // stride)) ** 2, 2),
        ).double()


NETS = {
    "softplus": (mlp(nn.Softplus, gain=2.0), (6,)),
    "tanh-deep": (mlp(nn.Tanh, widths=(10, 8)), (6,)),
    "sigmoid": (mlp(nn.Sigmoid, gain=3.0), (6,)),
    "cnn": (small_cnn(1), (2, 7, 7)),
    "cnn-strided": (small_cnn(2), (2, 7, 7)),
}


def hessians(net, x):
    def logit(point):
        out = net(point[None])[0]
        return out[1] - out[0]

    flat = [torch.autograd.functional.hessian(logit, point) for point in x]
    return torch.stack(flat).reshape(len(x), x[0].numel(), x[0].numel()).numpy()


@pytest.mark.parametrize("name", NETS)
def test_no_sampled_hessian_exceeds_the_bound(name):
    net, shape = NETS[name]
    bounds = {norm: lipschitz.network_bounds(net, shape, norm) for norm in geometry.DUAL}
    rng = torch.Generator().manual_seed(1)
    largest = 0.0
    for scale in (0.1, 1.0, 4.0):
        x = scale * torch.randn(6, *shape, generator=rng, dtype=torch.float64)
        h = hessians(net, x)
        largest = max(largest, np.linalg.norm(h, 2, axis=(1, 2)).max())
        assert np.abs(h).max() <= bounds["l1"].gradient  # (l1, linf) norm: the largest entry
        u = np.sign(np.random.default_rng(2).standard_normal((200, h.shape[1])))
        cube = np.abs(np.einsum("ui,nij,uj->nu", u, h, u)).max()
        assert cube <= bounds["linf"].gradient
        _, gradient = Network(net).logit_and_gradient(x)
        for norm, bound in bounds.items():
            assert geometry.dual_length(gradient, norm).max() <= bound.score
    assert largest <= bounds["l2"].gradient
    assert largest > 0.01 * bounds["l2"].gradient  # a bound of use, not just of any size


def test_a_shallow_networks_bound_is_attained_when_one_unit_decides():
    net = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Softplus(), nn.Linear(1, 2, bias=False))
    net = net.double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[3.0, 4.0, 0.0]]))
        net[2].weight.copy_(torch.tensor([[0.0], [2.0]]))
    bound = lipschitz.network_bounds(net, (3,), "l2")
    # At 0: 2 * 1/4 * 25 in l2, 2 * 1/4 * 49 in linf -> l1, 2 * 1/4 * 16 in l1 -> linf.
    assert bound.gradient == pytest.approx(12.5, rel=1e-6)
    assert lipschitz.network_bounds(net, (3,), "linf").gradient == pytest.approx(24.5, rel=1e-6)
    assert lipschitz.network_bounds(net, (3,), "l1").gradient == pytest.approx(8, rel=1e-6)
    assert lipschitz.sampled(net, torch.zeros(1, 3)) == pytest.approx(12.5, rel=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_the_convolution_norm_bounds_the_dense_matrix_and_is_close(stride, kernel):
    size, padding = (9, 7), kernel // 2
    conv = nn.Conv2d(2, 3, kernel, stride, padding=padding, bias=False).double()
    basis = torch.eye(2 * 9 * 7, dtype=torch.float64).reshape(-1, 2, *size)
    with torch.no_grad():
        dense = conv(basis).flatten(1).T.numpy()
    bound = lipschitz.convolution_norm(conv.weight.detach().numpy(), stride, size)
    exact = np.linalg.norm(dense, 2)
    assert exact <= bound * (1 + 1e-12)
    assert bound <= 1.35 * exact


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("head", ["logit", "tanh"])
def test_no_smooth_network_certificate_is_broken_just_inside(name, norm, head):
    net, shape = NETS[name]
    d = int(np.prod(shape))
    rng = np.random.default_rng(3)
    oracle = Oracle(rng.standard_normal((8, d)), np.where(np.arange(8) % 2, 1, -1))
    bound = lipschitz.network_bounds(net, shape, norm).through(head)
    lbrs = LBRS(Network(net, head), oracle, norm, bound.gradient)
    x = rng.standard_normal((40, d))
    bias = np.array([0.0, 0.1, 1.0])
    _, gradient = Network(net).logit_and_gradient(x.reshape(-1, *shape))
    for form in ("published", "tight"):
        radii = lbrs_certify(lbrs, x, shape, bias, form)
        steps = [steepest(sign * gradient, norm) for sign in (1, -1)]
        steps += [
            v / np.linalg.norm(v, geometry.ORDERS[norm], axis=1)[:, None]
            for v in rng.standard_normal((20, 40, d))
        ]
        for b, value in enumerate(bias):
            assert (radii.radius[b] > 0).mean() > 0.9
            for step in steps:
                moved = x + (radii.radius[b] * (1 - 1e-9))[:, None] * step
                assert (predict(lbrs, moved, shape, value) == radii.predict[b]).all()


class _Shaped:
    """The network sees images, the oracle flat vectors."""

    def __init__(self, base, shape):
        self.base, self.shape = base, shape

    def score_and_slope(self, x, norm):
        return self.base.score_and_slope(np.asarray(x).reshape(-1, *self.shape), norm)


def shaped(lbrs, shape):
    return LBRS(_Shaped(lbrs.base, shape), lbrs.oracle, lbrs.norm, lbrs.lipschitz)


def lbrs_certify(lbrs, x, shape, bias, form):
    return shaped(lbrs, shape).certify(x, bias, form)


def predict(lbrs, x, shape, bias):
    return shaped(lbrs, shape).predict(x, bias)


def test_a_relu_network_is_refused():
    with pytest.raises(SmoothcertError, match="layer ReLU: its gradient is not Lipschitz"):
        lipschitz.network_bounds(mlp(nn.ReLU), (6,), "l2")


def classifier(std):
    part = models.build("small_cnn_softplus", 2, (1, 28, 28), Normalization((0.1,), (std,)))
    return part.double().eval()


def test_the_normalization_of_a_classifier_is_part_of_its_bounds():
    plain, scaled = classifier(1.0), classifier(0.5)
    scaled.network.load_state_dict(plain.network.state_dict())
    one = lipschitz.network_bounds(plain, (1, 28, 28), "l2")
    two = lipschitz.network_bounds(scaled, (1, 28, 28), "l2")
    assert two.gradient == pytest.approx(4 * one.gradient)
    assert two.score == pytest.approx(2 * one.score)


# --- activations with second derivatives of both signs; the order of the calls ----------------


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.Softplus])
def test_two_units_that_bend_the_same_way_with_weights_of_both_signs(activation):
    """z(x) = s(x + u) - s(x - u): at 0 both units have the largest |s''|, and the signs agree."""
    top = {nn.Tanh: 4 / (3 * 3**0.5), nn.Sigmoid: 1 / (6 * 3**0.5), nn.Softplus: 0.25}[activation]
    u = {nn.Tanh: np.arctanh(3**-0.5), nn.Sigmoid: 2 * np.arctanh(3**-0.5), nn.Softplus: 0.0}
    net = nn.Sequential(nn.Linear(1, 2), activation(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [1.0]]))
        net[0].bias.copy_(torch.tensor([u[activation], -u[activation]]))
        net[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
        net[2].bias.fill_(0.01 - 2 / 3**0.5)
    point = torch.zeros(1, dtype=torch.float64)
    curvature = abs(torch.autograd.functional.hessian(lambda v: net(v[None]).sum(), point).item())
    bounds = {norm: lipschitz.network_bounds(net, (1,), norm).gradient for norm in ("l1", "l2")}
    if activation is nn.Softplus:  # convex: the two can only cancel, and l2 knows it
        assert curvature == pytest.approx(0, abs=1e-12)
        assert bounds["l2"] == pytest.approx(top)
    else:
        assert curvature == pytest.approx(2 * top)
        assert bounds["l2"] == pytest.approx(2 * top)
        assert bounds["l2"] >= curvature
    assert bounds["l1"] == pytest.approx(2 * top)


@pytest.mark.parametrize("form", ["published", "tight"])
@pytest.mark.parametrize("bias", [0.0, 0.02])
def test_the_certificate_of_a_tanh_network_holds_up_to_its_radius(form, bias):
    u = float(np.arctanh(3**-0.5))
    net = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [1.0]]))
        net[0].bias.copy_(torch.tensor([u, -u]))
        net[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
        net[2].bias.fill_(0.01 - 2 / 3**0.5)
    bound = lipschitz.network_bounds(net, (1,), "l2").gradient
    oracle = Oracle(np.array([[-5.0], [5.0]]), np.array([1, 1]))
    lbrs = LBRS(Network(net), oracle, "l2", bound)
    radii = lbrs.certify(np.zeros((1, 1)), bias, form)
    assert 0.02 < radii.radius[0] < 0.2
    y = np.linspace(-radii.radius[0], radii.radius[0], 2001)[1:-1, None]
    assert (lbrs.predict(y, bias) == radii.predict[0]).all()


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Softplus])
def test_modules_that_are_used_several_times_count_each_time(activation):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        a, b, act = nn.Linear(4, 4), nn.Linear(4, 2), activation()
        for part in (a, b):
            nn.init.normal_(part.weight, std=2.0)
        net = nn.Sequential(a, act, a, act, a, act, b).double()
        copies = nn.Sequential(*(copy.deepcopy(part) for part in net))
        x = 0.5 * torch.randn(60, 4, dtype=torch.float64)
    assert lipschitz.network_bounds(net, (4,), "l2") == lipschitz.network_bounds(copies, (4,), "l2")
    largest = np.linalg.norm(hessians(net, x), 2, axis=(1, 2)).max()
    assert largest <= lipschitz.network_bounds(net, (4,), "l2").gradient
    assert largest > 10


class Doubled(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


class SteepTanh(nn.Tanh):
    def forward(self, x):
        return torch.tanh(9 * x)


def patched(net):
    net.forward = lambda x: 3 * nn.Sequential.forward(net, x)
    return net


def hooked(net):
    net[1].register_forward_hook(lambda module, args, out: 3 * out)
    return net


class Wrapped(nn.Module):
    """Looks like a classifier of ours, and computes something else."""

    def __init__(self):
        super().__init__()
        self.network, self.std = mlp(nn.Tanh), torch.ones(1)

    def forward(self, x):
        return 5 * self.network(x)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Doubled(*mlp(nn.Tanh)), "layer Doubled: overrides forward"),
        (mlp(SteepTanh), "layer SteepTanh: overrides forward"),
        (patched(mlp(nn.Tanh)), "layer Sequential: overrides forward"),
        (hooked(mlp(nn.Tanh)), "layer Tanh: has hooks"),
        (Wrapped(), "layer Wrapped: not known here"),
        (nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)), "one or two outputs, found 3"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), "expected an input of shape"),
        (nn.Sequential(nn.Flatten(0), *mlp(nn.Tanh)), "Flatten of all but the batch"),
    ],
)
def test_what_does_not_compute_what_its_class_says_has_no_bound(net, message):
    with pytest.raises(SmoothcertError, match=message):
        lipschitz.network_bounds(net, (6,), "l2")


@pytest.mark.parametrize("head", ["logit", "tanh"])
def test_the_effective_bias_has_the_sign_of_equation_5(head):
    rng = np.random.default_rng(4)
    z, slope = 4 * rng.standard_normal(500), rng.random(500) * 5
    oracle = np.where(rng.random(500) < 0.5, 1, -1)
    g, own = head_score(z, slope, head)
    for bias in (0.0, 0.3, 2.0, 50.0):
        paper = np.sign(g + bias * oracle * own)
        here = np.sign(z + oracle * effective_bias(bias, slope, head))
        clear = np.abs(g + bias * oracle * own) > 1e-12
        np.testing.assert_array_equal(here[clear], paper[clear])
        follows = bias > switching_bias(z, slope, head)
        np.testing.assert_array_equal((here == oracle)[clear & follows], True)


def test_a_saturated_head_loses_no_sign():
    z, slope = np.array([-800.0, 60.0, 800.0]), np.array([1.0, 1.0, 1.0])
    assert (switching_bias(z, slope, "tanh") > 1e25).all()
    assert np.isfinite(head_score(z, slope, "tanh")[1]).all()
    here = z - np.sign(z) * effective_bias(1000.0, slope, "tanh")
    np.testing.assert_array_equal(np.sign(here), np.sign(z))
