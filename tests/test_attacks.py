"""PGD stays where it may go and climbs; gradients agree with finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.models import build
from smoothcert.models.attacks import (
    cross_entropy,
    gradient_of,
    pgd,
    smoothed_cross_entropy,
    zeroth_order,
)

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def model():
    return build("tiny_cnn", 10, SHAPE, seed=2).double().eval()


@pytest.fixture
def inputs():
    stream = generator(3, "test-attack")
    x = torch.rand(6, *SHAPE, generator=stream, dtype=torch.float64)
    return x, torch.randint(10, (6,), generator=stream)


def lengths(delta, norm):
    order = 2 if norm == "l2" else float("inf")
    return torch.linalg.vector_norm(delta.flatten(1), order, dim=1)


@settings(max_examples=30)
@given(
    st.sampled_from(["l2", "linf"]),
    st.floats(0, 3),
    st.integers(1, 7),
    st.booleans(),
    st.integers(0, 10),
)
def test_an_adversarial_input_is_in_the_ball_and_in_the_box(norm, radius, steps, random, seed):
    stream = generator(seed, "test-attack")
    x = torch.rand(4, *SHAPE, generator=stream, dtype=torch.float64).round(decimals=1)
    found = pgd(
        lambda z: torch.sin(100 * z),
        x,
        radius,
        steps,
        norm,
        step_size=1.0,
        stream=stream,
        random_start=random,
    )
    assert (lengths(found - x, norm) <= radius + 1e-9).all()
    assert found.min() >= -1e-12
    assert found.max() <= 1 + 1e-12


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("linf", 1)])
def test_on_a_linear_loss_the_attack_finds_the_maximum(norm, order):
    """sup over the ball of <w, delta> is radius times the dual norm of w."""
    w = torch.randn(5, *SHAPE, generator=generator(1, "test-attack"), dtype=torch.float64)
    x = torch.full_like(w, 0.5)
    found = pgd(lambda _: w, x, 0.3, steps=4, norm=norm, box=None)
    gain = (w * (found - x)).flatten(1).sum(1)
    assert torch.allclose(gain, 0.3 * torch.linalg.vector_norm(w.flatten(1), order, dim=1))


def test_every_input_has_its_own_radius(model, inputs):
    x, y = inputs
    radii = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)
    found = pgd(gradient_of(cross_entropy(model, y)), x, radii, steps=5)
    assert torch.equal(found[0], x[0])
    assert torch.allclose(lengths(found - x, "l2"), radii, atol=0.02)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_attack_raises_the_loss_of_the_classifier_and_of_the_smoothed_one(model, inputs, norm):
    x, y = inputs
    eps = 0.25 * torch.randn(6 * 8, *SHAPE, generator=generator(4, "test"), dtype=torch.float64)
    for objective in (cross_entropy(model, y), smoothed_cross_entropy(model, y, eps)):
        radius = 0.5 if norm == "l2" else 0.1
        found = pgd(gradient_of(objective), x, radius, steps=10, norm=norm)
        assert (objective(found) > objective(x) + 0.01).all()


def test_the_smoothed_loss_is_minus_the_log_of_the_mean_probability(model, inputs):
    x, y = inputs
    eps = 0.5 * torch.randn(6 * 5, *SHAPE, generator=generator(5, "test"), dtype=torch.float64)
    losses = smoothed_cross_entropy(model, y, eps)(x)
    for i in range(6):
        copies = [model((x[i] + eps[5 * i + j])[None]).softmax(1)[0, y[i]] for j in range(5)]
        assert losses[i].item() == pytest.approx(-np.log(np.mean([c.item() for c in copies])))


def test_the_gradient_of_the_smoothed_loss_agrees_with_finite_differences(model, inputs):
    x, y = inputs
    eps = 0.5 * torch.randn(6 * 3, *SHAPE, generator=generator(6, "test"), dtype=torch.float64)
    objective = smoothed_cross_entropy(model, y, eps)
    gradient = gradient_of(objective)(x)
    towards = torch.randn(x.shape, generator=generator(7, "test"), dtype=torch.float64)
    h = 1e-6
    difference = (objective(x + h * towards) - objective(x - h * towards)) / (2 * h)
    assert torch.allclose((gradient * towards).flatten(1).sum(1), difference, rtol=1e-5, atol=1e-8)
    assert all(p.grad is None for p in model.parameters())


def test_the_direction_without_gradients_is_that_of_the_smoothed_gradient():
    """For logits (<w, x>, 0) and many copies: aligned with the gradient of the mean loss."""
    w = torch.randn(12, generator=generator(8, "test"), dtype=torch.float64)

    def linear(x):
        score = x.flatten(1) @ w
        return torch.stack([score, torch.zeros_like(score)], 1)

    y = torch.tensor([0, 1])
    x = torch.full((2, 1, 3, 4), 0.5, dtype=torch.float64)
    eps = torch.randn(2 * 40_000, 1, 3, 4, generator=generator(9, "test"), dtype=torch.float64)
    found = zeroth_order(linear, y, eps)(x).flatten(1)
    for direction, sign in zip(found, (-1, 1), strict=True):
        cosine = torch.nn.functional.cosine_similarity(direction, sign * w, dim=0)
        assert cosine > 0.99


def test_a_zero_gradient_is_replaced_by_a_random_direction_only_with_a_stream():
    x = torch.full((3, *SHAPE), 0.5)
    assert torch.equal(pgd(torch.zeros_like, x, 0.3, 2), x)
    found = pgd(torch.zeros_like, x, 0.3, 2, stream=generator(1, "test"))
    assert (lengths(found - x, "l2") > 0.1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps 0, expected at least 1"),
        ({"radius": -0.1}, "expected radii of 0 or more"),
        ({"norm": "l1"}, "norm 'l1', expected l2 or linf"),
        ({"random_start": True}, "a random start needs a stream"),
    ],
)
def test_wrong_settings_of_an_attack_end_in_one_clear_line(arguments, message):
    x = torch.full((3, *SHAPE), 0.5)
    with pytest.raises(SmoothcertError, match=message):
        pgd(torch.sign, x, **({"radius": 0.1, "steps": 2} | arguments))
