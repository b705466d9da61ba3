"""The memory of data-dependent certification: its balls never clash, whatever the order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothcert.certificates import ABSTAIN, make_table, memory
from smoothcert.core.errors import SmoothcertError

NORMS = {"l1": 1, "l2": 2, "linf": np.inf}


def answers(stored, query, d, norm="l2"):
    """The memory's answer to ``query`` = (class, radius) at distance d from one stored ball."""
    points = np.array([[0.0, 0.0], [d, 0.0]])
    predict, radius = np.array([stored[0], query[0]]), np.array([stored[1], query[1]], float)
    after = memory.remember(predict, radius, memory.neighbours(points, radius, norm), debug=True)
    return int(after.predict[1]), float(after.radius[1]), str(after.event[1])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("d", "radius", "answer"),
    [
        (1, 1, (0, 1.0, memory.INSIDE)),  # wholly inside: relabelled, radius kept
        (1, 5, (0, 2.0, memory.INSIDE)),  # the largest subset inside has radius 3 - 1
        (4, 2, (1, 1.0, memory.TRIMMED)),  # outside: cut to d - R_i
        (5, 2, (1, 2.0, memory.NONE)),  # tangent open balls do not intersect
        (3, 2, (1, 0.0, memory.TRIMMED)),  # on the boundary: outside the open ball
    ],
)
def test_two_balls_of_different_classes_follow_the_closed_forms(norm, d, radius, answer):
    assert answers((0, 3), (1, radius), d, norm) == answer


def test_a_ball_of_the_same_class_changes_nothing_but_is_recorded():
    assert answers((1, 3), (1, 5), 1) == (1, 5.0, memory.SAME)


def test_an_abstention_inside_a_ball_gets_its_class_and_no_radius():
    assert answers((0, 3), (ABSTAIN, 0), 1) == (0, 0.0, memory.INSIDE)
    assert answers((0, 3), (ABSTAIN, 0), 4) == (ABSTAIN, 0.0, memory.NONE)


def test_a_containing_ball_makes_an_earlier_shrink_needless():
    # Class 2's ball is met first and would cut x; but x lies inside class 0's ball.
    points = np.array([[6.0], [0.0], [2.0]])
    predict, radius = np.array([2, 0, 1]), np.array([2.0, 3.0, 9.0])
    after = memory.remember(predict, radius, memory.neighbours(points, radius, "l2"), debug=True)
    assert (after.predict[2], after.radius[2]) == (0, 1.0)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 10),
    norm=st.sampled_from(sorted(NORMS)),
    n=st.integers(2, 60),
)
def test_no_two_stored_regions_of_different_classes_intersect(seed, d, norm, n):
    random = np.random.default_rng(seed)
    points = random.random((n, d))
    predict = random.integers(-1, 3, n)
    radius = np.where(predict < 0, 0.0, random.random(n) * d ** (1 / NORMS[norm]) * 0.7)
    near = memory.neighbours(points, radius, norm, block=16)
    order = random.permutation(n)
    after = memory.remember(predict, radius, near, order, debug=True)
    gap = np.linalg.norm(points[:, None] - points[None], ord=NORMS[norm], axis=2)
    clash = (after.predict[:, None] != after.predict[None]) & (
        gap < (after.radius[:, None] + after.radius[None]) * (1 - 1e-9)
    )
    clash &= (after.radius[:, None] > 0) & (after.radius[None] > 0)
    assert not clash.any()
    assert (after.radius <= radius).all()
    assert after.predict[order[0]] == predict[order[0]]  # the first one is never changed


@pytest.mark.parametrize("norm", NORMS)
def test_neighbours_are_all_touching_pairs_and_no_others(norm):
    random = np.random.default_rng(1)
    points = random.random((300, 12)).astype(np.float32) + 5  # far from the origin
    radius = random.random(300) * {"l1": 2.0, "l2": 0.7, "linf": 0.3}[norm]
    near = memory.neighbours(points, radius, norm, block=64)
    gap = points.astype(float)[:, None] - points.astype(float)[None]
    distance = np.linalg.norm(gap, ord=NORMS[norm], axis=2)
    expected = distance < radius[:, None] + radius[None]
    np.fill_diagonal(expected, False)
    found = np.zeros_like(expected)
    for i in range(300):
        other, exact = near.of(i)
        found[i, other] = True
        np.testing.assert_allclose(exact, distance[i, other], rtol=1e-12)
    assert 100 < expected.sum() < 300 * 299
    assert (found == expected).all()


def test_the_table_keeps_the_raw_certificates_and_recomputes_correctness():
    table = make_table(idx=[7, 8], label=[0, 1], predict=[0, 1], radius=[3.0, 5.0], norm="l2")
    after = memory.apply(table, np.array([[0.0], [1.0]]))
    assert after.predict.tolist() == [0, 0]
    assert after.radius.tolist() == [3.0, 2.0]
    assert after.correct.tolist() == [1, 0]
    assert after.columns["predict_raw"].tolist() == [0, 1]
    assert after.columns["radius_raw"].tolist() == [3.0, 5.0]
    assert after.columns["memory_event"].tolist() == [memory.NONE, memory.INSIDE]


def test_the_order_decides_who_keeps_the_ball():
    points, radius = np.array([[0.0], [1.0]]), np.array([3.0, 5.0])
    predict, near = np.array([0, 1]), memory.neighbours(points, radius, "l2")
    assert memory.remember(predict, radius, near, [1, 0]).predict.tolist() == [1, 1]
    with pytest.raises(SmoothcertError, match="permutation"):
        memory.remember(predict, radius, near, [0, 0])
    orders = memory.random_orders(5, 3, seed=0)
    assert all(sorted(o) == list(range(5)) for o in orders)
