"""Metrics: what the columns say, ties, envelopes, intervals and the command line."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from smoothcert.certificates import make_table, metrics, read_certificates, write_certificates
from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError

RADII = ["0", "0.25", "0.5", "0.75", "1", "1.5"]
PUBLISHED = Path(os.environ.get("SMOOTHCERT_DATA", "../shared/data")) / "published-certificates"
LOGS = sorted(PUBLISHED.glob("*.tsv.gz"))
published = pytest.mark.skipif(not LOGS, reason="the published logs are not on this machine")


def synthetic(n=400, seed=0, scale=0.5, start=0):
    """Certificates with wrong answers, abstentions and ties."""
    rng = np.random.default_rng(seed)
    label = np.random.default_rng(99).integers(0, 10, n + start)[start:]
    predict = np.where(rng.random(n) < 0.7, label, (label + 1) % 10)
    predict[rng.random(n) < 0.1] = -1
    radius = np.minimum(np.round(rng.exponential(scale, n), 3), 3.8 * scale)
    return make_table(idx=np.arange(start, start + n), label=label, predict=predict, radius=radius)


def by_hand(table, r, strict=False):
    count = 0
    for predict, label, radius in zip(table.predict, table.label, table.radius, strict=True):
        count += predict == label and (radius > r if strict else radius >= r)
    return count / len(table)


# --- values --------------------------------------------------------------------------------


def test_metrics_equal_a_count_by_hand():
    table = synthetic()
    for strict in (False, True):
        got = metrics.certified_accuracy(table, RADII, strict)
        assert got.value.tolist() == [by_hand(table, float(r), strict) for r in RADII]
        assert (metrics.certified(table, RADII, strict).mean(1) == got.value).all()
    own = [
        R if p == y else 0.0
        for p, y, R in zip(table.predict, table.label, table.radius, strict=True)
    ]
    assert metrics.average_certified_radius(table).value == pytest.approx(np.mean(own))
    assert metrics.abstention_rate(table).value == (table.predict == -1).mean()
    assert metrics.clean_accuracy(table).value == (table.predict == table.label).mean()


@published
@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.name[:-7])
def test_published_logs_give_what_their_columns_say(path):
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    table = read_certificates(path)
    radii = ["0", "0.25", "0.5", "0.75", "0.953", "1.0", "1.25", "1.5", "2.0", "3.0", "3.81"]
    # Decimals of at most three significant digits compare exactly as thousandths.
    thousandths = lambda text: round(float(text) * 10**9)  # noqa: E731
    for strict in (False, True):
        expected = [
            sum(
                row["correct"] == "1"
                and (
                    thousandths(row["radius"]) > thousandths(r)
                    if strict
                    else thousandths(row["radius"]) >= thousandths(r)
                )
                for row in rows
            )
            for r in radii
        ]
        got = metrics.certified_accuracy(table, radii, strict)
        assert (got.value * len(rows)).round(6).tolist() == expected
    abstained = sum(row["predict"] == "-1" for row in rows)
    assert metrics.abstention_rate(table).value * len(rows) == pytest.approx(abstained, abs=1e-9)
    total = sum(float(row["radius"]) for row in rows if row["correct"] == "1")
    assert metrics.average_certified_radius(table).value == pytest.approx(total / len(rows))


@published
def test_known_values_of_a_published_log():
    """Counted with awk: Cohen's training, CIFAR-10, sigma 0.25, 10,000 inputs."""
    log = PUBLISHED / "cifar10_resnet110_gaussian_train0.25_sigma0.25.tsv.gz"
    table = read_certificates(log)
    got = metrics.certified_accuracy(table, "0,0.25,0.5,0.75,0.953,1")
    assert (got.value * 10000).round().astype(int).tolist() == [7665, 6116, 4225, 2506, 1031, 0]
    assert round(float(metrics.abstention_rate(table).value) * 10000) == 795


# --- ties and radii ------------------------------------------------------------------------


def test_a_radius_on_a_tie_counts_with_at_least_and_not_with_more_than():
    table = make_table(
        idx=[0, 1, 2], label=[1, 1, 1], predict=[1, 1, 1], radius=[0.953, 0.953, 0.1]
    )
    assert metrics.certified_accuracy(table, "0.953").value[0] == 2 / 3
    assert metrics.certified_accuracy(table, ["0.9530"], strict=True).value[0] == 0
    grid = metrics.parse_radii("0:1:0.001")
    assert 953 * 0.001 != 0.953  # what a computed grid would ask for
    assert grid[953] == 0.953
    assert metrics.certified_accuracy(table, grid).value[953] == 2 / 3


def test_radii_are_the_doubles_nearest_their_decimals():
    grid = metrics.radius_grid("0", "2.5", "0.1")
    assert grid.tolist() == [float(f"{i / 10:.1f}") for i in range(26)]
    assert metrics.parse_radius("2/255") == 0.00784313725490196
    assert metrics.parse_radii("0.25, 0.5").tolist() == [0.25, 0.5]


@pytest.mark.parametrize(
    "radii", ["", "a", "-1", "nan", "inf", "0.5,0.25", "0:1", "0:1:0", "1:0:0.1", "1/0", "0:1:x"]
)
def test_bad_radii_are_refused(radii):
    with pytest.raises(SmoothcertError, match="radi"):
        metrics.parse_radii(radii)


# --- several tables ------------------------------------------------------------------------


def three():
    return [synthetic(300, seed, scale) for seed, scale in ((1, 0.2), (2, 0.5), (3, 1.0))]


def test_envelope_is_the_best_at_each_radius():
    tables = three()
    singles = np.stack([metrics.certified_accuracy(t, RADII).value for t in tables])
    got = metrics.envelope(tables, RADII)
    assert (got.value == singles.max(0)).all()
    assert (got.low <= got.value).all()
    assert (got.value <= got.high).all()


def test_envelope_area_is_the_integral_of_the_envelope():
    tables = three()
    # All radii have three decimals, so the envelope is constant on every (i-1, i]/1000.
    grid = np.arange(1, 4000) / 1000
    curves = [[by_hand(t, r - 0.0005) for r in grid] for t in tables]
    integral = np.max(curves, axis=0).sum() / 1000
    assert metrics.envelope_area(tables).value == pytest.approx(integral, abs=1e-9)


def test_the_three_meanings_of_acr_are_ordered_and_agree_for_one_model():
    tables = three()
    single = [metrics.average_certified_radius(t).value for t in tables]
    area, oracle = metrics.envelope_area(tables).value, metrics.per_input_maximum(tables).value
    assert max(single) < area < oracle
    own = [np.where(t.correct == 1, t.radius, 0) for t in tables]
    assert oracle == pytest.approx(np.mean(np.max(own, axis=0)))
    assert metrics.envelope_area(tables[:1]).value == pytest.approx(single[0])
    assert metrics.per_input_maximum(tables[:1]).value == pytest.approx(single[0])


def test_row_order_does_not_matter_and_different_inputs_are_refused():
    a, b = synthetic(100, 1), synthetic(100, 2)
    turned = type(b)({k: v[::-1] for k, v in b.columns.items()})
    assert metrics.per_input_maximum([a, b]).value == metrics.per_input_maximum([a, turned]).value
    assert metrics.acr_difference(a, b).value == metrics.acr_difference(a, turned).value
    shorter = synthetic(60, 3)
    with pytest.raises(SmoothcertError, match="60 in common"):
        metrics.envelope([a, shorter], RADII)
    first, second = metrics.common_inputs([a, shorter])
    assert len(first) == len(second) == 60
    with pytest.raises(SmoothcertError, match="none"):
        metrics.envelope([a, synthetic(5, 4, start=500)], RADII)
    other = make_table(idx=a.idx, label=(a.label + 1) % 10, predict=a.predict, radius=a.radius)
    with pytest.raises(SmoothcertError, match="same data"):
        metrics.acr_difference(a, other)


# --- intervals -----------------------------------------------------------------------------


def test_wilson_interval_inverts_the_score_test():
    for k, n in ((0, 20), (3, 20), (250, 500), (500, 500)):
        got = metrics.proportion(k, n)
        expected = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
        assert got.low == pytest.approx(expected.low, abs=1e-12)
        assert got.high == pytest.approx(expected.high, abs=1e-12)
        assert got.low <= got.value <= got.high


def test_acr_interval_is_students_t():
    table = synthetic(157)
    x = np.where(table.correct == 1, table.radius, 0)
    assert len(x) > 25 * stats.skew(x) ** 2  # else it is another interval
    low, high = stats.t.interval(0.95, 156, x.mean(), stats.sem(x))
    got = metrics.average_certified_radius(table)
    assert (got.low, got.high) == (pytest.approx(low), pytest.approx(high))


def test_intervals_cover_the_population_value():
    """800 draws of 200 inputs: coverage within four standard errors of 95%, or above."""
    rng = np.random.default_rng(7)
    population = synthetic(20000, 5)
    truth = [
        metrics.average_certified_radius(population).value,
        metrics.certified_accuracy(population, "0.5").value[0],
        metrics.abstention_rate(population).value,
    ]
    hits = np.zeros(3)
    draws = 800
    for _ in range(draws):
        rows = rng.integers(0, len(population), 200)
        sample = type(population)({k: v[rows] for k, v in population.columns.items()})
        got = (
            metrics.average_certified_radius(sample),
            metrics.certified_accuracy(sample, "0.5")[0],
            metrics.abstention_rate(sample),
        )
        hits += [g.low <= t <= g.high for g, t in zip(got, truth, strict=True)]
    assert (hits / draws > 0.95 - 4 * math.sqrt(0.05 * 0.95 / draws)).all(), hits / draws


def zero_inflated(rng, n, share, shape):
    """Radii as a table: a ``share`` of right ones of the given law, the others wrong."""
    radius = {
        "uniform": lambda: 1.9 * rng.random(n),
        "exponential": lambda: np.minimum(rng.exponential(0.5, n), 1.9),
        "all votes agree": lambda: np.full(n, 1.9),
    }[shape]()
    predict = (rng.random(n) >= share).astype(int)
    return make_table(idx=np.arange(n), label=np.zeros(n, int), predict=predict, radius=radius)


@pytest.mark.parametrize("shape", ["uniform", "exponential", "all votes agree"])
@pytest.mark.parametrize(
    ("n", "share"), [(20, 0.5), (100, 0.02), (100, 0.98), (500, 0.02), (500, 0.06)]
)
def test_acr_interval_covers_when_few_inputs_are_certified(n, share, shape):
    """The t interval covers 60 to 90% of these; 95% is met within three standard errors."""
    rng, draws, hits = np.random.default_rng(11), 300, 0
    mean = {"uniform": 0.95, "exponential": 0.5 * (1 - math.exp(-3.8)), "all votes agree": 1.9}
    for _ in range(draws):
        got = metrics.average_certified_radius(zero_inflated(rng, n, share, shape))
        assert got.low <= got.value <= got.high
        hits += got.low <= share * mean[shape] <= got.high
    assert hits / draws > 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws), hits / draws


def test_acr_interval_says_nothing_above_where_no_radius_tells_how_large_one_can_be():
    rows = {"idx": np.arange(50), "label": np.zeros(50, int), "radius": np.zeros(50)}
    abstain = make_table(predict=np.full(50, -1), **rows)
    got = metrics.average_certified_radius(abstain)
    assert (got.value, got.low, got.high) == (0, 0, math.inf)
    # The noise and n of the table do: 3.7 in 50 of the radius of 1,000 agreeing votes.
    known = make_table(
        predict=np.full(50, -1), n=1000, alpha=0.001, sigma=0.5, noise="gaussian-0.50", **rows
    )
    top = 0.5 * stats.norm.ppf(0.001 ** (1 / 1000))
    got = metrics.average_certified_radius(known)
    assert got.low == 0
    assert got.high == pytest.approx(top * (1 - 0.025 ** (1 / 50)), rel=5e-3)


def test_two_tables_that_agree_on_every_input_may_differ_on_others():
    one = zero_inflated(np.random.default_rng(0), 50, 0.5, "uniform")
    other = type(one)(dict(one.columns))
    got = metrics.acr_difference(one, other)
    assert got.value == 0
    assert -0.2 < got.low < 0 < got.high < 0.2
    itself = metrics.acr_difference(one, one)
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)


@pytest.mark.parametrize(("n", "share"), [(100, 0.02), (200, 0.1), (500, 0.02), (500, 0.1)])
@pytest.mark.parametrize("worse", [0.0, 0.3])
def test_the_interval_of_a_difference_covers_when_few_inputs_differ(n, share, worse):
    """One method adds an exponential radius to a few inputs, and takes it from some of them."""
    rng, draws, hits = np.random.default_rng(8), 300, 0
    rows = {"idx": np.arange(n), "label": np.zeros(n, int), "predict": np.zeros(n, int)}
    truth = share * (1 - 2 * worse) * 0.1
    for _ in range(draws):
        radius = 1 + 0.9 * rng.random(n)
        more = rng.exponential(0.1, n) * np.where(rng.random(n) < worse, -1, 1)
        more = np.where(rng.random(n) < share, more, 0.0)
        a, b = (make_table(radius=r, **rows) for r in (radius + more, radius))
        got = metrics.acr_difference(a, b)
        hits += got.low <= truth <= got.high
    assert hits / draws > 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws), hits / draws


@pytest.mark.parametrize(("n", "k"), [(2, 0), (20, 0), (20, 19), (100, 2), (500, 10), (10_000, 0)])
def test_the_interval_of_a_bounded_mean_is_clopper_pearsons_for_a_proportion(n, k):
    got = metrics.bounded_mean(1.0 * (np.arange(n) < k), 0.0, 1.0)
    exact = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    assert got == pytest.approx((exact.low, exact.high), rel=5e-3)
    assert metrics.bounded_mean(3 * (np.arange(n) < k) - 1.0, -1.0, 2.0) == pytest.approx(
        (3 * got[0] - 1, 3 * got[1] - 1)
    )


def test_the_interval_of_a_bounded_mean_is_a_quantile_over_random_weights():
    rng = np.random.default_rng(5)
    for n in (3, 12, 60):
        x = rng.random(n) ** 3
        weight = rng.dirichlet(np.ones(n + 1), 200_000)
        low, high = metrics.bounded_mean(x, 0.0, 1.0)
        near = {"abs": 0.01 * (high - low)}
        assert high == pytest.approx(np.quantile(weight @ np.append(x, 1), 0.975), **near)
        assert low == pytest.approx(np.quantile(weight @ np.append(x, 0), 0.025), **near)


@pytest.mark.parametrize("models", [2, 10])
@pytest.mark.parametrize("n", [100, 400])
def test_envelope_area_interval_covers_for_equally_good_models(n, models):
    """True accuracy of each 0.6 (1 - r): an area of 0.3, whichever is chosen where."""
    rng, draws, hits = np.random.default_rng(4), 200, 0
    for _ in range(draws):
        tables = [
            make_table(
                idx=np.arange(n),
                label=np.zeros(n, int),
                predict=(rng.random(n) < 0.4).astype(int),
                radius=rng.random(n),
            )
            for _ in range(models)
        ]
        got = metrics.envelope_area(tables)
        assert got.low <= got.value <= got.high
        hits += got.low <= 0.3 <= got.high
    assert hits / draws > 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws), hits / draws


def test_envelope_area_interval_covers_where_each_model_is_best_somewhere():
    """One model has small radii for 90% of the inputs, one large radii for 40%: area 0.85."""
    rng, n, draws, hits = np.random.default_rng(6), 200, 200, 0
    idx, label = np.arange(n), np.zeros(n, int)
    for _ in range(draws):
        small = make_table(
            idx=idx, label=label, predict=(rng.random(n) > 0.9).astype(int), radius=np.full(n, 0.5)
        )
        large = make_table(
            idx=idx, label=label, predict=(rng.random(n) > 0.4).astype(int), radius=np.full(n, 1.5)
        )
        got = metrics.envelope_area([small, large])
        hits += got.low <= 0.5 * 0.9 + 1.0 * 0.4 <= got.high
    assert hits / draws > 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws), hits / draws


def test_envelope_interval_covers_although_the_best_is_chosen_on_the_test_set():
    """Five equally good models: the largest of five estimates is too high, the interval holds."""
    rng = np.random.default_rng(3)
    n, p, draws = 200, 0.5, 400
    hits = 0
    for _ in range(draws):
        tables = [
            make_table(
                idx=np.arange(n),
                label=np.ones(n, int),
                predict=(rng.random(n) < p).astype(int),
                radius=np.ones(n),
            )
            for _ in range(5)
        ]
        got = metrics.envelope(tables, "1")
        hits += got.low[0] <= p <= got.high[0]
    assert hits / draws > 0.95 - 4 * math.sqrt(0.05 * 0.95 / draws)


def test_paired_difference_is_narrower_than_separate_intervals():
    a = synthetic(500, 1)
    b = make_table(idx=a.idx, label=a.label, predict=a.predict, radius=a.radius * 0.95)
    single = metrics.average_certified_radius(a)
    paired = metrics.acr_difference(a, b)
    x = np.where(a.correct == 1, a.radius, 0) * 0.05
    assert paired.value == pytest.approx(x.mean())
    low, high = stats.t.interval(0.95, 499, x.mean(), stats.sem(x))
    assert (paired.low, paired.high) == (pytest.approx(low), pytest.approx(high))
    assert paired.high - paired.low < (single.high - single.low) / 5
    accuracy = metrics.accuracy_difference(a, b, RADII)
    plain = [by_hand(a, float(r)) - by_hand(b, float(r)) for r in RADII]
    assert accuracy.value == pytest.approx(plain)
    assert (accuracy.low <= accuracy.value).all()
    assert (accuracy.value <= accuracy.high).all()
    same = metrics.accuracy_difference(a, a, RADII)
    assert (same.value == 0).all()
    assert (same.high < 0.006).all()


def test_correction_is_the_exact_binomial_quantile():
    for n, alpha, rho in (
        (500, 0.001, 0.001),
        (10000, 0.001, 0.001),
        (427, 0.01, 0.05),
        (1, 0.5, 0.4),
    ):
        assert metrics.correction(n, alpha, rho) == stats.binom.ppf(1 - rho, n, alpha) / n
    table = synthetic(500)
    value = metrics.certified_accuracy(table, RADII).value
    got = metrics.corrected_accuracy(table, RADII, alpha=0.001)
    assert got == pytest.approx(np.maximum(value - metrics.correction(500, 0.001), 0))
    with pytest.raises(SmoothcertError, match="alpha"):
        metrics.corrected_accuracy(table, RADII)
    with pytest.raises(SmoothcertError, match="alpha"):
        metrics.correction(10, 1.5)


def test_edge_tables():
    empty = make_table(idx=[], label=[], predict=[], radius=[])
    with pytest.raises(SmoothcertError, match="at least one row"):
        metrics.certified_accuracy(empty, RADII)
    one = make_table(idx=[7], label=[1], predict=[-1], radius=[0.0])
    acr = metrics.average_certified_radius(one)
    assert (acr.value, acr.low, acr.high) == (0, 0, math.inf)
    assert metrics.abstention_rate(one).value == 1
    unbounded = make_table(idx=[0, 1], label=[1, 1], predict=[1, 1], radius=[math.inf, 1.0])
    assert metrics.certified_accuracy(unbounded, "100").value[0] == 0.5
    assert metrics.average_certified_radius(unbounded).value == math.inf


# --- the command ---------------------------------------------------------------------------


def test_command_prints_one_aligned_row_a_file(tmp_path, capsys):
    tables = {"a": synthetic(100, 1), "longer-name": synthetic(100, 2)}
    paths = []
    for name, table in tables.items():
        paths.append(str(tmp_path / f"{name}.tsv"))
        write_certificates(paths[-1], table)
    assert main(["metrics", *paths, "--radii", "0,0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "inputs", "ACR", "abstain", "clean", ">=0", ">=0.5"]
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    for line, table in zip(lines[1:], tables.values(), strict=True):
        assert line.split()[-1] == f"{100 * by_hand(table, 0.5):.2f}"

    assert (
        main(
            [
                "metrics",
                *paths,
                "--strict",
                "--envelope",
                "--difference",
                "--json",
                "--radii",
                "0.5",
            ]
        )
        == 0
    )
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 + 2 + 1
    assert rows[0]["certified"][0]["value"] == by_hand(tables["a"], 0.5, strict=True)
    assert rows[0]["certified"][0]["low"] < rows[0]["certified"][0]["value"]
    assert rows[-1]["acr"]["value"] == pytest.approx(
        rows[1]["acr"]["value"] - rows[0]["acr"]["value"]
    )


def test_command_refuses_bad_files_with_one_line(tmp_path, capsys):
    path = tmp_path / "t.tsv"
    path.write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n")
    assert main(["metrics", str(path)]) == 2
    assert capsys.readouterr().err == f"error: {path}: no rows; expected at least one certificate\n"
    write_certificates(path, synthetic(5))
    assert main(["metrics", str(path), "--corrected", "0.001"]) == 2
    assert "alpha" in capsys.readouterr().err
    assert main(["metrics", str(path), "--radii", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_command_imports_nothing_slow(tmp_path):
    write_certificates(tmp_path / "t.tsv", synthetic(5))
    code = (
        "import sys; from smoothcert.cli import main; main(sys.argv[1:]);"
        "print({'torch', 'pandas', 'matplotlib', 'scipy.stats', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "metrics", str(tmp_path / "t.tsv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"
