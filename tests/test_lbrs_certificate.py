"""Theorems 6 and 8 and their tighter forms never promise what a perturbation can break."""

from __future__ import annotations

import numpy as np
import pytest
from lbrs_helpers import steepest

from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs import certificate, multiclass
from smoothcert.lbrs.classifier import LBRS, Kernel, Linear
from smoothcert.lbrs.exact import exact_radius, least_distance
from smoothcert.lbrs.lipschitz import kernel_bounds
from smoothcert.lbrs.oracle import Oracle

NORMS = ["l1", "l2", "linf"]
BIAS = np.array([0.0, 0.1, 0.5, 2.0, 20.0])
INSIDE = 1 - 1e-9


def unit_steps(rng, n, d, norm):
    """Directions of length 1 in ``norm``: random, axis and corner directions."""
    steps = rng.standard_normal((n, d)) * (rng.random((n, d)) < rng.choice([0.3, 1.0], (n, 1)))
    steps[: n // 4] = np.sign(steps[: n // 4])
    steps[np.all(steps == 0, axis=1), 0] = 1.0
    return steps / np.linalg.norm(steps, geometry.ORDERS[norm], axis=1)[:, None]


def linear_case(rng, d, k=1, points=8):
    labels = np.where(np.arange(points) % 2, 1, -1)
    oracle = Oracle(rng.standard_normal((points, d)), labels, k)
    return Linear(rng.standard_normal(d), float(rng.standard_normal())), oracle


def adversarial_steps(lbrs, x, weight):
    """Unit steps of the threat model towards the boundary and every reserved point."""
    to = [np.broadcast_to(sign * steepest(weight, lbrs.norm), x.shape) for sign in (1, -1)]
    for i, j in np.ndindex(len(lbrs.oracle.points), len(lbrs.oracle.points)):
        if lbrs.oracle.labels[i] != lbrs.oracle.labels[j]:
            v = lbrs.oracle.points[i] - lbrs.oracle.points[j]
            to.append(np.broadcast_to(steepest(v, lbrs.norm), x.shape))
    return np.stack(to)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("form", "k"), [("published", 1), ("tight", 1), ("tight", 3), ("tight", 5)]
)
def test_no_linear_certificate_is_broken_just_inside(norm, form, k):
    rng = np.random.default_rng(1)
    for d in (1, 2, 5):
        for _ in range(4):
            base, oracle = linear_case(rng, d, k)
            lbrs = LBRS(base, oracle, norm)
            x = 1.5 * rng.standard_normal((60, d))
            radii = lbrs.certify(x, BIAS, form)
            steps = np.concatenate(
                [
                    np.stack([unit_steps(rng, len(x), d, norm) for _ in range(40)]),
                    adversarial_steps(lbrs, x, base.weight),
                ]
            )
            for b, bias in enumerate(BIAS):
                reach = np.minimum(radii.radius[b], 1e6) * INSIDE
                moved = lbrs.predict((x + reach[:, None] * steps).reshape(-1, d), bias)
                moved = moved.reshape(len(steps), len(x))
                certified = reach > 0
                assert (moved == radii.predict[b])[:, certified].all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_boundary_term_is_attained_just_outside(norm):
    rng = np.random.default_rng(2)
    attained = 0
    for _ in range(20):
        base, oracle = linear_case(rng, 4)
        lbrs = LBRS(base, oracle, norm)
        x = rng.standard_normal((50, 4))
        radii = lbrs.certify(x, BIAS, "published")
        step = steepest(base.weight, norm)
        for b, bias in enumerate(BIAS):
            # Strictly: the oracle must still be the same one step beyond the boundary.
            on_boundary = radii.boundary[b] * (1 + 1e-6) < radii.switch[b]
            outside = radii.radius[b] * (1 + 1e-6) + 1e-12
            moved = x - (outside * radii.predict[b])[:, None] * step
            flipped = lbrs.predict(moved, bias) != radii.predict[b]
            assert flipped[on_boundary].all()
            attained += int(on_boundary.sum())
    assert attained > 100


def test_the_tight_form_is_never_below_the_published_one_and_often_above():
    rng = np.random.default_rng(3)
    gained = []
    for norm in NORMS:
        base, oracle = linear_case(rng, 3)
        x = rng.standard_normal((400, 3))
        lbrs = LBRS(base, oracle, norm)
        published, tight = (lbrs.certify(x, BIAS, form) for form in ("published", "tight"))
        assert (tight.radius >= published.radius * INSIDE).all()
        assert (tight.predict == published.predict).all()
        gained.append((tight.radius > published.radius * 1.01).mean())
    assert min(gained) > 0.2


def test_at_bias_zero_the_tight_form_is_the_base_classifiers_own_radius():
    rng = np.random.default_rng(4)
    base, oracle = linear_case(rng, 3)
    x = rng.standard_normal((200, 3))
    radius = LBRS(base, oracle, "linf").certify(x, 0.0, "tight").radius
    own = np.abs(x @ base.weight + base.intercept) / np.abs(base.weight).sum()
    np.testing.assert_allclose(radius, own, rtol=1e-12)
    assert (LBRS(base, oracle, "linf").certify(x, 0.0, "published").radius < own * 0.99).any()


def test_no_certificate_exceeds_the_exact_radius_and_the_tight_form_often_reaches_it():
    rng = np.random.default_rng(5)
    reached = []
    for _ in range(4):
        base, oracle = linear_case(rng, 2)
        lbrs = LBRS(base, oracle, "l2")
        x = rng.standard_normal((40, 2))
        for bias in (0.0, 0.4, 3.0):
            exact = exact_radius(base.weight, base.intercept, oracle, x, bias)
            tight = lbrs.certify(x, bias, "tight").radius
            assert (tight <= exact * (1 + 1e-7)).all()
            reached.append((tight >= exact * (1 - 1e-7)).mean())
            # The exact radius is attained: a dense ring just outside holds another class.
            angle = np.linspace(0, 2 * np.pi, 20000, endpoint=False)
            ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            for point, r in zip(x[:10], exact[:10], strict=True):
                here = lbrs.predict(point[None], bias)
                out = lbrs.predict(point + ring * (r * (1 + 1e-3) + 1e-9), bias)
                assert (out != here).any()
                inner = lbrs.predict(point + ring * r * (1 - 1e-6), bias)
                assert (inner == here).all()
    assert np.mean(reached) > 0.5


def test_least_distance_agrees_with_projections_known_by_hand():
    a = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert least_distance(a, np.array([3.0, 4.0])) == pytest.approx(5.0)
    assert least_distance(a, np.array([-1.0, -2.0])) == pytest.approx(0.0)
    assert least_distance(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, 1.0])) == np.inf


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("form", ["published", "tight"])
def test_no_kernel_machine_certificate_is_broken_just_inside(norm, form):
    rng = np.random.default_rng(6)
    for _ in range(6):
        d = int(rng.integers(1, 4))
        base = Kernel(
            rng.standard_normal((6, d)), rng.standard_normal(6), 0.7, 0.3 * rng.standard_normal()
        )
        _, oracle = linear_case(rng, d)
        lbrs = LBRS(base, oracle, norm, kernel_bounds(base, norm).gradient)
        x = rng.standard_normal((80, d))
        radii = lbrs.certify(x, BIAS, form)
        for b, bias in enumerate(BIAS):
            steps = np.stack([unit_steps(rng, len(x), d, norm) for _ in range(50)])
            reach = np.minimum(radii.radius[b], 1e6) * INSIDE
            moved = lbrs.predict((x + reach[:, None] * steps).reshape(-1, d), bias)
            same = moved.reshape(len(steps), -1) == radii.predict[b]
            assert same[:, reach > 0].all()


def test_the_factor_two_under_the_root_is_attained_by_a_quadratic():
    # g(x) = 1 - x - L x^2 / 2 in one dimension, at 0, bias 0: flips exactly at the tight radius.
    curvature = 3.0
    radius = certificate.tight(1.0, 1.0, 1, np.inf, 0.0, curvature).radius
    assert 1 - radius - curvature * radius**2 / 2 == pytest.approx(0, abs=1e-12)
    printed = certificate.published(1.0, 1.0, 1, np.inf, 0.0, curvature).radius
    assert printed == pytest.approx((np.sqrt(1 + 4 * curvature) - 1) / (2 * curvature))
    assert printed < radius


def test_the_limit_of_vanishing_curvature_is_theorem_6():
    rng = np.random.default_rng(7)
    g, slope = rng.standard_normal(100), rng.random(100) + 0.1
    oracle = np.where(rng.random(100) < 0.5, 1, -1)
    for form in certificate.FORMS.values():
        limit = form(g, slope, oracle, np.inf, BIAS, 0.0).radius
        near = form(g, slope, oracle, np.inf, BIAS, 1e-13).radius
        np.testing.assert_allclose(near, limit, rtol=1e-9, atol=1e-12)
    flat = certificate.published(2.0, 0.0, 1, np.inf, 1.0, 0.0)
    assert flat.radius == np.inf
    assert certificate.published(0.0, 0.0, 1, np.inf, 1.0, 0.0).radius == 0


def test_one_label_among_the_reserved_points_leaves_only_the_boundary_term():
    oracle = Oracle(np.eye(3), [1, 1, 1])
    x = np.zeros((2, 3))
    assert (oracle.published_radius(x, "l2") == np.inf).all()
    assert (oracle.radius(x, "l2") == np.inf).all()


def test_coincident_points_with_opposite_labels_certify_nothing_near_them():
    oracle = Oracle([[0.0], [0.0], [9.0]], [1, -1, 1])
    assert oracle.published_radius([[0.5]], "l2") == 0
    assert oracle.radius([[0.5]], "l2") == 0
    # Another point of the same label does protect, once it is nearer than the coincident pair.
    assert oracle.radius([[8.0]], "l2") == pytest.approx((64 - 1) / 18)


def test_bad_input_names_what_was_expected():
    oracle = Oracle(np.eye(3), [1, -1, 1])
    with pytest.raises(SmoothcertError, match="dimension 2: expected 3"):
        oracle(np.zeros((1, 2)))
    with pytest.raises(SmoothcertError, match="odd number from 1 to 3"):
        Oracle(np.eye(3), [1, -1, 1], k=2)
    with pytest.raises(SmoothcertError, match="expected -1 and 1"):
        LBRS(Linear(np.ones(3), 0.0), Oracle(np.eye(3), [0, 1, 1]))
    with pytest.raises(SmoothcertError, match="norm 'l3'"):
        LBRS(Linear(np.ones(3), 0.0), oracle, "l3")
    with pytest.raises(SmoothcertError, match="no Lipschitz constant"):
        LBRS(Linear(np.ones(3), 0.0), oracle, lipschitz=None).certify(np.zeros((1, 3)), 1.0)
    with pytest.raises(SmoothcertError, match="bias: expected finite numbers >= 0"):
        LBRS(Linear(np.ones(3), 0.0), oracle).certify(np.zeros((1, 3)), -1.0)


@pytest.mark.parametrize("norm", NORMS)
def test_no_multiclass_certificate_is_broken_just_inside(norm):
    rng = np.random.default_rng(8)
    certified = 0
    for classes, d in ((3, 2), (4, 3), (5, 6)):
        weights, offsets = rng.standard_normal((classes, d)), rng.standard_normal(classes)
        labels = np.arange(2 * classes) % classes
        oracle = Oracle(rng.standard_normal((2 * classes, d)), labels)
        x = rng.standard_normal((60, d))

        def parts(points, weights=weights, offsets=offsets):
            gradients = np.broadcast_to(weights, (len(points), *weights.shape))
            return points @ weights.T + offsets, gradients

        for bias in BIAS:
            g, gradients = parts(x)
            top, radius = multiclass.certify(g, gradients, oracle, x, bias, norm)
            steps = [unit_steps(rng, len(x), d, norm) for _ in range(60)]
            for i, j in np.ndindex(classes, classes):
                if i != j:
                    v = steepest(weights[i] - weights[j], norm)
                    steps.append(np.broadcast_to(v, x.shape))
            for p, q in np.ndindex(len(labels), len(labels)):
                if labels[p] != labels[q]:
                    v = steepest(oracle.points[p] - oracle.points[q], norm)
                    steps.append(np.broadcast_to(v, x.shape))
            reach = np.minimum(radius, 1e6) * INSIDE
            moved = np.concatenate([x + reach[:, None] * step for step in steps])
            g, gradients = parts(moved)
            slopes = multiclass.pair_slopes(gradients, norm)
            now = multiclass.predict(g, slopes, oracle(moved), bias).reshape(len(steps), -1)
            assert (now == top)[:, reach > 0].all()
            certified += int((reach > 0).sum())
    assert certified > 500


def test_two_classes_of_the_multiclass_rule_are_the_binary_rule():
    rng = np.random.default_rng(9)
    weights, offsets = rng.standard_normal((2, 3)), rng.standard_normal(2)
    points, labels = rng.standard_normal((8, 3)), np.arange(8) % 2
    x = rng.standard_normal((200, 3))
    binary = LBRS(
        Linear(weights[1] - weights[0], offsets[1] - offsets[0]),
        Oracle(points, 2 * labels - 1),
        "l2",
    )
    for bias in BIAS:
        radii = binary.certify(x, bias, "tight")
        gradients = np.broadcast_to(weights, (len(x), 2, 3))
        top, radius = multiclass.certify(
            x @ weights.T + offsets, gradients, Oracle(points, labels), x, bias, "l2"
        )
        np.testing.assert_array_equal(2 * top - 1, radii.predict)
        np.testing.assert_allclose(radius, radii.radius, rtol=1e-9, atol=1e-12)


def test_a_large_bias_makes_the_prediction_the_oracles():
    rng = np.random.default_rng(10)
    base, oracle = linear_case(rng, 4)
    x = rng.standard_normal((300, 4))
    np.testing.assert_array_equal(LBRS(base, oracle).predict(x, 1e9), oracle(x))
