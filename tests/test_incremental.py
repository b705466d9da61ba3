"""Certificates of one classifier from the votes of a cheaper one: the bound, and the pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from smoothcert import certify, sample
from smoothcert.budget import Fixed, Incremental, incremental
from smoothcert.budget.incremental import break_even, equal_cost, incremental_lower
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian
from smoothcert.sampling.pairs import with_pairs


def failure(alpha: float, n: int = 60, m: int = 50) -> float:
    """The largest probability of a wrong certificate in units of alpha, by all counts.

    Worst case: the certified classifier has the class nowhere but where the cheaper one has it.
    """
    k, differ = np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij")
    bound = incremental_lower(k, n, differ, m, alpha)
    worst = 0.0
    for p in np.linspace(0.5, 0.999, 60):
        for zeta in (0.0, 0.001, 0.01, 0.03, 0.1, 0.2):
            wrong = (bound > 0.5) & (bound > p - zeta)
            chance = binom.pmf(k, n, p) * binom.pmf(differ, m, zeta)
            worst = max(worst, float(chance[wrong].sum()) / alpha)
    return worst


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_a_certificate_from_a_cheaper_classifier_fails_with_less_than_alpha(alpha):
    assert 0 < failure(alpha) <= 1


def test_a_share_of_differences_taken_for_its_bound_is_seen(monkeypatch):
    """The planted fault: differ / m in the place of an upper bound on it."""
    monkeypatch.setattr(incremental, "clopper_pearson_upper", lambda d, m, alpha: d / m)
    assert failure(0.05) > 2


class Net(torch.nn.Module):
    """Three classes by random directions: half precision moves votes near their borders."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
        self.weight = torch.nn.Parameter(3 * weight)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (z.flatten(1) - 0.5) @ self.weight.T


@pytest.fixture(scope="module")
def cheap():
    model, x = Net().eval(), torch.rand(12, 1, 2, 4, generator=torch.Generator().manual_seed(0))
    store = sample(
        model, x, Fixed(4000), Gaussian(0.25), engine="torch", precision="bfloat16", seed=5
    )
    return model, x, store


def test_pairs_count_where_the_cheaper_classifier_alone_has_the_class(cheap):
    model, x, store = cheap
    paired = with_pairs(store, model, x, 1500, engine="torch")
    half = Net().to(torch.bfloat16).eval()
    half.load_state_dict(model.state_dict())
    for i in range(0, 12, 5):
        c, count = int(store.top_class()[i]), 0
        for j, size in enumerate((1000, 500)):
            eps = torch.randn((size, 1, 2, 4), generator=generator(5, "pairs", i, j))
            z = x[i] + 0.25 * eps
            says, means = half(z.bfloat16()).argmax(1), model(z).argmax(1)
            count += int(((says == c) & (means != c)).sum())
        assert paired.extra["differ"][i] == pytest.approx(count, abs=1)
    assert 0 < paired.extra["differ"].sum() < 100
    assert (paired.identity["precision"], store.identity["precision"]) == ("float32", "bfloat16")
    assert paired.identity["votes_of"].endswith("in bfloat16")


def test_the_certificate_is_that_of_the_float32_classifier(cheap):
    model, x, store = cheap
    paired = with_pairs(store, model, x, 2000, engine="torch")
    table = certify(paired, Incremental(4000, m=2000))
    direct = certify(sample(model, x, Fixed(50_000), Gaussian(0.25), engine="torch"), Fixed(50_000))
    kept = (table.predict >= 0) & (direct.predict >= 0)
    assert kept.sum() >= 6
    assert (table.predict == direct.predict)[kept].all()
    assert (table.radius <= direct.radius)[kept].all()


def test_votes_of_another_classifier_are_not_taken_for_its_own(cheap):
    model, x, store = cheap
    paired = with_pairs(store, model, x, 100, engine="torch")
    with pytest.raises(SmoothcertError, match="needs votes of the certified classifier alone"):
        certify(paired, Fixed(4000))
    with pytest.raises(SmoothcertError, match="needs votes with pairs"):
        certify(store, Incremental(4000))
    with pytest.raises(SmoothcertError, match="the store has 100 pairs"):
        certify(paired, Incremental(4000))
    with pytest.raises(SmoothcertError, match="already has pairs"):
        with_pairs(paired, model, x, 100)
    with pytest.raises(SmoothcertError, match="the store has 12 inputs"):
        with_pairs(store, model, x[:3], 100)


def test_it_pays_where_the_cheaper_votes_are_much_cheaper_and_the_classes_not_sure():
    def gain(p: float, ratio: float, zeta: float = 1e-3) -> float:
        found = equal_cost([p], [zeta], ratio, 100_000, 0.001, Gaussian(1.0), 64)
        used = found.n * ratio + found.m * (1 + ratio)
        assert used <= 100_000
        return found.incremental - found.direct

    assert gain(0.9, 0.05, 0.0) > 0
    even = break_even([0.9], [1e-3], 100_000, 0.001, Gaussian(1.0), 64)
    assert gain(0.9, 0.9 * even) > 0 > gain(0.9, 1.1 * even)
    assert gain(0.9, 1.0) < 0  # no cheaper: the pairs are lost time
    assert gain(0.9999, 0.05) < 0  # pairs leave more room than a sure class has
