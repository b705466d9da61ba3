"""Noise on a grid: the law that is drawn, and certificates checked on all of small grids."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import ndtr, ndtri

from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, GaussianGrid, Splitting, gaussian_grid
from smoothcert.noise.gaussian_grid import law_error, thresholds, whole_gaussian
from smoothcert.noise.splitting import template

# --- Gaussian noise ---------------------------------------------------------------------------


def test_whole_gaussian_numbers_are_those_of_the_thresholds_whatever_decides_them(monkeypatch):
    """Against the definition: |k| is how many thresholds lie above the 62 bits."""
    scale, q, n = 0.3, 255, 20_000
    k = whole_gaussian((n,), scale, q, generator(0, "t"))
    bits = torch.empty(n, dtype=torch.int64).random_(generator=generator(0, "t")).numpy()
    size = (thresholds(scale, q)[None] > (bits & ((1 << 62) - 1))[:, None]).sum(1)
    sign = np.where(bits >> 62 == 1, -1, 1)
    assert (k.numpy() == sign * size).all()
    # The first bits alone decide nearly always, and wrongly never.
    assert 0 < torch.isnan(gaussian_grid._guide(scale, q, torch.device("cpu"))[0]).sum() < 2000


def test_gaussian_noise_on_a_grid_has_the_rounded_gaussian_law():
    scale, q, n = 0.05, 64, 400_000
    k = whole_gaussian((n,), scale, q, generator(0, "t"))
    edges = np.arange(-8, 9)
    expected = ndtr((edges + 0.5) / (q * scale)) - ndtr((edges - 0.5) / (q * scale))
    found = np.array([(k == j).double().mean() for j in edges])
    error = np.sqrt(expected * (1 - expected) / n)
    assert (abs(found - expected) < 4.5 * error + 1e-9).all()


def test_the_law_is_the_exact_one_within_its_stated_error():
    scale, q = 0.02, 16
    t = thresholds(scale, q).astype(object)
    from mpmath import erfc, mp, mpf, sqrt

    mp.dps = 40
    exact = [erfc((mpf(j) + mpf("0.5")) / (mpf(scale) * q) / sqrt(2)) for j in range(len(t))]
    worst = max(abs(mpf(int(a)) / 2**62 - b) for a, b in zip(t, exact, strict=True))
    assert len(t) * worst <= law_error(scale, q, 1)
    assert law_error(0.5, 255, 3072) < 1e-8


def rounded_law(scale: float, q: int, reach: int) -> np.ndarray:
    """P(k = -reach, ..., reach)."""
    k = np.arange(-reach, reach + 1)
    return ndtr((k + 0.5) / (scale * q)) - ndtr((k - 0.5) / (scale * q))


@pytest.mark.parametrize(("q", "steps"), [(4, (1, 0)), (4, (2, 1)), (8, (3, 3))])
def test_the_worst_classifier_on_a_grid_keeps_half_inside_the_radius(q, steps):
    """Every classifier of Neyman and Pearson on the plane's grid, exactly."""
    scale, reach = 0.25, 30
    one = rounded_law(scale, q, reach)
    here = np.outer(one, one)
    moved = np.outer(*(np.roll(one, s) for s in steps))
    order = np.argsort((moved / np.maximum(here, 1e-300)).ravel(), kind="stable")
    p, kept = here.ravel()[order].cumsum(), moved.ravel()[order].cumsum()
    distance = np.hypot(*steps) / q
    some = (p > 0.5) & (p < 1 - 1e-9)
    noise = GaussianGrid(scale, q)
    certified = noise.radius(p[some], scale, 2) > distance
    assert (kept[some][certified] > 0.5).all()
    assert (kept[some] >= ndtr(ndtri(p[some]) - distance / scale) - 1e-9).all()
    # Half as much again is more than the worst classifier keeps: the check can fail.
    assert (kept[some][1.5 * noise.radius(p[some], scale, 2) > distance] < 0.5).any()


def test_the_network_sees_a_function_of_the_whole_sum_only():
    """With 255 steps a / 255 + k / 255 is not exact in float32; a low-bit reader would see a."""
    noise, q, n = GaussianGrid(0.25), 255, 4000
    allowed = set((torch.arange(-3 * q, 4 * q + 1).float() / q).tolist())
    for level in (0, 7, 128, 255):
        x = torch.full((1, 2, 2), level / q)
        z = noise.noisy(x.expand(n, 1, 2, 2), 0.25, generator(level, "t"))
        assert z.dtype == torch.float32
        assert set(z.flatten().tolist()) <= allowed
    float_sums = torch.full((400,), 7 / q) + torch.arange(-200, 200).float() / q
    assert not set(float_sums.tolist()) <= allowed


@pytest.mark.parametrize("slug", ["gaussian-grid-0.25", "splitting-1.00"])
def test_an_input_off_the_grid_ends_in_one_line(slug):
    noise = NOISES.parse(slug)
    x = torch.full((3, 1, 2, 2), 0.5)
    with pytest.raises(SmoothcertError, match=r"multiples of 1/255.*found 0\.5$"):
        noise.noisy(x, noise.scale, generator(0, "t"))
    with pytest.raises(SmoothcertError, match="not a multiple of a standard noise"):
        noise.sample((3, 4), generator(0, "t"))


def test_what_is_attacked_is_brought_to_the_grid_and_no_further_away():
    x = torch.tensor([[0.0, 0.5, 1.0]])
    moved = torch.tensor([[0.3, 0.2, 1.6]])
    assert GaussianGrid(0.5, 4).admitted(x, moved).tolist() == [[0.25, 0.25, 1.5]]
    assert NOISES.parse("uniform_box-2.00").admitted(x, moved).tolist()[0] == pytest.approx(
        [0.3, 0.2, 1.0]
    )
    assert NOISES.parse("gaussian-0.50").admitted(x, moved) is moved


# --- splitting noise --------------------------------------------------------------------------

CASES = [(4, 0.3), (4, 0.5), (4, 0.9), (3, 1.5)]


def every_copy(noise: Splitting, x: torch.Tensor) -> torch.Tensor:
    """All noisy copies [T, *shape] of ``x`` [*shape]."""
    t = noise.outcomes(noise.scale)
    return noise.noisy_by(x.expand(t, *x.shape), noise.scale, torch.arange(t))


@pytest.mark.parametrize(("q", "lam"), CASES)
def test_a_grid_step_of_a_pixel_changes_exactly_one_noisy_copy(q, lam):
    noise = Splitting(lam, q)
    x = torch.tensor([1.0, 0.0, 2.0]) / q
    for i, step in product(range(3), (1, -1)):
        y = x.clone()
        y[i] += step / q
        changed = (every_copy(noise, x) != every_copy(noise, y)).any(1)
        assert int(changed.sum()) == 1


@pytest.mark.parametrize(("q", "lam"), CASES)
def test_the_copies_are_the_middles_of_the_published_parts(q, lam):
    """As the formulas with float split points of Levine and Feizi's two cases say."""
    noise = Splitting(lam, q)
    t = noise.outcomes(lam)
    d = 5
    v = torch.from_numpy(template(d, t))
    x = torch.tensor([0, 1, q - 1, q, q // 2]) / q
    split = ((v + torch.arange(t)[:, None]) % t + 0.5).double() / q
    if lam >= 0.5:
        expected = (split.clamp(max=1) + (x > split)) / 2
    else:
        width = t / q
        above = torch.ceil((x - split) / width) * width + split
        expected = (above.clamp(max=1) + (above - width).clamp(min=0)) / 2
    assert torch.allclose(every_copy(noise, x).double(), expected.double(), atol=1e-6)


def majority(votes: np.ndarray) -> tuple[int, int]:
    """(class, its lead over the best other one)."""
    a, (second, first) = int(votes.argmax()), np.sort(votes)[-2:]
    return a, int(first - second)


def broken_balls(noise: Splitting, d: int, classes: int, seed: int, more: int = 0) -> int:
    """Pairs of grid points, one in the other's ball (``more`` steps larger), classified apart."""
    q, t = noise.q, noise.outcomes(noise.scale)
    points = [torch.tensor(p).float() / q for p in product(range(q + 1), repeat=d)]
    copies = [[tuple(row) for row in every_copy(noise, x).tolist()] for x in points]
    random = np.random.default_rng(seed)
    kinds = sorted({z for some in copies for z in some})
    labels = dict(zip(kinds, random.choice(classes, len(kinds), p=[0.6, 0.2, 0.2]), strict=True))
    answers = [majority(np.bincount([labels[z] for z in c], minlength=classes)) for c in copies]
    broken = 0
    for (x, (a, lead)), (y, (b, _)) in product(zip(points, answers, strict=True), repeat=2):
        radius = noise.radius((1 + lead / t) / 2, noise.scale, d, (1 - lead / t) / 2)
        assert radius == pytest.approx(lead / (2 * q))
        broken += a != b and float((x - y).abs().sum()) * q < radius * q + more - 1e-6
    return broken


@pytest.mark.parametrize(("q", "lam"), CASES)
def test_every_ball_of_every_grid_point_holds_for_random_classifiers(q, lam):
    noise = Splitting(lam, q)
    assert [broken_balls(noise, 2, 3, seed) for seed in range(6)] == [0] * 6


def test_a_radius_one_grid_step_too_large_is_seen_on_the_grid():
    assert sum(broken_balls(Splitting(0.9, 4), 2, 3, seed, more=1) for seed in range(6)) > 0


def test_a_template_that_moves_in_steps_of_two_is_seen_on_the_grid(monkeypatch):
    """A shift must pass each split point once: the planted fault meets half of them twice."""
    own = Splitting.noisy_by
    monkeypatch.setattr(Splitting, "noisy_by", lambda s, x, lam, k: own(s, x, lam, 2 * k))
    assert sum(broken_balls(Splitting(1.0, 4), 2, 3, seed) for seed in range(12)) > 0


def test_random_shifts_are_uniform_over_all_of_them():
    noise = Splitting(0.5, 8)
    x = torch.zeros(1, 1, 2).expand(8000, 1, 2)
    found = noise.noisy(x, 0.5, generator(0, "t"))
    kinds = every_copy(noise, x[0]).flatten(1).tolist()
    counts = [(found.flatten(1) == torch.tensor(k)).all(1).sum().item() for k in kinds]
    assert sum(counts) == 8000
    assert max(abs(np.array(counts) - 1000)) < 150
