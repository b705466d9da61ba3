"""Draws of the centripetal and mixed noises follow the densities they name."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import beta, ks_2samp, kstest

from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.largest_entry import log_density as log_density_of_log_top

L1, L2, LINF, MIXED = "centripetal-l1", "centripetal-l2", "centripetal-linf", "mixed-linf"
SHAPES = [(2, 0), (2, 1), (10, 0), (10, 4), (10, 9), (3072, 0), (3072, 100), (3072, 2900)]


def noise(name: str, k: int):
    return NOISES.parse(f"{name}-1.00" if k == 0 else f"{name}_k{k}-1.00")


def draw(name: str, d: int, k: int, seed: int = 3, n: int | None = None) -> np.ndarray:
    n = n or (20_000 if d < 100 else 1_500)
    generator = torch.Generator().manual_seed(seed)
    return noise(name, k).sample((n, d), generator).double().numpy()


def norm_of(name: str, z: np.ndarray) -> np.ndarray:
    """The norm whose law is a gamma variable: for the mixed noise it is l2."""
    return np.linalg.norm(z, {L1: 1, L2: 2, LINF: np.inf, MIXED: 2}[name], axis=1)


@pytest.mark.parametrize("name", [L1, L2, LINF, MIXED])
@pytest.mark.parametrize(("d", "k"), SHAPES)
def test_norms_follow_their_law(name, d, k):
    rho = norm_of(name, draw(name, d, k))
    assert kstest(rho, lambda u: noise(name, k).norm_cdf(u, d)).pvalue > 1e-4


@pytest.mark.parametrize(("d", "k"), SHAPES)
def test_directions_of_l1_l2_and_linf_noise_follow_their_law(d, k):
    z = draw(L1, d, k)
    share = np.abs(z[:, 0]) / norm_of(L1, z)
    assert kstest(share, beta(1, d - 1).cdf).pvalue > 1e-4
    assert abs((z > 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(z.size)
    z = draw(L2, d, k)
    cosine = z[:, -1] / norm_of(L2, z)
    half = (d - 1) / 2
    assert kstest((1 + cosine) / 2, beta(half, half).cdf).pvalue > 1e-4
    z = draw(LINF, d, k) if d < 100 else draw(LINF, d, k, n=400)
    u = z / norm_of(LINF, z)[:, None]
    atom = np.abs(u) > 1 - 1e-6
    assert (atom.sum(1) == 1).mean() > 0.99
    assert abs(u[atom].mean()) < 5 / np.sqrt(len(u))
    assert abs(atom[:, : d // 2].sum() / atom.sum() - (d // 2) / d) < 5 * 0.5 / np.sqrt(len(u))
    assert kstest(u[~atom][:20_000], "uniform", args=(-1, 2)).pvalue > 1e-4


@pytest.mark.parametrize("name", [L1, L2, LINF])
def test_norm_and_direction_are_independent(name):
    z = draw(name, 10, 4)
    rho = norm_of(name, z)
    largest = np.abs(z[:, :5]).max(1) / rho
    assert abs(np.corrcoef(rho, largest)[0, 1]) < 5 / np.sqrt(len(z))


@pytest.mark.parametrize(("d", "k"), SHAPES)
def test_largest_entry_of_mixed_noise_follows_its_density(d, k):
    top = np.abs(draw(MIXED, d, k)).max(1)
    x = np.linspace(np.log(top.min()) - 3, np.log(top.max()) + 3, 20_001)
    f = np.exp(log_density_of_log_top(x, k, d) - log_density_of_log_top(x, k, d).max())
    cdf = np.concatenate([[0], np.cumsum((f[1:] + f[:-1]) / 2)])
    assert kstest(np.log(top), lambda v: np.interp(v, x, cdf / cdf[-1])).pvalue > 1e-4


@pytest.mark.parametrize(("d", "k"), [(2, 1), (10, 4), (10, 9)])
def test_mixed_noise_agrees_with_its_own_polar_form(d, k):
    # In l2-polar form the radius is a chi variable and the direction is uniform, reweighted
    # by ||u||_inf^-k: draw that by rejection against the smallest ||u||_inf, 1 / sqrt(d).
    rng = np.random.default_rng(0)
    u = rng.standard_normal((400_000 if k < 9 else 2_000_000, d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    accept = rng.random(len(u)) < (np.abs(u).max(1) * np.sqrt(d)) ** -float(k)
    u = u[accept]
    assert len(u) > 1_000
    z = u * np.sqrt(2 * rng.gamma((d - k) / 2, size=len(u)))[:, None]
    ours = draw(MIXED, d, k)
    for statistic in (lambda v: v.max(1), lambda v: v[:, 0], lambda v: v.sum(1)):
        assert ks_2samp(statistic(ours), statistic(z)).pvalue > 1e-4
    if d == 10:  # a radius times an independent uniform direction is told apart
        naive = rng.standard_normal((20_000, d))
        flat = [np.abs(v).max(1) / norm_of(MIXED, v) for v in (ours, naive)]
        assert ks_2samp(*flat).pvalue < 1e-6


@pytest.mark.parametrize("name", [L1, L2, LINF, MIXED])
@pytest.mark.parametrize(("d", "k"), [(2, 1), (10, 4), (3072, 2900)])
def test_energy_is_the_second_moment_of_the_draws_and_of_the_law(name, d, k):
    part = noise(name, k)
    energy = np.square(draw(name, d, k)).sum(1)
    error = energy.std() / np.sqrt(len(energy))
    assert abs(energy.mean() - part.energy(d)) < 5 * error
    if name in (L2, MIXED):  # E rho^2 = integral of 2 u (1 - F(u))
        top = 10 * np.sqrt(d - k) + 10
        moment = quad(lambda u: 2 * u * (1 - part.norm_cdf(u, d)), 0, top, limit=500)[0]
        assert moment == pytest.approx(part.energy(d), rel=1e-6)


@pytest.mark.parametrize("name", [L1, L2, LINF, MIXED])
def test_log_density_integrates_to_the_law_of_the_norm(name):
    # In the plane: mass of the density within the ball of radius u, for k = 1.
    part = noise(name, 1)
    phi = (np.arange(720) + 0.5) * (2 * np.pi / 720)
    s = (np.arange(4000) + 0.5) * (20 / 4000)
    z = np.stack(np.broadcast_arrays(s[:, None] * np.cos(phi), s[:, None] * np.sin(phi)), -1)
    z = z.reshape(-1, 2)
    f = part.log_density(torch.from_numpy(z)).exp().numpy() * np.repeat(s, len(phi))
    for u in (0.3, 1.0, 2.5):
        mass = f[norm_of(name, z) <= u].sum() / f.sum()
        assert mass == pytest.approx(float(part.norm_cdf(u, 2)), abs=4e-3)


@pytest.mark.parametrize("name", [L1, L2, LINF, MIXED])
def test_the_generator_alone_decides_the_draws(name):
    part = noise(name, 20)
    first = part.sample((7, 3, 4, 4), torch.Generator().manual_seed(5))
    torch.manual_seed(11)
    again = part.sample((7, 3, 4, 4), torch.Generator().manual_seed(5))
    other = part.sample((7, 3, 4, 4), torch.Generator().manual_seed(6))
    assert first.shape == (7, 3, 4, 4)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.isfinite(first).all()


@pytest.mark.parametrize("name", [L1, L2, LINF, MIXED])
def test_k_not_below_the_dimension_is_one_clear_line(name):
    part = noise(name, 5)
    for call in (
        lambda: part.sample((1, 5), torch.Generator()),
        lambda: part.standard_radius(0.9, 5),
        lambda: part.build_table(4),
    ):
        with pytest.raises(SmoothcertError, match=f"{name}_k5-1.00: k = 5 needs d > k, got d = "):
            call()
