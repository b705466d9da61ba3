"""Attacks on certificates stay inside their balls, judge by fresh votes, and can win."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from core_helpers import trained_digits_model

from smoothcert import cli, datasets, models
from smoothcert.audits import attack_accuracy, falsify_lbrs, norm_ball
from smoothcert.audits.extremal import worst_probability
from smoothcert.audits.falsification import Claims, allowed, claims, falsify, verdict
from smoothcert.audits.settings import FalsificationSettings, Search
from smoothcert.audits.smooth_attack import Target, candidates, nearest_others
from smoothcert.certificates import make_table
from smoothcert.compute import geometry
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs.image import Task
from smoothcert.lbrs.smooth import run as certify_lbrs
from smoothcert.lbrs.train import Recipe
from smoothcert.noise import NOISES, Gaussian
from smoothcert.report.verdict import BROKEN, NOT_FOUND, NOT_RUN
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.sampler import Sampler

NORMS = ("l1", "l2", "linf")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return trained_digits_model(tmp_path_factory.mktemp("model") / "digits.safetensors")


# --- balls ----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
def test_a_point_in_float32_is_strictly_inside_the_open_ball(norm):
    x = torch.rand(50, 1, 8, 8) * 255  # far from 0: rounding of the sum is coarse
    radius = torch.rand(50, dtype=torch.float64) * 0.3
    radius[0] = 0.0
    stream = torch.Generator().manual_seed(0)
    far = x + 2 * geometry.vertices((50, 1, 8, 8), norm, stream)
    moved = norm_ball.within(x, far, radius, norm)
    assert moved.dtype == torch.float32
    distance = norm_ball.length(moved.double() - x.double(), norm)
    assert (distance[1:] < radius[1:]).all()
    assert distance[0] == 0


# --- the search -----------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["gaussian-0.25", "uniform-0.50", "gaussian-linf-0.25"])
def test_every_candidate_is_inside_its_open_ball_in_the_certificates_norm(slug):
    noise = NOISES.parse(slug)
    x = torch.rand(4, 1, 8, 8)
    y = torch.tensor([0, 1, 2, 0])
    model = models.build("tiny_cnn", 10, (1, 8, 8)).eval()
    radius = torch.tensor([0.1, 0.5, 0.0, 1e-7], dtype=torch.float64)
    target = Target(model, noise, x, y, torch.full((4,), 0.25), radius, [0, 3, 5, 9])
    near = nearest_others(x, y, x, y, 2, noise.norm)
    points, names = candidates(target, near, Search(steps=2, copies=4, directions=3))
    assert points.shape == (4, len(names), 1, 8, 8)
    gap = (points.double() - x[:, None].double()).flatten(0, 1)
    distance = norm_ball.length(gap, noise.norm).view(4, -1)
    assert (distance[[0, 1, 3]] < radius[[0, 1, 3], None]).all()
    assert (distance[2] == 0).all()
    assert distance[1].max() > 0.499  # and reaches its edge


def test_what_is_found_for_an_input_does_not_depend_on_the_others():
    noise, x = Gaussian(0.25), torch.rand(3, 1, 8, 8)
    model = models.build("tiny_cnn", 10, (1, 8, 8)).eval()
    y, r = torch.tensor([1, 2, 3]), torch.full((3,), 0.4, dtype=torch.float64)
    whole = Target(model, noise, x, y, torch.full((3,), 0.25), r, [4, 5, 6])
    search = Search(steps=3, copies=4, starts=("clean", "boundary"), directions=2, inputs=0)
    none = x[:, None][:, :0]
    every = candidates(whole, none, search)[0]
    one = candidates(whole.rows(slice(1, 2)), none[1:2], search)[0]
    assert torch.allclose(every[1:2], one, atol=1e-5)


def test_a_search_of_no_steps_and_a_table_that_lacks_bounds_are_refused():
    with pytest.raises(SmoothcertError, match="audit: steps: expected at least 1, found 0"):
        Search.check({"steps": 0}, "audit")
    with pytest.raises(SmoothcertError, match="found 'middle'"):
        Search.check({"starts": ["middle"]}, "audit")
    table = make_table(idx=[0], label=[1], predict=[1], radius=[0.5])
    with pytest.raises(SmoothcertError, match="'sigma'"):
        claims(table, torch.zeros(1, 1, 2, 2), Gaussian(0.25))
    table.columns["memory_event"] = np.array(["none"])
    with pytest.raises(SmoothcertError, match="memory"):
        claims(table, torch.zeros(1, 1, 2, 2), Gaussian(0.25))


# --- what a break is due to -------------------------------------------------------------------


class Sphere(torch.nn.Module):
    """Class 1 where the mean pixel exceeds 1/2."""

    def forward(self, z):
        lead = 40 * (z.flatten(1).mean(1) - 0.5)
        return torch.stack([-lead, lead], 1)


def claimed(radius: float, p_lower: float, alpha: float = 0.001, n: int = 3) -> Claims:
    x = torch.full((n, 1, 4, 4), 0.55)
    one = np.ones(n, int)
    return Claims(
        np.arange(n), one, one, np.full(n, radius), np.full(n, 0.25), np.full(n, p_lower), alpha,
        Gaussian(0.25), x,
    )  # fmt: skip


def broken(of: Claims):
    sampler = Sampler(open_engine(Sphere(), (1, 4, 4), torch.device("cpu")), of.noise, 2, 1024)
    settings = FalsificationSettings(
        steps=5, copies=8, starts=("clean",), directions=0, inputs=0, screen=100, votes=2000
    )
    return falsify(sampler, of, settings)


def test_a_wrong_bound_and_a_wrong_radius_are_told_apart():
    # P(class 1 at x) = Phi(0.05 * 4 / 0.25) = 0.788: the right radius is 0.2.
    radius = broken(claimed(0.4, p_lower=0.75))
    assert radius.lost.all()
    assert radius.flipped.all()
    assert set(radius.cause) == {"radius"}
    bound = broken(claimed(0.4, p_lower=0.95))  # what a radius of 0.4 would need
    assert set(bound.cause) == {"bound"}
    right = broken(claimed(0.19, p_lower=0.75))
    assert not right.lost.any()
    assert set(right.cause) == {""}


def test_one_wrong_radius_breaks_and_as_many_wrong_bounds_as_alpha_explains_do_not():
    assert verdict(broken(claimed(0.4, 0.75)), "p", "s", "h", True).verdict == BROKEN
    assert verdict(broken(claimed(0.4, 0.95)), "p", "s", "h", True).verdict == BROKEN
    tolerated = verdict(broken(claimed(0.4, 0.95, alpha=0.9)), "p", "s", "h", True)
    assert tolerated.verdict == NOT_FOUND
    assert tolerated.numbers["lost"] == 3
    empty = verdict(broken(claimed(0.4, 0.75, n=0)), "p", "s", "h", True)
    assert empty.verdict == NOT_RUN


def test_alpha_allows_a_binomial_quantile_and_nothing_when_it_is_0():
    assert allowed(1000, 0.0) == 0
    assert allowed(0, 0.1) == 0
    from scipy.stats import binom

    for n, alpha in ((200, 0.001), (5000, 0.001), (50, 0.05)):
        k = allowed(n, alpha)
        assert binom.cdf(k, n, alpha) >= 0.999 > binom.cdf(k - 1, n, alpha)


# --- the worst classifier ---------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["gaussian-1.00", "laplace-1.00", "uniform-1.00"])
def test_the_worst_classifier_keeps_exactly_one_half_at_the_radius(slug):
    noise = NOISES.parse(slug)
    radius = float(noise.standard_radius(0.8, 16))
    found = worst_probability(noise, 16, 0.8, radius, 60_000, 1e-4)
    assert found.low < 0.515  # the rank that makes p sure costs half a point or more
    assert found.high > 0.5
    nearer = worst_probability(noise, 16, 0.8, 0.5 * radius, 20_000, 1e-4)
    assert nearer.low > 0.55


# --- LBRS -----------------------------------------------------------------------------------


def test_lbrs_certificates_hold_inside_and_the_search_breaks_them_at_twice_the_radius(tmp_path):
    task = {"dataset": "digits", "positive": "8", "train": 200, "test": 20}
    recipe = {"arch": "softplus_mlp-16", "epochs": 3, "batch": 32, "lr": 0.01}
    made, _ = certify_lbrs(Task(**task), Recipe(**recipe), ("l2",), (0.1,), "logit")
    table = made["l2", "tight", 0.1]
    about = {"task": task, "recipe": recipe, "head": "logit"}
    record = {"specification": about, "norm": "l2", "form": "tight", "bias": 0.1}
    model = falsify_lbrs.rebuild(record, table)
    settings = FalsificationSettings(steps=10, directions=2)
    inside = falsify_lbrs.falsify(model, table, settings)
    beyond = falsify_lbrs.falsify(model, table, settings, factor=3.0)
    assert not inside.broken.any()
    few = falsify_lbrs.falsify(model, table, FalsificationSettings(steps=1, directions=0, max=3))
    assert few.idx.tolist() == inside.idx[[0, len(inside.idx) // 2, -1]].tolist()
    assert beyond.broken.mean() > 0.5
    # A witness is one: the classifier itself answers otherwise there.
    side = 2 * table.predict[np.isin(table.idx, beyond.idx)] - 1
    moved = model.predict(torch.as_tensor(beyond.point))
    assert (moved[beyond.broken] != side[beyond.broken]).all()
    table.columns["radius"] = 3 * table.radius
    wrong = falsify_lbrs.falsify(model, table, settings)
    said = falsify_lbrs.verdict(wrong, wrong, "s", "tight", 10)
    assert said.verdict == BROKEN
    assert said.ours
    with pytest.raises(SmoothcertError, match="lacks 'form'"):
        falsify_lbrs.rebuild({"specification": {}, "norm": "l2"}, table)


# --- commands -------------------------------------------------------------------------------


def certified_table(folder, model_file, budget="fixed-1000"):
    table = folder / f"{budget}.tsv"
    command = ["certify", "--model", str(model_file), "--dataset", "digits", "--max", "12"]
    command += ["--noise", "gaussian-0.50", "--budget", budget, "--look", "500", "--quiet"]
    assert cli.main([*command, "--out", str(table)]) == 0
    return table


def test_the_command_writes_a_verdict_a_row_a_certificate_and_the_attacked_inputs(
    tmp_path, model_file, capsys
):
    table = certified_table(tmp_path, model_file)
    out = tmp_path / "audit" / "f"
    fast = ["--steps", "3", "--copies", "4", "--directions", "2", "--votes", "1000", "--max", "5"]
    command = ["audit", "falsification", str(table), "--model", str(model_file)]
    assert cli.main([*command, *fast, "--out", str(out)]) == 0
    said = json.loads((tmp_path / "audit" / "f.json").read_text())
    (found,) = said["verdicts"]
    assert found["verdict"] == NOT_FOUND
    assert "fixed-size certificates" in found["promise"]
    lines = (tmp_path / "audit" / "f.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    assert len(lines) == 1 + found["numbers"]["certificates"]
    images = datasets.load("digits", max=12).images
    with np.load(tmp_path / "audit" / "f.npz") as arrays:
        for line, idx, point in zip(lines[1:], arrays["0_idx"], arrays["0_point"], strict=True):
            row = dict(zip(names, line.split("\t"), strict=True))
            distance = np.linalg.norm((point - images[int(idx)].numpy()).astype(float))
            assert distance < float(row["radius"])
            assert distance == pytest.approx(float(row["distance"]), abs=1e-5)
    assert "NOT FOUND" in capsys.readouterr().out


def test_a_table_of_another_model_and_one_without_a_model_are_one_line(
    tmp_path, model_file, capsys
):
    table = certified_table(tmp_path, model_file)
    other = tmp_path / "other.safetensors"
    models.save(models.build("tiny_cnn", 10, (1, 8, 8), seed=9), other, {"training": "none"})
    out = ["--out", str(tmp_path / "x")]
    assert cli.main(["audit", "falsification", str(table), "--model", str(other), *out]) == 2
    assert "certified for the model" in capsys.readouterr().err
    assert cli.main(["audit", "falsification", str(table), *out]) == 2
    assert "--model" in capsys.readouterr().err
    assert cli.main(["audit", "falsification", *out]) == 2
    assert "TABLE" in capsys.readouterr().err


def test_accuracy_under_attack_falls_with_the_radius_and_is_never_below_what_is_certified(
    tmp_path, model_file
):
    table = certified_table(tmp_path, model_file)
    out = tmp_path / "a"
    fast = ["--steps", "4", "--copies", "4", "--votes", "500", "--screen", "50"]
    command = ["audit", "attack-accuracy", str(table), "--model", str(model_file)]
    assert cli.main([*command, *fast, "--radii", "0,0.3,0.9,2.7", "--out", str(out)]) == 0
    with (tmp_path / "a.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    robust = [int(row["robust"]) for row in rows]
    assert robust == sorted(robust, reverse=True)
    assert robust[0] >= 9
    assert robust[-1] <= 2
    assert all(int(row["certified"]) <= int(row["robust"]) for row in rows)
    both = tmp_path / "both"
    files = [str(tmp_path / "a.csv")] * 2
    assert cli.main(["figure", "audit_attack_accuracy", *files, "--out", str(both)]) == 0
    assert (tmp_path / "both.png").stat().st_size > 10_000
    assert cli.main(["audit", "attack-accuracy", str(table), "--out", str(both)]) == 2


def test_a_certified_input_that_breaks_is_counted_and_judged():
    found = attack_accuracy.Robust(
        np.array([0.0, 0.5]), np.array([9, 3]), np.array([9, 6]), 10, np.array([0, 3]), 0.001
    )
    said = attack_accuracy.verdict(found, "p", "s", True)
    assert said.verdict == BROKEN
    assert said.numbers["clashes"] == 3
