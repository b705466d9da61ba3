"""Differences from the papers: the allowance against a computation of its own, cell by cell."""

from __future__ import annotations

import csv
import math

import pytest

from smoothcert.certificates import metrics
from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.comparison import AGREES, DIFFERS, OTHER, UNJUDGED, differences
from smoothcert.report.heat_map import heat_map
from smoothcert.report.sampling_error import inputs_of_interval, inputs_of_row

Z = 1.959963984540054


def wilson(p, n):
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return centre - half, centre + half


def newcombe(ours, n, paper, m):
    """How far ours may lie from the paper's, in points, on the side where it does."""
    (l1, u1), (l2, u2) = wilson(ours / 100, n), wilson(paper / 100, m)
    a, b = ours / 100, paper / 100
    return 100 * (math.hypot(a - l1, u2 - b) if ours > paper else math.hypot(u1 - a, b - l2))


def cell(key, ours, n, paper):
    low, high = wilson(ours / 100, n)
    return {key: ours, f"{key}_low": 100 * low, f"{key}_high": 100 * high, f"{key}_paper": paper}


def planted(path, rows):
    path.parent.mkdir(exist_ok=True, parents=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


KEY = "accuracy_percent_0.50"


@pytest.mark.parametrize(
    ("table", "data", "n", "m"),
    [
        ("ddrs_table1", "cifar10, resnet18", 500, 10_000),
        ("ddrs_table1", "imagenet, resnet50", 500, 500),
        ("iss_table5", "cifar10", 1000, 500),
        ("cohen_table", "cifar10", 500, 10_000),
    ],
)
def test_both_sides_inputs_decide(tmp_path, table, data, n, m):
    for ours, paper in ((40.0, 44.0), (44.0, 40.0), (40.0, 52.0), (2.0, 0.4)):
        row = {"dataset" if "," not in data else "data": data, **cell(KEY, ours, n, str(paper))}
        found = differences(planted(tmp_path / f"{table}.csv", [row]))[0]
        allowed = newcombe(ours, n, paper, m) + 0.05  # and half of the paper's last digit
        assert (found.inputs, found.paper_inputs) == (n, m)
        assert found.allowed == pytest.approx(allowed, rel=1e-9)
        assert found.verdict == (AGREES if abs(ours - paper) <= allowed else DIFFERS)


def test_the_papers_whole_percents_are_rounded_further(tmp_path):
    row = {"dataset": "cifar10", "inputs": 500, **cell(KEY, 40.0, 500, "43.0")}
    found = differences(planted(tmp_path / "nongaussian_table1.csv", [row]))[0]
    assert found.allowed == pytest.approx(newcombe(40, 500, 43, 500) + 0.5)


def test_a_radius_takes_our_spread_and_the_number_of_inputs_of_either(tmp_path):
    row = {"data": "cifar10, resnet18", "acr_oracle": 0.6, "acr_oracle_low": 0.56,
           "acr_oracle_high": 0.64, "acr_oracle_paper": "0.591"}  # fmt: skip
    path = planted(tmp_path / "ddrs_table1.csv", [row])
    assert differences(path)[0].verdict == UNJUDGED  # of how many inputs?
    path.with_suffix(".md").write_text(
        "- cifar10, resnet18: 2,500 test inputs that all runs have.\n", encoding="utf-8"
    )
    found = differences(path)[0]
    assert found.allowed == pytest.approx(0.04 * math.sqrt(1 + 2500 / 10_000) + 0.0005)
    assert found.verdict == AGREES
    assert "spread" in found.assumed


def test_no_number_of_a_paper_no_verdict(tmp_path):
    row = {"data": "digits, tiny_cnn", **cell(KEY, 40.0, 200, "")}
    found = differences(planted(tmp_path / "ddrs_table1.csv", [row]))
    assert [cell.verdict for cell in found] == [OTHER]
    assert found[0].difference is found[0].allowed is None


def test_a_time_has_no_sampling_error(tmp_path):
    row = {"dataset": "cifar10", "time": 3.0, "time_low": "", "time_high": "", "time_paper": 38}
    assert differences(planted(tmp_path / "iss_table5.csv", [row]))[0].verdict == UNJUDGED


@pytest.mark.parametrize("n", [10, 200, 500, 10_000])
def test_the_number_of_inputs_is_found_in_an_interval(n):
    for k in range(0, n + 1, max(1, n // 7)):
        found = metrics.proportion(k, n)
        ends = (100 * float(v) for v in (found.value, found.low, found.high))
        assert inputs_of_interval(*ends) == n
    assert inputs_of_interval(50.0, 40.0, 60.0 + 1e-3) is None  # no score interval
    assert inputs_of_interval(-9.0, -13.0, -5.0) is None  # a difference


def test_intervals_that_disagree_name_no_number_of_inputs():
    row = {**cell(KEY, 40.0, 200, ""), **cell("accuracy_percent_0.75", 20.0, 300, "")}
    assert inputs_of_row(row) is None
    assert inputs_of_row({**row, "inputs": "1,000"}) == 1000


def test_the_heat_map_shows_every_row_and_marks_what_is_beyond(tmp_path):
    rows = [
        {"data": "cifar10, resnet18", "method": "A", **cell(KEY, 60.0, 500, "44.0")},
        {"data": "cifar10, resnet18", "method": "B", **cell(KEY, 45.0, 500, "44.0")},
        {"data": "digits, tiny_cnn", "method": "A", **cell(KEY, 60.0, 500, "")},
    ]
    path = planted(tmp_path / "ddrs_table1.csv", rows)
    figure = heat_map(differences(path), "t")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["+16.0*", "+1.0"]
    assert len(axes.get_yticks()) == 3
    grey = axes.images[0].get_array().mask
    assert grey.ravel().tolist() == [False, False, True]
    assert main(["overview", "compare", str(path), "--out", str(tmp_path / "d")]) == 0
    with (tmp_path / "d.csv").open(encoding="utf-8", newline="") as handle:
        assert [row["verdict"] for row in csv.DictReader(handle)] == [DIFFERS, AGREES, OTHER]


def test_a_file_that_is_no_table_is_one_line(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"data,{KEY},{KEY}_low,{KEY}_high,{KEY}_paper\ncifar10,x,,,\n")
    with pytest.raises(SmoothcertError, match=r"x\.csv:2: expected numbers"):
        differences(path)
