"""What a certificate at one noise scale implies at a query that is smoothed at another."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from smoothcert.audits.mismatch import allowed, fallback_radius, implied, other_mass, variation


@pytest.mark.parametrize("log_ratio", [-0.4, -0.1, 0.05, 0.3])
@pytest.mark.parametrize("a", [0.0, 0.7, 1.5])
def test_the_worst_case_is_that_of_the_likelihood_ratio(log_ratio, a):
    """Against Neyman and Pearson by simulation: the likelihood ratio itself, ranked."""
    d, p, n = 8, 0.95, 100_000
    rng = np.random.default_rng(0)
    s2 = np.exp(log_ratio)

    def ratio(z):  # log of the density at x2 (a e_1, scale s2) over that at x1 (0, scale 1)
        square = (z**2).sum(1)
        moved = square - 2 * a * z[:, 0] + a**2
        return -moved / (2 * s2**2) + square / 2

    x1 = rng.standard_normal((n, d))
    x2 = s2 * rng.standard_normal((n, d))
    x2[:, 0] += a
    threshold = np.quantile(ratio(x1), p)  # the 1 - p of x1 most likely to be x2's
    expected = (ratio(x2) >= threshold).mean()
    found = float(other_mass(p, a, log_ratio, d))
    assert found == pytest.approx(expected, abs=5 * np.sqrt(expected / n) + 0.002)


def test_equal_scales_give_cohens_radius():
    p = 0.99
    for d in (64, 784, 3072):
        mass = float(other_mass(p, 1.0, 0.0, d))
        assert mass == pytest.approx(ndtr(1.0 - ndtri(p)), abs=1e-9)
        steps = [float(other_mass(p, 1.0, sign * t, d)) for sign in (-1, 1)
                 for t in (0.0, 3e-4, 9.999e-4, 1.0001e-3, 2e-3)]  # fmt: skip
        assert np.abs(np.diff([steps[:5], steps[5:]], axis=1)).max() < 0.006  # no jump
        assert fallback_radius(p, 0.25, d, 0.0) == pytest.approx(0.25 * ndtri(p))


def test_the_tolerance_shrinks_as_one_over_the_root_of_the_dimension():
    for d, percent in ((64, 0.21), (3072, 0.030)):
        low, high = allowed(0.99, 1e-3, d)
        assert high == pytest.approx(percent, rel=0.15)
        assert -low == pytest.approx(percent, rel=0.15)
        nearer = allowed(0.99, 2.0, d)
        assert low < nearer[0] < 0 < nearer[1] < high
    assert allowed(0.99, 2.4, 64) == (0.0, 0.0)


def test_the_fallback_radius_is_where_the_condition_ends():
    for kappa in (0.2, 1.0):
        r = fallback_radius(0.999, 0.25, 64, kappa)
        assert 0 < r < 0.25 * ndtri(0.999)
        for sign in (-1, 1):
            assert implied(0.999, 0.99 * r / 0.25, sign * kappa * 0.99 * r, 64)
        ends = np.array([-1, 1]) * kappa * 1.01 * r
        assert not implied(0.999, 1.01 * r / 0.25, ends, 64).all()
    assert fallback_radius(0.5, 0.25, 64, 1.0) == 0.0


def test_variation_is_the_largest_seen_inside_each_ball():
    ball = np.array([0, 0, 1, 1, 0])
    distance = np.array([0.5, 0.25, 0.5, 0.9, 1e-4])
    sigma = np.array([0.25, 0.27, 0.25, 9.0, 9.0])  # ball 1: its second lies outside
    seen = variation(
        ball, distance, sigma, np.array([0.25, 0.25]), np.array([0.6, 0.6]), np.array([0.99, 0.99]),
        64,
    )  # fmt: skip
    assert seen.largest == pytest.approx([np.log(1.08), 0])
    assert seen.kappa == pytest.approx([np.log(1.08) / 0.25, 0])
    assert seen.unimplied.tolist() == [False, False]
    assert seen.fallback[0] < seen.fallback[1] == pytest.approx(0.25 * ndtri(0.99))
