"""The two steps of drawing mixed-norm noise: its largest entry, and the others below it."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm

from smoothcert.noise.largest_entry import largest_entry_quantiles, log_density
from smoothcert.noise.mixed_sampler import _nodes, alias_table, truncated_normal


def test_an_alias_table_has_the_law_it_was_made_of():
    rng = np.random.default_rng(0)
    for mass in (rng.exponential(size=50) ** 4, np.ones(7), np.array([0.0, 3.0, 0.0, 1.0])):
        keep, other = alias_table(mass)
        law = keep.copy()
        np.add.at(law, other, 1 - keep)
        assert np.allclose(law / len(mass), mass / mass.sum(), atol=1e-13)
        assert ((keep >= 0) & (keep <= 1)).all()


@pytest.mark.parametrize(("k", "d"), [(3, 5), (4, 64), (63, 64), (50, 3072)])
def test_linear_pieces_miss_the_law_of_the_largest_entry_by_little(k, d):
    start, step, keep, other = _nodes(k, d)
    law = keep.copy()
    np.add.at(law, other, 1 - keep)
    nodes = start + step * np.arange(len(law))
    fine = np.linspace(nodes[0], nodes[-1], 8 * (len(nodes) - 1) + 1)
    true = np.exp(log_density(fine, k, d) - log_density(nodes, k, d).max())
    drawn = np.interp(fine, nodes, law)
    assert 0.5 * np.abs(true / true.sum() - drawn / drawn.sum()).sum() < 2e-5
    cdf, top = largest_entry_quantiles(k, d)
    middle = np.interp(0.5, cdf, top)
    below = drawn[fine < np.log(middle)].sum() / drawn.sum()
    assert below == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("top", [[1e-4, 0.3], [0.9, 2.5], [1.9, 4.0], [6.0, 40.0]])
def test_entries_below_the_largest_are_normal_on_their_interval(top):
    generator = torch.Generator().manual_seed(0)
    z = truncated_normal(torch.tensor(top)[:, None], 40_000, generator)
    assert torch.isfinite(z).all()
    for row, bound in zip(z.double().numpy(), np.float32(top).astype(float), strict=True):
        assert np.abs(row).max() <= bound * (1 + 1e-6)
        assert kstest(row, truncnorm(-bound, bound).cdf).pvalue > 1e-4
