"""Tables of DDRS on generated certificates: what is chosen on which inputs, and controls."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.special import ndtri

from smoothcert.certificates import make_table, metrics, write_certificates
from smoothcert.certificates.runs import read_run, read_runs
from smoothcert.certificates.selection import held_out, held_out_area, optimism, paired_difference
from smoothcert.cli import main
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as ddrs_runs
from smoothcert.papers.ddrs.cells import accuracy_at
from smoothcert.papers.ddrs.controls import verdict
from smoothcert.papers.ddrs.printed_acr import above, envelope, one_model
from smoothcert.papers.ddrs.times import printed_seconds
from smoothcert.report.numbers import Number
from smoothcert.report.output import Files
from smoothcert.report.printing import parts
from smoothcert.report.reference import value
from smoothcert.report.write import to_latex
from smoothcert.workflow.catalogue import find, function

PAPER = {"dataset": "cifar10", "arch": "resnet18_stem7", "n": 100_000}
RADII = [0, 0.25, 0.5, 0.75]


def certificate(
    root,
    training,
    noise,
    scaling="fixed",
    *,
    margin=None,
    dataset="digits",
    arch="tiny_cnn",
    n=2000,
    inputs=60,
    seed=0,
    scales=None,
    record=None,
):
    """A run on its path in the workflow; its radii are scale * margin, as far as n allows."""
    kind, _, scale = noise.rpartition("-")
    own = np.random.default_rng(0).normal(1.5, 0.7, inputs) if margin is None else margin
    jitter = 0.02 * np.random.default_rng(seed).normal(size=inputs)
    top = ndtri(clopper_pearson_lower(n, n, 0.001))
    scales = np.broadcast_to(float(scale) if scales is None else scales, inputs)
    certified = np.minimum(own + jitter, top) * scales
    if kind == "uniform":
        certified = scales * np.clip((own + jitter) / 3, 0, 0.99985)
    table = make_table(
        idx=np.arange(inputs), label=np.arange(inputs) % 10,
        predict=np.where(certified > 0, np.arange(inputs) % 10, -1),
        radius=np.maximum(certified, 0), time=0.5, p_lower=0.9, count=n, n=n, n0=100,
        samples=n + 100, alpha=0.001, sigma=scales, noise=noise,
        norm="l1" if kind == "uniform" else "l2", budget=f"fixed-{n}", scaling=scaling,
    )  # fmt: skip
    folder = "certificates"
    if scaling != "fixed":
        folder = "memory"
        table.columns.update(
            predict_raw=table.predict,
            radius_raw=table.radius,
            memory_event=np.array(["trimmed", *["none"] * (inputs - 1)]),
        )
    path = root / folder / dataset / arch / training / noise / scaling / f"fixed-{n}.tsv"
    write_certificates(path, table, {"seed": 3, "device": "cpu", "model_digest": training}
                       | (record or {}))  # fmt: skip
    return str(path)


def family(root, method="cohen", ascents=("ascent-K100", "ascent-K900"), **settings):
    """FS, DS and DS2 of one method at the paper's three scales."""
    paths = []
    for i, scale in enumerate(("0.12", "0.25", "0.50")):
        noise = f"gaussian-{scale}"
        paths.append(certificate(root, f"{method}-fs-{scale}", noise, seed=i, **settings))
        for k, ascent in enumerate(ascents):
            for schedule in ("fs", "ds2"):
                paths.append(  # noqa: PERF401
                    certificate(
                        root,
                        f"{method}-{schedule}-{scale}",
                        noise,
                        ascent,
                        seed=10 * i + k,
                        scales=float(scale) * (1.1 + 0.1 * k),
                        **settings,
                    )
                )
    return paths


def made(name, paths, **options):
    """A table of the catalogue."""
    output = find(name, "table")
    return function(output.make)(Files.parse(paths), output.options(**options))


def by_method(table, selection):
    return {row["method"]: row for row in table.rows if row["selection"] == selection}


def papers(table):
    """The numbers that have the paper's beside them."""
    cells = [cell for row in table.rows for cell in row.values() if isinstance(cell, Number)]
    return [cell for cell in cells if cell.paper is not None]


# --- choosing ------------------------------------------------------------------------------


def random_tables(models, inputs, seed=0):
    rng = np.random.default_rng(seed)
    zeros = np.zeros(inputs, int)
    return [
        make_table(idx=np.arange(inputs), label=zeros, predict=zeros - (rng.random(inputs) < 0.2),
                   radius=rng.uniform(0, 1.4, inputs))
        for _ in range(models)
    ]  # fmt: skip


def test_inputs_that_measure_have_no_say_in_the_choice():
    tables, radii = random_tables(6, 40), np.array([0.0, 0.5, 1.0])
    before = held_out(tables, radii)
    for own in (0, 1):
        for table in tables:  # change all that the measuring half says
            table.radius[own::2] = np.random.default_rng(9).permutation(table.radius[own::2])
            table.correct[own::2] = 1 - table.correct[own::2]
        after = held_out(tables, radii)
        assert (after.chosen[own] == before.chosen[own]).all()
        assert after.best[own] == before.best[own]
        before = after


def test_equal_counts_are_decided_by_acr_and_not_by_the_order_of_the_models():
    zeros = np.zeros(8, int)
    small, large = (
        make_table(idx=np.arange(8), label=zeros, predict=zeros, radius=np.full(8, r))
        for r in (0.5, 0.9)
    )
    assert (held_out([small, large], np.array([0.1])).chosen == 1).all()
    assert (held_out([large, small], np.array([0.1, 5.0])).chosen == 0).all()


def test_the_held_out_area_is_the_integral_of_the_held_out_accuracy():
    tables = random_tables(5, 30, seed=4)
    step = 0.0005
    grid = np.arange(step / 2, 1.5, step)
    expected = held_out(tables, grid).certified.mean(1).sum() * step
    assert float(held_out_area(tables).value) == pytest.approx(expected, abs=2e-3)
    one = tables[:1]
    acr = metrics.average_certified_radius(tables[0])
    assert float(held_out_area(one).value) == pytest.approx(float(acr.value))
    assert (optimism(one, grid[::500]) == 0).all()


def test_searching_among_equals_looks_like_a_gain_only_on_the_inputs_that_chose():
    radii = np.array([0.3, 0.7])
    draws = [random_tables(30, 200, seed) for seed in range(60)]
    gap = np.mean([optimism(tables, radii) for tables in draws], 0)
    assert (gap > 0.03).all()
    true = np.array([0.8 * (1 - r / 1.4) for r in radii])
    measured = np.mean([held_out(tables, radii).certified.mean(1) for tables in draws], 0)
    assert measured == pytest.approx(true, abs=0.02)


def test_paired_differences_are_those_of_tables():
    tables, radii = random_tables(2, 50), [0.4]
    a, b = (metrics.certified(t, radii)[0] for t in tables)
    assert paired_difference(a, b) == metrics.accuracy_difference(*tables, radii)[0]


# --- tables 1 to 4 -------------------------------------------------------------------------


def test_table_1_measures_both_choices_and_three_acrs(tmp_path):
    paths = family(tmp_path)
    runs = read_runs(paths)
    table = made("ddrs_table1", paths, radii=RADII)
    best, held = (
        by_method(table, "per radius"),
        by_method(table, "held out") | by_method(table, "paired"),
    )
    assert list(best) == ["Cohen", "Cohen-DS", "Cohen-DS2"]
    assert best["Cohen-DS"]["models"] == "3 σ x 2 K"
    assert best["Cohen-DS"]["memory"] == "6 of 360"
    assert best["Cohen"]["memory"] is None
    own = [r.table for r in runs if ddrs_runs.label(r) == "Cohen-DS"]
    row, other = best["Cohen-DS"], held["Cohen-DS"]
    models = [metrics.average_certified_radius(t).value for t in own]
    assert row["acr_model"].value == pytest.approx(max(models))
    assert row["acr_area"].value == pytest.approx(float(metrics.envelope_area(own).value))
    oracle = float(metrics.per_input_maximum(own).value)
    assert row["acr_oracle"].value == pytest.approx(oracle)
    envelope = metrics.envelope(own, RADII).value
    choice = held_out(own, np.array(RADII))
    gap = 100 * (envelope - choice.certified.mean(1))
    for i, r in enumerate(RADII):
        key = accuracy_at(r)
        assert row[key].value == pytest.approx(100 * envelope[i])
        assert other[key].value == pytest.approx(100 * choice.certified[i].mean())
    assert other["optimism_max"].value == pytest.approx(max(0, gap.max()))
    assert other["acr_model"].value == pytest.approx(choice.radius.mean())
    assert "σ 0.50, K 900" in other["choice"]
    minus = by_method(table, "paired")["Cohen-DS minus Cohen"]
    plain = held_out([r.table for r in runs if ddrs_runs.label(r) == "Cohen"], np.array(RADII))
    assert minus["acr_model"].value == pytest.approx((choice.radius - plain.radius).mean())
    assert parts(minus["acr_model"])[0].startswith("+")
    assert not papers(table)
    assert "60 test inputs" in table.notes[0]
    assert "2,000 samples" in table.notes[0]


def test_the_paper_stands_beside_its_own_data_network_and_search(tmp_path):
    full = tuple(f"ascent-K{k}" for k in range(100, 1000, 100))
    paths = family(tmp_path, ascents=full, inputs=20, **PAPER)
    best = by_method(made("ddrs_table1", paths), "per radius")
    assert best["Cohen"][accuracy_at(0.0)].paper.text == "79.9"
    for method in ("Cohen", "Cohen-DS", "Cohen-DS2"):
        printed = value("ddrs", "table1", dataset="cifar10", method=method, metric="ACR")
        assert best[method]["acr_oracle"].paper.text == printed.text
        assert best[method]["acr_model"].paper is best[method]["acr_area"].paper is None
    assert best["Cohen-DS"]["paper"] == "DDRS table 1"
    # the paper searched 15 K of DS2 at each sigma, these are 9
    assert best["Cohen-DS2"]["paper"] == "DDRS table 1: best of 45"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset": "cifar10-jpeg"}, "different data"),
        ({"arch": "resnet20"}, "different architecture"),
        ({"n": 10_000}, "different samples or alpha"),
    ],
)
def test_another_setting_than_the_papers_says_so_and_shows_no_value(tmp_path, change, reason):
    settings = {**PAPER, "inputs": 10, **change}
    paths = family(tmp_path, ascents=("ascent-K900",), **settings)
    for name in ("ddrs_table1", "ddrs_appendix"):
        table = made(name, paths)
        assert {row["paper"] for row in table.rows} - {None} == {reason}
        assert not papers(table)


def test_another_search_than_algorithm_1_gets_no_paper_value(tmp_path):
    paths = family(tmp_path, ascents=("ascent_lr0.04-K900",), inputs=10, **PAPER)
    best = by_method(made("ddrs_table1", paths), "per radius")
    assert best["Cohen-DS (ascent_lr0.04)"]["paper"] == "another search"
    assert best["Cohen"][accuracy_at(0.0)].paper.text == "79.9"


def test_table_3_is_the_block_of_eight_samples(tmp_path):
    eight = family(tmp_path, "macer", ("ascent_n8-K900",), inputs=10, **PAPER)
    one = [
        certificate(tmp_path, f"macer-ds2_n1-{s}", f"gaussian-{s}", "ascent-K900", inputs=10,
                    **PAPER)
        for s in ("0.12", "0.25", "0.50")
    ]  # fmt: skip
    best = by_method(made("ddrs_table3", eight + one, radii=[0.5]), "per radius")
    assert best["MACER-DS2"][accuracy_at(0.5)].paper.text == "52.7"
    assert best["MACER-DS2 (n = 1)"][accuracy_at(0.5)].paper is None
    assert "appendix" in best["MACER-DS2 (n = 1)"]["paper"]


def test_each_model_and_k_has_its_row_of_appendix_h(tmp_path):
    paths = family(tmp_path, ascents=("ascent-K900",), inputs=10, **PAPER)
    table = made("ddrs_appendix", paths, radii=[0, 0.5])
    assert len(table.rows) == len(paths) == 9
    for row in table.rows:
        printed = value(
            "ddrs", "appendix_H1", dataset="cifar10", method=row["method"],
            sigma=float(row["sigma"]), K=row["K"], radius=0.5,
        )  # fmt: skip
        assert row[accuracy_at(0.5)].paper.text == printed.text
        assert row["paper"] == "DDRS appendix H.1"


def test_a_fixed_half_width_certifies_nothing_at_its_own_size(tmp_path):
    paths = []
    for i, scale in enumerate(("0.25", "0.50", "1.00")):
        training, noise = f"cohen-fs-uniform-{scale}", f"uniform-{scale}"
        settings = {"inputs": 30, "margin": np.full(30, 9.0), **PAPER}
        paths.append(certificate(tmp_path, training, noise, seed=i, **settings))
        grown = {**settings, "scales": 1.3 * float(scale)}
        paths.append(certificate(tmp_path, training, noise, "ascent-K900", **grown))
    table = made("ddrs_table4", paths)
    best = by_method(table, "per radius")
    assert list(best)[:2] == ["Yang", "Yang-DS"]
    assert best["Yang"][accuracy_at(1.0)].value == 0
    assert best["Yang-DS"][accuracy_at(1.0)].value == 100
    assert best["Yang"][accuracy_at(1.0)].paper.text == "46"
    assert "not stated" in best["Yang"]["paper"]
    assert any("rounding" in note for note in table.notes)
    assert to_latex(table).isascii()


def test_more_fixed_scales_are_a_method_of_their_own(tmp_path):
    paths = family(tmp_path, ascents=("ascent-K900",))
    paths.append(certificate(tmp_path, "cohen-fs-0.25", "gaussian-1.00"))
    best = by_method(made("ddrs_table1", paths), "per radius")
    assert best["Cohen"]["models"] == "3 σ"
    assert best["Cohen (more fixed scales)"]["models"] == "4 σ"


def test_runs_of_different_n_stay_apart(tmp_path):
    paths = [*family(tmp_path, n=2000), *family(tmp_path, n=4000)]
    table = made("ddrs_table1", paths)
    found = {row["data"] for row in table.rows}
    assert found == {"digits, tiny_cnn, n = 2,000", "digits, tiny_cnn, n = 4,000"}
    figure = find("ddrs_fig3", "figure")
    numbers = function(figure.make)(Files.parse(paths), AccuracyOptions()).numbers
    titles = {title for title in numbers.title if "envelope" in title}
    assert titles == {f"digits, tiny_cnn, n = {n}: Cohen, envelope" for n in ("2,000", "4,000")}


def test_tables_are_of_their_method_only(tmp_path):
    paths = family(tmp_path, ascents=())
    with pytest.raises(SmoothcertError, match="found none of MACER"):
        made("ddrs_table3", paths)


# --- controls ------------------------------------------------------------------------------


def scales_of(inputs, mean, spread):
    return mean + spread * np.where(np.arange(inputs) % 2, 1.0, -1.0)


def control_runs(root, spread, helps, n=2000):
    """DS with ``spread`` around a mean that is better than sigma_0; ``helps`` if it fits inputs."""
    inputs = 60
    training, noise = "cohen-fs-0.25", "gaussian-0.25"
    fits = np.where(np.arange(inputs) % 2, 1.0, -1.0) if helps else np.ones(inputs)
    ascent = scales_of(inputs, 0.30, spread)
    gain = np.where(fits > 0, 1.0, 1.5) if helps else 1.0
    margin = np.random.default_rng(0).normal(1.5, 0.3, inputs)
    common = {"n": n, "margin": margin}
    return [
        certificate(root, training, noise, **common),
        certificate(root, training, noise, "ascent-K900", scales=ascent,
                    **{**common, "margin": margin * gain}),
        certificate(root, training, noise, "ascent-mean-K900", scales=ascent.mean(), seed=5,
                    **common),
        certificate(root, training, noise, "ramp-K900", scales=0.435, seed=6,
                    **{**common, "margin": margin / 2}),
    ]  # fmt: skip


def rows_of(paths):
    table = made("ddrs_controls", paths)
    return {(row["training"], row["scaling"]): row for row in table.rows}


def test_a_gain_that_one_scale_for_all_gives_too_is_no_gain_of_adapting(tmp_path):
    rows = rows_of(control_runs(tmp_path / "a", 0.05, helps=False))
    ascent = rows["cohen-fs-0.25", "ascent-K900"]
    assert float(ascent["minus_fs"].low) > 0
    assert ascent["verdict"] == "as controls"
    assert rows["cohen-fs-0.25", "ascent-mean-K900"]["verdict"] == "gain"
    assert rows["cohen-fs-0.25", "ramp-K900"]["verdict"] == "loss"
    assert rows["cohen-fs-0.25", "fixed"]["verdict"] is None
    assert ascent["mean_sigma"] == "0.300 (0.050)"
    rows = rows_of(control_runs(tmp_path / "b", 0.05, helps=True))
    assert rows["cohen-fs-0.25", "ascent-K900"]["verdict"] == "beyond controls"


def test_another_search_needs_one_scale_near_its_own_mean(tmp_path):
    paths = control_runs(tmp_path, 0.05, helps=True)
    better = {"margin": np.random.default_rng(0).normal(2.5, 0.3, 60), "scales": 0.5}
    paths.append(
        certificate(tmp_path, "cohen-fs-0.25", "gaussian-0.25", "ascent-sound-K50", **better)
    )
    key = ("cohen-fs-0.25", "ascent-sound-K50")
    row = rows_of(paths)[key]
    assert "minus_mean" not in row
    assert row["verdict"] == "control missing"
    for scale in ("0.60", "0.48"):
        control = {**better, "scales": None, "margin": better["margin"] * 1.3}
        paths.append(certificate(tmp_path, "cohen-fs-0.25", f"gaussian-{scale}", **control))
        row = rows_of(paths)[key]
        assert ("minus_mean" not in row) == (scale == "0.60")
    assert row["verdict"] == "below a control"


def test_differences_are_paired_and_of_equal_budgets_only(tmp_path):
    paths = control_runs(tmp_path, 0.05, helps=True)
    other = control_runs(tmp_path, 0.05, helps=True, n=500)
    table = made("ddrs_controls", [*paths, other[1]])
    assert len(table.rows) == 4
    assert any("Left out" in note and "fixed-500" in note for note in table.notes)
    tables = {run.scaling: run.table for run in read_runs(paths)}
    expected = metrics.acr_difference(tables["ascent-K900"], tables["ascent-mean-K900"])
    row = next(row for row in table.rows if row["scaling"] == "ascent-K900")
    ends = (expected.value, expected.low, expected.high)
    found = row["minus_mean"]
    assert (found.value, found.low, found.high) == pytest.approx([float(v) for v in ends])


def test_the_best_fixed_scale_is_chosen_on_other_inputs(tmp_path):
    paths = control_runs(tmp_path, 0.05, helps=True)
    extra = {"margin": np.full(60, 1.2), "seed": 3}
    paths += [
        certificate(tmp_path, "cohen-fs-0.25", f"gaussian-{s}", **extra) for s in ("0.35", "0.50")
    ]
    table = made("ddrs_controls", paths)
    best = next(row for row in table.rows if "best fixed of 3" in row["choice"])
    fixed = [run for run in read_runs(paths) if run.scaling == "fixed"]
    choice = held_out([run.table for run in fixed], np.array([0.0]))
    assert best["acr"].value == pytest.approx(choice.radius.mean())
    assert "held out: 0.50" in best["choice"]
    ascent = next(row for row in table.rows if row["scaling"] == "ascent-K900")
    assert ascent["minus_fixed"].value < 0
    assert ascent["verdict"] == "below a control"


def test_training_with_own_scales_is_compared_with_as_long_a_training(tmp_path):
    paths = control_runs(tmp_path, 0.05, helps=True)
    better = {"margin": np.random.default_rng(0).normal(2.5, 0.3, 60)}
    grown = {**better, "scales": 0.3}
    noise = "gaussian-0.25"
    ds2 = certificate(tmp_path, "cohen-ds2-0.25", noise, "ascent-K900", **grown)
    mean = certificate(tmp_path, "cohen-ds2-0.25", noise, "ascent-mean-K900", **grown)
    tuned = certificate(tmp_path, "cohen-fs_ft-0.25", noise, **better)
    key = ("cohen-ds2-0.25", "ascent-K900")
    assert rows_of([*paths, ds2])[key]["verdict"] == "control missing"
    # a fine-tuned model at the fixed scale differs in both ways
    row = rows_of([*paths, ds2, tuned])[key]
    assert "minus_tuned" in row
    assert to_latex(made("ddrs_controls", [*paths, ds2, tuned])).isascii()
    assert row["verdict"] == "control missing"
    same = certificate(tmp_path, "cohen-fs_ft-0.25", noise, "ascent-K900", seed=8, **grown)
    row = rows_of([*paths, ds2, mean, tuned, same])[key]
    assert abs(row["minus_tuned"].value) < 0.01
    assert row["verdict"] == "as controls"


def test_verdicts_need_their_controls():
    def estimate(low, high):
        return metrics.Estimate(np.asarray((low + high) / 2), np.asarray(low), np.asarray(high), 9)

    up, none, down = estimate(0.1, 0.2), estimate(-0.1, 0.1), estimate(-0.2, -0.1)
    assert verdict({"fs": up}, []) == "gain"
    assert verdict({"fs": up}, ["mean"]) == "control missing"
    assert verdict({"fs": up, "mean": up}, ["mean"]) == "beyond controls"
    assert verdict({"fs": up, "mean": none, "fixed": up}, ["mean"]) == "as controls"
    assert verdict({"fs": up, "mean": up, "fixed": down}, ["mean"]) == "below a control"
    assert verdict({"fs": none, "mean": up}, ["mean"]) == "no gain"
    assert verdict({"fs": down, "mean": up}, ["mean"]) == "loss"


# --- single inputs ---------------------------------------------------------------------------


def test_losses_and_changed_predictions_are_counted_input_by_input_before_the_memory(tmp_path):
    fixed = certificate(tmp_path, "cohen-fs-0.25", "gaussian-0.25")
    own = certificate(tmp_path, "cohen-fs-0.25", "gaussian-0.25", "ascent-K900", seed=1)
    before, after = (read_run(path).table for path in (fixed, own))
    after.columns["predict_raw"] = after.predict.copy()
    after.columns["predict_raw"][:3] = [-1, -1, 5]  # the memory's own columns stay as they are
    after.columns["radius_raw"] = np.where(np.arange(60) < 10, 0.01, before.radius + 0.1)
    write_certificates(own, after, {})
    row = made("ddrs_inputs", [fixed, own]).rows[0]
    held = before.predict >= 0
    assert row["tested"].value == 60
    assert row["certified"].value == held.sum()
    assert row["other_prediction"].value == held[:3].sum()
    assert row["abstains"].value == held[:2].sum()
    assert row["smaller"].value == (held & (after.columns["radius_raw"] < before.radius)).sum()
    assert (row["search"], row["K"]) == ("ascent", 900)
    assert row["most_scale"].value == 0.25


def test_every_acr_that_the_paper_prints_is_more_than_one_model_can_have():
    assert [above(f"table{n}") for n in (1, 2, 3)] == [(6, 6), (6, 6), (3, 3)]
    # By hand from appendix H: accuracies held back and forth between the radii of its grid
    assert one_model("cifar10", "Cohen")[1] == pytest.approx(0.573, abs=5e-4)
    assert envelope("cifar10", "Cohen") == pytest.approx((0.429, 0.629), abs=1e-3)
    assert envelope("cifar10", "MACER-DS2")[0] == pytest.approx(0.610, abs=5e-4)


# --- times ---------------------------------------------------------------------------------


def scales_file(root, training, seconds, digest=None, device="cpu"):
    path = root / "scales" / "digits" / "tiny_cnn" / training / "gaussian-0.25" / "ascent.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    identity = {"model_digest": digest or training, "device": device}
    record = {"identity": identity, "inputs": 60, "seconds": {"scalings": seconds}}
    path.write_text(json.dumps(record))
    return path


def test_the_overhead_is_search_and_memory_over_the_votes_at_one_scale(tmp_path):
    memory = {"memory": {"seconds": 0.6, "inputs": 60}}
    paths = [
        certificate(tmp_path, "cohen-fs-0.25", "gaussian-0.25"),
        certificate(tmp_path, "cohen-fs-0.25", "gaussian-0.25", "ascent-K900", record=memory),
    ]
    row = made("ddrs_times", paths).rows[0]
    assert not {"search", "overhead", "total"} & set(row)
    assert row["passes"] == "1,800 / 2,100"
    scales_file(tmp_path, "cohen-fs-0.25", {"ascent-K900": 6.0})
    row = made("ddrs_times", paths).rows[0]
    assert row["search"].value == pytest.approx(0.1)
    assert row["overhead"].value == pytest.approx(100 * (0.1 + 0.01) / 0.5)
    scales_file(tmp_path, "cohen-fs-0.25", {"ascent-K900": 6.0}, device="cuda")
    row = made("ddrs_times", paths).rows[0]
    assert "overhead" not in row
    assert row["device"] == "cpu; search: cuda"
    scales_file(tmp_path, "cohen-fs-0.25", {"ascent-K900": 6.0}, digest="another")
    with pytest.raises(SmoothcertError, match="for another model"):
        made("ddrs_times", paths)
    printed = {name: [c.value for c in printed_seconds(name)] for name in ("cifar10", "imagenet")}
    assert printed == {"cifar10": [1.6, 1.8], "imagenet": [109.5, 136.0]}


# --- files ---------------------------------------------------------------------------------


def test_tables_after_the_memory_are_known_by_their_path(tmp_path):
    path = certificate(tmp_path, "cohen-fs-0.25", "gaussian-0.25", "ascent-K900")
    run = read_run(path)
    axes = (run.dataset, run.arch, run.training, run.noise, run.scaling, run.budget)
    assert axes == ("digits", "tiny_cnn", "cohen-fs-0.25", "gaussian-0.25", "ascent-K900",
                    "fixed-2000")  # fmt: skip
    assert ddrs_runs.memory_changes(run) == 1


def test_the_command_writes_the_numbers_at_full_precision(tmp_path, capsys):
    paths = family(tmp_path, ascents=("ascent-K900",))
    base = tmp_path / "out" / "table1"
    assert main(["table", "ddrs_table1", "--out", str(base), "--radii", "0,0.5", *paths]) == 0
    assert "Cohen-DS2 minus Cohen" in capsys.readouterr().out
    with base.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    held = next(r for r in rows if r["method"] == "Cohen-DS" and r["choice"].startswith("held"))
    low, high = float(held["accuracy_percent_0.50_low"]), float(held["accuracy_percent_0.50_high"])
    assert low < float(held["accuracy_percent_0.50"]) < high
    assert base.with_suffix(".tex").read_text().isascii()
