"""The table of what changes with a sound method: pairs on the same inputs, from the same votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_helpers import make_store

from smoothcert.budget import BUDGETS
from smoothcert.certificates import metrics, write_certificates
from smoothcert.certificates.certification import certify
from smoothcert.papers.sound import both, sequential
from smoothcert.papers.sound.comparisons import COMPARISONS
from smoothcert.papers.sound.table import PAPERS, SOUND, compare
from smoothcert.report.numbers import Number
from smoothcert.report.output import Files, Options

CELL = ("digits", "tiny_cnn", "cohen-fs-0.50", "gaussian-0.50", "fixed")
BUDGET_SLUGS = (
    "fixed-400",
    "fixed-200",
    "iss_ad0.20-400",
    "iss-fresh_ad0.20-400",
    "iss-fresh_ad0.10-400",
    "both-iss_ad0.20-400",
    "both-sequential_1.00-400",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A store of 40 inputs, and certificates of it under several budgets."""
    root = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    p = rng.dirichlet((4, 1, 1), 40)
    looks = [[rng.multinomial(100, one) for _ in range(5)] for one in p]
    store = make_store(looks, selection=[rng.multinomial(100, one) for one in p])
    votes = root.joinpath("votes", *CELL, "votes.npz")
    votes.parent.mkdir(parents=True)
    store.write(votes)
    tables = []
    for slug in BUDGET_SLUGS:
        path = root.joinpath("certificates", *CELL, f"{slug}.tsv")
        write_certificates(path, certify(store, BUDGETS.parse(slug)), {"noise": "gaussian-0.50"})
        tables.append(path)
    return Files({"both": tuple(tables), "both_votes": (votes,), "iss": tuple(tables)})


def test_both_bounds_take_the_largest_fixed_size_of_each_store(files: Files) -> None:
    (pair,) = both.pairs(files).pairs
    assert (pair.before.budget, pair.after.budget) == ("fixed-400", "both-400")
    assert (pair.after.table.radius >= 0).all()
    assert pair.after.table.radius.mean() > pair.before.table.radius.mean()


def test_a_sound_size_is_set_beside_iss_with_the_same_aim(files: Files) -> None:
    afters = [pair.after.budget for pair in sequential.pairs(files).pairs]
    assert sorted(map(str, afters)) == [
        "both-iss_ad0.20-400", "both-sequential_1.00-400", "iss-fresh_ad0.20-400",
    ]  # fmt: skip


def test_a_pair_is_two_rows_and_the_second_has_the_paired_gain(files: Files) -> None:
    table = compare(files, Options())
    assert [row["role"] for row in table.rows] == [PAPERS, SOUND] * 4
    pair = both.pairs(files).pairs[0]
    value = table.rows[1]["gain"]
    assert isinstance(value, Number)
    expected = metrics.acr_difference(pair.after.table, pair.before.table)
    assert value.value == pytest.approx(float(expected.value))
    assert "gain" not in table.rows[0]
    assert len(table.numbers("sound_methods"))


def test_a_noise_without_a_proof_is_left_out_with_the_reason(tmp_path: Path) -> None:
    cell = (*CELL[:3], "mixed-linf_k1-0.50", "fixed")
    store = make_store([[[90, 10, 0]]], selection=[[9, 1, 0]], noise=cell[3], n0=10)
    votes = tmp_path.joinpath("votes", *cell, "votes.npz")
    votes.parent.mkdir(parents=True)
    store.write(votes)
    path = tmp_path.joinpath("certificates", *cell, "fixed_s10-100.tsv")
    like = certify(make_store([[[90, 10, 0]]], selection=[[9, 1, 0]]),
                   BUDGETS.parse("fixed_s10-100"))  # fmt: skip
    like.columns["noise"] = np.array([cell[3]])
    write_certificates(path, like, {})
    found = both.pairs(Files({"both": (path,), "both_votes": (votes,)}))
    assert found.pairs == []
    assert "no radius is proved" in found.left_out[0]


def test_the_groups_of_a_comparison_are_its_own() -> None:
    for one in COMPARISONS:
        for need in one.needs:
            owners = [
                c.key for c in COMPARISONS if str(need.group) in {str(n.group) for n in c.needs}
            ]
            assert owners == [one.key]
            assert str(need.group).startswith(one.key)
