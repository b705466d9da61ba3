"""Failure probabilities by every path are exact, and the command's verdicts follow from them."""

from __future__ import annotations

import csv
import itertools
import json

import numpy as np
import pytest
from scipy import stats

from smoothcert import cli
from smoothcert.audits.coverage import simulate
from smoothcert.audits.procedures import (
    EveryPath,
    anytime_everywhere,
    every_path,
    full_exact,
    prediction,
    small_budgets,
)
from smoothcert.budget import Anytime, Fixed, Sequential
from smoothcert.certificates.certification import predict
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian

GRID = np.linspace(0.5, 0.99, 30)


def test_the_paths_are_all_paths_with_the_right_probabilities():
    paths = EveryPath(3, 2, 2)  # first 2 or 3 of 3; two looks of 2
    assert len(paths) == 2 * 9
    everything = paths.certificates(np.ones(18, bool), np.full(18, 0.999))
    for p in (0.5, 0.7, 0.9):
        assert everything.failure(p) == pytest.approx(1.0)  # every path is wrong, once
    listed = 0.0
    for first, one, two in itertools.product((2, 3), range(3), range(3)):
        weight = stats.binom.pmf(first, 3, 0.7) * stats.binom.pmf([one, two], 2, 0.7).prod()
        listed += weight * (one + two == 4)
    bound = np.where(paths.total[:, -1] == 4, 0.8, 0.0)
    found = paths.certificates(bound > 0, bound)
    other = stats.binom.cdf(1, 3, 0.7) * 0.3**4
    assert found.failure(0.7) == pytest.approx(listed + other)


def test_a_fixed_size_fails_as_its_binomial_tail_says():
    n, alpha = 20, 0.05
    curve = every_path("fixed", Fixed(n, alpha, 5), 20, 1, GRID)
    for p, value in zip(curve.p, curve.failure, strict=True):
        counts = np.arange(n + 1)
        bound = clopper_pearson_lower(counts, n, alpha)
        total = 0.0
        for q, elected in ((p, stats.binom.sf(2, 5, p)), (1 - p, stats.binom.sf(2, 5, 1 - p))):
            wrong = bound > max(q, 0.5)
            total += elected * stats.binom.pmf(counts, n, q)[wrong].sum()
        assert value * alpha == pytest.approx(total, abs=1e-12)


def test_just_below_a_bound_is_where_the_failure_probability_peaks():
    curve = every_path("fixed", Fixed(20, 0.05, 5), 20, 1, GRID)
    fine = every_path("fixed", Fixed(20, 0.05, 5), 20, 1, np.linspace(0.5, 0.99, 3001))
    assert fine.failure.max() <= curve.failure.max() + 1e-12
    assert 0.95 < curve.failure.max() <= 1


def test_every_path_agrees_with_a_simulation_of_the_same_rule():
    budget = Sequential(40, 0.05, 10, price=60.0)
    curve = every_path("low", budget, 10, 4, np.array([0.5, 0.81]))
    for p in (0.5, 0.81):
        exact = float(curve.failure[np.argmin(abs(curve.p - p))]) * 0.05
        rate = simulate(budget, Gaussian(1.0), 1.0, 1, p, runs=60_000, look=10, rival=True)
        assert rate.rate == pytest.approx(exact, abs=4 * np.sqrt(exact / 60_000))


@pytest.mark.parametrize(("name", "budget", "ours"), small_budgets(20, 6, 0.1))
def test_no_budget_that_is_called_valid_fails_with_more_than_alpha(name, budget, ours):
    curve = every_path(name, budget, 5, 4, GRID, ours=ours)
    if ours:
        assert not curve.broken
        assert curve.failure.max() <= 1 + 1e-9


def test_the_anytime_bound_holds_at_all_looks_at_once_and_costs_something():
    best = anytime_everywhere(Anytime(20, 0.1, 6), 5, 4, GRID)
    end = every_path("end", Anytime(20, 0.1, 6), 5, 4, GRID)
    assert end.failure.max() <= best.failure.max() <= 1


def test_prediction_is_wrong_with_at_most_alpha_also_at_a_tie():
    curve = prediction(30, 0.1, np.array([0.5, 0.55, 0.8]))
    assert not curve.broken
    counts = np.array([(a, b, 30 - a - b) for a in range(31) for b in range(31 - a)])
    q = np.array([0.495, 0.405, 0.1])
    wrong = ~np.isin(predict(counts, 0.1), (-1, 0))
    expected = stats.multinomial.pmf(counts[wrong], 30, q).sum()
    assert curve.failure[1] * 0.1 == pytest.approx(expected)


def test_iss_as_published_is_caught_at_full_size_and_its_fresh_form_is_not():
    curves = {c.name: c for c in full_exact(10_000, 0.001, 0.5, GRID)}
    assert curves["ISS, as published"].broken
    assert not curves["ISS, as published"].ours
    for name in ("fixed", "ISS, fresh votes"):
        assert not curves[name].broken


def test_too_many_paths_are_refused():
    with pytest.raises(SmoothcertError, match="paths"):
        EveryPath(10, 10, 7)


def test_the_command_has_a_verdict_a_procedure_and_a_curve_a_row(tmp_path):
    out = tmp_path / "c"
    fast = ["--n", "2000", "--look", "500", "--runs", "400", "--points", "5", "--looks", "2"]
    assert cli.main(["audit", "coverage", *fast, "--out", str(out)]) == 0
    verdicts = json.loads((tmp_path / "c.json").read_text())["verdicts"]
    by_name = {v["subject"]: v for v in verdicts}
    assert len(by_name) == len(verdicts) == 30
    assert by_name["ISS, as published"]["verdict"] == "BROKEN"
    assert not by_name["ISS, as published"]["ours"]
    assert all(v["verdict"] == "HOLDS" for v in verdicts if v["ours"])
    with (tmp_path / "c.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    worst = max(float(r["failure_over_alpha"]) for r in rows if r["procedure"] == "fixed")
    assert 0.9 < worst <= 1 + 1e-9
    assert by_name["ISS, as published"]["procedure"] == "ISS, as published"
    figure = ["figure", "audit_coverage", str(tmp_path / "c.csv"), "--out", str(out)]
    assert cli.main(figure) == 0
    assert (tmp_path / "c.png").stat().st_size > 10_000
    assert cli.main(["audit", "coverage", "--runs", "0", "--out", str(out)]) == 2
