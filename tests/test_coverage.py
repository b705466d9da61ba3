"""Promises about failure probabilities: exact ones against enumeration, and simulated ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from smoothcert.audits.coverage import Procedure, iss_procedure, simulate, worst
from smoothcert.budget import BUDGETS
from smoothcert.budget.psi import Decline, Mapping
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian

G = Gaussian(1.0)
ALPHA = 0.001


def enumerated(procedure: Procedure, p: float) -> float:
    """The same probability by listing both stages (small sizes only)."""
    total = 0.0
    for own, chosen in ((p, True), (1 - p, False)):
        if not chosen and not procedure.rival:
            continue
        for x in range(procedure.k0 + 1):
            elected = 2 * x >= procedure.k0 if chosen else 2 * x > procedure.k0
            size = int(procedure.sizes[x])
            if size == 0 or (procedure.rival and not elected):
                continue
            n = max(size, procedure.k0)
            new = size if procedure.reading == "fresh" else n - procedure.k0
            for y in range(new + 1):
                weight = stats.binom.pmf(x, procedure.k0, own) * stats.binom.pmf(y, new, own)
                count, base = (y, size) if procedure.reading == "fresh" else (x + y, n)
                if procedure.reading == "maximum":
                    count = max(count, n - count)
                bound = clopper_pearson_lower(count, base, procedure.alpha)
                total += weight * (bound > max(own, 0.5))
    return total


@pytest.mark.parametrize("reading", ["fresh", "reuse", "maximum"])
@pytest.mark.parametrize("rival", [True, False])
def test_the_exact_probability_equals_an_enumeration(reading: str, rival: bool) -> None:
    sizes = np.array([0, 0, 0, 0, 4, 6, 9, 12, 15, 17, 20])
    procedure = Procedure(sizes, 0.1, reading, rival)
    for p in (0.5, 0.55, 0.63, 0.8, 0.95):
        assert procedure.failure(p) == pytest.approx(enumerated(procedure, p), rel=1e-9)


def test_the_first_k_hat_votes_of_k0_are_hypergeometric() -> None:
    sizes = np.array([0] * 5 + [6, 6, 7, 8, 8, 8])
    procedure = Procedure(sizes, 0.2, "first", False)
    p, total = 0.7, 0.0
    for bits in range(2**10):
        votes = [bits >> i & 1 for i in range(10)]
        size = sizes[sum(votes)]
        if size:
            bound = clopper_pearson_lower(sum(votes[:size]), size, 0.2)
            total += p ** sum(votes) * (1 - p) ** (10 - sum(votes)) * (bound > p)
    assert procedure.failure(p) == pytest.approx(total, rel=1e-9)


def iss(decline: Decline, scale: float, reading: str, rival: bool, step: int = 1) -> Procedure:
    mapping = Mapping(decline, 100_000, ALPHA, step)
    return iss_procedure(mapping, 1000, G, scale, 1, reading, rival)


def test_published_iss_fails_nearly_twice_alpha_at_a_tie_of_two_classes() -> None:
    for scale, factor in ((0.5, 1.797), (0.25, 1.731), (1.0, 1.838)):
        found = iss(Decline(0.05), scale, "reuse", True).failure(0.5) / ALPHA
        assert found == pytest.approx(factor, abs=0.002)


def test_an_absolute_decline_is_harmless_away_from_a_tie() -> None:
    """With sizes that rise with the votes, reuse costs nothing once the class is given."""
    for scale in (0.25, 0.5):
        found = worst(iss(Decline(0.05), scale, "reuse", False), 0.5, 0.999, 60, rounds=1)
        assert found.failure <= ALPHA


def test_a_relative_decline_fails_above_alpha_with_the_class_given() -> None:
    """Sizes that fall with the votes stop early on early luck."""
    found = worst(iss(Decline(rd=0.05), 1.0, "reuse", False), 0.57, 0.62, 51, rounds=1)
    assert found.failure > 1.03 * ALPHA


def test_taking_the_first_k_hat_of_the_k0_votes_explains_a_third_picture() -> None:
    found = iss(Decline(0.05), 0.25, "first", False, step=200).failure(0.886) / ALPHA
    assert found == pytest.approx(1.326, abs=0.002)


def test_the_program_divides_by_a_size_that_is_too_small() -> None:
    """NaN where the votes exceed it; else too large a ratio, wrong almost surely."""
    procedure = iss(Decline(0.05), 0.25, "program", False, step=200)
    expected = {0.5: 0.02, 0.52: 0.23, 0.54: 0.71, 0.56: 0.97, 0.6: 1.0}
    for p, share in expected.items():
        assert procedure.undefined(p) == pytest.approx(share, abs=0.006)
    assert max(procedure.failure(p) for p in expected) == 0  # undefined, or n >= k0
    # kbar 500,000, sigma 0.5, U 0.05, in the paper's Table 1: at 4,792 to 4,800 of 5,000 votes
    # the size is 4,800, and a ratio of 0.96 is certified as if it were 1.
    mapping = Mapping(Decline(0.05), 500_000, ALPHA, 200)
    larger = iss_procedure(mapping, 5000, G, 0.5, 1, "program", False)
    assert larger.sizes[4792:4801].tolist() == [4800] * 9
    assert larger.failure(0.9592) == pytest.approx(0.252, abs=0.005)


def test_fresh_votes_keep_alpha_everywhere() -> None:
    for decline, scale in ((Decline(0.05), 0.5), (Decline(rd=0.05), 1.0)):
        found = worst(iss(decline, scale, "fresh", True), 0.5, 0.999, 60, rounds=1)
        assert found.failure <= ALPHA


@pytest.mark.parametrize("p", [0.5, 0.55, 0.9])
def test_simulation_agrees_with_the_exact_probability(p: float) -> None:
    """At a large alpha, where there is something to count."""
    budget = BUDGETS.parse("iss_a0.05_ad0.10-5000")
    mapping = Mapping(Decline(0.1), 5000, 0.05)
    exact = iss_procedure(mapping, 50, G, 0.5, 1, "reuse", True).failure(p)
    rate = simulate(budget, G, 0.5, 1, p, runs=40_000, look=1, rival=True)
    assert rate.rate == pytest.approx(exact, abs=4 * np.sqrt(exact / 40_000) + 1e-4)


SLUGS = [
    "fixed-100000", "iss-fresh_ad0.05-100000", "iss-fresh_rd0.05-100000", "sequential_0.02-100000",
    "sequential_0.02_byfresh-100000", "sequential_0.02_byspending-100000",
    "sequential_ad0.05-100000", "sequential_decide0.50-100000", "sequential_grid0.25-100000",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("p", [0.5, 0.505, 0.55, 0.7, 0.886, 0.99])
def test_a_million_certifications_fail_at_most_alpha(slug: str, p: float) -> None:
    rate = simulate(BUDGETS.parse(slug), G, 0.5, 1, p, look=1000, rival=True)
    assert rate.runs == 1_000_000
    assert not rate.exceeds(ALPHA), rate


def test_unknown_readings_are_refused() -> None:
    with pytest.raises(SmoothcertError, match="reading"):
        Procedure(np.zeros(3, np.int64), 0.1, "none", False)
