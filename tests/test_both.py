"""Promises of both bounds: the radius of (p_A, p_B), and budgets that bound both classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from core_helpers import make_store
from numpy.typing import ArrayLike
from scipy import stats

from smoothcert.audits.ballots import EveryBallot, every_ballot, small_pairs
from smoothcert.budget import BUDGETS, Both, BothSame
from smoothcert.budget.adaptive import Outcome
from smoothcert.budget.both import fair_share, pair_bounds, pair_outcome, strongest
from smoothcert.budget.stream import StoreStream, Stream
from smoothcert.certificates.certification import certify
from smoothcert.compute.lazy import torch
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.noise.pair_table import pair_table
from smoothcert.noise.radial_quadrature import Law

PAIRS = np.array([(0.3, 0.2), (0.55, 0.4), (0.6, 0.1), (0.8, 0.2), (0.95, 0.01), (0.999, 5e-4)])


@pytest.mark.parametrize(
    ("noise", "law", "half"),
    [("gaussian-1.00", stats.norm, None), ("laplace-1.00", stats.laplace, None),
     ("uniform-1.00", stats.uniform(-1, 2), 1.0)],
)  # fmt: skip
def test_the_radius_is_attained_by_two_half_spaces(noise, law, half):
    """A = {z < a}, B = {z > b} along an axis: at the radius, and no sooner, they are level."""
    for p_a, p_b in PAIRS:
        a, b = law.ppf(p_a), law.isf(p_b)
        r = float(NOISES.parse(noise).standard_pair_radius(p_a, p_b, 7))

        def lead(shift: float, a: float = a, b: float = b) -> float:
            return float(law.cdf(a - shift) - law.sf(b - shift))

        assert lead(r * (1 - 1e-6)) > 0
        assert abs(lead(r)) < 1e-12
        if half is None:
            assert lead(r * (1 + 1e-6)) < 0


@pytest.mark.parametrize("slug", ["gaussian-0.50", "gaussian-linf-0.50", "laplace-0.50",
                                  "uniform-0.50", "uniform_box-3.00", "gaussian-grid-0.50",
                                  "centripetal-l2_k48-0.50"])  # fmt: skip
def test_no_radius_is_below_that_of_the_top_class_alone(slug):
    noise, p = NOISES.parse(slug), np.array([0.4, 0.5, 0.6, 0.9, 0.9999])
    alone = noise.radius(p, noise.scale, 64)
    assert noise.radius(p, noise.scale, 64, 1 - p) == pytest.approx(alone, abs=1e-12)
    assert (noise.radius(p, noise.scale, 64, (1 - p) / 2) >= alone).all()
    assert (noise.radius(p[:2], noise.scale, 64, p[:2]) == 0).all()


def test_laplace_is_never_below_the_bound_of_teng_et_al():
    p_a, p_b = PAIRS.T
    ours = NOISES.parse("laplace-1.00").standard_pair_radius(p_a, p_b, 3)
    theirs = np.maximum(np.log(p_a / p_b) / 2, -np.log(1 - p_a + p_b))
    assert (ours >= theirs - 1e-12).all()
    assert (ours > theirs + 0.05).any()


def test_quadrature_gives_the_formulas_of_gaussian_and_laplace_noise():
    p_a, p_b = PAIRS.T
    for law, slug in (
        (Law(0, 64, True, True), "gaussian-1.00"), (Law(0, 64, False, False), "laplace-1.00"),
    ):  # fmt: skip
        exact = NOISES.parse(slug).standard_pair_radius(p_a, p_b, 64)
        found = pair_table(law).radius_at(p_a, p_b)
        assert (found <= exact + 1e-9).all()
        assert found == pytest.approx(exact, rel=0.05, abs=0.005)


@pytest.mark.parametrize(
    ("slug", "d"),
    [
        ("centripetal-l2_k48-1.00", 64),
        pytest.param("centripetal-linf_k2-1.00", 8, marks=pytest.mark.slow),
    ],
)
def test_centripetal_radii_are_right_where_draws_give_the_worst_classifier(slug, d):
    """At the radius the two likelihood-ratio sets, estimated from draws, still stand apart."""
    noise, n = NOISES.parse(slug), 100_000
    z = noise.sample((n, d), torch.Generator().manual_seed(1)).double()
    for p_a, p_b in ((0.6, 0.1), (0.9, 0.03)):
        r = float(noise.standard_pair_radius(p_a, p_b, d))

        def kept(p: float, r: float) -> float:
            shift = torch.zeros(d) if slug.startswith("centripetal-l2") else torch.full((d,), r)
            shift[0] = r
            ratio = (noise.log_density(z - shift) - noise.log_density(z)).exp().sort().values
            return float(ratio[: int(p * n)].sum() / n)

        assert kept(p_a, r) + kept(1 - p_b, r) > 1 - 0.006
        assert kept(p_a, 1.05 * r) + kept(1 - p_b, 1.05 * r) < 1
        assert r > 1.1 * float(noise.standard_radius(p_a, d))


def test_a_noise_without_a_proof_says_so_in_a_line():
    with pytest.raises(SmoothcertError, match="no radius is proved for bounds on both"):
        NOISES.parse("mixed-linf_k4-1.00").standard_pair_radius(0.6, 0.1, 8)


def test_the_share_of_alpha_loses_as_much_at_the_top_as_in_the_middle():
    z = stats.norm.isf
    for alpha in (0.05, 0.001):
        e = fair_share(alpha)
        top = z((1 - e) * alpha) / z(alpha)
        middle = (z((1 - e) * alpha) + z(e * alpha)) / (2 * z(alpha / 2))
        assert 1 < top < 1.06
        assert top == pytest.approx(middle, abs=0.003)


@pytest.mark.parametrize(("name", "budget"), [
    (name, budget) for alpha in (0.05, 0.001) for name, budget in small_pairs(24, 4, alpha)
    if budget.name != "both-sequential" or alpha == 0.05
])  # fmt: skip
def test_every_ballot_fails_with_at_most_alpha(name, budget):
    curve = every_ballot(name, budget, 12, 2, 12)
    assert curve.failure.max() <= 1 + 1e-9, curve.row()
    if budget.name in ("both", "both-same"):
        assert curve.failure.max() > 0.5  # the list of ballots finds what there is


@dataclass(frozen=True)
class Peeking(Both):
    """A fault: the best bounds of all looks, each at the whole of alpha."""

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        lower, upper = np.zeros(len(rows)), np.ones(len(rows))
        for end in range(stream.look, self.n + 1, stream.look):
            count, rival = self.ballot(stream, rows, np.full(len(rows), end))
            low, high = pair_bounds(count, rival, end, self.alpha, self.e)
            lower, upper = np.maximum(lower, low), np.minimum(upper, high)
        n = np.full(len(rows), self.n)
        return pair_outcome(stream.chosen, count, n, (lower, upper), stream.n0 + n)


@dataclass(frozen=True)
class SelectedRival(Both):
    """A fault: bounds the runner-up of the selection votes, and no other class."""

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        n = np.full(len(rows), self.n)
        votes = stream.votes(rows, n)
        second = np.argsort(-stream.selection, 1, kind="stable")[:, 1]
        count = votes[rows, stream.chosen]
        bounds = pair_bounds(count, votes[rows, second], n, self.alpha, self.e)
        return pair_outcome(stream.chosen, count, n, bounds, stream.n0 + n)


@dataclass(frozen=True)
class Reusing(Both):
    """A fault: the votes that chose the class are counted for it."""

    def decide(self, stream: Stream, noise: Noise, scale: ArrayLike, d: int) -> Outcome:
        rows = np.arange(len(stream.first))
        n = np.full(len(rows), self.n)
        votes = stream.selection + stream.votes(rows, n)
        count, rival = votes[rows, stream.chosen], strongest(votes, stream.chosen)
        bounds = pair_bounds(count, rival, n + self.n0, self.alpha, self.e)
        return pair_outcome(stream.chosen, count, n, bounds, stream.n0 + n)


@pytest.mark.parametrize(("fault", "n0", "look", "looks"), [
    (Peeking, 2, 4, 4), (SelectedRival, 4, 40, 1), (Reusing, 12, 12, 1),
])  # fmt: skip
def test_a_planted_fault_is_caught(fault, n0, look, looks):
    curve = every_ballot("fault", fault(look * looks, 0.05, n0), look, looks, 13)
    assert curve.broken


def test_ballots_have_the_probabilities_of_the_multinomial_law():
    ballots = EveryBallot(2, 2, 1)
    p = np.array([0.5, 0.3, 0.2])
    votes = ballots.selection + ballots.total[:, -1]
    weight = np.exp(ballots.log_many + (votes * np.log(p)).sum(1))
    assert weight.sum() == pytest.approx(1)
    firm = ballots.selection[:, 0] == 2
    assert weight[firm].sum() == pytest.approx(0.25)


def test_certificates_of_a_store_by_hand_and_what_one_side_leaves():
    votes = [[60, 40, 300], [330, 50, 20], [200, 200, 0]]
    store = make_store([[v] for v in votes], selection=[[1, 1, 8], [9, 0, 1], [6, 4, 0]],
                       look=400)  # fmt: skip
    table = certify(store, BUDGETS.parse("both_a0.01_s10-400"))
    e = fair_share(0.01)
    lower = clopper_pearson_lower([300, 330, 200], 400, (1 - e) * 0.01)
    upper = np.minimum(clopper_pearson_upper([60, 50, 200], 400, e * 0.01), 1 - lower)
    radius = 0.5 * (stats.norm.ppf(lower) - stats.norm.ppf(upper)) / 2
    assert table.columns["p_upper"] == pytest.approx(upper)
    assert table.radius == pytest.approx([*radius[:2], 0])
    assert table.predict.tolist() == [2, 0, -1]
    alone = certify(store, BUDGETS.parse("fixed_a0.01_s10-400"))
    assert (table.radius[:2] > alone.radius[:2]).all()
    assert "p_upper" not in alone.columns


def test_the_class_from_the_same_votes_needs_no_selection_and_no_luck():
    store = make_store([[[210, 190, 0]], [[350, 40, 10]]], selection=[[0, 1, 9], [0, 0, 10]],
                       look=400)  # fmt: skip
    table = certify(store, BothSame(400, 0.001, 10))
    assert table.predict.tolist() == [-1, 0]


def test_a_store_counts_every_class_within_the_first_samples():
    looks = [[[5, 3, 2], [1, 9, 0]], [[10, 0, 0], [0, 0, 10]]]
    store = make_store(looks, selection=[[3, 0, 0], [0, 3, 0]], look=10)
    assert store.class_counts([10, 20]).tolist() == [[5, 3, 2], [10, 0, 10]]
    stream = StoreStream(store)
    assert stream.votes(np.array([1]), np.array([10])).tolist() == [[10, 0, 0]]
    with pytest.raises(SmoothcertError, match="30 estimation samples are needed"):
        stream.votes(np.array([0]), np.array([30]))


@pytest.mark.parametrize(
    "slug",
    [
        "both_e0.00-1000",
        "both_e1.00-1000",
        "both-same_w0.00-1000",
        "both-sequential-1000",
        "both-sequential_0.05_bylow-1000",
    ],
)
def test_options_out_of_range_end_in_a_line(slug):
    with pytest.raises(SmoothcertError):
        BUDGETS.parse(slug)
