"""Promises of the sequential budgets: valid whenever they stop, and cheaper than their rivals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smoothcert.budget import BUDGETS
from smoothcert.budget.eprocess import log_wealth, mixture_lower
from smoothcert.budget.low import price_thresholds
from smoothcert.budget.simulated import BinomialStream
from smoothcert.budget.spending import crossing_boundary, looks, shares, spending_lower
from smoothcert.budget.stream import PrefixStream
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian

G = Gaussian(1.0)
SLUGS = [
    "sequential_0.05-20000",
    "sequential_0.05_byfresh-20000",
    "sequential_0.05_byspending-20000",
    "sequential_0.05_bymixture-20000",
    "sequential_ad0.05-20000",
    "sequential_decide0.50-20000",
    "sequential_decide0.50_byspending-20000",
    "sequential_decide0.50_bymixture-20000",
    "sequential_grid0.25-20000",
    "sequential_grid0.25_byspending-20000",
    "sequential_grid0.25_bymixture-20000",
    "anytime-20000",
    "both-20000",
    "both-same-20000",
    "both-anytime-20000",
    "both-iss_ad0.05-20000",
    "both-sequential_0.05-20000",
    "both-sequential_0.05_byspending-20000",
    "both-sequential_0.05_bymixture-20000",
    "both-sequential_ad0.05-20000",
    "both-sequential_decide0.50-20000",
    "both-sequential_decide0.50_bymixture-20000",
    "both-sequential_grid0.25-20000",
    "both-sequential_grid0.25_bymixture-20000",
]
ONE_SIDED = [slug for slug in SLUGS if not slug.startswith("both")]  # test_both.py has the others


def paths(ends: list[int], p: float) -> list[tuple[tuple[int, ...], float]]:
    """All paths of cumulated counts at the look ends, with their probabilities."""
    steps = np.diff([0, *ends])
    out = []
    for votes in itertools.product(*(range(m + 1) for m in steps)):
        chance = np.prod([stats.binom.pmf(v, m, p) for v, m in zip(votes, steps, strict=True)])
        out.append((tuple(np.cumsum(votes)), float(chance)))
    return out


@pytest.mark.parametrize("slug", SLUGS)
def test_slugs_round_trip(slug: str) -> None:
    assert BUDGETS.parse(slug).slug == slug


@pytest.mark.parametrize(
    ("slug", "what"),
    [
        ("sequential-1000", "exactly one"),
        ("sequential_0.05_ad0.05-1000", "exactly one"),
        ("sequential_0.00-1000", "expected > 0"),
        ("sequential_0.05_bygroup-1000", "expected low or fresh"),
        ("sequential_0.05_bylow-1000", "leave out"),
    ],
)
def test_a_mode_is_given_once_and_an_engine_fits_it(slug: str, what: str) -> None:
    with pytest.raises(SmoothcertError, match=what):
        BUDGETS.parse(slug)


@given(
    thresholds=st.lists(st.integers(-1, 12), min_size=2, max_size=2),
    p=st.floats(0.05, 0.98),
    alpha=st.sampled_from([0.05, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_stopping_when_low_needs_no_correction(
    thresholds: list[int], p: float, alpha: float
) -> None:
    """For any thresholds, by enumeration of all paths."""
    ends = [4, 9, 12]
    failure = 0.0
    for counts, chance in paths(ends, p):
        j = next((j for j, b in enumerate(thresholds) if counts[j] <= b), 2)
        failure += chance * (clopper_pearson_lower(counts[j], ends[j], alpha) > p)
    assert failure <= alpha + 1e-12


def test_stopping_when_high_would_need_one() -> None:
    """The theorem's condition is needed: the opposite rule fails more often than alpha."""
    ends, alpha = [10, 22], 0.1
    worst = 0.0
    for p in clopper_pearson_lower(np.arange(12, 18), 22, alpha) - 1e-9:
        for high in (7, 8, 9):
            failure = 0.0
            for counts, chance in paths(ends, float(p)):
                j = 0 if counts[0] >= high else 1
                failure += chance * (clopper_pearson_lower(counts[j], ends[j], alpha) > p)
            worst = max(worst, failure)
    assert worst > 1.1 * alpha


@given(p0=st.floats(0.3, 0.95), alpha=st.sampled_from([0.05, 0.2]), last=st.floats(0.1, 0.9))
@settings(max_examples=40, deadline=None)
def test_a_boundary_is_crossed_with_at_most_alpha(p0: float, alpha: float, last: float) -> None:
    """By enumeration; one count lower anywhere at the last look would be too much."""
    ends = [4, 9, 13]
    boundary = crossing_boundary(p0, tuple(ends), alpha, last)
    crossed = sum(c for counts, c in paths(ends, p0) if (np.array(counts) >= boundary).any())
    assert crossed <= alpha
    if boundary[-1] > 0:
        lower = boundary - [0, 0, 1]
        more = sum(c for counts, c in paths(ends, p0) if (np.array(counts) >= lower).any())
        assert more > alpha * (1 - 1e-6)


def test_a_boundary_at_full_size_agrees_with_simulation() -> None:
    ends = looks(100_000, 1000)
    boundary = crossing_boundary(0.84, tuple(int(e) for e in ends), 0.05, 0.5)
    rng = np.random.default_rng(0)
    steps = rng.binomial(np.diff(ends, prepend=0), 0.84, (40_000, len(ends)))
    crossed = (steps.cumsum(1) >= boundary).any(1).mean()
    assert crossed == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 40_000))


@given(
    count=st.integers(0, 60), extra=st.integers(0, 20), a=st.floats(0.5, 200), b=st.floats(0.5, 200)
)
@settings(max_examples=60, deadline=None)
def test_the_mixture_bound_rejects_everything_below_it(
    count: int, extra: int, a: float, b: float
) -> None:
    """Also for a prior that contradicts the votes, where M_n need not fall with p0."""
    n = count + extra
    if n == 0:
        return
    bound = float(mixture_lower(count, n, 0.01, a, b))
    assert 0 <= bound <= count / n
    below = np.linspace(1e-6, 1, 200) * bound
    if bound > 0:
        wealth = log_wealth(np.maximum(below, 1e-300), count, n, a, b)
        assert (wealth >= np.log(100) - 1e-6).all()


@pytest.mark.parametrize("p", [0.55, 0.8])
def test_the_wealth_is_a_supermartingale(p: float) -> None:
    """E[M_{n+1} | M_n] <= M_n for p <= p0, by enumeration over the next vote."""
    for count, n in ((0, 0), (3, 4), (20, 30), (29, 30)):
        for p0 in (p, p + 0.1):
            now = np.exp(log_wealth(p0, count, n, 2.5, 1.5))
            up = np.exp(log_wealth(p0, count + 1, n + 1, 2.5, 1.5))
            down = np.exp(log_wealth(p0, count, n + 1, 2.5, 1.5))
            assert p * up + (1 - p) * down <= now * (1 + 1e-9)


def test_peeking_breaks_clopper_pearson_and_not_the_others() -> None:
    """Certify at the best of many looks: plain bounds fail several alpha, ours do not."""
    rng = np.random.default_rng(1)
    ends = np.arange(50, 3001, 50)
    p, alpha, runs = 0.7, 0.01, 5_000
    counts = rng.binomial(50, p, (runs, len(ends))).cumsum(1)
    plain = (clopper_pearson_lower(counts, ends, alpha) > p).any(1).mean()
    union = (spending_lower(counts, ends, alpha, shares(ends, 0.5)) > p).mean()
    mixture = (log_wealth(p, counts, ends, 0.5, 0.5) >= -np.log(alpha)).any(1).mean()
    error = 4 * np.sqrt(alpha / runs)
    assert plain > 4 * alpha
    assert union <= alpha + error
    assert mixture <= alpha + error


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("p", [0.3, 0.55, 0.7, 0.95, 1.0])
def test_sampling_stops_where_certifying_reads(slug: str, p: float) -> None:
    """Fed look by look, `wanted` ends with exactly the samples that the certificate used."""
    budget, look = BUDGETS.parse(slug), 500
    rng = np.random.default_rng(7)
    votes = rng.binomial(look, p, budget.n // look)
    first = rng.binomial(budget.n0, p)
    selection = np.array([first, budget.n0 - first])
    looks_so_far = np.stack([votes, look - votes], 1)
    got, top = 0, int(selection.argmax())
    while (want := budget.wanted(selection, looks_so_far[:got], G, 0.5, 1, look)) > got * look:
        assert want <= budget.n
        got = want // look
    whole = PrefixStream(selection, looks_so_far, look)
    outcome = budget.decide(whole, G, np.array([0.5]), 1)
    assert outcome.samples[0] - budget.n0 == got * look
    assert outcome.count[0] <= looks_so_far[:got, top].sum()


@pytest.mark.parametrize("slug", ONE_SIDED)
def test_failures_are_at_most_alpha(slug: str) -> None:
    """Simulated at a large alpha, with two classes near and at a tie, and at psi's extremes."""
    alpha, runs = 0.05, 2_000 if "mixture" in slug or "anytime" in slug else 8_000
    budget = BUDGETS.parse(slug.replace("sequential_", "sequential_a0.05_").replace(
        "anytime-", "anytime_a0.05-").replace("20000", "2000"))  # fmt: skip
    for p in (0.5, 0.52, 0.6, 0.7, 0.8, 0.9, 0.98, 0.999):
        stream = BinomialStream(
            np.full(runs, p), budget.n0, 50, np.random.default_rng(5), rival=True
        )
        outcome = budget.decide(stream, G, 0.5, 1)
        wrong = (outcome.predict >= 0) & (outcome.p_lower > stream.true)
        assert wrong.mean() <= alpha + 4 * np.sqrt(alpha / runs), p


def test_certificates_reach_the_radius_they_were_asked_for() -> None:
    """decide@r ends at r or above, in floating point, not a rounding below it."""
    for r in (0.25, 0.5, 0.75, 1.1):
        for scale in (0.25, 0.5, 1.0):
            budget = BUDGETS.parse(f"sequential_decide{r:.2f}-20000")
            stream = BinomialStream(np.ones(1), 100, 100, np.random.default_rng(0))
            outcome = budget.decide(stream, G, scale, 1)
            radius = G.radius(outcome.p_lower, scale, 1)[0]
            if r < 3.3 * scale:
                assert r <= radius < r + 1e-6
            else:
                assert outcome.predict[0] == -1


def test_a_grid_certificate_is_a_multiple_of_the_step() -> None:
    p = np.linspace(0.45, 1, 60)
    budget = BUDGETS.parse("sequential_grid0.25-20000")
    stream = BinomialStream(p, 100, 200, np.random.default_rng(3))
    outcome = budget.decide(stream, G, 0.5, 1)
    radius = G.radius(outcome.p_lower, 0.5, 1)
    assert np.abs(radius / 0.25 - np.round(radius / 0.25)).max() < 1e-4
    assert (outcome.samples <= 20_100).all()


def test_thresholds_rise_with_the_price() -> None:
    """A dearer sample stops more: thresholds are monotone in the price."""
    cheap = price_thresholds(1e-6, 20_000, 200, 0.001, G, 1)
    dear = price_thresholds(1e-5, 20_000, 200, 0.001, G, 1)
    assert (dear >= cheap).all()


def test_many_noise_scales_cost_no_validity_and_little_power() -> None:
    """Shared boundaries (rounded up levels) certify no input that its own would not."""
    p = np.full(40, 0.9)
    scales = np.linspace(0.4, 0.6, 40)
    budget = BUDGETS.parse("sequential_decide0.50-20000")
    together = budget.decide(BinomialStream(p, 100, 200, np.random.default_rng(3)), G, scales, 1)
    truth = G.radius(p, scales, 1) >= 0.5
    assert (together.predict >= 0)[truth].mean() > 0.8
    assert not (together.predict >= 0)[G.radius(p, scales, 1) < 0.49].any()
