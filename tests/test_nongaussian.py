"""Tables, figures and studies of the non-Gaussian noises, on generated certificates."""

import csv
import json
from itertools import pairwise

import numpy as np
import pytest
from reporting import fits, words
from scipy.special import gammainc, ndtr

from smoothcert import cli
from smoothcert.certificates import make_table, metrics, write_certificates
from smoothcert.certificates.runs import read_runs
from smoothcert.certificates.selection import held_out
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.noise.mixed_table import extremes, log_ratio
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.nongaussian import figure_linf, figures
from smoothcert.papers.nongaussian.gain import gain, matched_scale, training
from smoothcert.papers.nongaussian.outputs import AblationOptions
from smoothcert.papers.nongaussian.study.ablation import Point, ablation, baseline_radius
from smoothcert.papers.nongaussian.study.results import read_points, write_points
from smoothcert.papers.nongaussian.study.settings import NongaussianSettings
from smoothcert.papers.nongaussian.study.toy import BALL, ToyPoint, frontier, toy
from smoothcert.papers.nongaussian.tables import LABELS, groups, rivals, table1, table2
from smoothcert.report import claims, names
from smoothcert.report.numbers import Metric, Number, frame, write_numbers
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.write import to_csv, to_markdown
from smoothcert.workflow.catalogue import find

D = 64
LOOK = AccuracyOptions()


def files(paths):
    return Files.parse([str(path) for path in paths])


def write_run(root, noise_slug, training="cohen-fs-0.25", inputs=60, n=1000, harder=0.0):
    """A certificate table of simulated votes, on a workflow path; returns the path."""
    noise = NOISES.parse(noise_slug)
    if isinstance(noise, Centripetal):
        noise = noise.with_table(noise.build_table(D, intervals=12))
    shared = np.random.default_rng(0)
    label, ease = shared.integers(0, 10, inputs), shared.normal(size=inputs)
    rng = np.random.default_rng(len(noise_slug))
    count = rng.binomial(n, ndtr(1.6 - 2 * noise.scale + ease - harder))
    lower = clopper_pearson_lower(count, n, 0.001)
    table = make_table(
        idx=np.arange(inputs),
        label=label,
        predict=np.where(lower > 0.5, label, -1),
        radius=noise.radius(lower, noise.scale, D),
        time=0.0,
        p_lower=lower,
        count=count,
        n=n,
        n0=100,
        alpha=0.001,
        sigma=noise.scale,
        noise=noise.slug,
        norm=noise.norm,
        budget=f"fixed-{n}",
        scaling="fixed",
    )
    path = root / f"certificates/digits/tiny_cnn/{training}/{noise_slug}/fixed/fixed-{n}.tsv"
    write_certificates(path, table, {"shape": [1, 8, 8]})
    return str(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    slugs = ["gaussian-0.25", "gaussian-0.50", "centripetal-l2_k5-0.25", "centripetal-l2_k5-0.50"]
    slugs += ["laplace-0.25", "centripetal-l1_k5-0.25"]
    return [write_run(root, slug) for slug in slugs]


def test_the_choice_of_a_run_never_sees_the_inputs_that_measure_it():
    rng = np.random.default_rng(0)
    inputs, radii = 40, np.array([0.0, 0.5, 1.0])
    tables = [
        make_table(
            idx=np.arange(inputs),
            label=np.zeros(inputs, int),
            predict=np.zeros(inputs, int),
            radius=rng.uniform(0.1, 1.4, inputs),
            time=0.0,
        )
        for _ in range(5)
    ]
    found = held_out(tables, radii, strict=False)
    each = np.stack([metrics.certified(t, radii) for t in tables])
    for own in (0, 1):
        here, there = np.arange(own, inputs, 2), np.arange(1 - own, inputs, 2)
        for i in range(len(radii)):
            best, counts = found.chosen[own, i], each[:, i, there].sum(1)
            assert counts[best] == counts.max()
            assert np.array_equal(found.certified[i, here], each[best, i, here])
    # changing the inputs of one half changes no choice for that half's measurement
    envelope = metrics.envelope(tables, radii).value
    assert (found.certified.mean(1) <= envelope + 1e-12).all()


def test_tables_hold_baselines_method_and_their_paired_differences(runs):
    for make, norm in ((table2, "l2"), (table1, "l1")):
        rows = make(files(runs), LOOK).rows
        group = next(iter(groups(read_runs(runs), norm)))
        by = {(r["method"], r.get("minus"), r["selection"]): r for r in rows}
        assert len(by) == len(rows)
        half, alone = "held out", "one run"
        assert all(row["paper"] is None for row in rows if "minus" not in row)
        at = {r: Metric("accuracy_percent", r) for r in (0.0, 0.25, 0.5)}
        # The scale of training is 0.25; the other Gaussian scale is a search of the baseline's.
        if norm == "l2":
            best = metrics.envelope([run.table for run in group["method"]], [0.25])
            measured = by["method", None, "these inputs"][at[0.25]]
            assert measured.value == pytest.approx(100 * float(best.value[0]))
            kinds = {"baseline": alone, "searched": half}
            assert [r["runs"] for r in rows] == [1, 2, 2, 2, 2, None, None]
        else:
            kinds = {"baseline": alone}
            assert [r["runs"] for r in rows] == [1, 1, None]
        chosen = half if norm == "l2" else alone
        method = by["method", None, chosen]
        for kind, choice in kinds.items():
            minus = by["difference", kind, chosen]
            assert minus["noise"] == f"Zhang et al. minus {LABELS[kind].lower()}"
            for column in (at[0.0], at[0.5], "acr"):
                expected = method[column].value - by[kind, None, choice][column].value
                assert minus[column].value == pytest.approx(expected)


def test_a_person_reads_names_and_the_csv_has_slugs(runs):
    table = table1(files(runs), LOOK)
    text, csv_text = to_markdown(table), to_csv(table)
    assert "Zhang et al.: centripetal-l1," in csv_text
    assert "cohen-fs," in csv_text
    assert "| Zhang et al.: centripetal ℓ₁ |" in text
    assert "cohen-fs" not in text
    assert "Ours" not in text + csv_text
    assert names.recipe("macer-ds2_n1-laplace") == "MACER-DS2 (n = 1), Laplace"


def test_a_baseline_without_the_scale_of_training_stands_for_any_scale(runs):
    group = next(iter(groups(read_runs(runs), "l2")))
    off = {**group, "baseline": [r for r in group["baseline"] if r.sigma != 0.25]}
    assert {name: len(found) for name, found in rivals(off).items()} == {"searched": 1, "method": 2}


def test_what_training_with_the_noise_changes_is_measured_on_equal_energy(tmp_path):
    slug = "centripetal-l2_k48-0.50"
    paths = [
        write_run(tmp_path, slug, training=f"cohen-fs-{slug}"),
        write_run(tmp_path, slug, training="cohen-fs-0.25", harder=0.4),
        write_run(tmp_path, "gaussian-0.25", training="cohen-fs-0.25", harder=0.2),
        write_run(tmp_path, slug, training="cohen-fs-0.50", harder=5.0),
    ]
    rows = training(files(paths), Options()).rows
    assert len(rows) == 1
    assert rows[0]["noise"] == slug
    assert rows[0]["baseline"] == "gaussian-0.25"
    values = [read_runs([path])[0].table for path in paths[:3]]
    acrs = [float(metrics.average_certified_radius(table).value) for table in values]
    assert rows[0]["minus_model"].value == pytest.approx(acrs[0] - acrs[1])
    assert rows[0]["minus_baseline"].value == pytest.approx(acrs[0] - acrs[2])
    alone = training(files(paths[:1]), Options()).rows[0]
    assert alone["minus_model"] is None
    assert alone["accuracy_minus_baseline"] is None
    with pytest.raises(SmoothcertError, match="found none for a model trained with"):
        training(files(paths[1:]), Options())


def test_the_paper_stands_beside_its_own_setting_only(tmp_path):
    settings = {"n": 100_000, "inputs": 30}
    paths = [write_run(tmp_path, slug, **settings) for slug in ("gaussian-0.25", "laplace-0.25")]
    moved = []
    for path in paths:
        to = path.replace("digits/tiny_cnn", "cifar10/resnet110")
        target = tmp_path / to
        target.parent.mkdir(parents=True)
        target.write_bytes((tmp_path / path).read_bytes())
        moved.append(str(target))
    quarter = Metric("accuracy_percent", 0.25)
    row = table2(files(moved), LOOK).rows[0]
    assert row[quarter].paper.text == "60"
    assert row["paper"] == "Zhang et al. table 2"
    # table 1 is of models that were trained with Laplace noise
    assert table1(files(moved), LOOK).rows[0][quarter].paper is None


def test_the_parts_of_a_gain_add_up_to_it(tmp_path):
    noise = NOISES.parse("centripetal-l2_k28-1.00")
    assert matched_scale(noise, D) == pytest.approx(np.sqrt(36 / 64))
    paths = [
        write_run(tmp_path, slug, training="cohen-fs-0.50")
        for slug in ("centripetal-l2_k28-1.00", "gaussian-0.75", "gaussian-0.50")
    ]
    row = gain(files(paths), Options()).rows[0]
    parts = [row[name].value for name in ("certificate", "p_a", "size")]
    assert row["total"].value == pytest.approx(sum(parts), abs=1e-9)
    assert row["matched"] == "gaussian-0.75"
    assert abs(parts[0]) < 0.01  # the certificate is Gaussian's at equal energy
    alone = gain(files(paths[:1]), Options()).rows[0]
    assert alone["total"] is None
    assert alone["certificate"] == row["certificate"]


def test_tables_without_a_run_of_their_norm_say_so(runs):
    with pytest.raises(SmoothcertError, match="found none for laplace or a non-Gaussian"):
        table1(files(runs[:2]), LOOK)


def test_figure_4_has_a_panel_a_model_and_a_curve_a_method(tmp_path):
    paths = [
        write_run(tmp_path, slug, training=f"cohen-fs-{scale}")
        for scale in ("0.25", "0.50")
        for slug in (f"gaussian-linf-{scale}", f"centripetal-linf_k3-{scale}")
    ]
    picture = figure_linf.measure_fig4(files(paths), LOOK)
    figure = figure_linf.draw_fig4(picture)
    assert fits(figure)
    panels = [axes for axes in figure.axes if axes.has_data()]
    assert len(panels) == 2
    assert ["σ = 0.25" in axes.get_title() for axes in panels] == [True, False]
    labels = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert labels == [
        "Baseline: Gaussian for ℓ∞", "Zhang et al.: centripetal ℓ∞",
        "95% CI (test-set sampling)",
    ]  # fmt: skip
    table = read_runs(paths[:1])[0].table
    exact = metrics.certified_accuracy(table, [4 / 255]).value[0]
    measured = picture.numbers
    (value,) = measured[(measured.row == 0) & (measured.radius == 4 / 255)].value
    assert value == pytest.approx(100 * exact)


def judged(folder):
    found = claims.Evidence(folder)
    return {one.check: claims.judge(one, found) for one in claims.read_claims()
            if one.paper == "zhang"}  # fmt: skip


def test_both_noises_on_one_model_give_a_direction_on_other_data(runs, tmp_path):
    folder = tmp_path / "numbers"
    folder.mkdir()
    write_numbers(
        folder / "nongaussian_table1.csv", table1(files(runs), LOOK).numbers("nongaussian_table1")
    )
    found = judged(tmp_path)
    assert found["zhang_above(1)"].verdict == claims.DIFFERENT
    assert found["zhang_above(1)"].direction in claims.DIRECTIONS
    assert "digits, tiny_cnn, cohen-fs" in found["zhang_above(1)"].ours
    assert found["zhang_above(2)"].verdict == claims.NOT_RUN


@pytest.mark.parametrize(
    ("factor", "direction"), [(1.2, claims.SAME), (0.8, claims.OPPOSITE), (1.0, claims.NEITHER)]
)
def test_the_direction_of_a_claim_is_that_of_the_accuracies(factor, direction, tmp_path):
    rows = [
        {"dataset": "digits", "arch": "a", "training": "t", "method": method,
         "selection": "one run",
         **{Metric("accuracy_percent", r): Number(times * (60 - 50 * r)) for r in (0.0, 0.5, 1.0)}}
        for method, times in (("baseline", 1.0), ("method", factor))
    ]  # fmt: skip
    (tmp_path / "numbers").mkdir()
    write_numbers(
        tmp_path / "numbers" / "nongaussian_table2.csv", frame("nongaussian_table2", rows)
    )
    finding = judged(tmp_path)["zhang_above(2)"]
    assert (finding.verdict, finding.direction) == (claims.DIFFERENT, direction)


def test_the_toy_is_judged_from_the_frontiers_of_figure_3(tmp_path, toy_points):
    write_points(tmp_path / "toy.csv", toy_points)
    picture = figures.measure_fig3(files([tmp_path / "toy.csv"]), Options())
    (tmp_path / "numbers").mkdir()
    write_numbers(tmp_path / "numbers" / "nongaussian_fig3.csv", picture.numbers)
    finding = judged(tmp_path)["zhang_toy((11, 12))"]
    assert finding.verdict == claims.REPRODUCED
    assert "below at 0" in finding.ours


def test_figure_3_says_the_best_k_and_why_two_curves_coincide(tmp_path, toy_points):
    write_points(tmp_path / "toy.csv", toy_points)
    picture = figures.measure_fig3(files([tmp_path / "toy.csv"]), Options())
    drawn = figures.draw_fig3(picture)
    assert fits(drawn)
    assert [line.rpartition(", ")[2] for line in words(drawn)[:3]] == ["best k: 0"] * 3
    heading = drawn.get_suptitle().replace("\n", " ")
    assert heading.startswith("The best of k = 0, 2 at each accuracy: with k = 0, eq. 11 and 13")
    # Where another k is best, the figure says so, and no longer that the two coincide.
    numbers = picture.numbers
    swapped = (numbers.family == "eq11") & (numbers.accuracy == 0.9)
    other = numbers.assign(best=(numbers.k == 2) != swapped)
    drawn = figures.draw_fig3(Picture(other))
    assert words(drawn)[0].endswith("best k: 0, 2")
    assert words(drawn)[2].endswith("best k: 2")
    assert drawn.get_suptitle().endswith("at each accuracy")


def test_the_ablation_shows_every_ratio_and_its_caption_holds(tmp_path):
    """A panel falls from 1 to 0.01: no caption calls that no dependence on k."""
    points = [
        Point(noise, 150_528, k, 0.99, ratio, 0.001 * ratio)
        for noise, least in (("mixed-linf", 0.008), ("centripetal-l1", 0.9), ("centripetal-l2", 1))
        for k, ratio in ((0, 1.0), (75_264, max(least, 0.03)), (135_475, least))
    ]
    write_points(tmp_path / "a.csv", points)
    caption = find("nongaussian_ablation", "figure").title
    assert caption == "Ablation: certified radius against k at equal noise energy"
    picture = figures.measure_ablation(files([tmp_path / "a.csv"]), AblationOptions())
    drawn = figures.draw_ablation(picture)
    assert fits(drawn)
    low, high = drawn.axes[2].get_ylim()
    assert 0 < low < 0.008 < 1 < high
    assert drawn.axes[2].get_yscale() == "log"


def test_figures_without_data_fit_their_page():
    assert fits(figures.draw_fig1(figures.measure_fig1(files([]), Options())))
    assert fits(figures.draw_fig2(figures.measure_fig2(files([]), Options())))


def test_norm_moments_of_figure_1_are_those_of_the_noise():
    mean, variance = figures.norm_moments(100, np.array([0.0, 60.0]), np.array([1.0, 2.0]))
    u = np.linspace(0, 60, 200_001)
    for i, (k, sigma) in enumerate(((0, 1.0), (60, 2.0))):
        survival = 1 - gammainc((100 - k) / 2, (u / sigma) ** 2 / 2)
        first = np.trapezoid(survival, u)
        assert mean[i] == pytest.approx(first, rel=1e-6)
        second = np.trapezoid(2 * u * survival, u)
        assert variance[i] == pytest.approx(second - first**2, rel=1e-3)


def test_overlap_of_figure_2_agrees_with_sampling():
    k, r = 1, 0.8
    for family, name in (("eq13", "mixed-linf"),):
        unit = np.sqrt(NOISES.parse(f"{name}_k1-1.00").energy(2) / 2)
        t = log_ratio(k, 2, r * unit, extremes(k, 2, 200_000, np.random.default_rng(0)))
        sampled = np.exp(np.minimum(-t, 0)).mean()
        assert float(figures.overlap(family, k, r)[3]) == pytest.approx(sampled, abs=0.01)


def test_the_ablation_is_1_at_k_zero_and_agrees_with_the_tables():
    points = ablation([100], [0, 0.5], [0.9])
    by = {(p.noise, p.k): p for p in points}
    for name in ("centripetal-l1", "centripetal-l2"):
        assert by[name, 0].ratio == pytest.approx(1, abs=1e-4)
        noise = NOISES.parse(f"{name}_k50-1.00")
        unit = np.sqrt(100 / noise.energy(100))
        table = noise.build_table(100, intervals=16)
        direct = unit * float(table.radius_at(0.9)) / baseline_radius(noise.norm, 0.9, 100)
        assert by[name, 50].ratio == pytest.approx(direct, abs=2e-3)
    assert abs(by["mixed-linf", 0].ratio - 1) < 5 * by["mixed-linf", 0].error + 1e-3
    assert by["mixed-linf", 50].ratio < by["mixed-linf", 0].ratio
    with pytest.raises(SmoothcertError, match="shares of d"):
        ablation([100], [1.0], [0.9])


@pytest.fixture(scope="module")
def toy_points():
    return toy([0.1], [0.6, 0.9], [0, 2])


def test_the_toy_has_the_accuracy_it_says(toy_points):
    rng = np.random.default_rng(0)
    import torch

    for point in toy_points:
        if point.k != 2:
            continue
        name = {"eq11": "centripetal-l2", "eq12": "centripetal-linf", "eq13": "mixed-linf"}
        noise = NOISES.parse(f"{name[point.family]}_k2-1.00")
        generator = torch.Generator().manual_seed(int(rng.integers(1000)))
        z = point.sigma * noise.sample((40_000, 5), generator).double().numpy()
        inside = (np.linalg.norm(z, axis=1) <= BALL).mean()
        assert abs(inside - point.accuracy) < 5 * 0.5 / np.sqrt(40_000)


def test_mixed_and_l2_noise_agree_on_the_toy_at_k_zero_and_eq_12_is_worse(toy_points):
    by = {(p.family, p.k, p.accuracy): p for p in toy_points}
    for accuracy in (0.6, 0.9):
        l2, mixed = by["eq11", 0, accuracy], by["eq13", 0, accuracy]
        assert l2.sigma == pytest.approx(mixed.sigma)
        assert abs(l2.robustness - mixed.robustness) < 6 * mixed.robustness_error
        assert mixed.radius == pytest.approx(l2.radius, abs=6 * mixed.radius_error + 1e-4)
        assert by["eq12", 0, accuracy].robustness < l2.robustness - 0.05
        # at the same k > 0 the mixed norm is below, far beyond its error
        gap = by["eq11", 2, accuracy].robustness - by["eq13", 2, accuracy].robustness
        assert gap > 20 * by["eq13", 2, accuracy].robustness_error


def test_no_point_of_a_frontier_is_beaten_by_another(toy_points):
    best = frontier(toy_points, "eq11", 0.1)
    assert [p.accuracy for p in best] == sorted(p.accuracy for p in best)
    assert all(a.robustness > b.robustness for a, b in pairwise(best))


def test_points_survive_their_file_and_a_wrong_file_is_one_clear_line(tmp_path, toy_points):
    path = tmp_path / "toy.csv"
    write_points(path, toy_points)
    assert read_points(path, ToyPoint) == toy_points
    with pytest.raises(SmoothcertError, match=r"toy\.csv:1: expected the columns noise, d, k"):
        read_points(path, Point)
    text = path.read_text().splitlines()
    path.write_text("\n".join([text[0], text[1].replace("0.6", "six")]) + "\n")
    with pytest.raises(SmoothcertError, match=r"toy\.csv:2: "):
        read_points(path, ToyPoint)


def test_the_configuration_has_the_points_that_its_figure_draws():
    points = {"ablation": {"p": [0.9, 0.99]}, "toy": {"k": [0, 4.5]}}
    assert NongaussianSettings.check(points, "configuration").toy.k == (0.0, 4.5)
    for wrong, message in (
        ({"ablation": {"p": [0.9]}}, "expected 0.99 among them"),
        ({"ablation": {"seed": 1}}, r"ablation\.seed: unknown key"),
        ({"toy": {"k": [5]}}, r"toy\.k\.0: expected less than 5"),
    ):
        with pytest.raises(SmoothcertError, match=message):
            NongaussianSettings.check(wrong, "configuration")


def test_the_command_computes_and_draws(tmp_path, capsys, toy_points):
    spec = json.dumps({"d": [10], "shares": [0, 0.5], "p": [0.9]})
    path = tmp_path / "a.csv"
    assert cli.main(["nongaussian", "ablation", "--spec", spec, "--out", str(path)]) == 0
    with path.open() as handle:
        assert {row["noise"] for row in csv.DictReader(handle)} == {
            "centripetal-l1",
            "centripetal-l2",
            "centripetal-linf",
            "mixed-linf",
        }
    out = str(tmp_path / "f")
    draw = ["figure", "nongaussian_ablation", str(path), "--out", out]
    assert cli.main([*draw, "--options", '{"p": 0.9}']) == 0
    assert (tmp_path / "f.png").stat().st_size > 10_000
    write_points(tmp_path / "toy.csv", toy_points)
    toy_csv = str(tmp_path / "toy.csv")
    assert cli.main(["figure", "nongaussian_fig3", toy_csv, "--out", out]) == 0
    for name in ("fig1", "fig2"):
        assert cli.main(["figure", f"nongaussian_{name}", "--out", out]) == 0
    capsys.readouterr()
    for arguments, message in (
        (draw, "no points at p = 0.99; expected one of 0.9"),
        (["figure", "nongaussian_fig3", "--out", out], "expected one FILE, found 0"),
        (["nongaussian", "toy", "--spec", '{"q": 1}', "--out", out], "q: unknown key"),
        (["nongaussian", "ablation", "--spec", '{"d": 3}', "--out", out], "d: expected "),
        (["nongaussian", "ablation", "--spec", '{"d": [3, 3]}', "--out", out], "distinct values"),
        (["nongaussian", "toy", "--k", "5", "--out", out], "expected less than 5"),
    ):
        assert cli.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
