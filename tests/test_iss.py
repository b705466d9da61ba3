"""Promises of input-specific sampling: its size mapping, its slugs, and its two budgets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import beta

from smoothcert.budget import BUDGETS
from smoothcert.budget.psi import Decline, Mapping, psi, table
from smoothcert.budget.stream import PrefixStream
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian

G = Gaussian(1.0)


def radius(p: float, k: float, alpha: float = 0.001) -> float:
    """Radius at scale 1 of the ratio p of k votes, straight from Definition 1."""
    return float(ndtri(beta.ppf(alpha, p * k, k - p * k + 1)))


def scan(p: float, kbar: int, ad: float, rd: float, scale: float, step: int = 1) -> int:
    """Algorithm 1 as written: try every size from the smallest."""
    desired = scale * radius(p, kbar)
    least = desired - ad if ad else desired * (1 - rd)
    if least <= 0:
        return 0
    return next(k for k in itertools.count(step, step) if scale * radius(p, k) >= least)


@pytest.mark.parametrize(("ad", "rd"), [(0.05, 0), (0.1, 0), (0, 0.01), (0, 0.2)])
@pytest.mark.parametrize("scale", [0.25, 1.0])
def test_psi_equals_a_plain_scan(ad: float, rd: float, scale: float) -> None:
    for p in (0.3, 0.5, 0.52, 0.6, 0.75, 0.9, 0.99, 0.997, 1.0):
        for step in (1, 7):
            found = psi(p, Decline(ad, rd), G, scale, 1, kbar=700, step=step)
            assert found == scan(p, 700, ad, rd, scale, step), (p, step)


@pytest.mark.parametrize(
    ("scale", "ad", "expected"),
    [
        (0.5, 0.05, [1400, 1400, 1600, 2200, 7000, 21400, 67200]),
        (0.25, 0.05, [400, 400, 600, 600, 2400, 8800, 45400]),
        (0.5, 0.10, [400, 400, 600, 600, 2400, 8800, 45400]),
        (1.0, 0.05, [4000, 4400, 4800, 6400, 17600, 40400, 81800]),
    ],
)
def test_psi_has_the_values_of_the_released_program(
    scale: float, ad: float, expected: list[int]
) -> None:
    p = [0.6, 0.7, 0.8, 0.9, 0.99, 0.999, 1.0]
    found = psi(p, Decline(ad=ad), G, scale, 1, kbar=100_000, step=200)
    assert found.tolist() == expected


def test_psi_at_certainty_has_a_closed_form() -> None:
    for scale, u in ((0.25, 0.05), (0.5, 0.05), (1.0, 0.05), (1.0, 0.1)):
        top = radius(1.0, 100_000) - u / scale
        from scipy.special import log_ndtr

        exact = np.log(0.001) / log_ndtr(top)
        assert psi(1.0, Decline(ad=u), G, scale, 1, kbar=100_000) == int(np.ceil(exact))


@given(
    p=st.floats(0.5, 1.0),
    scale=st.sampled_from([0.12, 0.25, 0.5, 1.0]),
    decline=st.sampled_from([Decline(0.05), Decline(0.1), Decline(rd=0.01), Decline(rd=0.05)]),
    kbar=st.sampled_from([1000, 20_000, 100_000]),
)
@settings(max_examples=80, deadline=None)
def test_propositions_one_and_two(p: float, scale: float, decline: Decline, kbar: int) -> None:
    """The bound on the decline holds at psi samples, and breaks at one sample fewer."""
    size = int(psi(p, decline, G, scale, 1, kbar=kbar))
    desired = scale * radius(p, kbar)
    least = desired - decline.ad if decline.ad else desired * (1 - decline.rd)
    if size == 0:
        assert least <= 0
        return
    assert scale * radius(p, size) >= least - 1e-9
    if size > 1:
        assert scale * radius(p, size - 1) < least + 1e-9


def test_propositions_hold_for_the_interval_of_stage_one() -> None:
    """With every p of the interval on the grid, k-hat suffices, and fewer fail somewhere."""
    mapping = Mapping(Decline(0.05), 100_000, 0.001)
    for count in (600, 800, 950, 1000):
        size = int(mapping.sizes(count, 1000, G, 0.5, 1)[0])
        first, last = mapping.interval(np.array([count]), 1000)
        inside = 0.5 + np.arange(first[0], last[0] + 1) / 1000
        declines = [0.5 * (radius(p, 100_000) - radius(p, size)) for p in inside]
        fewer = [0.5 * (radius(p, 100_000) - radius(p, size - 1)) for p in inside]
        assert max(declines) <= 0.05 + 1e-12 < max(fewer)


def test_absolute_sizes_rise_and_relative_sizes_fall_then_rise() -> None:
    ad = table(Decline(ad=0.1), G, 1, 100_000, 0.001, 1)
    assert (np.diff(ad) >= 0).all()
    assert ad[0] == 0
    rd = table(Decline(rd=0.01), G, 1, 100_000, 0.001, 1)
    turn = rd.argmax(), 0.5 + rd[10:].argmin() / 1000 + 0.01
    assert rd[10] == 97_946
    assert rd[500] == 85_768
    assert turn[1] == pytest.approx(0.943, abs=0.003)
    assert (np.diff(rd[10:440]) <= 0).all()


def test_the_largest_size_inside_the_interval_counts() -> None:
    """An interval that straddles the peak of the relative mapping: its ends are both small."""
    mapping = Mapping(Decline(rd=0.05), 100_000, 0.001)
    ends = Mapping(Decline(rd=0.05), 100_000, 0.001, ends_only=True)
    count = 520
    whole = table(Decline(rd=0.05), G, 1, 100_000, 0.001, 1)
    first, last = mapping.interval(np.array([count]), 1000)
    assert mapping.sizes(count, 1000, G, 1.0, 1) == whole[first[0] : last[0] + 1].max()
    assert ends.sizes(count, 1000, G, 1.0, 1) < mapping.sizes(count, 1000, G, 1.0, 1)


def test_many_scales_give_what_one_scale_at_a_time_gives() -> None:
    mapping = Mapping(Decline(0.05), 50_000, 0.001)
    counts = np.array([510, 600, 700, 800, 900, 990, 999, 1000, 1000, 400, 550])
    scales = np.linspace(0.2, 0.9, len(counts))
    together = mapping.sizes(counts, 1000, G, scales, 1)
    alone = [int(mapping.sizes(c, 1000, G, s, 1)[0]) for c, s in zip(counts, scales, strict=True)]
    assert together.tolist() == alone


@pytest.mark.parametrize(
    "slug",
    ["iss_ad0.05-100000", "iss_rd0.01-100000", "iss-fresh_ad0.05-100000",
     "iss-fresh_a0.01_s200_ad0.10-50000"],
)  # fmt: skip
def test_slugs_round_trip(slug: str) -> None:
    budget = BUDGETS.parse(slug)
    assert budget.slug == slug
    assert budget.n0 == (200 if "_s200" in slug else budget.n // 100)


@pytest.mark.parametrize("slug", ["iss-100000", "iss_ad0.05_rd0.01-100000", "iss_rd1.00-100000"])
def test_a_decline_must_be_given_once(slug: str) -> None:
    with pytest.raises(SmoothcertError, match="decline"):
        BUDGETS.parse(slug)


def votes(selection: int, k0: int, look_votes: list[int], look: int) -> tuple:
    looks = np.array([[v, look - v] for v in look_votes]).reshape(-1, 2)
    return np.array([selection, k0 - selection]), looks


@pytest.mark.parametrize("slug", ["iss_ad0.05-100000", "iss-fresh_ad0.05-100000"])
@pytest.mark.parametrize("count", [400, 500, 560, 600, 750, 940, 1000])
def test_sampling_stops_where_certifying_reads(slug: str, count: int) -> None:
    """`wanted` asks for exactly what `decide` uses, and not a look more."""
    budget = BUDGETS.parse(slug)
    look = 1000
    want, given_looks = 0, 0
    rng = np.random.default_rng(count)
    while True:
        drawn = rng.binomial(look, count / 1000, given_looks).tolist()
        selection, looks = votes(count, 1000, drawn, look)
        want = budget.wanted(selection, looks, G, 0.5, 1, look)
        if want <= given_looks * look:
            break
        given_looks = want // look
    outcome = budget.decide(PrefixStream(selection, looks, look), G, np.array([0.5]), 1)
    assert outcome.samples[0] == 1000 + want


@pytest.mark.parametrize("p", [0.585, 0.7, 0.85, 0.9])
def test_no_radius_is_undefined_or_overclaimed_where_k_hat_is_below_k0(p: float) -> None:
    """The released program divides k0 votes by a smaller k-hat: NaN, reported as certified."""
    budget = BUDGETS.parse("iss_ad0.10-100000")
    count = round(p * 1000)
    size = int(budget.mapping.sizes(count, 1000, G, 0.5, 1)[0])
    assert 0 < size < 1000
    assert np.isnan(beta.ppf(0.001, count, size - count + 1)) or size >= count  # the program's
    selection, looks = votes(count, 1000, [], 1000)
    outcome = budget.decide(PrefixStream(selection, looks, 1000), G, np.array([0.5]), 1)
    assert outcome.n[0] == outcome.samples[0] == 1000
    assert outcome.p_lower[0] == pytest.approx(beta.ppf(0.001, count, 1000 - count + 1))
    assert outcome.p_lower[0] < count / 1000


def test_the_fresh_bound_counts_no_vote_of_stage_one() -> None:
    budget = BUDGETS.parse("iss-fresh_ad0.05-100000")
    selection, looks = votes(600, 1000, [900, 900, 900, 900], 1000)
    outcome = budget.decide(PrefixStream(selection, looks, 1000), G, np.array([0.5]), 1)
    assert outcome.count[0] == 900 * outcome.n[0] // 1000
    reused = BUDGETS.parse("iss_ad0.05-100000").decide(
        PrefixStream(selection, looks, 1000), G, np.array([0.5]), 1
    )
    assert reused.count[0] == 600 + 900 * (reused.n[0] - 1000) // 1000


def test_a_store_with_fewer_selection_votes_fills_stage_one_from_the_stream() -> None:
    budget = BUDGETS.parse("iss-fresh_ad0.05-100000")
    selection, looks = votes(100, 100, [1000] * 100, 1000)
    outcome = budget.decide(PrefixStream(selection, looks, 1000), G, np.array([0.5]), 1)
    assert outcome.samples[0] == 100 + 1000 + outcome.n[0]
    assert budget.wanted(selection, looks[:1], G, 0.5, 1, 1000) == 1000 + outcome.n[0]
