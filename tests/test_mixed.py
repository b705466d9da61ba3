"""The radius table of mixed-norm noise holds with its stated probability."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from smoothcert.noise import NOISES
from smoothcert.noise.mixed_table import extremes, log_ratio, mixed_table

SMALL = {"samples": 20_000, "pilot": 2_000, "intervals": 64}


def noise(k: int):
    return NOISES.parse("mixed-linf-1.00" if k == 0 else f"mixed-linf_k{k}-1.00")


def test_at_k_zero_the_radius_is_the_gaussian_one_and_no_table_is_used():
    part = noise(0)
    p = np.array([0.4, 0.6, 0.99, 0.9999])
    assert np.allclose(part.standard_radius(p, 784), np.maximum(ndtri(p), 0) / 28)
    assert np.allclose(part.standard_p(part.standard_radius(p[1:], 784), 784), p[1:])
    assert part.table_failure_probability == 0
    assert noise(3).table_failure_probability == 1e-6


@pytest.mark.parametrize("d", [2, 64, 784])
def test_monte_carlo_at_k_zero_never_exceeds_the_closed_form_and_comes_close(d):
    table = mixed_table("mixed-linf", 0, d, **SMALL)
    p = np.linspace(0.51, 0.9999, 400)
    exact = ndtri(p) / np.sqrt(d)
    assert (table.radius_at(p) <= exact).all()
    assert (table.radius_at(p[150:]) > 0.85 * exact[150:]).all()
    assert (1 - table.failure >= ndtr(table.radius * np.sqrt(d)) - 1e-12).all()


def test_in_one_dimension_all_noises_of_k_zero_agree_with_quadrature_of_the_density():
    # d = 2, k = 1 and the vertex shift: both densities on a grid, Neyman-Pearson by sorting.
    k, r = 1, 0.5
    x = (np.arange(1600) + 0.5) * (16 / 1600) - 8
    a, b = np.meshgrid(x, x, indexing="ij")

    def density(first, second):
        top = np.maximum(np.abs(first), np.abs(second))
        return top**-k * np.exp(-(first**2 + second**2) / 2)

    before, after = density(a, b).ravel(), density(a - r, b - r).ravel()
    before, after = before / before.sum(), after / after.sum()
    order = np.argsort(after / before)
    spent, cost = np.cumsum(before[order]), np.cumsum(after[order])
    p_star = float(np.interp(0.5, cost, spent))
    p = float(noise(k).build_table(2, **SMALL).p_at(r))
    assert p_star - 1e-3 < p < p_star + 0.03


def test_the_reported_failure_probability_is_not_exceeded():
    # At a failure probability of 1/2 for 64 radii, tables from many seeds: Gaussian noise,
    # for which p* is known. Far fewer than half of the tables may have a wrong entry.
    wrong = 0
    for seed in range(40):
        table = mixed_table(
            "mixed-linf", 0, 5, intervals=16, samples=2_000, pilot=500, delta=0.5, seed=seed
        )
        wrong += bool((1 - table.failure < ndtr(table.radius * np.sqrt(5)) - 1e-12).any())
    assert wrong <= 20


def test_the_worst_linf_shift_is_the_vertex():
    # Overlap of the noise with its shifted self, on the same draws, for several shifts.
    rng = np.random.default_rng(0)
    d, k, r = 5, 3, 0.3
    u = rng.standard_normal((400_000, d))
    weight = np.abs(u).max(1) ** -float(k)
    weight /= weight.sum()

    def overlap(delta):
        before, after = np.abs(u).max(1), np.abs(u - delta).max(1)
        energy = (u**2).sum(1) - ((u - delta) ** 2).sum(1)
        return float(weight @ np.minimum(1, (before / after) ** k * np.exp(energy / 2)))

    vertex = overlap(np.full(d, r))
    for count in range(1, d):
        delta = np.zeros(d)
        delta[:count] = r
        assert overlap(delta) > vertex
    assert overlap(np.full(d, 0.9 * r)) > vertex


def test_the_ratio_from_extremes_is_that_of_the_full_density():
    d, k, r = 7, 3, 0.4
    z = np.random.default_rng(2).standard_normal((50, d))

    def log_density(v):
        return -k * np.log(np.abs(v).max(1)) - 0.5 * (v**2).sum(1)

    direct = log_density(z) - log_density(z + r)  # pi_delta / pi_0 at z + delta
    draws = (z.max(1), z.min(1), z.sum(1))
    assert np.allclose(log_ratio(k, d, r, draws), direct)


@pytest.mark.parametrize(("d", "k"), [(1, 0), (2, 1), (10, 9), (784, 300)])
def test_numpy_and_torch_samplers_draw_the_same_law(d, k):
    import torch
    from scipy.stats import ks_2samp

    z = noise(k).sample((3_000, d), torch.Generator().manual_seed(0)).numpy()
    highest, lowest, total = extremes(k, d, 3_000, np.random.default_rng(1))
    assert ks_2samp(z.max(1), highest).pvalue > 1e-4
    assert ks_2samp(z.min(1), lowest).pvalue > 1e-4
    assert ks_2samp(z.sum(1), total).pvalue > 1e-4
