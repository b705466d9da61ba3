"""``smoothcert memory`` on real digits, and what it says to wrong input."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothcert import datasets
from smoothcert.certificates import balls, make_table, read_certificates, write_certificates
from smoothcert.certificates.runs import read_run
from smoothcert.cli import main

NORMS = {"l1": 1, "l2": 2, "linf": np.inf}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", "test", max=40)


def table_of(data, radius, predict=None, **columns):
    columns = {"norm": "l2", "scaling": "ascent-K900", "noise": "gaussian-0.25", **columns}
    own = data.labels if predict is None else predict
    return make_table(idx=data.idx, label=data.labels, predict=own, radius=radius, **columns)


def write(root, table, record=None):
    path = root / "certificates" / "digits" / "tiny_cnn" / "cohen-fs-0.25" / "gaussian-0.25"
    path = path / "ascent-K900" / "fixed-2000.tsv"
    write_certificates(path, table, record)
    return path


def distances(data):
    flat = data.images.numpy().reshape(len(data), -1).astype(float)
    return np.linalg.norm(flat[:, None] - flat[None], axis=2)


def run(path, *options):
    return main(["memory", str(path), "--spec", '{"dataset": "digits"}', *map(str, options)])


def test_balls_that_clash_are_cut_and_the_record_counts_it(tmp_path, digits, capsys):
    gap = distances(digits)
    differ = digits.labels[:, None] != digits.labels[None]
    i, j = np.unravel_index(np.where(differ, gap, np.inf).argmin(), gap.shape)
    i, j = sorted((int(i), int(j)))
    radius = np.full(len(digits), 0.01)
    radius[[i, j]] = 0.6 * gap[i, j]
    path = write(tmp_path, table_of(digits, radius), {"seed": 5, "arch": "tiny_cnn"})
    out = tmp_path / "memory.tsv"
    assert run(path, "--out", out) == 0
    after = read_certificates(out)
    assert after.columns["memory_event"][j] == "trimmed"
    assert after.radius[j] == pytest.approx(0.4 * gap[i, j])
    assert after.radius[i] == radius[i]
    assert after.columns["radius_raw"].tolist() == radius.tolist()
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["seed"] == 5
    about = record["memory"]
    assert about["events"] == {"none": 39, "same-class overlap": 0, "trimmed": 1, "inside": 0}
    lost = 0.2 * gap[i, j] / len(digits)
    assert about["acr"]["raw"] - about["acr"]["memory"] == pytest.approx(lost)
    assert about["nearest_misses"][0]["idx"] == digits.idx[[i, j]].tolist()
    assert about["nearest_misses"][0]["ratio"] == pytest.approx(1 / 1.2)
    assert "1 changed (1 trimmed" in capsys.readouterr().out
    assert (read_run(out).dataset, read_run(out).scaling) == ("digits", "ascent-K900")


def test_the_order_of_the_queries_decides_and_is_measured(tmp_path, digits):
    radius = np.full(len(digits), 1.6)  # wide: many clash
    path = write(tmp_path, table_of(digits, radius))
    tables = []
    for order in ("data set", "1"):
        out = tmp_path / f"{order}.tsv"
        assert run(path, "--out", out, "--order", order, "--orders", 6, "--seed", 2) == 0
        tables.append(out.read_text())
        with out.with_suffix(".orders.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        spread = json.loads(out.with_suffix(".json").read_text())["memory"]["orders"]
        acr = [float(row["acr"]) for row in rows[1:]]
        assert len(rows) == 7
        assert rows[0]["order"] == order
        assert spread["acr"]["mean"] == pytest.approx(np.mean(acr))
        assert (spread["acr"]["low"], spread["acr"]["high"]) == (min(acr), max(acr))
        own = read_certificates(out)
        assert float(rows[0]["acr"]) == pytest.approx((own.radius * own.correct).mean())
    assert tables[0] != tables[1]
    assert len(set(acr)) > 1
    again = tmp_path / "again.tsv"
    assert run(path, "--out", again, "--order", "1") == 0
    assert again.read_text() == tables[1]


@pytest.mark.parametrize("norm", NORMS)
def test_nearest_misses_are_found_in_every_norm(tmp_path, digits, norm):
    radius = np.random.default_rng(0).uniform(0.05, 0.2, len(digits))
    out = tmp_path / "memory.tsv"
    assert run(write(tmp_path, table_of(digits, radius, norm=norm)), "--out", out) == 0
    found = json.loads(out.with_suffix(".json").read_text())["memory"]["nearest_misses"]
    flat = digits.images.numpy().reshape(len(digits), -1).astype(float)
    gap = np.linalg.norm(flat[:, None] - flat[None], ord=NORMS[norm], axis=2)
    ratio = gap / (radius[:, None] + radius[None])
    ratio[(digits.labels[:, None] == digits.labels[None])] = np.inf
    expected = np.sort(ratio[np.triu_indices(len(digits), 1)])[: len(found)]
    assert [pair["ratio"] for pair in found] == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 70), d=st.integers(1, 6))
def test_the_blocked_search_misses_no_pair_and_no_near_miss(seed, n, d):
    random = np.random.default_rng(seed)
    points = random.random((n, d)).astype(np.float32)
    predict = random.integers(-1, 3, n)
    radius = np.where(predict < 0, 0.0, random.random(n) * 0.3)
    near, found = balls.survey(points, predict, radius, "l2", most=4, block=16)
    gap = np.linalg.norm(points.astype(float)[:, None] - points.astype(float)[None], axis=2)
    reach = radius[:, None] + radius[None]
    touching = (gap < reach) & ~np.eye(n, dtype=bool)
    assert [sorted(near.of(i)[0].tolist()) for i in range(n)] == [
        np.flatnonzero(row).tolist() for row in touching
    ]
    apart = (predict[:, None] != predict[None]) & (radius[:, None] > 0) & (radius[None] > 0)
    i, j = np.triu_indices(n, 1)
    keep = apart[i, j]
    expected = np.sort(gap[i, j][keep] / reach[i, j][keep])[:4]
    assert [pair.ratio for pair in found] == pytest.approx(expected)
    other = balls.nearest_misses(points, predict, radius, "l2", most=4, block=16)
    assert [pair.ratio for pair in other] == pytest.approx(expected)


def broken(data, kind):
    radius = np.full(len(data), 0.1)
    table = table_of(data, radius)
    columns = dict(table.columns)
    if kind == "label":
        columns["label"] = (columns["label"] + 1) % 10
        columns["correct"] = np.zeros_like(columns["correct"])
    if kind == "idx":
        columns["idx"] = columns["idx"] + 10**6
    if kind == "twice":
        columns["idx"] = np.zeros_like(columns["idx"])
    if kind == "norm":
        del columns["norm"]
    return type(table)(columns)


@pytest.mark.parametrize(
    ("kind", "options", "record", "message"),
    [
        ("label", (), None, "in digits test it is"),
        ("idx", (), None, "digits test has"),
        ("twice", (), None, "each idx once"),
        ("norm", (), None, "does not state its norm"),
        ("", ("--norm", "l1"), None, "has l2 radii"),
        ("", ("--dataset", "mnist"), None, "was certified on digits"),
        ("", ("--dataset", "nothing"), None, "was certified on digits"),
        ("", ("--order", "sorted"), None, "the seed of a random order"),
        ("", ("--orders", "-1"), None, "expected at least 0"),
        ("", ("--split", "validation"), None, "unknown"),
        ("", (), {"data_digest": "another"}, "other data than digits"),
    ],
)  # fmt: skip
def test_wrong_input_ends_in_one_line_and_no_file(
    tmp_path, digits, capsys, kind, options, record, message
):
    path = write(tmp_path, broken(digits, kind), record)
    out = tmp_path / "out" / "memory.tsv"
    assert run(path, "--out", out, *options) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.count("\n") == 1
    assert not out.parent.exists()


def test_the_certificates_are_never_replaced(tmp_path, digits, capsys):
    path = write(tmp_path, table_of(digits, np.full(len(digits), 0.1)))
    before = path.read_text()
    assert run(path, "--out", path) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert path.read_text() == before
