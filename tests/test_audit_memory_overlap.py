"""The scan of all pairs of certified balls: exact, whatever the norm, the size of the blocks."""

import numpy as np
import pytest

from smoothcert.audits.overlap import overlaps
from smoothcert.core.errors import SmoothcertError

ORDER = {"l1": 1, "l2": 2, "linf": np.inf}


def by_hand(points, predict, radius, norm):
    """(intersecting pairs, margins [N], least ratio), pair by pair."""
    n = len(points)
    pairs, margin, ratio = set(), np.full(n, np.inf), np.inf
    for i in range(n):
        for j in range(n):
            if i == j or predict[i] == predict[j] or -1 in (predict[i], predict[j]):
                continue
            if radius[i] == 0 or radius[j] == 0:
                continue
            d = np.linalg.norm(points[i].astype(float) - points[j].astype(float), ord=ORDER[norm])
            margin[i] = min(margin[i], d - radius[i] - radius[j])
            ratio = min(ratio, d / (radius[i] + radius[j]))
            if d < radius[i] + radius[j]:
                pairs.add((min(i, j), max(i, j)))
    return pairs, margin, ratio


def sample(rng, n, d, classes, size):
    points = rng.random((n, d)).astype(np.float32)
    predict = rng.integers(-1, classes, n)
    radius = np.where(predict < 0, 0.0, rng.random(n) * size)
    radius[rng.random(n) < 0.1] = 0.0
    return points, predict, radius


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize(("size", "classes"), [(0.02, 3), (0.5, 3), (1.5, 40)])
def test_the_scan_is_the_pair_by_pair_answer(norm, size, classes):
    rng = np.random.default_rng(1)
    for block in (7, 2048):
        points, predict, radius = sample(rng, 90, 12, classes, size)
        pairs, margin, ratio = by_hand(points, predict, radius, norm)
        found = overlaps(points, predict, radius, norm, block=block)
        assert found.exact
        assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == pairs
        assert found.count == len(pairs)
        np.testing.assert_allclose(found.margin, margin, rtol=0, atol=1e-12)
        assert found.ratio == pytest.approx(ratio, abs=1e-12)
        has = np.isfinite(margin)
        assert ((found.nearest >= 0) == has).all()
        assert (predict[found.nearest[has]] != predict[has]).all()


def test_a_margin_far_below_the_error_of_float32_decides():
    """Images of thousands of pixels whose balls touch, overlap or miss by a billionth."""
    rng = np.random.default_rng(2)
    points = rng.random((40, 3072)).astype(np.float32)
    points[1] = points[0]
    points[1, :100] += np.float32(0.25) * (rng.random(100) < 0.5)
    d = float(np.linalg.norm(points[0].astype(float) - points[1].astype(float)))
    predict = np.arange(40) % 4
    for excess, expected in ((-1e-9, 0), (0.0, 0), (1e-9, 1)):
        radius = np.full(40, 1e-3)
        radius[0], radius[1] = 0.4 * d, d - 0.4 * d + excess
        found = overlaps(points, predict, radius, block=16)
        assert found.count == expected
        assert found.least == pytest.approx(d - radius[0] - radius[1], abs=1e-12)
        assert found.nearest[0] == 1


@pytest.mark.parametrize("norm", ["l1", "linf"])
def test_where_every_distance_would_take_hours_margins_are_lower_bounds(norm, monkeypatch):
    rng = np.random.default_rng(3)
    points, predict, radius = sample(rng, 120, 30, 3, {"l1": 9.0, "linf": 0.8}[norm])
    pairs, margin, ratio = by_hand(points, predict, radius, norm)
    assert pairs
    monkeypatch.setattr("smoothcert.audits.overlap._CHEAP", 0)
    found = overlaps(points, predict, radius, norm, block=50)
    assert not found.exact
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == pairs
    assert (found.margin <= margin + 1e-12).all()
    assert found.ratio <= ratio + 1e-12


def test_more_pairs_than_are_kept_are_still_counted_and_the_deepest_are_shown(monkeypatch):
    rng = np.random.default_rng(4)
    points, predict, radius = sample(rng, 150, 6, 3, 2.0)
    pairs, _, _ = by_hand(points, predict, radius, "l2")
    depth = sorted(
        np.linalg.norm(points[i].astype(float) - points[j]) - radius[i] - radius[j]
        for i, j in pairs
    )
    monkeypatch.setattr("smoothcert.audits.overlap._HELD", 200)
    found = overlaps(points, predict, radius, most=10, block=32)
    assert found.count == len(pairs) > 1000
    shown = found.distance - radius[found.left] - radius[found.right]
    np.testing.assert_allclose(shown, depth[:10], atol=1e-12)


def test_infinite_radii_one_class_and_no_certificate_are_answered():
    points = np.eye(4, dtype=np.float32)
    everywhere = overlaps(points, np.array([0, 1, 1, 1]), np.array([np.inf, 0.1, 0.1, 0.1]))
    assert everywhere.count == 3
    assert overlaps(points, np.zeros(4, int), np.ones(4)).least == np.inf
    assert overlaps(points, np.full(4, -1), np.zeros(4)).count == 0
    with pytest.raises(SmoothcertError, match="l3"):
        overlaps(points, np.zeros(4, int), np.ones(4), "l3")
    with pytest.raises(SmoothcertError, match="3 predictions"):
        overlaps(points, np.zeros(3, int), np.ones(4))
