"""Published certificates as a data source: the list, where its files are looked for, what they say.

The figures of the real tables are those that plain counting gives; they are checked where the
tables lie in the data directory (SMOOTHCERT_DATA).
"""

import gzip
import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reporting import fits, words
from scipy.special import ndtri

from smoothcert.budget import BUDGETS
from smoothcert.certificates import read_certificates
from smoothcert.certificates.published import import_certificates
from smoothcert.cli import main
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import published
from smoothcert.noise import NOISES
from smoothcert.papers.cohen import published as records
from smoothcert.papers.cohen import published_choice
from smoothcert.papers.ddrs import published as ddrs
from smoothcert.papers.ddrs.published_models import baselines
from smoothcert.papers.ddrs.runs import APPENDICES
from smoothcert.papers.iss import figures, published_models, published_tables
from smoothcert.papers.iss import published as iss
from smoothcert.papers.iss.options import PublishedOptions
from smoothcert.papers.nongaussian import published as zhang
from smoothcert.papers.nongaussian.published_models import cohens, smoothadvs
from smoothcert.report.numbers import Metric, Number, frame, write_numbers
from smoothcert.report.output import Files, Options
from smoothcert.report.reference import cells

HERE = [name for name, one in published.tables().items() if published.find(one) is not None]
real = pytest.mark.skipif(
    len(HERE) < len(published.tables()),
    reason=f"{len(HERE)} of {len(published.tables())} published tables in {published.folder()}",
)
CONSISTENCY = "imagenet_resnet50_consistency_train0.50_sigma0.50"
QUICK = PublishedOptions(inputs=500, repeats=1)


def made_table(path: Path, one: published.PublishedTable, rows: int = 200) -> None:
    """A table of made votes, printed as the field's logs are."""
    rng = np.random.default_rng(3)
    counts = rng.binomial(one.n, np.append(rng.beta(8, 1, rows - 6), np.ones(6)))
    p = clopper_pearson_lower(counts, one.n, one.alpha)
    radius = NOISES.parse(one.noise).radius(p, one.sigma, 3)
    lines = ["idx\tlabel\tpredict\tradius\tcorrect\ttime"]
    for i, (lower, r) in enumerate(zip(p, radius, strict=True)):
        predict, printed = (i % 4, f"{r:.3}") if lower > 0.5 else (-1, "0.0")
        lines.append(f"{i}\t{i % 4}\t{predict}\t{printed}\t{int(predict >= 0)}\t0:00:01.000000")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with made tables of all names, whose sums are in the list."""
    listed = {}
    for name, one in published.tables().items():
        path = tmp_path / "published-certificates" / "more" / f"{name}.tsv.gz"
        made_table(path, one)
        sha256 = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        listed[name] = replace(one, sha256=sha256, rows=200)
    monkeypatch.setattr(published, "tables", lambda: listed)
    monkeypatch.setenv("SMOOTHCERT_DATA", str(tmp_path))
    return tmp_path


# --- the list --------------------------------------------------------------------------------


def test_the_list_says_of_each_table_what_it_is_where_it_is_and_its_licence() -> None:
    every = published.tables()
    assert len(every) == 45
    for name, one in every.items():
        assert name == one.name
        assert re.fullmatch(r"[0-9a-f]{64}", one.sha256)
        assert one.address.startswith(f"https://raw.githubusercontent.com/{one.repository}/")
        assert one.licence
        assert one.authors
        assert (one.n, one.n0) == (100_000, 100)
        assert NOISES.parse(one.noise).name == "gaussian"
        assert name.endswith(f"sigma{one.sigma:.2f}")
    assert len({one.address for one in every.values()}) == 45


def test_a_table_is_found_in_the_folder_or_its_folder_more_and_verified(folder: Path) -> None:
    one = published.table(CONSISTENCY)
    path = published.fetch(one)
    assert path.parent.name == "more"
    plain = folder / "published-certificates" / f"{one.name}.tsv"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert published.fetch(one) == plain
    plain.write_text("idx\n")
    with pytest.raises(SmoothcertError, match="wrong checksum: expected SHA-256"):
        published.fetch(one)


def test_what_is_not_there_is_one_line_and_is_fetched_only_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def transfer(name: str, urls: list[str], md5: None, temporary: Path) -> Path:
        asked.append(list(urls))
        (temporary / name).write_text("not it")
        return temporary / name

    monkeypatch.setattr(published.storage, "download", transfer)
    words = ["published", CONSISTENCY, "--data-dir", str(tmp_path), "--out", str(tmp_path / "x")]
    assert main(words) == 2
    assert not asked
    (line,) = capsys.readouterr().err.splitlines()
    assert "no published table" in line
    assert "smoothcert data published" in line
    # What comes is verified before it gets its name.
    assert main([*words, "--download"]) == 2
    assert asked == [[published.table(CONSISTENCY).address]]
    assert "wrong checksum" in capsys.readouterr().err
    assert not list(tmp_path.glob("published-certificates/*"))
    assert main(["published", "none", "--out", str(tmp_path / "x")]) == 2
    assert "no published table 'none'" in capsys.readouterr().err


# --- what is made of made tables -------------------------------------------------------------


def jobs(folder: Path, names: list[str], options: PublishedOptions) -> Files:
    paths = []
    for name in names:
        one = published.table(name)
        path = folder / f"{name}.csv"
        write_numbers(path, frame("published", iss.measure(one, published.fetch(one), options)))
        paths.append(path)
    return Files({"": tuple(paths)})


def value(row, key) -> float:
    one = row[key]
    assert isinstance(one, Number)
    return one.value


def test_a_record_gives_its_counts_and_a_replay_at_full_size_its_radii(folder: Path) -> None:
    one = published.table(CONSISTENCY)
    rows = iss.measure(one, published.fetch(one), QUICK)
    record = next(row for row in rows if row["kind"] == "record")
    full = next(row for row in rows if row.get("budget") == "fixed-100000")
    table = read_certificates(published.fetch(one))
    assert value(record, "acr") == pytest.approx((table.radius * (table.predict >= 0)).mean())
    assert value(full, "acr") == pytest.approx(value(record, "acr"), abs=0.005)
    assert value(record, Metric("accuracy_percent", 0.5)) == pytest.approx(
        100 * ((table.predict >= 0) & (table.radius >= 0.5)).mean()
    )


def test_the_papers_rows_stand_beside_ours_with_a_verdict(folder: Path) -> None:
    files = jobs(folder, published_models.consistency(published.tables()), QUICK)
    for table, number in ((published_tables.table1, 1), (published_tables.table4, 4)):
        made = table(files, Options())
        own = [row for row in made.rows if row["verdict"]]
        budgets = [iss.printed_budgets(f"table{number}", sigma) for sigma in (0.5, 1.0)]
        assert [row["budget"] for row in own] == budgets[0] + budgets[1]
        # These votes are not the paper's.
        assert not all(str(row["verdict"]).startswith("reproduced") for row in own)
        for row in own:
            assert row["papers_own"] == (
                row["verdict"] != "beyond the record" and "samples_least" not in row
            )
    macer = published_tables.table5(
        jobs(folder, published_models.macer(published.tables()), QUICK), Options()
    )
    judged = [str(row["verdict"]) for row in macer.rows if row["verdict"]]
    assert judged
    assert all(v.startswith(("another training", "beyond the record")) for v in judged)
    assert not any(row["papers_own"] for row in macer.rows)


def test_a_budget_of_another_first_stage_is_not_the_papers(folder: Path) -> None:
    row = {"dataset": "imagenet", "arch": "resnet50", "training": "consistency-fs-0.50"}
    row |= {"sigma": 0.5, "samples": Number(1.0)}
    same = iss.papers_numbers({**row, "budget": "iss_ad0.05-100000"})
    assert same["samples"].paper.value == 32992
    other = iss.papers_numbers({**row, "budget": "iss_s5000_ad0.05-100000"})
    assert other["samples"].paper is None


def test_savings_compare_budgets_at_one_loss_of_the_average_radius(folder: Path) -> None:
    files = jobs(folder, [CONSISTENCY], PublishedOptions(inputs=500, repeats=3))
    (row,) = published_tables.savings(files, Options()).rows
    rows = {str(r["budget"]): r for r in iss.read_rows(files.some(), "replay")}
    loss = value(rows["fixed-100000"], "acr") - value(rows["iss_ad0.05-100000"], "acr")
    assert value(row, "loss") == pytest.approx(loss)
    assert value(row, "iss") == value(rows["iss_ad0.05-100000"], "samples")
    for kind in ("fixed", "sequential", "fresh"):
        # Between those of its family that lose more and that lose less.
        assert 0 < value(row, kind) <= 100_100
    saved = 100 * (1 - value(row, "sequential") / value(row, "fixed"))
    assert value(row, "saved_fixed") == pytest.approx(saved)
    fixed = {int(b.removeprefix("fixed-")): r for b, r in rows.items() if b.startswith("fixed-")}
    lost = {n: value(rows["fixed-100000"], "acr") - value(r, "acr") for n, r in fixed.items()}
    near = sorted(lost, key=lambda n: abs(lost[n] - loss))[:2]
    assert 0.9 * min(near) <= value(row, "fixed") <= 1.1 * max(near)


def test_figure_4_has_the_class_probabilities_of_the_papers_models(folder: Path) -> None:
    names = published_models.consistency(published.tables())
    picture = figures.published4(
        jobs(folder, names, PublishedOptions(inputs=100, repeats=1)), Options()
    )
    numbers = picture.numbers
    for name in names:
        one = published.table(name)
        table = read_certificates(published.fetch(one))
        idx, predict, printed = (a[::2] for a in (table.idx, table.predict, table.radius))
        own = numbers[numbers.training == one.training]
        inputs = own[own.series == "input"]
        assert inputs.idx.astype(int).tolist() == idx[predict >= 0].tolist()
        # The bound at so many votes is the one behind the printed radius.
        bound = clopper_pearson_lower(np.round(one.n * inputs.value), one.n, one.alpha)
        radius = one.sigma * ndtri(bound)
        np.testing.assert_allclose(radius, printed[predict >= 0], rtol=0.006)
        (share,) = own[own.series == "from the paper's"].value
        assert share == pytest.approx(100 * (inputs.value >= 0.94).sum() / 100)
    figure = figures.draw_figure4(picture)
    assert fits(figure)
    said = words(figure)
    assert "the paper: better from 0.94" in said
    for sigma in ("0.50", "1.00"):
        assert any(f"imagenet, Consistency, σ = {sigma}: " in word for word in said)


def listed(folder: Path) -> Files:
    """Records that name every table, and no more."""
    path = folder / "listed.csv"
    rows = [
        {"published": name, "kind": "record", "sigma": one.sigma, "acr": Number(0)}
        for name, one in published.tables().items()
    ]
    write_numbers(path, frame("published", rows))
    return Files({"": (path,)})


def test_ddrs_has_the_scales_of_the_published_tables_beside_its_baselines() -> None:
    ours = {(*ddrs._family(one)[:2], one.sigma) for one in map(
        published.table, baselines(published.tables())
    )}  # fmt: skip
    theirs = {
        (cell.dataset, method, cell.sigma)
        for method, name in APPENDICES.items()
        for cell in cells("ddrs", name, method=method)
    }
    assert theirs - ours == {("cifar10", "MACER", 0.12)}
    assert ours <= theirs


def test_ddrs_printed_baselines_stand_in_rows_of_their_own_and_are_not_judged(folder: Path) -> None:
    made = ddrs.baseline(listed(folder), Options())
    assert len(made.rows) == 3 * (17 + 6)  # at one scale, and the best of several
    assert made.numbers("ddrs_published").paper.isna().all()
    assert not any("verdict" in row for row in made.rows)
    for ours, printed, difference in zip(*(iter(made.rows),) * 3, strict=True):
        assert str(printed["whose"]).startswith("DDRS ")
        assert difference["whose"] == ddrs.DIFFERENCE
        assert ("acr" in printed) == str(printed["sigma"]).startswith("best of")
        for key in (key for key, one in printed.items() if isinstance(one, Number)):
            assert value(difference, key) == value(ours, key) - value(printed, key)


# --- the real tables -------------------------------------------------------------------------


@real
@pytest.mark.parametrize("name", sorted(published.tables()))
def test_each_real_table_is_the_published_one_at_the_level_the_list_says(name: str) -> None:
    one = published.table(name)
    path = published.fetch(one)
    store = import_certificates(path, one.sigma, one.n)
    assert store.identity["published"]["alpha"] == one.alpha
    assert len(store.idx) == one.rows
    assert set(np.diff(store.idx)) == {one.skip}


@real
def test_cohens_logs_give_the_baseline_of_zhangs_table_2_but_for_one_number(tmp_path: Path) -> None:
    files = jobs(tmp_path, cohens(published.tables()), QUICK)
    best = {
        row["dataset"]: row for row in zhang.table2(files, Options()).rows if row.get("selection")
    }
    small = [60.0, 42.8, 32.0, 23.4, 17.4, 14.0, 11.8, 10.0, 7.6]
    large = [49.4, 37.2, 28.6, 19.4, 14.8, 12.2, 9.0]
    for dataset, step, expected in (("cifar10", 0.25, small), ("imagenet", 0.5, large)):
        at = [Metric("accuracy_percent", step * (i + 1)) for i in range(len(expected))]
        got = [round(value(best[dataset], key), 1) for key in at]
        assert got == expected
    assert best["cifar10"]["verdict"] == "8 of 9"
    assert best["imagenet"]["verdict"] == "7 of 7"
    rows = {row["published"]: row for row in records.records(files, Options()).rows}
    assert sum("stricter" in row for row in rows.values()) == 6


@real
@pytest.mark.slow
def test_smoothadvs_envelope_at_linf_radii(tmp_path: Path) -> None:
    files = jobs(tmp_path, smoothadvs(published.tables()), PublishedOptions(inputs=100, repeats=1))
    best = next(r for r in zhang.table3(files, Options()).rows if r.get("selection"))
    got = [round(one.value, 1) for one in best.values() if isinstance(one, Number)]
    assert got == [60.8, 43.3, 32.3, 24.2, 16.7, 12.3]


@real
def test_the_paper_of_iss_is_reproduced_on_its_own_models(tmp_path: Path) -> None:
    files = jobs(tmp_path, published_models.consistency(published.tables()), QUICK)
    rows = published_tables.table1(files, Options()).rows
    one = {(row["sigma"], row["budget"]): row for row in rows}
    for sigma, drawn, acr in ((0.5, 34_300, 0.800), (1.0, 27_000, 0.967)):
        row = one[sigma, "iss_ad0.05-100000"]
        assert value(row, "samples") == pytest.approx(drawn, rel=0.02)
        assert value(row, "acr") == pytest.approx(acr, abs=0.004)
        assert value(row, "mad") <= 0.0501
        assert row["verdict"] == "reproduced"
    assert all(BUDGETS.parse(str(row["budget"])) for row in rows)
    judged = [row["verdict"] for row in rows if row["papers_own"]]
    assert len(judged) >= 8
    assert set(judged) == {"reproduced"}


@real
def test_ddrs_baselines_are_within_a_point_of_cohens_on_imagenet_and_below_on_cifar10(
    tmp_path: Path,
) -> None:
    rows = ddrs.baseline(listed(tmp_path), Options()).rows
    less = {}
    for ours, _, difference in zip(*(iter(rows),) * 3, strict=True):
        key = tuple(str(ours[name]) for name in ("dataset", "method", "sigma", "whose"))
        less[key] = [
            one.value
            for k, one in difference.items()
            if isinstance(k, Metric) and isinstance(one, Number)
        ]
    for sigma in ("0.25", "0.50", "1.00"):
        assert max(map(abs, less["imagenet", "Cohen", sigma, "Cohen et al. 2019"])) < 0.85
    for sigma, most in (("0.12", 3.5), ("0.25", 2.8), ("0.50", 3.3)):
        one = less["cifar10", "Cohen", sigma, "Salman et al. 2019"]
        assert min(one) >= 0
        assert max(one) == pytest.approx(most, abs=0.05)


@real
def test_only_one_of_the_meanings_of_an_acr_is_of_a_classifier(tmp_path: Path) -> None:
    rows = published_choice.choices(
        jobs(tmp_path, cohens(published.tables()), QUICK), Options()
    ).rows
    acr = {(row["dataset"], row["choice"]): value(row, "acr") for row in rows}
    for dataset in ("cifar10", "imagenet"):
        order = [acr[dataset, choice] for choice in (
            published_choice.ONE, published_choice.ELSEWHERE, published_choice.HERE,
            published_choice.ORACLE,
        )]  # fmt: skip
        assert order == sorted(order)


@real
@pytest.mark.slow
def test_k_gives_nothing_at_equal_energy_and_equal_probabilities(tmp_path: Path) -> None:
    made = zhang.equal_energy(jobs(tmp_path, cohens(published.tables()), QUICK), Options())
    more = [row for row in made.rows if str(row["noise"]).startswith("centripetal")]
    assert len(more) == 4
    for row in more:
        assert all(abs(one.value) <= 0.2 for one in row.values() if isinstance(one, Number))


@real
def test_macers_accuracy_is_that_of_the_whole_test_set() -> None:
    for sigma, acr in (("0.25", 0.531), ("0.50", 0.691), ("1.00", 0.744)):
        table = read_certificates(
            published.fetch(published.table(f"cifar10_resnet110_macer_train{sigma}_sigma{sigma}"))
        )
        got = float((table.radius * (table.predict == table.label)).mean())
        assert got == pytest.approx(acr, abs=0.0005)


def test_without_a_data_directory_named_the_cache_is_looked_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SMOOTHCERT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert published.folder() == tmp_path / "smoothcert" / "published-certificates"
    assert os.environ.get("SMOOTHCERT_DATA") is None
