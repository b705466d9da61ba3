"""Other arithmetic, noise on a grid, and the classifier that reads low bits."""

from __future__ import annotations

import csv
import json
import time

import numpy as np
import pytest
import torch
from core_helpers import trained_digits_model
from fake_cuda import GPU, pretended

from smoothcert import cli, datasets, models
from smoothcert.audits import numerics
from smoothcert.audits.arithmetic import Reads, bits_verdicts, grid_shares, read_bits
from smoothcert.audits.numerics import Variant, carry_over, compare, gridded, variants
from smoothcert.audits.numerics_verdicts import bound_verdict, difference, variant_verdicts
from smoothcert.budget import Fixed
from smoothcert.certificates.certification import certify
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower, clopper_pearson_upper
from smoothcert.core.scratch import Scratch
from smoothcert.noise import Gaussian, GaussianGrid
from smoothcert.report.verdict import BROKEN, HOLDS, NOT_FOUND
from smoothcert.sampling.engines import open_engine
from smoothcert.sampling.library import sample


def ways_of(model):
    return variants(open_engine(model, (1, 8, 8), torch.device("cpu")), 256)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = trained_digits_model(tmp_path_factory.mktemp("model") / "digits.safetensors")
    data = datasets.load("digits", max=4)
    return path, models.load(path)[0], data


# --- the classifier that reads low bits -------------------------------------------------------


def test_float32_noise_certifies_a_ball_in_which_the_prediction_changes():
    found = read_bits(n=4000)
    assert 0 < found.distance < found.radius / 2
    assert found.found == 0  # certified as class 1
    assert found.share == 0


def test_the_classifier_that_reads_bits_is_right_about_what_can_be_reached():
    at = 2.0**-5
    eps = 0.25 * torch.randn(3000, 1, 2, 2, generator=generator(0, "t"))
    assert (Reads(at)(at + eps).argmax(1) == 0).all()
    assert (Reads(at)(eps).argmax(1) == 1).double().mean() > 0.3


def test_on_a_grid_there_is_nothing_to_read():
    assert grid_shares(8, 0.25, 2.0**-5, 256, 2000) == (0.0, 0.0)
    first, second = bits_verdicts(n=2000)
    assert (first.verdict, first.ours) == (BROKEN, False)
    assert (second.verdict, second.ours) == (HOLDS, True)


# --- the same noise in other arithmetic -------------------------------------------------------


def test_the_reference_counts_the_votes_of_the_sampler_itself(digits):
    _, model, data = digits
    noise, scale = Gaussian(0.5), np.full(4, 0.5)
    found = compare(
        model, noise, data.images, data.idx, data.labels, scale, ways_of(model)[:2], 1000,
        look=500, seed=3,
    )  # fmt: skip
    budget = Fixed(1000)
    store = sample(model, data.images, budget, noise, labels=data.labels, seed=3, look=500)
    own = certify(store, budget)
    for outcome in found:
        assert outcome.table.columns["count"].tolist() == own.columns["count"].tolist()
        assert outcome.table.predict.tolist() == own.predict.tolist()


def test_the_time_of_a_vote_has_neither_the_export_nor_the_drawing_of_noise(digits, monkeypatch):
    _, model, data = digits

    def slow(function):
        def with_half_a_second(*given):
            end = time.process_time() + 0.5
            while time.process_time() < end:
                pass
            return function(*given)

        return with_half_a_second

    monkeypatch.setattr(numerics, "open_engine", slow(numerics.open_engine))
    monkeypatch.setattr(GaussianGrid, "added", slow(GaussianGrid.added))
    what = data.images[:1], data.idx[:1], data.labels[:1], np.full(1, 0.5)
    (certified,) = compare(model, Gaussian(0.5), *what, ways_of(model)[:1], 1000)
    drawn = gridded(model, Gaussian(0.5), *what, 256, 512, 1000)
    for outcome in (certified, drawn):
        assert 0 < 1100 * outcome.seconds < 0.4


def test_finished_inputs_are_not_computed_again(digits, tmp_path, monkeypatch):
    _, model, data = digits
    what = data.images, data.idx, data.labels, np.full(4, 0.5)
    ways = [Variant("a"), Variant("bfloat16", "bfloat16")]
    whole = compare(model, Gaussian(0.5), *what, ways, 1000)
    asked, real = [], numerics.Way.classes

    def counted(self, x, eps, scale):
        if eps.any() and self.variant.name == "a":
            asked.append(len(eps))
            if len(asked) == 6 and stop:
                raise KeyboardInterrupt
        return real(self, x, eps, scale)

    monkeypatch.setattr(numerics.Way, "classes", counted)
    stop = True  # in the selection votes of the third input: each input has 2 draws, and 1 look
    with pytest.raises(KeyboardInterrupt), Scratch(tmp_path / "n", {}) as keep:
        compare(model, Gaussian(0.5), *what, ways, 1000, keep=keep)
    stop = False
    with Scratch(tmp_path / "n", {}) as keep:
        resumed = compare(model, Gaussian(0.5), *what, ways, 1000, keep=keep)
    assert asked == [100, 1000] * 2 + [100, 1000] + [100, 1000] * 2
    for one, other in zip(whole, resumed, strict=True):
        assert one.differ.tolist() == other.differ.tolist()
        assert one.table.columns["count"].tolist() == other.table.columns["count"].tolist()


def test_the_reference_of_a_gpu_is_the_gpu_itself(digits, monkeypatch):
    """And a CPU's variants are tried only where they take minutes."""
    _, model, data = digits
    with pretended():
        certified = open_engine(model, (1, 8, 8), GPU)
        ways = variants(certified, 256, 5000)
        monkeypatch.setattr(numerics, "CPU_OPERATIONS", 1e6)
        large = variants(certified, 256, 5000)
        found = compare(
            model, Gaussian(0.5), data.images, data.idx, data.labels, np.full(4, 0.5), ways[:3],
            1000, look=500, seed=3,
        )  # fmt: skip
        store = sample(
            model, data.images, Fixed(1000), Gaussian(0.5), labels=data.labels, seed=3, look=500,
            device="cuda",
        )  # fmt: skip
    own = certify(store, Fixed(1000))
    assert ways[0].name == "torch in float32, GPU, as certified"
    assert {way.device for way in ways} == {"cpu", "cuda"}
    assert {way.device for way in large} == {"cuda"}
    assert found[0].table.columns["count"].tolist() == own.columns["count"].tolist()


def test_half_precision_moves_votes_and_double_precision_none(digits):
    _, model, data = digits
    ways = [Variant("a"), Variant("float64", "float64"), Variant("bfloat16", "bfloat16")]
    found = compare(
        model, Gaussian(0.5), data.images, data.idx, data.labels, np.full(4, 0.5), ways, 2000,
        look=1000,
    )  # fmt: skip
    double, half = (difference(found[0], other) for other in found[1:])
    assert double.votes <= 1
    assert 0 < half.votes < 0.05 * half.of_votes
    same, other = variant_verdicts(found, "s")
    assert same.verdict == (NOT_FOUND if double.votes == 0 else BROKEN)
    assert other.verdict == BROKEN
    assert "votes differ" in other.evidence


def test_a_certificate_is_carried_over_by_the_share_that_differs(digits):
    _, model, data = digits
    ways = [Variant("a"), Variant("bfloat16", "bfloat16")]
    first, half = compare(
        model, Gaussian(0.5), data.images, data.idx, data.labels, np.full(4, 0.5), ways, 1000
    )
    table = carry_over(first.table, half.differ, 1000, 0.001, Gaussian(0.5), 64)
    expected = clopper_pearson_lower(first.table.columns["count"], 1000, 0.0005)
    expected -= clopper_pearson_upper(half.differ, 1000, 0.0005)
    assert table.columns["p_lower"] == pytest.approx(expected)
    assert (table.radius <= first.table.radius).all()
    assert (table.predict[table.radius == 0] == -1).all()


def test_a_model_under_noise_on_a_grid_is_certified_like_under_float_noise(digits):
    _, model, data = digits
    what = data.images, data.idx, data.labels, np.full(4, 0.5)
    exact = gridded(model, Gaussian(0.5), *what, 256, 512, 4000)
    (plain,) = compare(model, Gaussian(0.5), *what, [Variant("a")], 4000)
    assert exact.table.columns["p_lower"] == pytest.approx(plain.table.columns["p_lower"], abs=0.06)
    assert gridded(model, Gaussian(0.5), data.images + 0.01, *what[1:], 256, 512, 1000) is None


def test_every_bound_is_the_quantile_that_defines_it():
    assert bound_verdict(5000).verdict == HOLDS
    assert bound_verdict(5000, tolerance=1e-17).verdict == BROKEN


def test_the_command_tabulates_and_judges_every_variant(tmp_path, digits, capsys):
    path, _, _ = digits
    table = tmp_path / "t.tsv"
    command = ["certify", "--model", str(path), "--dataset", "digits", "--max", "3", "--quiet"]
    assert cli.main([*command, "--noise", "gaussian-0.50", "--budget", "fixed-500", "--look",
                     "500", "--out", str(table)]) == 0  # fmt: skip
    out = tmp_path / "n"
    command = ["audit", "numerics", str(table), "--model", str(path), "--out", str(out)]
    assert cli.main([*command, "--n", "500", "--look", "500", "--max", "3"]) == 0
    said = json.loads((tmp_path / "n.json").read_text())["verdicts"]
    assert {v["verdict"] for v in said if v["ours"]} == {HOLDS}
    for kind, name in (("table", "audit_numerics_x_arithmetic"), ("figure", "audit_numerics_x")):
        assert cli.main([kind, name, str(tmp_path / "n.csv"), "--out", str(out) + "-x"]) == 0
    with (tmp_path / "n.csv").open() as handle:
        assert [row["variant"] for row in csv.DictReader(handle)][-1].startswith(
            "torch in float32, noise on"
        )
    assert (tmp_path / "n-x.png").stat().st_size > 10_000
    capsys.readouterr()
    assert cli.main([*command, "--n", "300", "--look", "500"]) == 2
    assert "multiple of the look" in capsys.readouterr().err
