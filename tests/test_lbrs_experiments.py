"""The experiments of LBRS: balanced data, honest attacks, figures and claims from their files."""

from __future__ import annotations

import argparse
import csv
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from smoothcert.certificates import read_certificates
from smoothcert.cli import lbrs as command
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs import attack, image, lipschitz, results, spiral
from smoothcert.lbrs.certificate import tight
from smoothcert.lbrs.classifier import Network
from smoothcert.lbrs.train import Recipe, fit

TASK = image.Task("digits", "8", train=60, test=16, reserved=4, draws=2)
SWEEP = {
    "bias": [0, 1, 1000],
    "sigma": [0, 0.05, 0.5],
    "sweep_radii": {"l2": [0, 1]},
    "radii": {"l2": [0, 0.5, 1], "linf": [0, 0.1]},
    "fixed": {"bias": 1, "sigma": 0.05},
    "adaptive_radii": {"l2": [0, 1], "linf": [0, 0.1]},
    "adaptive_bias": {"logit": [1], "tanh": [1]},
    "steps": 3,
    "samples": 4,
    "copies": 2,
    "adaptive_inputs": 8,
}
RECIPE = {"arch": "tiny_cnn", "epochs": 5, "batch": 32, "lr": 0.003}


@pytest.fixture(scope="module")
def data():
    return image.load(TASK)


@pytest.fixture(scope="module")
def net(data):
    recipe = Recipe("softplus_mlp-16", epochs=25, batch=32, lr=0.01)
    labels = torch.as_tensor(data.train_label, dtype=torch.float32)
    return fit(recipe, data.train, labels, 0).double()


def call(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(a) for a in arguments]))


def test_tasks_are_balanced_and_no_reserved_point_is_trained_on(data):
    for labels in (data.train_label, data.test_label, *(labels for _, labels in data.pools)):
        assert labels.sum() == 0
    assert len(data.train_label) == 2 * TASK.train
    used = torch.cat([data.train, *(points for points, _ in data.pools)]).flatten(1)
    assert len(torch.unique(used, dim=0)) == len(used) == 2 * TASK.train + 8


def test_the_same_seed_draws_the_same_task_and_another_seed_another(data):
    again = image.load(TASK)
    assert torch.equal(again.train, data.train)
    assert torch.equal(again.pools[1][0], data.pools[1][0])
    other = image.load(image.Task("digits", "8", train=60, test=16, reserved=4, draws=2, seed=1))
    assert not torch.equal(other.train, data.train)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("head", ["logit", "tanh"])
def test_no_adaptive_attack_breaks_a_certificate(data, net, norm, head):
    shape = tuple(data.test.shape[1:])
    bound = lipschitz.network_bounds(net, shape, norm).through(head).gradient
    oracle = data.oracle(0)
    flat = data.test.flatten(1).double().numpy()
    g, slope = Network(net, head).score_and_slope(data.test, norm)
    points, labels = data.pools[0]
    broken_beyond = 0
    for bias in (0.1, 1.0):
        radii = tight(g, slope, oracle(flat), oracle.radius(flat, norm), bias, bound)
        target = attack.Target(
            net, points.double(), torch.as_tensor(labels, dtype=torch.float64), bias, head, norm
        )
        for i in np.flatnonzero(radii.radius > 0)[::3]:
            x = data.test[i : i + 1].double()
            y = torch.tensor([float(radii.predict[i])], dtype=torch.float64)
            inside = attack.adaptive(target, x, y, radii.radius[i] * (1 - 1e-9), 8, [])
            assert not inside.any()
            broken_beyond += int(attack.adaptive(target, x, y, 8 * radii.radius[i], 8, []).any())
    assert broken_beyond > 0.5 * 2 * len(flat) / 3  # the attack is able to break things


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_attacked_images_stay_in_the_ball_and_in_the_box(data, net, norm):
    x, y = data.test.double(), torch.as_tensor(data.test_label, dtype=torch.float64)
    moved = attack.transfer(net, x, y, 0.7, norm, 5)
    length = torch.linalg.vector_norm((moved - x).flatten(1), {"l2": 2, "linf": torch.inf}[norm], 1)
    assert (length <= 0.7 * (1 + 1e-6)).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    z, _ = Network(net).logit_and_slope(x, norm)
    worse, _ = Network(net).logit_and_slope(moved, norm)
    assert (data.test_label * worse < data.test_label * z).all()


def test_an_adaptive_attack_includes_the_transferred_one(data, net):
    x, y = data.test.double(), torch.as_tensor(data.test_label, dtype=torch.float64)
    points, labels = data.pools[0]
    target = attack.Target(
        net, points.double(), torch.as_tensor(labels, dtype=torch.float64), 0.2, "logit", "l2"
    )
    moved = attack.transfer(net, x, y, 0.5, "l2", 5)
    broken = attack.adaptive(target, x, y, 0.5, 2, [moved]).numpy()
    oracle = data.oracle(0)
    for points_ in (x, moved):
        flat = points_.flatten(1).numpy()
        z, slope = Network(net).logit_and_slope(points_, "l2")
        wrong = np.where(z + 0.2 * oracle(flat) * slope >= 0, 1, -1) != data.test_label
        assert broken[wrong].all()


def test_the_spiral_orders_published_tight_exact_and_the_base_radius():
    bias = np.array([0.0, 2.0, 10.0])
    out, _ = spiral.run(spiral.Spiral(train=100, reserved=60, test=60), bias, bias, 20, 30)
    for norm in spiral.NORMS:
        assert (out[f"published_{norm}"] <= out[f"tight_{norm}"] * (1 + 1e-9)).all()
        np.testing.assert_allclose(out[f"tight_{norm}"][0], out[f"base_{norm}"])
    assert (out["tight_l2"][:, :30] <= out["exact_l2"] * (1 + 1e-7)).all()
    np.testing.assert_allclose(out["exact_l2"][0], out["base_l2"][:30], rtol=1e-7)
    # The l-infinity ball lies outside the l2 ball: its radius is never larger.
    assert (out["base_linf"] <= out["base_l2"]).all()


def test_the_command_line_writes_what_figures_and_claims_read(tmp_path, capsys):
    arms = {"spiral": {"train": 60, "reserved": 40, "test": 40}, "grid": 20, "exact": 5}
    call("spiral", "--spec", json.dumps(arms), "--out", tmp_path / "spiral")
    names = []
    for seed in (0, 1):
        task = {"dataset": "digits", "positive": "8", "train": 60, "test": 16, "seed": seed}
        spec = {"task": {**task, "reserved": 4, "draws": 2}, "recipe": RECIPE, "sweep": SWEEP}
        call("image", "--spec", json.dumps(spec), "--out", tmp_path / f"s{seed}", "--device", "cpu")
        names.append(tmp_path / f"s{seed}.csv")
    rows = results.read_accuracies(names)
    assert {(r["seed"], r["draw"]) for r in rows if r["method"] == "1nn"} == {
        (0, 0), (0, 1), (1, 0), (1, 1),
    }  # fmt: skip
    for key in ({"method": "lbrs", "parameter": 0.0}, {"method": "ns", "parameter": 0.0}):
        for row in results.pick(rows, **key):
            same = {k: row[k] for k in ("seed", "norm", "radius", "attack")}
            (cnn,) = results.pick(rows, method="cnn", **same)
            assert row["correct"] == cnn["correct"]  # bias 0 and sigma 0 are the base network

    for name, files in (
        ("regions", [tmp_path / "spiral.npz"]),
        ("radii", [tmp_path / "spiral.npz"]),
        ("sweep", names),
        ("attack", names),
    ):
        call("figure", name, *files, "--out", tmp_path / name)
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    named = [f"digits:8={path}" for path in names]
    call("claims", "--spiral", tmp_path / "spiral.npz", *named, "--out", tmp_path / "claims")
    found = list(csv.DictReader((tmp_path / "claims.csv").read_text().splitlines()))
    assert {row["verdict"] for row in found} <= {"holds", "in part", "fails"}
    assert any(row["figure"] == "4" for row in found)
    assert json.loads((tmp_path / "s0.json").read_text())["specification"]["task"]["seed"] == 0
    capsys.readouterr()


def test_certificates_of_a_smooth_network_are_tables_like_any_other(tmp_path, capsys):
    task = {"dataset": "digits", "positive": "8", "train": 60, "test": 16}
    recipe = {"arch": "softplus_mlp-8", "epochs": 5, "batch": 32, "lr": 0.01}
    spec = {"task": task, "recipe": recipe, "norms": ["l2", "linf"], "bias": [0, 0.5]}
    call("certify", "--spec", json.dumps(spec), "--out", tmp_path)
    assert len(list(tmp_path.glob("*.tsv"))) == 8
    table = read_certificates(tmp_path / "l2-tight-b0.5.tsv")
    published = read_certificates(tmp_path / "l2-published-b0.5.tsv")
    assert len(table) == 32
    assert table.single("norm") == "l2"
    assert (table.radius >= published.radius * (1 - 1e-9)).all()
    assert set(table.label) == {0, 1}
    capsys.readouterr()


@pytest.mark.parametrize(
    ("part", "spec", "message"),
    [
        ("spiral", {"turn": 1}, "unknown key 'turn'"),
        ("spiral", {"spiral": {"turns": -1}}, "turns -1"),
        ("spiral", {"bias": [3, 1]}, "bias: expected ascending numbers"),
        ("image", {"task": {"dataset": "digits"}}, "lacks positive"),
        ("image", {"task": {"dataset": "digits", "positive": "eleven"}}, "lacks bias"),
        ("certify", {"task": {"dataset": "digits", "positive": "eleven"}}, "class 'eleven'"),
        ("certify", {"task": {"dataset": "digits", "positive": "8"}, "norms": ["l7"]}, "norm 'l7'"),
    ],
)
def test_a_wrong_specification_ends_with_one_line_that_names_the_key(part, spec, message, tmp_path):
    with pytest.raises(SmoothcertError, match=message):
        call(part, "--spec", json.dumps(spec), "--out", tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_wrong_file_of_accuracies_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(SmoothcertError, match="no such file of accuracies"):
        results.read_accuracies([path])
    path.write_text("x,y\n1,2\n")
    with pytest.raises(SmoothcertError, match=r"a\.csv:1: expected the columns"):
        results.read_accuracies([path])
    path.write_text(",".join(image.COLUMNS) + "\n0,,cnn,,,l2,zero,transfer,10,9\n")
    with pytest.raises(SmoothcertError, match=r"a\.csv:2: column 'radius'"):
        results.read_accuracies([path])
