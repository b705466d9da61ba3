"""Dual smoothing: a certificate of one classifier, whatever the estimator says, at alpha in all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from core_helpers import make_store
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from smoothcert.budget import Fixed
from smoothcert.certificates.certification import certify
from smoothcert.certificates.routed import Route, routed
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian
from smoothcert.sampling.library import sample

TAU, SIGMAS = 0.8, (0.25, 0.5)


class Half(torch.nn.Module):
    """Class 1 where the mean of the ``pixel``-th two pixels exceeds ``at``."""

    def __init__(self, pixel: int, at: float) -> None:
        super().__init__()
        self.pixel, self.at = pixel, torch.nn.Parameter(torch.tensor(at))

    def forward(self, z):  # type: ignore[no-untyped-def]
        lead = z.flatten(1)[:, self.pixel] - self.at
        return torch.stack([-lead, lead], 1)


@pytest.fixture(scope="module")
def planes():
    """An estimator that cuts along one pixel, and two networks that cut along others."""
    torch.set_num_threads(1)
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(800, 4, generator=stream)
    cuts = [(0, 0.4), (1, 0.5), (2, 0.6)]
    estimator, *networks = [Half(*cut) for cut in cuts]
    noises = [Gaussian(sigma) for sigma in SIGMAS]
    route = sample(estimator, images, Fixed(300), Gaussian(TAU), look=300, purpose="routing")
    levels = [
        sample(network, images, Fixed(300), noise, look=300)
        for network, noise in zip(networks, noises, strict=True)
    ]
    level = (images[:, 0] > 0.4).numpy().astype(int)  # what the smoothed estimator says
    to_level = np.abs(images[:, 0].numpy() - 0.4)
    to_class = np.stack([np.abs(images[:, 1 + k].numpy() - at) for k, at in ((0, 0.5), (1, 0.6))])
    predict = np.stack([(images[:, 1 + k] > at).numpy() for k, at in ((0, 0.5), (1, 0.6))])
    return route, levels, level, to_level, to_class, predict.astype(int)


def test_no_radius_exceeds_the_distance_to_where_the_routed_classifier_changes(planes):
    """The classifier is piecewise constant, its pieces are known: at most alpha are wrong."""
    route, levels, level, to_level, to_class, predict = planes
    rows = np.arange(len(level))
    for alpha in (0.05, 0.001):
        table = certify(routed(route, levels), Fixed(300, alpha))
        # G changes where the level or the level's class does; a wrong level has radius 0 left.
        truth = np.minimum(to_level, to_class[level, rows])
        right = (table.columns["level"] == level) & (table.predict == predict[level, rows])
        wrong = (table.predict >= 0) & (table.radius > np.where(right, truth, 0.0))
        assert wrong.sum() <= binom.ppf(0.9999, len(level), alpha)
        assert (table.predict >= 0).mean() > 0.3
    # Without the cap, as data-dependent scales are certified, far more are wrong.
    uncapped = certify(levels[0], Fixed(300, 0.001)).radius
    assert (uncapped > truth)[level == 0].mean() > 0.2


def test_the_radius_is_the_smaller_of_both_bounds_each_at_the_whole_alpha(planes):
    route, levels, *_ = planes
    store = routed(route, levels)
    found = Route.of(store)
    assert found is not None
    table = certify(store, Fixed(300))
    p_level = clopper_pearson_lower(found.count, 300, 0.001)
    p_class = clopper_pearson_lower(table.columns["count"], 300, 0.001)
    scale = np.array(SIGMAS)[found.level]
    expected = np.minimum(TAU * np.maximum(ndtri(p_level), 0), scale * ndtri(p_class).clip(0))
    assert table.radius == pytest.approx(expected, abs=1e-12)
    assert (table.predict == -1).tolist() == (expected == 0).tolist()
    assert set(table.columns["samples"]) == {2 * (100 + 300)}
    assert (table.columns["sigma"] == scale).all()


def test_the_votes_of_a_level_are_those_of_its_own_store(planes):
    route, levels, *_ = planes
    store = routed(route, levels)
    for k, level in enumerate(levels):
        here = np.flatnonzero(store.extra["route_level"] == k)
        assert 0 < len(here) < len(store)
        classes = level.top_class()
        assert (store.top_class()[here] == classes[here]).all()
        assert (store.count(classes, 300)[here] == level.count(classes, 300)[here]).all()
    assert (store.idx == route.idx).all()


def failure(p_level: float, p_class: float, alpha: float, n: int, fault: str = "") -> float:
    """P(certified radius > true radius), exactly: every pair of counts through the real code."""
    grid = np.array([(a, b) for a in range(n + 1) for b in range(n + 1)])
    route = make_store(
        [[[a, n - a]] for a in grid[:, 0]], selection=[[1, 0]] * len(grid), look=n, n_classes=2,
        noise=f"gaussian-{TAU:.2f}",
    )  # fmt: skip
    level = make_store(
        [[[b, n - b]] for b in grid[:, 1]], selection=[[1, 0]] * len(grid), look=n, n_classes=2
    )
    store = routed(route, [level, level])
    radius = certify(store, Fixed(n, alpha, 1)).radius
    if fault:  # the class alone
        radius = certify(level, Fixed(n, alpha, 1)).radius
    if fault == "plain share":
        radius = np.minimum(TAU * ndtri(grid[:, 0] / n), radius)
    true = min(max(TAU * ndtri(p_level), 0), max(0.5 * ndtri(p_class), 0))
    weight = binom.pmf(grid[:, 0], n, p_level) * binom.pmf(grid[:, 1], n, p_class)
    return float(weight[radius > true * (1 + 1e-12)].sum())


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 20), (0.001, 40)])
def test_it_fails_with_alpha_at_most_though_nothing_is_split(alpha, n):
    bounds = clopper_pearson_lower(np.arange(n + 1), n, alpha)
    near = np.concatenate([[0.5], bounds[bounds > 0.5] * (1 - 1e-9)])[-6:]
    rates = [
        failure(float(p), min(float(q), 1 - 1e-12), alpha, n)
        for p in near
        for q in (ndtr(TAU * ndtri(p) / 0.5), 1 - 1e-9)  # both radii equal; the class's far larger
    ]
    assert max(rates) <= alpha
    assert max(rates) > 0.5 * alpha  # half of alpha would be left unused by a split


@pytest.mark.parametrize("fault", ["no cap", "plain share"])
def test_a_radius_without_the_level_or_without_its_bound_is_caught(fault):
    """At a level that is nearly a tie, in units of alpha."""
    assert failure(0.55, 1 - 1e-6, 0.05, 20, fault) > 4 * 0.05


def test_stores_that_do_not_belong_together_are_one_line(planes):
    route, levels, *_ = planes
    with pytest.raises(SmoothcertError, match="tells 2 levels apart"):
        routed(route, levels[:1])
    other = make_store([[[300, 0]]], look=300, n_classes=2, selection=[[100, 0]])
    uniform = make_store(
        [[[300, 0]]], look=300, n_classes=2, selection=[[100, 0]], noise="uniform-0.50"
    )
    twice = routed(route, levels)
    with pytest.raises(SmoothcertError, match="level 1: its inputs are not those"):
        routed(route, [levels[0], other])
    with pytest.raises(SmoothcertError, match="expected one kind of noise"):
        routed(uniform, [other, other])
    with pytest.raises(SmoothcertError, match="not at one fixed noise scale"):
        routed(route, [twice, twice])
