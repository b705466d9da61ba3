"""The experiments of LBRS: balanced data, honest attacks, figures and claims from their files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from reporting import fits, words

from smoothcert.certificates import read_certificates
from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.lbrs import attack, image, lipschitz, results, spiral
from smoothcert.lbrs.certificate import tight
from smoothcert.lbrs.classifier import Network
from smoothcert.lbrs.settings import LbrsSettings, Recipe, Spiral, Task
from smoothcert.lbrs.train import fit
from smoothcert.papers.lbrs import accuracies, figures, verdicts
from smoothcert.report import claims
from smoothcert.report.numbers import Number, frame, read_numbers, write_numbers
from smoothcert.report.output import Files, Options

TASK = Task(dataset="digits", positive="8", train=60, test=16, reserved=4, draws=2)
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
    recipe = Recipe(arch="softplus_mlp-16", epochs=25, batch=32, lr=0.01)
    labels = torch.as_tensor(data.train_label, dtype=torch.float32)
    return fit(recipe, data.train, labels, 0).double()


def call(*arguments):
    return main([str(a) for a in arguments])


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
    other = image.load(TASK.model_copy(update={"seed": 1}))
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
    out, _ = spiral.run(Spiral(train=100, reserved=60, test=60), bias, bias, 20, 30)
    for norm in spiral.NORMS:
        assert (out[f"published_{norm}"] <= out[f"tight_{norm}"] * (1 + 1e-9)).all()
        np.testing.assert_allclose(out[f"tight_{norm}"][0], out[f"base_{norm}"])
    assert (out["tight_l2"][:, :30] <= out["exact_l2"] * (1 + 1e-7)).all()
    np.testing.assert_allclose(out["exact_l2"][0], out["base_l2"][:30], rtol=1e-7)
    # The l-infinity ball lies outside the l2 ball: its radius is never larger.
    assert (out["base_linf"] <= out["base_l2"]).all()


def check_figures(spiral, accuracies_of):
    """Nothing leaves the page, and all that is drawn is named."""
    regions = figures.draw_regions(figures.measure_regions(spiral, Options()))
    assert fits(regions)
    assert fits(figures.draw_radii(figures.measure_radii(spiral, Options())))
    assert [axes.get_xlabel() for axes in regions.axes] == ["$x_1$"] * len(regions.axes)
    assert regions.axes[0].get_ylabel() == "$x_2$"
    assert {
        "test points of class -1", "test points of class +1", "LBRS predicts -1",
        "LBRS predicts +1", "boundary of the linear SVM",
    } == set(words(regions))  # fmt: skip

    explained = {
        "mean over seeds and draws", "their range", "0.5: a constant answer",
    }  # fmt: skip
    picture = figures.measure_sweep(accuracies_of, Options())
    sweep = figures.draw_sweep(picture)
    assert fits(sweep)
    assert explained | {"1-NN"} <= set(words(sweep))
    beyond = "σ > 0.5: beyond the paper's range"
    assert beyond not in words(sweep)  # no σ is above 0.5, so that nothing is grey
    parameter = picture.numbers.parameter
    farther = parameter.where((picture.numbers.method != "ns") | (parameter != 0.5), 2.0)
    shifted = replace(picture, numbers=picture.numbers.assign(parameter=farther))
    assert beyond in words(figures.draw_sweep(shifted))
    picture = figures.measure_attack(accuracies_of, Options())
    attack = figures.draw_attack(picture)
    assert fits(attack)
    assert explained <= set(words(attack))
    # Attacks on each classifier are of fewer inputs: each panel says of how many.
    titles = [axes.get_title() for axes in attack.axes]
    assert "(32 inputs a seed, radii up to 1)" in titles[0]
    assert "(8 inputs a seed, radii up to 0.1)" in titles[3]


def test_the_command_line_writes_what_figures_and_claims_read(tmp_path, capsys):
    arms = {"spiral": {"train": 60, "reserved": 40, "test": 40}, "grid": 20, "exact": 5}
    npz = tmp_path / "spiral.npz"
    assert call("lbrs", "spiral", "--spec", json.dumps(arms), "--out", tmp_path / "spiral") == 0
    names = []
    for seed in (0, 1):
        task = {"dataset": "digits", "positive": "8", "train": 60, "test": 16, "seed": seed}
        spec = {"task": {**task, "reserved": 4, "draws": 2}, "recipe": RECIPE, "sweep": SWEEP}
        out = ("--out", tmp_path / f"s{seed}", "--device", "cpu")
        assert call("lbrs", "image", "--spec", json.dumps(spec), *out) == 0
        names.append(tmp_path / f"s{seed}.csv")
    rows = frame("first", accuracies.read_rows(names))
    pick = accuracies.pick
    nearest = pick(rows, method="1nn")
    assert set(zip(nearest.seed, nearest.draw, strict=True)) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for key in ({"method": "lbrs", "parameter": 0.0}, {"method": "ns", "parameter": 0.0}):
        for row in pick(rows, **key).itertuples():
            same = {k: getattr(row, k) for k in ("seed", "norm", "radius", "attack")}
            (cnn,) = pick(rows, method="cnn", **same).value
            assert row.value == cnn  # bias 0 and sigma 0 are the base network

    for number, files in ((1, [npz]), (2, [npz]), (3, names), (4, names), (6, names)):
        base = tmp_path / f"f{number}"
        assert call("figure", f"lbrs_fig{number}", *files, "--out", base) == 0
        assert base.with_suffix(".png").stat().st_size > 10_000
        assert base.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    check_figures(Files({"": (npz,)}), Files({"": tuple(names)}))
    numbers = tmp_path / "numbers/lbrs_claims.csv"
    numbers.parent.mkdir()
    named = [f"spiral={npz}", *(f"first={path}" for path in names)]
    out = ("--out", tmp_path / "claims", "--numbers", numbers)
    assert call("table", "lbrs_claims", *named, *out) == 0
    shown = list(csv.DictReader((tmp_path / "claims.csv").read_text().splitlines()))
    assert list(shown[0]) == ["claim", "where", "data", "measured", "verdict", "figure"]
    assert all(row["verdict"].split(", ")[0] in claims.VERDICTS for row in shown)
    assert {row["data"] for row in shown if row["figure"] == "3"} == {"digits:8"}
    made = read_numbers([numbers])
    assert set(made.direction) <= set(claims.DIRECTIONS)
    assert set(made[made.dataset == "digits"].verdict) == {claims.DIFFERENT}
    # Under attacks on the CNN, the row says what attacks on each classifier did.
    told = [r["measured"] for r in shown if "made against the CNN" in r["data"]]
    assert told
    assert all("under attacks made against each classifier itself it " in text for text in told)
    assert json.loads((tmp_path / "s0.json").read_text())["specification"]["task"]["seed"] == 0
    capsys.readouterr()


def judged(folder, rows, check):
    (folder / "numbers").mkdir(exist_ok=True)
    write_numbers(folder / "numbers" / "lbrs_claims.csv", frame("lbrs_claims", rows))
    claim = next(c for c in claims.read_claims() if c.paper == "lbrs" and check in c.check)
    return claims.judge(claim, claims.Evidence(folder))


@pytest.mark.parametrize(
    ("dataset", "direction", "expected"),
    [
        ("mnist", claims.SAME, claims.REPRODUCED),
        ("mnist", claims.IN_PART, claims.NOT_REPRODUCED),
        ("digits", claims.SAME, claims.DIFFERENT),
    ],
)
def test_lbrs_is_judged_on_the_papers_data_only(dataset, direction, expected, tmp_path):
    holds = direction == claims.SAME
    row = verdicts._row(
        "gains_more_in_linf", "text", (holds, True), "l2 +0.1; linf +0.2",
        {"l2_gain": Number(0.1)}, task="first", dataset=dataset, positive="8", figure="4",
    )  # fmt: skip
    finding = judged(tmp_path, [row], "gains_more_in_linf")
    assert (finding.verdict, finding.direction) == (expected, direction)
    assert finding.ours == f"{dataset}: l2 +0.1; linf +0.2 ({direction})"
    assert judged(tmp_path, [row], "tends_to_1nn").verdict == claims.NOT_RUN


def test_the_second_task_is_compared_verdict_by_verdict(tmp_path):
    rows = [
        verdicts._row(
            name, "text", (holds, True), "m", {"gap": Number(0.1)},
            task=task, dataset="digits", positive="8",
        )
        for task, holds in (("first", True), ("second", False))
        for name in ("ns_falls", "goes_to_1nn")
    ]  # fmt: skip
    rows[3]["direction"] = claims.SAME
    finding = judged(tmp_path, rows, "lbrs_second_task")
    assert finding.ours.startswith("1 of 2 verdicts on digits:8 agree with those on digits:8")
    assert (finding.verdict, finding.direction) == (claims.DIFFERENT, claims.IN_PART)


def test_the_configuration_of_every_preset_fits_the_settings():
    root = Path(__file__).parents[1]
    section = yaml.safe_load((root / "config.yaml").read_text())["lbrs"]
    settings = LbrsSettings.check(section, "config.yaml: lbrs")
    assert settings.tasks.first.sweep.fixed.bias == 10
    wrong = {**section, "seeds": [1, 1]}
    with pytest.raises(SmoothcertError, match=r"config\.yaml: seeds: expected distinct values"):
        LbrsSettings.check(wrong, "config.yaml")


def test_certificates_of_a_smooth_network_are_tables_like_any_other(tmp_path, capsys):
    task = {"dataset": "digits", "positive": "8", "train": 60, "test": 16}
    recipe = {"arch": "softplus_mlp-8", "epochs": 5, "batch": 32, "lr": 0.01}
    spec = {"task": task, "recipe": recipe, "norms": ["l2", "linf"], "bias": [0, 0.5]}
    assert not call("lbrs", "certify", "--spec", json.dumps(spec), "--out", tmp_path)
    assert len(list(tmp_path.glob("*.tsv"))) == 8
    table = read_certificates(tmp_path / "l2-tight-b0.5.tsv")
    published = read_certificates(tmp_path / "l2-published-b0.5.tsv")
    assert len(table) == 32
    assert table.single("norm") == "l2"
    assert (table.radius >= published.radius * (1 - 1e-9)).all()
    assert set(table.label) == {0, 1}
    capsys.readouterr()


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("spiral", {"turn": 1}, "turn: unknown key"),
        ("spiral", {"spiral": {"turns": -1}}, "spiral.turns: expected more than 0, found -1"),
        ("spiral", {"bias": [3, 1]}, "bias: expected ascending numbers"),
        ("image", {"task": {"dataset": "digits"}, "sweep": SWEEP}, "task.positive: missing"),
        ("image", {"task": {"dataset": "digits", "positive": "8"}}, "sweep is missing"),
        (
            "image",
            {"task": {"dataset": "digits", "positive": "8", "reserved": 3}, "sweep": SWEEP},
            "task.reserved: expected a multiple of 2, found 3",
        ),
        ("certify", {"task": {"dataset": "digits", "positive": "eleven"}}, "class 'eleven'"),
        (
            "certify",
            {"task": {"dataset": "digits", "positive": "8"}, "norms": ["l7"]},
            "norms.0: expected one of l1, l2, linf, found 'l7'",
        ),
    ],
)
def test_a_wrong_specification_ends_with_one_line_that_names_the_key(
    kind, spec, message, tmp_path, capsys
):
    assert call("lbrs", kind, "--spec", json.dumps(spec), "--out", tmp_path / "x") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_wrong_file_of_accuracies_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(SmoothcertError, match="no such accuracy file"):
        results.read_accuracies([path])
    path.write_text("x,y\n1,2\n")
    with pytest.raises(SmoothcertError, match=r"a\.csv:1: expected the columns"):
        results.read_accuracies([path])
    path.write_text(",".join(results.COLUMNS) + "\n0,,cnn,,,l2,zero,transfer,10,9\n")
    with pytest.raises(SmoothcertError, match=r"a\.csv:2: column 'radius'"):
        results.read_accuracies([path])


def test_accuracies_without_their_record_are_one_clear_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(results.COLUMNS) + "\n0,,cnn,,,l2,0.0,transfer,10,9\n")
    with pytest.raises(SmoothcertError, match=r"a\.json: no such file; expected the record"):
        accuracies.read_rows([path])
