"""Uniform and Laplace noise: the law that is drawn, and certificates that hold and are tight."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from smoothcert.compute.streams import generator
from smoothcert.noise import NOISES, Laplace, Uniform

LAWS = {"uniform-0.50": stats.uniform(-1, 2).cdf, "laplace-0.50": stats.laplace.cdf}


@pytest.mark.parametrize(("slug", "cdf"), LAWS.items())
def test_the_noise_has_its_law_and_independent_coordinates(slug, cdf):
    noise = NOISES.parse(slug)
    assert noise.slug == slug
    assert noise.norm == "l1"
    z = noise.sample((20_000, 1, 2, 2), generator(1, "test"))
    assert z.dtype == torch.float32
    assert torch.equal(z, noise.sample((20_000, 1, 2, 2), generator(1, "test")))
    flat = z.flatten(1).numpy().astype(np.float64)
    for column in flat.T:
        assert stats.kstest(column, cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(flat.T) - np.eye(4)).max() < 0.03
    assert np.abs(np.corrcoef(np.abs(flat).T) - np.eye(4)).max() < 0.03


@pytest.mark.parametrize("slug", LAWS)
def test_radius_and_probability_are_inverse_and_an_abstention_has_radius_zero(slug):
    noise = NOISES.parse(slug)
    p = np.array([0.5, 0.6, 0.9, 0.999, 0.99993])
    radius = noise.radius(p, 0.5, 784)
    assert np.allclose(noise.standard_p(radius / 0.5, 784), p, atol=1e-12)
    assert (np.diff(radius) > 0).all()
    assert (noise.radius([0.0, 0.3, 0.5], 0.5, 784) == 0).all()


def test_the_radii_of_hand_computed_probabilities():
    assert Uniform(0.5).radius(0.75, 0.5, 3) == pytest.approx(0.25)  # lam (2 p - 1)
    assert Uniform(1.0).radius(0.99993, 1.0, 3) == pytest.approx(0.99986)
    assert Laplace(0.5).radius(0.75, 0.5, 3) == pytest.approx(0.5 * np.log(2))


def shifted_probability(noise, name, p, r):
    """P(A) at distance r along an axis, for the set A of probability p that loses the most.

    By Neyman and Pearson it is where the shifted density is the smaller part of the old one:
    a half-line of the first coordinate, pointing away from the shift.
    """
    if name == "uniform-0.50":
        law = stats.uniform(-noise.scale, 2 * noise.scale)
    else:
        law = stats.laplace(scale=noise.scale)
    return law.cdf(law.ppf(p) - r)


@pytest.mark.parametrize("slug", LAWS)
@pytest.mark.parametrize("p", [0.55, 0.7, 0.9, 0.999])
def test_no_certificate_exceeds_what_a_half_space_along_an_axis_allows_and_none_is_loose(slug, p):
    noise = NOISES.parse(slug)
    radius = float(noise.radius(p, noise.scale, 10))
    assert shifted_probability(noise, slug, p, radius * (1 - 1e-9)) >= 0.5
    assert shifted_probability(noise, slug, p, radius * 1.01) < 0.5


@pytest.mark.parametrize("slug", LAWS)
def test_the_certificate_holds_for_a_majority_vote_in_every_direction(slug):
    """Monte Carlo: a threshold on the sum of the coordinates, shifts of the certified length."""
    noise = NOISES.parse(slug)
    z = noise.scale * noise.sample((200_000, 3), generator(2, "test")).numpy()
    score = z.sum(1)
    threshold = np.quantile(score, 0.8)
    radius = float(noise.radius(0.8, noise.scale, 3))
    for direction in ([1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [-0.2, 0.9, -0.1]):
        moved = score + radius * sum(direction)
        assert (moved < threshold).mean() > 0.5 - 0.005
