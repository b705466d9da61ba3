"""Differences from the papers: the allowance against a computation of its own, number by number."""

from __future__ import annotations

import csv
import math

import pytest

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.comparison import AGREES, COLUMNS, DIFFERS, OTHER, UNJUDGED, differences
from smoothcert.report.heat_map import heat_map
from smoothcert.report.numbers import (
    PERCENT,
    RADIUS,
    SECONDS,
    Metric,
    Number,
    frame,
    read_numbers,
    write_numbers,
)
from smoothcert.report.reference import Cell

Z = 1.959963984540054
KEY = Metric("accuracy_percent", 0.5)


def wilson(p, n):
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return centre - half, centre + half


def newcombe(ours, n, paper, m):
    """How far ours may lie from the paper's, in points, on the side where it does."""
    (l1, u1), (l2, u2) = wilson(ours / 100, n), wilson(paper / 100, m)
    a, b = ours / 100, paper / 100
    return 100 * (math.hypot(a - l1, u2 - b) if ours > paper else math.hypot(u1 - a, b - l2))


def printed(text, paper="ddrs", dataset="cifar10"):
    none = dict.fromkeys(("norm", "method", "train", "certify", "sigma", "K", "n", "radius"))
    return Cell(paper, "table1", dataset, metric="", text=text, unit="", note="", **none)


def accuracy(ours, n, paper=None):
    low, high = wilson(ours / 100, n)
    return Number(ours, 100 * low, 100 * high, n, PERCENT, paper)


def planted(tmp_path, rows, name="ddrs_table1"):
    """The numbers of a table as another job reads them."""
    path = tmp_path / f"{name}.csv"
    write_numbers(path, frame(name, rows))
    return path


def only(tmp_path, row):
    (found,) = differences(read_numbers([planted(tmp_path, [row])]))
    return found


@pytest.mark.parametrize(
    ("paper", "data", "n", "m"),
    [
        ("ddrs", "cifar10", 500, 10_000),
        ("ddrs", "imagenet", 500, 500),
        ("iss", "cifar10", 1000, 500),
        ("zhang", "cifar10", 500, 500),
    ],
)
def test_both_sides_inputs_decide(tmp_path, paper, data, n, m):
    for ours, theirs in ((40.0, 44.0), (44.0, 40.0), (40.0, 52.0), (2.0, 0.4)):
        cell = printed(f"{theirs:.1f}", paper, data)
        found = only(tmp_path, {"dataset": data, KEY: accuracy(ours, n, cell)})
        allowed = newcombe(ours, n, theirs, m) + 0.05  # and half of the paper's last digit
        assert (found.inputs, found.paper_inputs) == (n, m)
        assert found.allowed == pytest.approx(allowed, rel=1e-9)
        assert found.verdict == (AGREES if abs(ours - theirs) <= allowed else DIFFERS)


def test_the_papers_whole_percents_are_rounded_further(tmp_path):
    found = only(tmp_path, {"dataset": "cifar10", KEY: accuracy(40.0, 500, printed("43", "zhang"))})
    assert found.allowed == pytest.approx(newcombe(40, 500, 43, 500) + 0.5)


def test_a_radius_takes_our_spread_and_the_number_of_inputs_of_either(tmp_path):
    one = Number(0.6, 0.56, 0.64, None, RADIUS, printed("0.591"))
    found = only(tmp_path, {"data": "cifar10, resnet18", "acr_oracle": one})
    assert found.verdict == UNJUDGED  # of how many inputs?
    one = Number(0.6, 0.56, 0.64, 2500, RADIUS, printed("0.591"))
    found = only(tmp_path, {"data": "cifar10, resnet18", "acr_oracle": one})
    assert found.allowed == pytest.approx(0.04 * math.sqrt(1 + 2500 / 10_000) + 0.0005)
    assert found.verdict == AGREES
    assert "spread" in found.assumed


def test_no_number_of_a_paper_no_verdict(tmp_path):
    found = only(tmp_path, {"data": "digits, tiny_cnn", KEY: accuracy(40.0, 200)})
    assert found.verdict == OTHER
    assert found.difference is found.allowed is None


def test_a_time_has_no_sampling_error(tmp_path):
    one = Number(3.0, unit=SECONDS, paper=printed("38", "iss"))
    assert only(tmp_path, {"dataset": "cifar10", "time": one}).verdict == UNJUDGED


def test_the_heat_map_shows_every_row_and_marks_what_is_beyond(tmp_path):
    rows = [
        {"data": "cifar10, resnet18", "training": "cohen-fs-0.25", "alpha": "0.001",
         KEY: accuracy(60.0, 500, printed("44.0"))},
        {"data": "cifar10, resnet18", "training": "cohen-fs-0.50", "alpha": "0.001",
         KEY: accuracy(45.0, 500, printed("44.0"))},
        {"data": "digits, tiny_cnn", "training": "cohen-fs-0.25", "alpha": "0.001",
         KEY: accuracy(60.0, 500)},
    ]  # fmt: skip
    path = planted(tmp_path, rows)
    axes = heat_map(differences(read_numbers([path])), "t").axes[0]
    assert [text.get_text() for text in axes.texts] == ["+16.0*", "+1.0"]
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert ticks == [
        "cifar10, resnet18, Cohen, σ = 0.25",
        "cifar10, resnet18, Cohen, σ = 0.50",
        "digits, tiny_cnn, Cohen, σ = 0.25",
    ]  # names, and nothing that all rows share
    grey = axes.images[0].get_array().mask
    assert grey.ravel().tolist() == [False, False, True]
    assert main(["overview", "compare", str(path), "--out", str(tmp_path / "d")]) == 0
    with (tmp_path / "d.csv").open(encoding="utf-8", newline="") as handle:
        found = list(csv.DictReader(handle))
    assert [row["verdict"] for row in found] == [DIFFERS, AGREES, OTHER]
    assert found[0]["row"] == "cifar10, resnet18, cohen-fs-0.25"
    assert found[0]["column"] == "accuracy_percent_0.50"
    assert tuple(found[0]) == COLUMNS


def test_a_file_that_is_no_numbers_is_one_line(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("data,acr,acr_low\ncifar10,x,\n", encoding="utf-8")
    with pytest.raises(SmoothcertError, match=r"x\.csv: cannot be read as the numbers"):
        read_numbers([path])
    assert main(["overview", "compare", str(path), "--out", str(tmp_path / "d")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
