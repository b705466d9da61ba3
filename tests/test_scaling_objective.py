"""The soft radius and its derivative by the scale, against closed forms and other modes."""

import numpy as np
import pytest
import torch
from scaling_helpers import Probit, problem, searching
from scipy.special import ndtri
from scipy.stats import norm

from smoothcert import models
from smoothcert.noise import NOISES
from smoothcert.scaling.dual import Dual
from smoothcert.scaling.objective import Objective
from smoothcert.scaling.problem import CHOICE

GAUSSIAN = NOISES.parse("gaussian-0.25")
FIRST = torch.zeros(1, dtype=torch.int64)


def quantiles(n: int) -> torch.Tensor:
    """n equally likely values of N(0, 1), [1, n, 1], float64."""
    return torch.from_numpy(ndtri((np.arange(n) + 0.5) / n))[None, :, None]


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("c_a", [FIRST, None])
def test_on_a_probit_model_value_and_gradient_are_the_closed_form(
    sigma: float, c_a: torch.Tensor | None
) -> None:
    w, margin = 1.5, 0.4
    model = Probit(torch.tensor([w], dtype=torch.float64), margin)
    objective = Objective(searching(model, (1,)), GAUSSIAN, 1e-9, c_a)
    x, scale = torch.zeros(1, 1, dtype=torch.float64), torch.tensor([sigma], dtype=torch.float64)
    radius, gradient = objective(x, scale, quantiles(400_000))
    root = np.sqrt(1 + sigma**2 * w**2)
    assert radius.dtype == gradient.dtype == torch.float64
    assert radius.item() == pytest.approx(sigma * margin / root, abs=2e-6)
    assert gradient.item() == pytest.approx(margin / root**3, abs=2e-5)


def test_for_uniform_noise_the_objective_is_equation_4() -> None:
    # p_A is linear in x, so its mean is that at x: R = lam (2 p_A - 1).
    class Linear(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            p = 0.7 + 0.1 * x[:, 0]
            return torch.stack([p, 1 - p], 1).log()

    nodes = ((torch.arange(1000, dtype=torch.float64) + 0.5) / 500 - 1)[None, :, None]
    uniform = NOISES.parse("uniform-0.50")
    objective = Objective(searching(Linear(), (1,)), uniform, 1e-9, FIRST)
    radius, gradient = objective(
        torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0.8], dtype=torch.float64), nodes
    )
    assert radius.item() == pytest.approx(0.8 * 0.4, abs=1e-12)
    assert gradient.item() == pytest.approx(0.4, abs=1e-12)


def test_on_a_probit_model_the_hard_radius_does_not_depend_on_the_scale() -> None:
    at = problem(Probit(torch.tensor([2.0, 1.0, 0.0, 2.0]), -1.5), n=1)
    a = float(at.x[0] @ torch.tensor([2.0, 1.0, 0.0, 2.0])) - 1.5
    scales = torch.tensor([[0.125, 0.25, 0.5, 1.0]], dtype=torch.float64)
    n = 40_000
    share = at.votes(scales, CHOICE, n)[0].max(1).values.double().numpy() / n
    hard = scales[0].numpy() * ndtri(share)
    error = scales[0].numpy() * np.sqrt(share * (1 - share) / n) / norm.pdf(ndtri(share))
    assert (np.abs(hard - abs(a) / 3) < 4 * error).all()
    soft = at.soft_radii(scales, at.c_a(), 1e-6, CHOICE, 4000)[0].numpy()
    assert (np.diff(soft) > 0.02).all()  # while the soft radius grows with it


@pytest.mark.parametrize("arch", ["small_cnn", "small_cnn_softplus", "resnet20"])
def test_forward_mode_is_reverse_mode(arch: str) -> None:
    shape = (1, 28, 28) if arch.startswith("small") else (3, 32, 32)
    model = models.build(arch, 10, shape).double().eval()
    stream = torch.Generator().manual_seed(0)
    x = torch.rand(2, *shape, generator=stream, dtype=torch.float64)
    eps = torch.randn(2, 3, *shape, generator=stream, dtype=torch.float64)
    sigma = torch.tensor([0.2, 0.7], dtype=torch.float64)
    c_a = model(x).argmax(1)
    engine = searching(model, shape)
    assert engine.softmax
    for classes in (c_a, None):
        forward = Objective(engine, GAUSSIAN, 0.02, classes)(x, sigma, eps)
        reverse = Objective(engine, GAUSSIAN, 0.02, classes, forward=False)(x, sigma, eps)
        assert reverse[1].abs().min() > 1e-9
        for f, r in zip(forward, reverse, strict=True):
            assert torch.allclose(f, r, rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_the_value_with_the_noise_held_fixed() -> None:
    model = models.build("tiny_cnn", 10, (1, 8, 8)).double().eval()
    objective = Objective(searching(model, (1, 8, 8)), GAUSSIAN, 0.001, FIRST)
    x, eps = torch.rand(1, 1, 8, 8).double(), torch.randn(1, 5, 1, 8, 8).double()
    sigma, h = torch.tensor([0.3], dtype=torch.float64), 1e-6
    up, down = (objective(x, sigma + s * h, eps)[0] for s in (1, -1))
    assert objective(x, sigma, eps)[1].item() == pytest.approx((up - down).item() / 2 / h, rel=1e-6)


def test_a_network_with_other_operations_takes_reverse_mode() -> None:
    class Own(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, 0].sin(), x[:, 1].cos()], 1)

    for model, shape in ((Own(), (4,)), (Probit(torch.ones(4), 0.0), (4,))):
        engine = searching(model, shape)
        assert engine.softmax is None
        assert engine.identity == f"torch {torch.__version__}, derivatives in reverse mode"
    batch_norm = torch.nn.BatchNorm2d(1).train()
    with pytest.raises(NotImplementedError, match="train mode"):
        batch_norm(Dual(torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)))


def test_forward_mode_knows_pooling() -> None:
    pool = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 7, 2, 3), torch.nn.MaxPool2d(3, 2, 1), torch.nn.AdaptiveAvgPool2d(1)
    )
    x, along = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    known, (value, tangent) = pool(Dual(x, along)), torch.func.jvp(pool, (x,), (along,))
    assert torch.equal(known.value, value)
    assert torch.allclose(known.tangent, tangent, atol=1e-6)


@pytest.mark.slow
def test_forward_mode_knows_the_network_of_imagenet() -> None:
    resnet50 = models.build("resnet50", 5, (3, 224, 224)).eval()
    x, along = torch.rand(1, 3, 224, 224), torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        known, (value, tangent) = resnet50(Dual(x, along)), torch.func.jvp(resnet50, (x,), (along,))
    assert torch.equal(known.value, value)
    assert torch.allclose(known.tangent, tangent, rtol=1e-4, atol=1e-5)
