"""Certificates against the truth: a linear classifier's radius is known in closed form."""

import math

import numpy as np
import pytest
import torch
from core_helpers import make_store
from scipy.stats import binom, binomtest

from smoothcert.budget import BUDGETS
from smoothcert.certificates.certification import certify, predict
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Gaussian
from smoothcert.sampling.library import sample

SIGMA, D = 0.25, 6
NOISE = NOISES.parse("gaussian-0.25")


class HalfSpaces(torch.nn.Linear):
    """Class 1 where w x + b > 0, else class 0; class 2 never wins."""

    def __init__(self):
        super().__init__(D, 3)
        direction = torch.tensor([3.0, -1.0, 2.0, 0.5, -2.0, 1.0])
        with torch.no_grad():
            self.weight.copy_(torch.stack([-direction, direction, 0 * direction]))
            self.bias.copy_(torch.tensor([1.5, -1.5, -1e4]))

    def images(self, margins):
        """Points of [0,1]^D at signed distances ``margins`` from the boundary, inside class 1."""
        w, b = self.weight[1].detach().double(), float(self.bias[1].detach())
        start = torch.full((D,), 0.5, dtype=torch.float64)
        at = (w @ start + b) / w.norm()
        points = start + (torch.as_tensor(margins) - at)[:, None] * w / w.norm()
        assert ((points >= 0) & (points <= 1)).all()
        return points.float()

    def true_radius(self, images):
        """|w x + b| / ||w||: the smoothed classifier has the same boundary, by symmetry."""
        w, b = self.weight[1].detach().double(), float(self.bias[1].detach())
        return ((images.double() @ w + b).abs() / w.norm()).numpy()


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def halfspaces():
    """2,400 inputs at margins of -1 to 1.2 noise scales, 500 samples each."""
    model = HalfSpaces()
    margins = np.linspace(-1.0, 1.2, 2400) * SIGMA
    images = model.images(margins)
    budget = BUDGETS.parse("fixed_s30-500")
    store = sample(model, images, budget, NOISE, labels=margins > 0, look=250)
    return store, model.true_radius(images), margins > 0


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("n", [250, 500])
def test_no_certificate_exceeds_the_truth_beyond_the_failure_probability(halfspaces, alpha, n):
    store, truth, right = halfspaces
    table = certify(store, BUDGETS["fixed"](n, alpha, n0=30))
    certified = table.predict >= 0
    # A certificate is wrong if its class is, or if it reaches beyond the boundary.
    wrong = certified & ((table.predict != right) | (table.radius > truth * (1 + 1e-6)))
    assert len(table) >= 2000
    assert certified.sum() > 500
    assert binomtest(int(wrong.sum()), len(table), alpha, "greater").pvalue > 1e-4
    # The bound is exact, so at this many inputs some fail: a test that nothing fails proves less.
    if alpha >= 0.05:
        assert wrong.sum() > 0.3 * alpha * certified.sum()


def test_the_mean_certified_radius_comes_within_two_percent_of_the_truth_as_n_grows():
    model = HalfSpaces()
    images = model.images(np.linspace(1.0, 2.0, 24) * SIGMA)
    truth = model.true_radius(images).mean()
    budget = BUDGETS.parse("fixed-100000")
    store = sample(model, images, budget, NOISE, labels=np.ones(24), batch=2000)
    shares = [
        certify(store, BUDGETS[budget.name](n)).radius.mean() / truth
        for n in (1000, 4000, 20_000, 100_000)
    ]
    assert shares == sorted(shares)
    assert 0.98 < shares[-1] < 1.0
    # What is lost falls as 1 / sqrt(n).
    assert 1 - shares[0] == pytest.approx(10 * (1 - shares[-1]), rel=0.35)


def test_a_certificate_is_the_bound_in_the_formula():
    store = make_store(
        [[[90, 5, 5]] * 10, [[30, 70, 0]] * 10, [[50, 50, 0]] * 10],
        selection=[[9, 1, 0], [1, 8, 1], [5, 5, 0]],
    )
    table = certify(store, BUDGETS.parse("fixed_a0.01_s10-1000"), seconds=[1.0, 2.0, 3.0])
    assert table.predict.tolist() == [0, 1, -1]
    assert table.optional("count").tolist() == [900, 700, 500]
    bounds = clopper_pearson_lower([900, 700, 500], 1000, 0.01)
    assert (table.optional("p_lower") == bounds).all()
    # sigma * Phi^-1, by its defining integral.
    for radius, bound in zip(table.radius[:2], bounds[:2], strict=True):
        assert 0.5 * (1 + math.erf(radius / 0.5 / math.sqrt(2))) == pytest.approx(bound, rel=1e-12)
    assert table.radius[2] == 0.0
    assert table.columns["time"].tolist() == [1.0, 2.0, 3.0]


def test_the_class_comes_from_the_selection_votes_alone():
    # The estimation votes favour class 1; the selection votes chose class 0: abstain.
    store = make_store([[[20, 80, 0]] * 10], selection=[[6, 4, 0]])
    table = certify(store, BUDGETS.parse("fixed_s10-1000"))
    assert table.predict.tolist() == [-1]
    assert table.optional("count").tolist() == [200]


def test_a_class_at_or_below_one_half_is_never_certified():
    for count in range(0, 101, 4):
        store = make_store([[[count, 100 - count, 0]]], selection=[[10, 0, 0]])
        table = certify(store, BUDGETS.parse("fixed_s10-100"))
        bound = clopper_pearson_lower(count, 100, 0.001)
        assert (table.predict[0] == 0) == (bound > 0.5)
        assert (table.radius[0] > 0) == (bound > 0.5)


def test_scales_multiply_radii():
    looks, chosen = [[[90, 10, 0]] * 10] * 2, [[10, 0, 0]] * 2
    one = make_store(looks, selection=chosen)
    two = make_store(looks, selection=chosen)
    two.scale[:] = [0.25, 1.0]
    budget = BUDGETS.parse("fixed_s10-1000")
    ratio = certify(two, budget).radius / certify(one, budget).radius
    assert ratio.tolist() == pytest.approx([0.5, 2.0], rel=1e-15)


def test_a_budget_that_the_store_cannot_serve_is_refused():
    store = make_store([[[60, 40, 0]] * 3], selection=[[10, 0, 0]])
    for slug, says in (
        ("fixed_s10-400", "idx 0: 400 estimation samples are needed, 300 are stored"),
        ("fixed_s10-250", "expected a multiple of 100"),
        ("fixed-300", "n0 100; the store has 10"),
    ):
        with pytest.raises(SmoothcertError, match=says):
            certify(store, BUDGETS.parse(slug))


def test_an_adaptive_budget_takes_a_store_of_other_selection_votes():
    # 40 selection votes an input; ISS wants k0 = 0.01 * 20,000 = 200, so two looks fill it up.
    looks = [[[95, 5, 0]] * 200, [[60, 40, 0]] * 200, [[34, 33, 33]] * 200, [[100, 0, 0]] * 200]
    store = make_store(looks, selection=[[38, 2, 0], [25, 15, 0], [14, 13, 13], [40, 0, 0]])
    seconds = np.full(4, 20_040.0)
    for slug in (
        "iss_ad0.05", "iss_rd0.05", "iss-fresh_ad0.05", "sequential_0.02", "sequential_ad0.05",
        "sequential_decide0.50", "sequential_grid0.25", "sequential_0.02_byfresh", "anytime",
    ):  # fmt: skip
        budget = BUDGETS.parse(f"{slug}-20000")
        table = certify(store, budget, seconds=seconds)
        drawn = table.columns["samples"]
        assert (table.columns["n0"] == 40).all()
        assert (drawn <= 20_040).all()
        assert ((drawn - 40) % 100 == 0).all()
        # What a sampler that asks the budget after each answer ends with.
        for i in range(4):
            votes, have = np.array(looks[i]), 0
            selection = store.selection_counts()[i]
            where = (NOISES.parse(store.identity["noise"]), store.scale[i], store.d, 100)
            while (more := budget.wanted(selection, votes[:have], *where)) > have * 100:
                have = more // 100
            assert have * 100 + 40 == drawn[i]
        # A second a sample: the time of what was drawn.
        assert table.columns["time"] == pytest.approx(drawn)


def test_samples_count_the_selection_votes_of_a_fixed_budget_too():
    store = make_store([[[60, 40, 0]] * 3], selection=[[10, 0, 0]])
    table = certify(store, BUDGETS.parse("fixed_s10-200"), seconds=[31.0])
    assert table.columns["samples"].tolist() == [210]
    assert table.columns["time"].tolist() == [21.0]


def test_an_impossible_budget_names_the_smallest_n_that_can():
    for alpha, least in ((0.001, 10), (0.01, 7), (0.05, 5)):
        with pytest.raises(SmoothcertError, match=f"smallest n that can is {least}$"):
            BUDGETS["fixed"](least - 1, alpha)
        assert BUDGETS["fixed"](least, alpha).n == least
        store = make_store([[[least, 0, 0]]], selection=[[10, 0, 0]], look=least)
        assert certify(store, BUDGETS["fixed"](least, alpha, n0=10)).predict[0] == 0


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.1])
def test_predict_answers_as_the_two_sided_binomial_test_of_the_top_two(alpha):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(100, rng.dirichlet([0.8] * 4, 60))
    counts = np.vstack([counts, [[50, 50, 0, 0], [100, 0, 0, 0], [25, 25, 25, 25], [0, 0, 1, 99]]])
    answers = predict(counts, alpha)
    assert (answers == -1).any()
    assert (answers >= 0).any()
    for row, answer in zip(counts, answers, strict=True):
        top, second = np.sort(row)[[-1, -2]]
        sure = binomtest(int(top), int(top + second), 0.5).pvalue <= alpha
        assert answer == (int(row.argmax()) if sure else -1)


def test_predict_is_wrong_with_probability_at_most_alpha():
    # Two classes, the second the likelier by a hair: exact enumeration of n = 60 votes.
    counts = np.stack([np.arange(61), 60 - np.arange(61)], 1)
    for alpha in (0.001, 0.05):
        answers = predict(counts, alpha)
        chances = binom.pmf(np.arange(61), 60, 0.5)
        assert 0 < chances[answers == 0].sum() <= alpha / 2


def test_predict_refuses_what_can_never_be_answered():
    with pytest.raises(SmoothcertError, match=r"n 10 can never predict .* at least 11 samples"):
        predict([[10, 0]], 0.001)
    assert predict([[11, 0]], 0.001).tolist() == [0]
    with pytest.raises(SmoothcertError, match="alpha 0: "):
        predict([[11, 0]], 0.0)


def test_certifying_a_model_of_ones_own_takes_a_few_lines():
    model = torch.nn.Sequential(torch.nn.Flatten(), HalfSpaces())
    images = HalfSpaces().images([0.3, 0.2]).view(2, 1, 2, 3)
    store = sample(model, images, BUDGETS.parse("fixed-1000"), NOISE, seed=1)
    table = certify(store, BUDGETS.parse("fixed-1000"))
    assert table.predict.tolist() == [1, 1]
    assert table.label.tolist() == [-1, -1]
    assert (table.radius > 0.1).all()


class Simulated(Gaussian):
    """Gaussian noise as if its radii came from a table that fails with probability 4e-4."""

    table_failure_probability = 4e-4


def test_a_simulated_radius_table_takes_its_share_of_alpha(halfspaces):
    store, _, _ = halfspaces
    budget = BUDGETS.parse("fixed_s30-500")
    plain = certify(store, budget, Gaussian(SIGMA))
    shared = certify(store, budget, Simulated(SIGMA))
    expected = clopper_pearson_lower(shared.columns["count"], 500, 6e-4)
    np.testing.assert_allclose(shared.columns["p_lower"], expected, rtol=1e-12)
    assert (shared.radius <= plain.radius).all()
    assert (shared.columns["alpha"] == 1e-3).all()
    with pytest.raises(SmoothcertError, match="failure probability of"):
        certify(store, BUDGETS.parse("fixed_a0.0001_s30-500"), Simulated(SIGMA))
