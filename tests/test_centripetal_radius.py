"""p*(r) by quadrature: closed forms, published values, duality, and no violated certificate."""

import numpy as np
import pytest
from scipy.special import gammainc, ndtr, ndtri
from zhang_estimator import dual_bound, log_ratio_sampler

from smoothcert.noise import NOISES
from smoothcert.noise.quadrature_table import quadrature_table
from smoothcert.noise.radial_quadrature import GammaCells, Law, failure_bound, largest_radius

L1, L2, LINF, MIXED = "centripetal-l1", "centripetal-l2", "centripetal-linf", "mixed-linf"
P = np.concatenate([np.linspace(0.55, 0.9999, 1001), 1 - np.geomspace(1e-4, 0.45, 200)])


def noise(name: str, k: int):
    return NOISES.parse(f"{name}-1.00" if k == 0 else f"{name}_k{k}-1.00")


@pytest.mark.parametrize("d", [10, 3072])
@pytest.mark.parametrize("name", [L1, L2])
def test_at_k_zero_the_quadrature_is_within_1e_6_of_the_closed_form(name, d):
    law = Law(0, d, square=name == L2, euclidean=name == L2)
    between = "normal" if name == L2 else "exponential"
    table = quadrature_table(name, law, between, intervals=16)
    exact = ndtri(P) if name == L2 else -np.log(2 * (1 - P))
    excess = table.radius_at(P) - exact
    assert excess.max() <= 0
    assert excess.min() > -1e-6
    # and the member itself, which uses the closed form
    assert np.abs(noise(name, 0).standard_radius(P, d) - exact).max() < 1e-12


@pytest.mark.parametrize(
    ("name", "d", "k", "scale", "radius", "expected", "tolerance"),
    [
        (L2, 100, 50, 0.353553, 0.25, 0.842878, 1e-6),
        (L2, 100, 50, 0.353553, 0.50, 0.977516, 1e-6),
        (L2, 100, 90, 0.790569, 0.25, 0.857812, 2e-6),
        (L2, 100, 90, 0.790569, 0.50, 0.982789, 2e-6),
        (L2, 3072, 1000, 0.25, 0.25, 0.888336, 1e-6),
        (L2, 3072, 1000, 0.25, 0.50, 0.992558, 1e-6),
        (L2, 20, 10, 0.3, 0.2, 0.83536, 1e-3),
        (L1, 3072, 1000, 0.176777 * 3072 / 2072, 0.25, 0.8786, 2e-4),
        (L1, 3072, 2900, 0.176777 * 3072 / 172, 0.25, 0.8802, 2e-4),
    ],
)
def test_p_star_agrees_with_values_computed_by_other_programs(
    name, d, k, scale, radius, expected, tolerance
):
    low, width = failure_bound(noise(name, k).law(d), radius / scale)
    assert 1 - low == pytest.approx(expected, abs=tolerance)
    assert 0 <= width < 1e-6


@pytest.mark.parametrize("name", [L1, L2, LINF])
@pytest.mark.parametrize(("d", "k"), [(3, 1), (10, 4), (100, 90), (3072, 1500)])
def test_quadrature_agrees_with_sampling_the_likelihood_ratio(name, d, k):
    part = noise(name, k)
    ratio = log_ratio_sampler(part, d, 100_000, np.random.default_rng(7))
    law = part.law(d)
    for radius in np.array([0.06, 0.25]) * largest_radius(law, 1e-8):
        low, width = failure_bound(law, float(radius))
        p = 1 - low
        # at p = p*(r) the bound is 1/2, and its slope in p is lambda
        value, slope = dual_bound(ratio(float(radius)), p)
        w = np.exp(ratio(float(radius)))
        error = np.maximum(slope - w, 0).std() / np.sqrt(len(w))
        assert abs(value - 0.5) < 5 * error + width * slope + 1e-4


@pytest.mark.parametrize("name", [L1, L2, LINF])
@pytest.mark.parametrize(("d", "k"), [(2, 1), (10, 4), (64, 60), (784, 300)])
def test_a_table_never_promises_more_than_direct_quadrature(name, d, k):
    table = noise(name, k).build_table(d, intervals=16)
    law = noise(name, k).law(d)
    radii = np.random.default_rng(1).uniform(0.01, 0.99, 6) * table.radius[-1]
    needed = table.p_at(radii)
    for radius, p in zip(radii, needed, strict=True):
        low, width = failure_bound(law, float(radius))
        assert 1 - p <= low + width  # the true 1 - p* lies between
    assert (table.radius_at(needed) >= radii * (1 - 1e-9)).all()
    assert (np.diff(table.radius_at(np.linspace(0.5, 1, 2001))) >= 0).all()


@pytest.mark.parametrize("name", [L1, L2, LINF])
@pytest.mark.parametrize(("d", "k"), [(2, 1), (64, 63), (64, 62), (64, 61)])
def test_no_table_promises_more_than_the_truth_near_radius_0(name, d, k):
    # At k = d - 1 p*(r) - 1/2 is like r ln(1/r): above any chord that starts at 0.
    table, law = noise(name, k).build_table(d, intervals=16), noise(name, k).law(d)
    h = table.radius[max(table.steps, 1)]
    for r in h * np.array([0.001, 0.02, 0.1, 0.25, 0.5, 0.8, 0.95, 1.3, 1.7, 2.4]):
        low, width = failure_bound(law, float(r))
        assert 1 - table.p_at(r) <= low + width
    # Nor is it vacuous there: 10% above a radius, its p certifies that radius.
    p = 1 - failure_bound(law, 0.33 * h)[0]
    assert 0.29 * h < table.radius_at(p) <= 0.33 * h


def test_the_radius_at_k_one_below_d_keeps_its_class_under_the_worst_shift():
    # The witness by sampling: the region that votes least for the class after the shift.
    d, k = 64, 63
    part, rng, n = noise(L1, k), np.random.default_rng(0), 2_000_000
    h = part.build_table(d, intervals=16).radius
    r = 0.25 * h[h >= 1e-3][0]
    p = float(part.standard_p(r, d))

    def draw():  # (||z||_1, z_1) decides; the shift is (r, 0, ..., 0)
        rho = rng.exponential(size=n)
        return rho, rng.choice([-1.0, 1.0], n) * rho * rng.beta(1, d - 1, n)

    def log_ratio(rho, first):
        step = np.abs(first - r) - np.abs(first)
        return -k * np.log1p(step / rho) - step

    level = np.quantile(log_ratio(*draw()), p)
    rho, first = draw()
    moved = rho + np.abs(first + r) - np.abs(first), first + r
    assert (log_ratio(*moved) <= level).mean() > 0.5 - 4 * 0.5 / np.sqrt(n)


def test_cells_hold_the_mass_and_the_mean_of_the_gamma_law():
    for shape in (0.5, 5.0, 36.0, 1536.0, 75264.0):
        cells = GammaCells.cut(shape, 300)
        assert cells.mass.sum() == pytest.approx(1, abs=1e-12)
        assert (cells.mass * cells.mean).sum() == pytest.approx(shape, rel=1e-9)
        assert ((cells.mean >= cells.edges[:-1]) & (cells.mean <= cells.edges[1:])).all()


def test_the_incomplete_beta_function_is_as_precise_as_the_error_bound_says():
    mpmath = pytest.importorskip("mpmath")
    from scipy.special import betainc

    mpmath.mp.dps = 30
    for d in (10, 784, 3072):
        a = mpmath.mpf(d - 1) / 2
        whole = mpmath.beta(a, a)
        for c in (-2.5, -0.3, 0.01, 1.7):
            x = 0.5 + 0.5 * c / np.sqrt(d)
            density = lambda t: (t * (1 - t)) ** (a - 1)  # noqa: B023, E731
            below = mpmath.quad(density, mpmath.linspace(x, 0.5, 9)) / whole
            assert float(mpmath.mpf("0.5") - below) == pytest.approx(
                betainc((d - 1) / 2, (d - 1) / 2, x), abs=1e-12
            )


# --- soundness: classifiers whose smoothed probability is known at every shift ---------------


def directions(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [m, d] and quadrature weights [m] on the circle or the sphere."""
    if d == 2:
        phi = (np.arange(2000) + 0.5) * (2 * np.pi / 2000)
        return np.stack([np.cos(phi), np.sin(phi)], 1), np.full(2000, 1 / 2000)
    cosine, weight = np.polynomial.legendre.leggauss(60)
    phi = (np.arange(120) + 0.5) * (2 * np.pi / 120)
    sine = np.sqrt(1 - cosine**2)
    v = np.stack(
        np.broadcast_arrays(
            sine[:, None] * np.cos(phi), sine[:, None] * np.sin(phi), cosine[:, None]
        ),
        -1,
    )
    return v.reshape(-1, 3), np.repeat(weight / weight.sum() / 120, 120)


class Rays:
    """The standard noise cut into rays: exact along a ray, a sum over directions."""

    def __init__(self, name: str, k: int, d: int) -> None:
        self.v, weight = directions(d)
        size = np.linalg.norm(self.v, {L1: 1, L2: 2}.get(name, np.inf), axis=1)
        if name == MIXED:  # s^(d-1-k) ||v||_inf^-k exp(-s^2/2) along the ray
            weight = weight * size**-k
            self.gamma = lambda s: gammainc((d - k) / 2, s**2 / 2)
        elif name == L1:
            weight = weight * size**-d
            self.gamma = lambda s: gammainc(d - k, s * size)
        else:
            weight = weight * size**-d
            self.gamma = lambda s: gammainc((d - k) / 2, (s * size) ** 2 / 2)
        self.weight = weight / weight.sum()

    def halfspace(self, normal: np.ndarray, offset: float) -> float:
        """P(normal . z <= offset)."""
        slope = self.v @ normal
        reach = np.abs(offset) / np.maximum(np.abs(slope), 1e-300)
        inside = self.gamma(np.minimum(reach, 1e6))
        if offset >= 0:
            part = np.where(slope > 0, inside, 1.0)
        else:
            part = np.where(slope < 0, 1.0 - inside, 0.0)
        return float(self.weight @ part)

    def ball(self, centre: np.ndarray, radius: float) -> float:
        """P(||z - centre||_2 <= radius)."""
        along = self.v @ centre
        root = along**2 - centre @ centre + radius**2
        half = np.sqrt(np.maximum(root, 0))
        near, far = np.maximum(along - half, 0), np.maximum(along + half, 0)
        part = np.where(root > 0, self.gamma(far) - self.gamma(near), 0.0)
        return float(self.weight @ part)


def shifts(norm: str, d: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Points of the ball's surface: its vertices and random ones."""
    u = rng.standard_normal((16, d))
    if norm == "linf":
        u = np.clip(u * 2, -1, 1)
        u[:8] = np.sign(u[:8])
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    u = np.concatenate([u, np.eye(d), -np.eye(d)])
    return radius * u / np.linalg.norm(u, order, axis=1)[:, None]


@pytest.mark.parametrize("name", [L1, L2, LINF, MIXED])
@pytest.mark.parametrize(("d", "k"), [(2, 1), (3, 1), (3, 2)])
def test_no_certificate_is_violated_by_halfspaces_and_balls(name, d, k):
    rng = np.random.default_rng(10 * d + k)
    part = noise(name, k)
    settings = {"samples": 40_000, "intervals": 64} if name == MIXED else {"intervals": 16}
    part = part.with_table(part.build_table(d, **settings))
    rays = Rays(name, k, d)
    certified, closest = 0, 1.0
    for _ in range(8):
        normal = rng.standard_normal(d)
        offset = float(rng.uniform(0.1, 1.5) * np.linalg.norm(normal))
        centre, size = rng.standard_normal(d) * 0.4, float(rng.uniform(0.8, 2.5))
        outside = rng.standard_normal(d)
        classifiers = [
            lambda z, n=normal, o=offset: rays.halfspace(n, o - n @ z),
            lambda z, c=centre, s=size: rays.ball(c - z, s),
            lambda z, c=outside, s=size / 4: 1 - rays.ball(c - z, s),
        ]
        for probability in classifiers:
            p = probability(np.zeros(d))
            radius = float(part.standard_radius(p - 1e-5, d))
            if radius == 0:
                continue
            certified += 1
            worst = min(probability(z) for z in shifts(part.norm, d, radius, rng))
            closest = min(closest, worst)
            assert worst > 0.5 - 1e-5
    assert certified > 8
    assert closest < 0.65  # the certificates are not vacuous


def test_strong_duality_on_a_discretized_toy():
    # Problem 5 of Zhang et al. on a grid of the plane is a knapsack: spend p on the cells
    # that are cheapest under pi_delta. Its value is the dual's, and 1/2 at p = p*(r).
    k, r = 1, 0.6
    x = (np.arange(1200) + 0.5) * (16 / 1200) - 8
    a, b = np.meshgrid(x, x, indexing="ij")

    def density(first, second):
        y = first**2 + second**2
        return y ** (-k / 2) * np.exp(-y / 2)

    before, after = density(a, b).ravel(), density(a - r, b).ravel()
    before, after = before / before.sum(), after / after.sum()
    order = np.argsort(after / before)
    spent, cost = np.cumsum(before[order]), np.cumsum(after[order])
    p = 1 - failure_bound(Law(k, 2, square=True, euclidean=True), r)[0]
    primal = float(np.interp(p, spent, cost))
    ratio = (after / before)[order]
    dual = max(
        lam * p - np.maximum(lam * before - after, 0).sum()
        for lam in ratio[np.searchsorted(spent, p) + np.arange(-5, 6) * 200]
    )
    assert primal == pytest.approx(dual, abs=1e-6)
    assert primal == pytest.approx(0.5, abs=5e-3)  # a density with a pole, on a grid


def test_gaussian_linf_radius_is_the_l2_radius_over_the_root_of_d():
    part = NOISES.parse("gaussian-linf-0.50")
    p = np.array([0.3, 0.5, 0.9, 0.999])
    expected = np.maximum(0.5 * ndtri(p), 0) / np.sqrt(784)
    assert np.allclose(part.radius(p, 0.5, 784), expected, atol=0)
    assert np.allclose(part.standard_p(part.standard_radius(p[2:], 784), 784), p[2:])
    assert np.allclose(ndtr(np.sqrt(784) * 2 / 255), part.standard_p(2 / 255, 784))
