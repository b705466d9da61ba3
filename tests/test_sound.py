"""The table of what changes with a sound method: pairs on the same inputs, from the same votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_helpers import make_store

from smoothcert.budget import BUDGETS
from smoothcert.certificates import make_table, metrics, write_certificates
from smoothcert.certificates.certification import certify
from smoothcert.certificates.runs import read_run
from smoothcert.noise import NOISES
from smoothcert.noise.radius_table import RadiusTable
from smoothcert.papers.sound import both, grid, l1, sequential
from smoothcert.papers.sound.accuracy import accuracies, class_probability, draw, measure
from smoothcert.papers.sound.comparisons import COMPARISONS
from smoothcert.papers.sound.table import AFTER, BEFORE, compare
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


def test_a_radius_table_is_read_from_its_file(tmp_path: Path) -> None:
    noise = NOISES.parse("centripetal-l2_k4-1.00")
    assert noise.tabulated is not None
    path = tmp_path / noise.tabulated / "8.json"
    path.parent.mkdir()
    table = RadiusTable(noise.tabulated, 8, np.array([0.0, 1.0]), np.array([0.5, 0.1]), "floor")
    table.save(path)
    others = (path.with_name("9.json"), tmp_path / "centripetal-l2_k9" / "8.json")
    found = both._with_table(noise, 8, (*others, path))
    assert float(found.standard_radius(0.95, 8)) == 1.0


def test_scales_are_compared_with_the_fixed_one_under_each_bound(files: Files) -> None:
    (path, *_), (votes,) = files["both"], files["both_votes"]
    other = Path(str(path).replace("/fixed/", "/ascent-K900/"))
    table = read_run(path).table
    table.columns["scaling"] = np.full(len(table), "ascent-K900")
    write_certificates(other, table, {"noise": "gaussian-0.50"})
    copy = Path(str(votes).replace("/fixed/", "/ascent-K900/"))
    copy.parent.mkdir(parents=True)
    copy.write_bytes(votes.read_bytes())
    found = both.scales(Files({"scales": (path, other), "scales_votes": (votes, copy)})).pairs
    assert [(pair.before.scaling, pair.after.scaling) for pair in found] == [
        ("fixed", "ascent-K900")
    ] * 2
    assert [pair.after.budget for pair in found] == ["fixed-400", "both-400"]


def test_a_sound_size_is_set_beside_iss_with_the_same_aim(files: Files) -> None:
    afters = [pair.after.budget for pair in sequential.pairs(files).pairs]
    assert sorted(map(str, afters)) == [
        "both-iss_ad0.20-400", "both-sequential_1.00-400", "iss-fresh_ad0.20-400",
    ]  # fmt: skip


def test_a_pair_is_two_rows_and_the_second_has_the_paired_gain(files: Files) -> None:
    table = compare(files, Options())
    assert [row["role"] for row in table.rows] == [BEFORE, AFTER, BEFORE, AFTER, AFTER, AFTER]
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


def certified_run(
    root: Path, noise: str, budget: str, scaling: str = "fixed", trained: str | None = None
) -> Path:
    """Certificates of ten inputs under some noise, by default that of their model."""
    drawn = trained or noise.replace("_box", "")
    path = root.joinpath(
        "certificates", "digits", "tiny_cnn", f"cohen-fs-{drawn}", noise, scaling, f"{budget}.tsv"
    )
    wide = 2 if "splitting" in noise else 1
    table = make_table(
        idx=np.arange(10), label=np.zeros(10), predict=np.zeros(10), radius=np.full(10, wide * 0.4),
        n=64, n0=0, samples=64, alpha=0.0 if "exhaustive" in budget else 0.001, noise=noise,
        norm="l1", budget=budget, scaling=scaling,
    )  # fmt: skip
    write_certificates(path, table, {})
    return path


def test_noise_on_a_grid_is_set_beside_noise_of_its_model_and_scale(tmp_path: Path) -> None:
    made = tuple(
        certified_run(tmp_path, *run)
        for run in (
            ("gaussian-0.25", "fixed-2000"),
            ("gaussian-0.50", "fixed-2000"),
            ("gaussian-grid_q256-0.25", "fixed-2000", "fixed", "gaussian-0.25"),
        )
    )
    (pair,) = grid.pairs(Files({"grid": made})).pairs
    assert (pair.before.noise, pair.after.noise) == ("gaussian-0.25", "gaussian-grid_q256-0.25")


def test_uniform_noise_is_set_beside_the_box_and_splitting_noise(tmp_path: Path) -> None:
    made = tuple(
        certified_run(tmp_path, *run)
        for run in (
            ("uniform-0.50", "fixed-2000"),
            ("uniform-0.50", "fixed-2000", "ascent-K900"),
            ("uniform-2.00", "fixed-2000"),
            ("uniform_box-2.00", "fixed-2000"),
            ("splitting_q16-0.50", "exhaustive-16"),
            ("splitting_q16-2.00", "exhaustive-64"),
        )
    )
    files = Files({"l1": made})
    found = {(p.before.noise, p.before.scaling, p.after.noise) for p in l1.pairs(files).pairs}
    assert found == {
        ("uniform-0.50", "fixed", "splitting_q16-0.50"),
        ("uniform-0.50", "ascent-K900", "splitting_q16-0.50"),
        ("uniform-0.50", "ascent-K900", "splitting_q16-2.00"),
        ("uniform-2.00", "fixed", "uniform_box-2.00"),
        ("uniform-2.00", "fixed", "splitting_q16-2.00"),
    }
    table = compare(files, Options())
    exact = [row for row in table.rows if str(row["noise"]).startswith("splitting")]
    assert {row["correction"].value for row in exact} == {0.0}  # type: ignore[union-attr]
    assert all(row["gain"].value == pytest.approx(0.4) for row in exact)  # type: ignore[union-attr]


def test_accuracy_is_corrected_and_set_beside_the_law_of_p_a(files: Files) -> None:
    path = files["both"][0]
    table = read_run(path).table
    (row,) = accuracies(Files({"": (path,)}), Options()).rows
    p = class_probability(table)
    assert ((p > 0) == (table.correct == 1)).all()
    shown = {str(getattr(k, "key", k)): v.value for k, v in row.items() if isinstance(v, Number)}
    assert shown["p_a_percent_0.90"] == pytest.approx(100 * (p >= 0.9).mean())
    lost = metrics.correction(len(table), 0.001)
    assert shown["corrected_percent_0.00"] == pytest.approx(
        max(shown["accuracy_percent_0.00"] - 100 * lost, 0)
    )
    picture = measure(Files({"": (path,)}), Options())
    assert (picture.numbers.sort_values("radius").value.diff().dropna() <= 0).all()
    assert draw(picture).axes[0].lines
