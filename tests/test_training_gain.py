"""What a way of training gains over Cohen's: the paired difference, where there is a pair."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting import certificates

from smoothcert.certificates.runs import read_run
from smoothcert.papers.training.gain import gain
from smoothcert.report.output import Files, Options


def as_training(path: str, training: str) -> str:
    """The certificates of a Cohen run, as those of another training with the same noise."""
    target = Path(path.replace(Path(path).parts[-4], training))
    target.parent.mkdir(parents=True)
    shutil.copy(path, target)
    return str(target)


def rows_of(*paths):
    return gain(Files.parse(list(paths)), Options()).rows


def test_the_gain_is_the_mean_of_the_paired_differences(tmp_path):
    (cohen,) = certificates(tmp_path, sigmas=(0.25,))
    path = Path(as_training(cohen, "consistency-fs-0.25"))
    table = pd.read_csv(path, sep="\t")
    table["radius"] *= 1.25
    table.to_csv(path, sep="\t", index=False)
    (row,) = rows_of(cohen, str(path))
    mine, theirs = read_run(path).table, read_run(cohen).table
    radii = [np.where(t.correct == 1, t.radius, 0.0) for t in (mine, theirs)]
    assert row["training"] == "consistency-fs-0.25"
    assert row["gain"].value == pytest.approx((radii[0] - radii[1]).mean())
    assert 0 < row["gain"].low < row["gain"].value < row["gain"].high
    assert row["acr"].value == pytest.approx(radii[0].mean())
    assert row["papers"] == "above"


def test_only_the_same_noise_and_scale_are_compared(tmp_path):
    low, high = certificates(tmp_path)
    methods = ("macer-fs-0.50", "macer-ds2-0.50", "cohen-ds2-0.50")
    others = [as_training(high, training) for training in methods]
    rows = {row["training"]: row for row in rows_of(low, high, *others)}
    assert set(rows) == set(methods)
    assert all(row["gain"].value == 0 for row in rows.values())
    assert [rows[m]["papers"] for m in methods] == ["above", None, None]
    alone = rows_of(low, *others)
    assert [row["gain"] for row in alone] == [None] * 3
