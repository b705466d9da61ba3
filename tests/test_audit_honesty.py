"""Whole tables at alpha / N, and choices measured on inputs that did not make them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from core_helpers import make_store

from smoothcert import cli
from smoothcert.audits.honesty import choice_verdict, choices, shared, together, together_verdicts
from smoothcert.budget import BUDGETS, Fixed
from smoothcert.certificates import make_table, metrics, write_certificates
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND


def store(counts, n=100):
    looks = [[[c, n - c]] for c in counts]
    first = [[10, 0]] * len(counts)
    return make_store(looks, selection=first, look=n, n_classes=2, shape=[4])


COUNTS = [100, 95, 90, 80, 70, 60, 52]


def test_the_joint_certificates_are_read_from_the_same_votes_at_alpha_over_n():
    family = together(store(COUNTS), Fixed(100, 0.01, 10))
    n = len(COUNTS)
    assert family.joint.columns["count"].tolist() == family.plain.columns["count"].tolist()
    expected = clopper_pearson_lower(COUNTS, 100, 0.01 / n)
    assert family.joint.columns["p_lower"] == pytest.approx(expected)
    assert (family.joint.radius <= family.plain.radius).all()
    assert family.any_wrong == pytest.approx(1 - 0.99**n)


def test_what_is_estimated_to_be_wrong_is_less_than_alpha_allows():
    family = together(store(COUNTS), Fixed(100, 0.01, 10))
    assert 0 < family.expected < len(COUNTS) * 0.01
    sure = together(store([100, 100]), Fixed(100, 0.01, 10))
    assert sure.expected == 0  # a class of probability 1 cannot be overestimated
    adaptive = together(store(COUNTS), BUDGETS.parse("sequential_a0.01_s10_0.02-100"))
    assert adaptive.expected is None


def test_a_simulated_table_takes_its_share_of_alpha_once_for_all_inputs():
    noise, n = NOISES.parse("mixed-linf_k2-1.00"), 500
    table = noise.table_failure_probability
    assert table > 0
    one = shared(Fixed(10_000), n, table).beside(noise)
    assert one.alpha == pytest.approx((0.001 - table) / n)
    assert table + n * one.alpha == pytest.approx(0.001)
    with pytest.raises(SmoothcertError, match="radius table"):
        shared(Fixed(10_000, 1e-7), n, table)


def test_both_readings_of_alpha_get_a_verdict():
    loose, tight = together_verdicts(together(store(COUNTS), Fixed(100, 0.01, 10)), "s")
    assert (loose.verdict, tight.verdict) == (BROKEN, HOLDS)
    assert not loose.ours
    assert tight.ours
    assert tight.numbers["acr_joint"] < tight.numbers["acr"]


# --- choosing --------------------------------------------------------------------------------


def table(radius, n):
    return make_table(idx=np.arange(n), label=np.zeros(n, int), predict=np.where(
        radius > 0, 0, -1), radius=radius)  # fmt: skip


def equals(m, n, seed):
    """Tables of ``m`` settings that are equally good: every difference is luck."""
    random = np.random.default_rng(seed)
    return [table(random.random(n) * (random.random(n) < 0.5), n) for _ in range(m)]


def test_choosing_among_equals_is_all_optimism():
    n, radii = 100, np.array([0.0, 0.25, 0.5])
    found = [choices(equals(12, n, seed), radii, 10, 5) for seed in range(12)]
    honest = np.mean([c.held_out for c in found], 0)
    # Half of the inputs are certified at 0, 3/8 at 0.25, 1/4 at 0.5, whichever table is taken.
    assert honest == pytest.approx([0.5, 0.375, 0.25], abs=0.04)
    assert np.mean([c.optimism.value for c in found], 0).min() > 0.04
    assert np.mean([float(c.acr.value) for c in found]) > 0.01
    said = choice_verdict(found[0], 12, "s")
    assert said.verdict == BROKEN
    assert said.numbers["settings"] == 12


def test_a_setting_that_is_plainly_better_is_chosen_without_optimism():
    n = 60
    good, bad = table(np.full(n, 0.9), n), table(np.full(n, 0.3), n)
    found = choices([bad, good], np.array([0.25, 0.5]), 2, 3)
    assert found.optimism.value.tolist() == [0, 0]
    assert found.envelope.tolist() == [1, 1]
    assert float(found.acr.value) == 0
    assert choice_verdict(found, 2, "s").verdict == NOT_FOUND


def test_the_envelope_is_that_of_the_metrics_and_folds_are_named():
    tables, radii = equals(3, 40, 1), np.array([0.0, 0.4])
    found = choices(tables, radii, 4, 2, seed=5)
    assert found.envelope == pytest.approx(metrics.envelope(tables, radii).value)
    again = choices(tables, radii, 4, 2, seed=5)
    assert found.optimism.value.tolist() == again.optimism.value.tolist()


def test_one_table_or_too_many_folds_are_refused():
    one = equals(1, 10, 0)
    with pytest.raises(SmoothcertError, match="two certificate tables"):
        choices(one, np.array([0.0]))
    with pytest.raises(SmoothcertError, match="folds 11"):
        choices(equals(2, 10, 0), np.array([0.0]), 11)


def test_the_command_groups_settings_and_writes_tables_and_verdicts(tmp_path, capsys):
    votes = tmp_path / "votes.npz"
    store(COUNTS).write(votes)
    files = []
    for scale in ("0.25", "0.50"):
        path = tmp_path / "certificates/digits/tiny_cnn" / f"cohen-fs-{scale}"
        path = path / f"gaussian-{scale}" / "fixed" / "fixed-100.tsv"
        write_certificates(path, equals(1, 30, int(scale[-2:]))[0])
        files.append(str(path))
    out = tmp_path / "h"
    command = ["audit", "honesty", *files, "--votes", str(votes), "--out", str(out)]
    assert cli.main([*command, "--budget", "fixed_a0.01_s10-100", "--repeats", "2"]) == 0
    said = json.loads((tmp_path / "h.json").read_text())["verdicts"]
    assert len(said) == 2 + 2  # two readings of the store; two and ten folds
    assert "best of 2 settings" in capsys.readouterr().out
    rows, base = str(tmp_path / "h.csv"), str(tmp_path / "x")
    assert cli.main(["figure", "audit_honesty", rows, "--out", base]) == 0
    assert (tmp_path / "x.png").stat().st_size > 10_000
    for table, lines in (("audit_honesty_together", 3), ("audit_honesty_optimism", 2)):
        assert cli.main(["table", table, rows, "--out", base]) == 0
        with (tmp_path / "x.csv").open() as handle:
            read = list(csv.DictReader(handle))
        assert len(read) == lines
        assert {row["inputs"] for row in read} == {"7" if lines == 3 else "30"}
    capsys.readouterr()
    assert cli.main(["audit", "honesty", files[0], "--out", str(out)]) == 2
    assert "expected two TABLEs" in capsys.readouterr().err
    assert cli.main(["audit", "honesty", "--votes", str(votes), "--out", str(out)]) == 2
    assert "budget" in capsys.readouterr().err
