"""Uniform noise on inputs of [0, 1]: the radius against a search and the published loop."""

from __future__ import annotations

import numpy as np
import pytest

from smoothcert.audits.extremal import radii_verdict
from smoothcert.noise import NOISES, Uniform
from smoothcert.noise.box import box_radius
from smoothcert.report.verdict import BROKEN


def published_loop(gap: float, lam: float, room: list[float]) -> float:
    """Voracek and Hein's released loop, written anew: ``gap`` is p_A - p_B."""
    room, left, used, overlap = sorted(room, reverse=True), 1 - gap / 2, 0.0, 1.0
    for m in room:
        here = 2 * lam * (1 - left / overlap)
        if here <= m:
            return used + here
        used, overlap = used + m, overlap * (1 - m / (2 * lam))
    return used


@pytest.mark.parametrize("lam", [0.4, 0.75, 1.0, 2.0, 3.5])
def test_the_radius_is_that_of_the_published_loop(lam):
    random = np.random.default_rng(0)
    room = random.uniform(0.5, 1, (50, 30))
    gap = random.uniform(0, 1, 50)
    found = box_radius(gap / 2, lam, room)
    expected = [published_loop(g, lam, r.tolist()) for g, r in zip(gap, room, strict=True)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert (found >= lam * gap - 1e-12).all()


def test_no_shift_within_the_radius_moves_a_probability_by_more():
    """Random shifts of the box, of three pixels, of exactly the certified length."""
    random = np.random.default_rng(1)
    tight = 0
    for _ in range(300):
        lam, move = random.uniform(0.6, 2.5), random.uniform(0.02, 0.5)
        room = random.uniform(0.5, 1, 3)
        radius = float(box_radius(move, lam, room))
        shares = random.dirichlet(random.choice([0.1, 1.0], 3), 200)
        delta = np.minimum(radius * shares, room)
        for j in range(3):  # what was cut off goes to the others, as far as there is room
            delta[:, j] = np.minimum(delta[:, j] + radius - delta.sum(1), room[j])
        assert (delta.sum(1) <= radius + 1e-12).all()
        moved = 1 - np.prod(1 - delta / (2 * lam), 1)
        assert (moved <= move + 1e-12).all()
        tight += bool((moved > move - 0.01).any())
    assert tight > 150


def test_the_same_votes_certify_further_only_beyond_the_room_of_one_pixel():
    plain, boxed = Uniform(2.0), NOISES.parse("uniform_box-2.00")
    assert boxed.drawn_as == plain
    p = np.array([0.3, 0.5, 0.6, 0.74, 0.8, 0.9, 0.999])
    small, large = plain.radius(p, 2.0, 64), boxed.radius(p, 2.0, 64)
    assert large[:4] == pytest.approx(small[:4])
    assert (large[4:] > small[4:] * 1.05).all()
    scales = np.array([0.5, 2.0, 3.0])  # of the inputs' own
    each = [float(boxed.radius(0.95, s, 64)) for s in scales]
    assert boxed.radius(0.95, scales, 64) == pytest.approx(each)


def test_a_box_of_few_pixels_is_certified_as_a_whole():
    assert box_radius(0.5, 5.0, np.ones(3)) == 3.0


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_a_box_radius_5_percent_too_large_is_seen_by_the_audit_of_radii(factor, monkeypatch):
    own = Uniform.radius
    monkeypatch.setattr(Uniform, "radius", lambda s, *given: factor * own(s, *given))
    found, rows = radii_verdict(NOISES.parse("uniform_box-2.00"), 16, (0.9,), n=100_000)
    assert (found.verdict == BROKEN) == (factor > 1)
    assert rows[0]["radius"] >= 1.8 - 1e-9
