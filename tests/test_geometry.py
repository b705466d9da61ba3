"""Balls of the three norms: projections are nearest points, steps gain the dual norm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError

NORMS = tuple(geometry.ORDERS)
ORDER = {"l1": 1, "l2": 2, "linf": np.inf}


@pytest.mark.parametrize("norm", NORMS)
def test_projection_is_the_nearest_point_of_the_ball(norm):
    random = np.random.default_rng(0)
    delta = torch.from_numpy(random.normal(size=(20, 7)))
    radius = torch.from_numpy(random.random(20) * 3)
    near = geometry.project(delta, radius, norm).numpy()
    assert (np.linalg.norm(near, ORDER[norm], axis=1) <= radius.numpy() * (1 + 1e-9)).all()
    inside = np.linalg.norm(delta.numpy(), ORDER[norm], axis=1) <= radius.numpy()
    assert (near[inside] == delta.numpy()[inside]).all()
    # (delta - near).(other - near) <= 0 for every other point of the ball: the projection.
    other = random.normal(size=(20, 200, 7))
    other *= (radius.numpy()[:, None] * random.random((20, 200)))[..., None] / np.linalg.norm(
        other, ORDER[norm], axis=2, keepdims=True
    )
    gain = ((delta.numpy() - near)[:, None] * (other - near[:, None])).sum(2)
    assert gain.max() <= 1e-9


@pytest.mark.parametrize("norm", NORMS)
def test_steepest_steps_have_norm_one_and_gain_the_dual_norm(norm):
    gradient = torch.randn(5, 9, dtype=torch.float64)
    step = geometry.steepest(gradient, norm)
    assert geometry.length(step, norm).tolist() == pytest.approx([1.0] * 5)
    dual = {"l1": np.inf, "l2": 2, "linf": 1}[norm]
    gain = (step * gradient).sum(1).numpy()
    assert gain == pytest.approx(np.linalg.norm(gradient.numpy(), dual, axis=1))


@pytest.mark.parametrize("norm", NORMS)
def test_dual_length_is_what_the_steepest_step_gains(norm):
    vectors = np.random.default_rng(0).normal(size=(4, 3, 6))
    step = geometry.steepest(torch.from_numpy(vectors.reshape(12, 6)), norm).numpy()
    gain = (step.reshape(4, 3, 6) * vectors).sum(-1)
    assert geometry.dual_length(vectors, norm) == pytest.approx(gain)
    assert geometry.DUAL[geometry.DUAL[norm]] == norm


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_type_are_kept_and_no_ball_of_radius_0_is_left(norm, dtype):
    delta = torch.randn(6, 2, 4, 3, dtype=dtype)
    for made in (
        geometry.project(delta, torch.zeros(6, dtype=torch.float64), norm),
        geometry.steepest(torch.zeros_like(delta), norm),
    ):
        assert made.dtype == dtype
        assert made.shape == delta.shape
        assert not made.any()


@pytest.mark.parametrize("norm", NORMS)
def test_vertices_have_norm_one_and_span_the_ball(norm):
    made = geometry.vertices((400, 3, 2), norm, torch.Generator().manual_seed(0))
    assert geometry.length(made, norm).tolist() == pytest.approx([1.0] * 400)
    largest = made.flatten(1).amax(0)
    assert (largest > 0.8).all()


def test_another_norm_is_one_clear_line():
    delta = torch.zeros(1, 2)
    for call in (
        lambda: geometry.project(delta, torch.ones(1), "l7"),
        lambda: geometry.steepest(delta, "l7"),
        lambda: geometry.length(delta, "l7"),
        lambda: geometry.dual_length(np.zeros(2), "l7"),
    ):
        with pytest.raises(SmoothcertError, match="norm 'l7': expected one of l1, l2, linf"):
            call()
