"""Dual smoothing: a certificate of one classifier, whatever the estimator says, at alpha in all."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from core_helpers import make_store, trained_digits_model
from scipy.special import ndtri
from scipy.stats import binom

from smoothcert import VoteStore, cli, models, read_certificates
from smoothcert.audits.falsification import claims, falsify, verdict
from smoothcert.audits.procedures import dual_smoothing
from smoothcert.audits.routed import level_table
from smoothcert.audits.settings import FalsificationSettings
from smoothcert.audits.smooth_attack import effort
from smoothcert.budget import Fixed
from smoothcert.certificates.certification import certify
from smoothcert.certificates.routed import Route, routed
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian
from smoothcert.report.verdict import BROKEN, NOT_FOUND
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.library import sample
from smoothcert.sampling.sampler import Sampler
from smoothcert.scaling import SCALINGS
from smoothcert.workflow.experiments import levels as levels_of_run

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


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 40), (0.001, 60)])
def test_it_fails_with_alpha_at_most_though_nothing_is_split(alpha, n):
    curve = dual_smoothing(n, alpha, np.linspace(0.5, 0.99, 10))
    assert not curve.broken
    assert curve.failure.max() > 0.99  # all of alpha is used; a split would leave half


@pytest.mark.parametrize("fault", ["no cap", "plain share", "level at 2 alpha"])
def test_a_radius_without_the_level_or_without_its_bound_is_seen_by_the_audit_of_coverage(
    fault, monkeypatch
):
    own = Route.p_lower
    if fault == "no cap":
        monkeypatch.setattr(Route, "radius", lambda self, p, noise, d: np.inf * np.ones(len(p)))
    if fault == "plain share":
        monkeypatch.setattr(Route, "p_lower", lambda self, alpha: self.count / self.n)
    if fault == "level at 2 alpha":
        monkeypatch.setattr(Route, "p_lower", lambda self, alpha: own(self, 2 * alpha))
    curve = dual_smoothing(30, 0.05, np.linspace(0.5, 0.99, 10))
    assert curve.broken
    assert curve.failure.max() > (1.5 if fault == "level at 2 alpha" else 5)


@pytest.mark.parametrize("fault", ["", "no cap"])
def test_a_level_that_changes_within_the_radius_is_seen_by_the_audit_of_falsification(
    planes, fault
):
    route, levels, *_ = planes
    noise = Gaussian(TAU)
    images = torch.rand(800, 4, generator=torch.Generator().manual_seed(0))[:, None, None, :]
    table = certify(routed(route, levels), Fixed(300))
    if fault:
        scale = table.columns["sigma"]
        table.columns["radius"] = scale * ndtri(table.columns["p_lower"]).clip(0)
    claimed = claims(level_table(table), images, noise, 60)
    engine = open_engine(Half(0, 0.4), (1, 1, 4), torch.device("cpu"), "torch")
    settings = FalsificationSettings(
        steps=5, copies=16, starts=("clean",), directions=0, inputs=0, screen=100, votes=2000
    )
    found = verdict(
        falsify(Sampler(engine, noise, 2, 512), claimed, settings), "p", "s", effort(settings), True
    )
    assert found.verdict == (BROKEN if fault else NOT_FOUND)
    assert len(claimed) == 60


def test_stores_that_do_not_belong_together_are_one_line(planes):
    route, levels, *_ = planes
    with pytest.raises(SmoothcertError, match="has 2 levels"):
        routed(route, levels[:1])
    other = make_store([[[300, 0]]], look=300, n_classes=2, selection=[[100, 0]])
    uniform = make_store(
        [[[300, 0]]], look=300, n_classes=2, selection=[[100, 0]], noise="uniform-0.50"
    )
    twice = routed(route, levels)
    with pytest.raises(SmoothcertError, match="level 1: its inputs differ from"):
        routed(route, [levels[0], other])
    with pytest.raises(SmoothcertError, match="expected the same kind of noise"):
        routed(uniform, [other, other])
    with pytest.raises(SmoothcertError, match="not at one fixed noise scale"):
        routed(route, [twice, twice])


# --- the estimator, its job, its runs ---------------------------------------------------------


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """An estimator of two levels of one model, and the routed votes of 12 test images."""
    folder = tmp_path_factory.mktemp("dual")
    model = str(trained_digits_model(folder / "digits.safetensors"))
    stores = []
    for sigma in ("0.25", "0.50"):
        stores.append(str(folder / f"votes-{sigma}.npz"))
        assert cli.main(["sample", "--dataset", "digits", "--max", "12", "--noise",
                         f"gaussian-{sigma}", "--budget", "fixed-200", "--look", "200", "--quiet",
                         "--model", model, "--out", stores[-1]]) == 0  # fmt: skip
    recipe = json.dumps({"epochs": 1, "batch": 32, "lr": 0.05, "schedule": "cosine"})
    router = str(folder / "router.safetensors")
    assert cli.main(["router", "--dataset", "digits", "--arch", "tiny_cnn", "--noise",
                     "gaussian-0.50", "--levels", "gaussian-0.25", "gaussian-0.50", "--models",
                     model, "--recipe", recipe, "--votes", "20", "--inputs", "60", "--quiet",
                     "--out", router]) == 0  # fmt: skip
    routing = ["route", "--router", router, "--noise", "gaussian-0.50", "--n", "200", "--quiet"]
    assert cli.main([*routing, "--votes", *stores, "--out", str(folder / "dual.npz")]) == 0
    own = ["certify", "--votes", str(folder / "dual.npz"), "--budget", "fixed-200"]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        assert cli.main([*own, "--out", str(folder / "certificates.tsv")]) == 0
    assert "drawn later" not in said.getvalue()  # the level's votes are no later samples
    return folder, routing, stores


def test_an_estimator_of_levels_is_trained_and_its_votes_are_certified(jobs):
    folder, *_ = jobs
    record = models.read_record(folder / "router.safetensors")
    assert record["classes"] == ["gaussian-0.25", "gaussian-0.50"]
    assert record["n_classes"] == 2
    assert record["digest"] == models.digest(models.load(folder / "router.safetensors")[0])
    table = read_certificates(folder / "certificates.tsv")
    route = VoteStore.read(folder / "route.npz")
    assert (table.columns["level"] == route.top_class()).all()
    assert route.identity["purpose"] == "routing"
    p_level = clopper_pearson_lower(route.count(route.top_class(), 200), 200, 0.001)
    assert (table.radius <= 0.5 * ndtri(p_level).clip(0) + 1e-12).all()


def test_files_that_do_not_belong_to_an_estimator_are_one_line(jobs, capsys):
    folder, routing, stores = jobs
    assert cli.main([*routing, "--votes", stores[0], "--out", str(folder / "one.npz")]) == 2
    assert "2 classes" in capsys.readouterr().err
    attack = [
        "audit",
        "falsification",
        str(folder / "certificates.tsv"),
        "--out",
        str(folder / "f"),
    ]
    assert cli.main([*attack, "--model", str(folder / "router.safetensors")]) == 2
    assert "--levels with 1 or 2 files, found 0" in capsys.readouterr().err


def test_a_run_of_dual_smoothing_is_put_together_of_runs_at_fixed_scales():
    run = {
        "dataset": "digits", "arch": "tiny_cnn", "training": "cohen-fs-0.25",
        "noise": "gaussian-0.25", "scaling": "dual_g3_experts-tau1.00", "budget": "fixed-9000",
    }  # fmt: skip
    assert [(r["training"], r["noise"], r["scaling"]) for r in levels_of_run(run)] == [
        (f"cohen-fs-{s}", f"gaussian-{s}", "fixed") for s in ("0.25", "0.50", "1.00")
    ]
    one = levels_of_run({**run, "scaling": "dual_x1.40-tau1.00"})
    assert [(r["training"], r["noise"]) for r in one] == [
        ("cohen-fs-0.25", "gaussian-0.25"), ("cohen-fs-0.25", "gaussian-0.35"),
    ]  # fmt: skip
    assert levels_of_run({**run, "scaling": "ascent-K900"}) == []
    with pytest.raises(SmoothcertError, match="g 1: expected at least 2 levels"):
        SCALINGS.parse("dual_g1-tau1.00")
