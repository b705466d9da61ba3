"""Scales with a proof and without: what is compared, and that no oracle is called a classifier."""

from __future__ import annotations

import numpy as np
import pytest

from smoothcert import datasets
from smoothcert.certificates import make_table, write_certificates
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs.dual import DDRS, ENVELOPE, EXPERTS, FIXED, MEMORY, ORACLE, dual
from smoothcert.report.output import Files

N = 40
RUNS = {
    "cohen-fs-0.25/gaussian-0.25/fixed/fixed-10000": 0.8,
    "cohen-fs-0.50/gaussian-0.50/fixed/fixed-10000": 1.2,
    "cohen-fs-0.25/gaussian-0.25/fixed/fixed-2000": 0.7,
    "cohen-fs-0.25/gaussian-0.25/ascent-K900/fixed-10000": 0.9,
    "cohen-fs-0.25/gaussian-0.25/dual_experts-tau1.00/fixed-9000": 1.0,
}


@pytest.fixture
def files(tmp_path):
    labels = datasets.load("digits", max=N).labels
    paths = []
    for number, (name, reach) in enumerate(RUNS.items()):
        radius = reach * np.random.default_rng(number).random(N)
        predict = np.where(np.arange(N) % 10 == number, (labels + 1) % 10, labels)
        training, noise, scaling, budget = name.split("/")
        level = {"level": 0, "level_p_lower": 0.9, "level_scale": 1.0} if "dual" in name else {}
        table = make_table(
            idx=np.arange(N), label=labels, predict=predict, radius=radius, p_lower=0.999,
            n=int(budget[6:]), n0=100, samples=100 + int(budget[6:]), alpha=0.001,
            sigma=float(noise[9:]), noise=noise, norm="l2", budget=budget, scaling=scaling, **level,
        )  # fmt: skip
        path = tmp_path / "certificates" / "digits" / "tiny_cnn" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_certificates(path, table, {"dataset": "digits", "training": training, "skip": 1})
        paths.append(path)
    return Files({"": tuple(paths)})


def test_runs_are_compared_at_equal_samples_those_for_the_level_included(files):
    rows = dual(files, AccuracyOptions()).rows
    assert {row["data"] for row in rows} == {"digits, tiny_cnn, 10,000 samples"}
    kinds = [row["kind"] for row in rows]
    assert kinds.count(FIXED) == 2  # that of 2,000 samples has nothing to be compared with
    assert kinds.count(EXPERTS) == kinds.count(DDRS) == 1
    assert kinds.count(MEMORY) == 2  # the queries in both orders


def test_what_is_no_classifier_says_so_and_bounds_what_is(files):
    rows = {row["kind"]: row for row in dual(files, AccuracyOptions()).rows}
    best = max(r["acr"].value for k, r in rows.items() if k == FIXED)
    assert best <= rows[ENVELOPE]["acr"].value <= rows[ORACLE]["acr"].value
    assert rows[ENVELOPE]["promise"].startswith("no classifier")
    assert rows[ORACLE]["promise"].startswith("no classifier")
    assert "minus_best" not in rows[ORACLE]
    assert rows[DDRS]["promise"] == "another classifier at each x"
    assert rows[MEMORY]["promise"] == "depends on earlier queries"
    assert rows[EXPERTS]["promise"] == "one function of x"


def test_a_difference_is_paired_and_the_level_given_ignores_the_cap(files):
    rows = {row["kind"]: row for row in dual(files, AccuracyOptions()).rows}
    routed = rows[EXPERTS]
    # p_lower 0.999 at scale 0.25, wherever the class is right
    right = 1 - 4 / N
    assert routed["uncapped"].value == pytest.approx(right * 0.25 * 3.0902, rel=1e-3)
    assert routed["minus_best"].inputs == N
    assert routed["minus_best"].low < routed["minus_best"].value < routed["minus_best"].high
