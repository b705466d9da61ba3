"""Clopper-Pearson bounds against exact sums of integers, by hand, and by enumeration."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper, smallest_n
from smoothcert.core.errors import SmoothcertError


def tail(n: int, k: int, p: Fraction) -> Fraction:
    """P(Bin(n, p) >= k), exactly."""
    return sum((math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1)), Fraction(0))


def exact_lower(k: int, n: int, alpha: Fraction, steps: int = 60) -> float:
    """The p with P(Bin(n, p) >= k) = alpha, by bisection on exact sums."""
    low, high = Fraction(0), Fraction(1)
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if tail(n, k, middle) > alpha else (middle, high)
        # Few enough binary digits that the sums stay short.
        low, high = (Fraction(round(x * 2**64), 2**64) for x in (low, high))
    return float(low)


@given(
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
    st.sampled_from([Fraction(1, 1000), Fraction(1, 100), Fraction(1, 20), Fraction(1, 2)]),
)
@settings(max_examples=25, derandomize=True)
def test_the_bound_solves_the_exact_binomial_tail_equation(pair, alpha):
    k, n = pair
    bound = float(clopper_pearson_lower(k, n, float(alpha)))
    assert bound == pytest.approx(exact_lower(k, n, alpha), rel=1e-12)


def test_no_vote_bounds_nothing_and_all_votes_bound_by_the_nth_root_of_alpha():
    for n in (1, 2, 10, 1000, 100_000):
        for alpha in (0.001, 0.05, 0.3):
            assert clopper_pearson_lower(0, n, alpha) == 0.0
            expected = alpha ** (1 / n)
            assert clopper_pearson_lower(n, n, alpha) == pytest.approx(expected, rel=1e-13)
            assert clopper_pearson_upper(n, n, alpha) == 1.0
            assert clopper_pearson_upper(0, n, alpha) == pytest.approx(1 - expected, abs=1e-15)


def test_hand_computed_bounds():
    # n = 1: p = alpha. n = 2, one vote: 1 - (1-p)^2 = alpha. n = 2, two votes: p^2 = alpha.
    assert clopper_pearson_lower(1, 1, 0.05) == pytest.approx(0.05)
    assert clopper_pearson_lower(1, 2, 0.19) == pytest.approx(1 - math.sqrt(0.81))
    assert clopper_pearson_lower(2, 2, 0.25) == pytest.approx(0.5, rel=1e-15)
    # n = 3, two votes: 3p^2 - 2p^3 = 1/2 at p = 1/2, by symmetry.
    assert clopper_pearson_lower(2, 3, 0.5) == pytest.approx(0.5, rel=1e-14)


def test_a_bound_of_exactly_one_half_certifies_nothing():
    from core_helpers import make_store

    from smoothcert.budget import BUDGETS
    from smoothcert.certificates.certification import certify

    # P(Bin(2k-1, 1/2) >= k) = 1/2 by symmetry: the bound of k votes is 1/2.
    votes = make_store([[[3, 2, 0]]], selection=[[100, 0, 0]], look=5)
    table = certify(votes, BUDGETS.parse("fixed_a0.50-5"))
    assert table.optional("p_lower")[0] == pytest.approx(0.5, abs=1e-15)
    assert table.predict[0] == -1
    assert table.radius[0] == 0.0


@pytest.mark.parametrize(
    ("count", "bound", "z"),
    [
        (100000, 0.999931, 3.8115),
        (99999, 0.999908, 3.7391),
        (99998, 0.999888, 3.6896),
        (99990, 0.999759, 3.4902),
        (99900, 0.998651, 3.0002),
        (99000, 0.988989, 2.2900),
        (95000, 0.947835, 1.6242),
        (90000, 0.897036, 1.2648),
        (80000, 0.796066, 0.8277),
        (60000, 0.595201, 0.2409),
        (50490, 0.500009, None),
        (50489, 0.499999, None),
    ],
)
def test_bounds_of_100000_votes_at_alpha_one_in_a_thousand(count, bound, z):
    found = float(clopper_pearson_lower(count, 100_000, 0.001))
    assert found == pytest.approx(bound, abs=6e-7)
    if z is not None:
        assert ndtri(found) == pytest.approx(z, abs=6e-5)


def test_the_bound_rises_with_the_count_and_falls_with_certainty():
    k = np.arange(201)
    assert (np.diff(clopper_pearson_lower(k, 200, 0.01)) > 0).all()
    levels = [clopper_pearson_lower(k[1:], 200, a) for a in (0.0001, 0.001, 0.01, 0.1)]
    assert (np.diff(levels, axis=0) > 0).all()
    assert (clopper_pearson_lower(k, 200, 0.01) < clopper_pearson_upper(k, 200, 0.01)).all()


@pytest.mark.parametrize(("n", "alpha"), [(10, 0.05), (37, 0.01), (200, 0.1)])
def test_the_bound_fails_with_probability_at_most_alpha_at_every_p(n, alpha):
    bounds = clopper_pearson_lower(np.arange(n + 1), n, alpha)
    # Failure is likeliest just below a bound; also a grid in between.
    for p in np.concatenate([bounds[1:] * (1 - 1e-9), np.linspace(0.01, 0.99, 50)]):
        chances = np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
        assert chances[bounds > p].sum() <= alpha * (1 + 1e-6)


def test_the_upper_bound_mirrors_the_lower():
    for k, n in ((0, 5), (3, 7), (7, 7), (50, 100)):
        mirrored = 1 - clopper_pearson_lower(n - k, n, 0.01)
        assert clopper_pearson_upper(k, n, 0.01) == pytest.approx(mirrored, rel=1e-14)


@pytest.mark.parametrize("alpha", [0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 1e-4, 2.0**-20, 1e-9, 0.9])
def test_the_smallest_n_is_the_first_whose_unanimous_bound_exceeds_one_half(alpha):
    n = smallest_n(alpha)
    exact = Fraction(alpha)
    assert Fraction(1, 2**n) < exact  # alpha^(1/n) > 1/2
    assert n == 1 or Fraction(1, 2 ** (n - 1)) >= exact


def test_the_smallest_n_at_the_usual_levels():
    assert [smallest_n(a) for a in (0.001, 0.01, 0.05)] == [10, 7, 5]


@pytest.mark.parametrize(
    ("count", "n", "alpha"),
    [(-1, 10, 0.1), (11, 10, 0.1), (0, 0, 0.1), (5, 10, 0.0), (5, 10, 1.0), (5, 10, np.nan)],
)
def test_counts_and_levels_that_cannot_be_are_refused(count, n, alpha):
    with pytest.raises(SmoothcertError, match="expected"):
        clopper_pearson_lower([1, count], [10, n], alpha)
