"""The papers' numbers: complete, as printed, and shown only where they are comparable."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib import resources

import pytest

from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.ddrs.comparable import Settings, cohen_row
from smoothcert.report import reference
from smoothcert.report.reference import NotComparable, Row, cells, value

PAPER = Settings(
    dataset="cifar10",
    arch="resnet18",
    method="cohen",
    schedule="fs",
    sigma=0.25,
    train_sigma=0.25,
    n=100_000,
    n0=100,
    alpha=0.001,
)


def test_every_printed_cell_is_there_once():
    expected = {
        ("ddrs", "table1"): 72, ("ddrs", "table2"): 72, ("ddrs", "table3"): 36,
        ("ddrs", "table4"): 32, ("ddrs", "appendix_H1"): 1122, ("ddrs", "appendix_H2"): 924,
        ("ddrs", "appendix_H3"): 990, ("ddrs", "appendix_F"): 4,
        ("iss", "table1"): 208, ("iss", "table2"): 15,
        ("iss", "table3"): 6, ("iss", "table4"): 88, ("iss", "table5"): 408,
        ("zhang", "table1"): 32, ("zhang", "table2"): 32, ("zhang", "table3"): 12,
    }  # fmt: skip
    files = resources.files("smoothcert.papers")
    printed = {
        (paper, file.name.removesuffix(".csv"))
        for paper, (folder, _) in reference.PAPERS.items()
        if (files / folder / "printed").is_dir()
        for file in (files / folder / "printed").iterdir()
        if file.name.endswith(".csv")
    }
    assert {key: len(cells(*key)) for key in printed} == expected
    for key in printed:
        found = cells(*key)
        assert {(c.paper, c.table) for c in found} == {key}
        assert len({replace(c, text=None, unit="", note="") for c in found}) == len(found)


def test_values_keep_their_printed_precision():
    cell = value("ddrs", "table1", dataset="cifar10", method="Cohen", radius=0)
    assert (cell.text, cell.value, cell.decimals, cell.unit) == ("79.9", 79.9, 1, "percent")
    assert cell.source == "DDRS table 1"
    assert value("ddrs", "table1", dataset="imagenet", method="Cohen", metric="ACR").text == "1.098"
    single = value("ddrs", "appendix_H1", dataset="cifar10", method="Cohen", sigma=0.5, radius=2.5)
    assert (single.text, single.decimals, single.source) == ("0.0", 1, "DDRS appendix H.1")


def test_unreadable_cells_have_no_value():
    cell = value("zhang", "table2", dataset="imagenet", method="Ours", radius=1.5)
    assert (cell.text, cell.value) == (None, None)
    assert Row((cell,)).at(1.5) is None


def test_wrong_keys_are_refused():
    with pytest.raises(SmoothcertError, match="ddrs table9: unknown paper or table"):
        cells("ddrs", "table9")
    with pytest.raises(SmoothcertError, match="no column 'sgima'"):
        cells("ddrs", "table1", sgima=0.5)
    with pytest.raises(SmoothcertError, match="expected one cell, found 6"):
        value("ddrs", "table1", radius=0)
    with pytest.raises(SmoothcertError, match="found 0"):
        value("ddrs", "table1", dataset="mnist", radius=0)


def test_the_papers_own_setting_has_its_row():
    row = cohen_row(PAPER)
    assert isinstance(row, Row)
    path = resources.files("smoothcert.papers") / "ddrs" / "printed" / "appendix_H1.csv"
    with path.open(encoding="utf-8") as file:
        key = {"dataset": "cifar10", "method": "Cohen", "sigma": "0.25", "certify": "FS"}
        rows = [r for r in csv.DictReader(file) if {k: r[k] for k in key} == key]
    expected = [r["value"] for r in rows if r["metric"] == "certified_accuracy"]
    assert len(expected) == 11
    assert [c.text for c in row.accuracies] == expected
    assert row.at(0.5).text == "40.13"
    assert row.at(0.3) is None
    assert row.metric("ACR") is None


def test_the_best_over_sigma_needs_the_papers_sigmas():
    best = cohen_row(PAPER, best_of=(0.12, 0.25, 0.5))
    assert isinstance(best, Row)
    assert best.source == "DDRS table 1"
    assert best.metric("ACR").text == "0.591"
    assert cohen_row(PAPER, best_of=(0.25, 0.5)) == NotComparable("different choice of sigma")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset": "cifar10-jpeg"}, "different data"),
        ({"dataset": "mnist"}, "different data"),
        ({"dataset": None}, "different data"),
        ({"arch": "resnet110"}, "different architecture"),
        ({"arch": None}, "different architecture"),
        ({"train_sigma": 0.5}, "different noise in training"),
        ({"n": 1000}, "different samples or alpha"),
        ({"n": None}, "different samples or alpha"),
        ({"alpha": 0.01}, "different samples or alpha"),
        ({"n0": 64}, "different samples or alpha"),
        ({"epochs": 10}, "different length of training"),
        ({"method": "consistency"}, "not in the paper"),
        ({"schedule": "ds2"}, "not in the paper"),
        ({"noise": "uniform"}, "not in the paper"),
        ({"norm": "l1"}, "not in the paper"),
        ({"scaling": "ascent-K900"}, "not in the paper"),
        ({"sigma": 1.0, "train_sigma": 1.0}, "not in the paper"),
    ],
)
def test_no_number_of_the_paper_stands_beside_another_setting(change, reason):
    assert cohen_row(replace(PAPER, **change)) == NotComparable(reason)
