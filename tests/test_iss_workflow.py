"""Every table and figure of ISS is a target at every preset, and runs from nothing to a report."""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import copy_workflow
from test_workflow import snakemake

from smoothcert.certificates import read_certificates
from smoothcert.datasets import published
from smoothcert.papers.iss.figure_coverage import WORST
from smoothcert.report import names
from smoothcert.report.numbers import read_numbers, wide
from smoothcert.votes import VoteStore

pytestmark = pytest.mark.xdist_group("workflow")

TARGETS = (
    "iss_table1", "iss_table2", "iss_table3", "iss_table4", "iss_table5", "iss_fig1", "iss_fig3",
    "iss_fig4", "iss_fig5", "iss_fig6", "iss_fig6_lower", "iss_coverage", "iss_report", "iss",
)  # fmt: skip

GRID = {
    "dataset": "digits", "arch": "tiny_cnn", "training": "cohen-fs-0.25",
    "noise": "gaussian-0.25", "scaling": "fixed",
}  # fmt: skip
ISS = ["iss_ad0.05-4000", "iss_rd0.05-4000", "iss-fresh_ad0.05-4000"]
TINY = {
    "experiments": {
        "cohen": [GRID | {"budget": "fixed-4000"}],
        "iss_table1": [GRID | {"budget": ["fixed-4000", "fixed-1000", ISS[0], ISS[2]]}],
        "iss_table4": [GRID | {"budget": ["fixed-4000", ISS[1]]}],
        "iss_table5": [GRID | {"budget": ["fixed-4000", "sequential_decide0.25-4000"]}],
    },
    "recipes": {"cohen": {"digits": {"epochs": 4}}},
    "inputs": {"digits": {"max": 12, "shards": 2}},
    "sampling": {"look": 200},
    "iss": {
        "replay": {"repeats": 1},
        "coverage": {"kbar": 2000, "points": 3, "rounds": 0},
        "live": {
            "iss_table1": [GRID | {"budget": ISS[2]}],
            "iss_table4": [],
            "iss_table5": [GRID | {"budget": "sequential_decide0.25-4000"}],
        },
    },
}


FOUND = ("--config", "published=found")


def planned(folder: Path, *arguments: str, **environment: str) -> dict[str, int]:
    """How many jobs of each rule a dry run would do."""
    result = snakemake(folder, *arguments, "--dry-run", "--quiet", "rules", **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    table = re.search(
        r"^Job stats:\n.*\n[- ]+\n((?:\w+ +\d+\n)+)", result.stdout + result.stderr, re.M
    )
    assert table is not None
    return {name: int(n) for name, n in (line.split() for line in table[1].splitlines())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("iss"))


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_each_target_is_planned_at_every_preset_without_any_data(folder: Path, preset: str) -> None:
    jobs = planned(folder, *TARGETS, "--config", f"preset={preset}")
    assert all(jobs[target] == 1 for target in TARGETS)
    # Sampling that stops early really is part of it.
    assert jobs["iss_sample"] >= 2
    assert jobs["iss_certify"] >= 2


def test_published_certificates_are_left_out_where_they_are_not_and_it_is_said(
    folder: Path, tmp_path: Path
) -> None:
    result = snakemake(folder, "iss_savings", "--dry-run", *FOUND, SMOOTHCERT_DATA=str(tmp_path))
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert re.search(r"configuration: published: 45 of 45 .* are missing", said)
    for target in ("iss", "page"):  # all of a paper, and all there is
        jobs = planned(folder, target, *FOUND, SMOOTHCERT_DATA=str(tmp_path))
        assert not any("published" in name or "savings" in name for name in jobs)


def test_published_certificates_are_a_job_a_table_where_they_are_or_are_to_be_fetched(
    folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "published-certificates" / "more"
    place.mkdir(parents=True)
    for name in published.select(published.tables(), "imagenet", ["consistency"]):
        (place / f"{name}.tsv.gz").write_bytes(b"")
    some = planned(folder, "iss", *FOUND, SMOOTHCERT_DATA=str(tmp_path))
    assert some["replay_published"] == 2
    for name in ("iss_table1_published", "iss_fig1_published", "iss_fig4_published"):
        assert some[name] == 1
    assert not {"iss_table5_published", "iss_savings_table"} & set(some)
    fetched = planned(
        folder, "iss", "--config", "published=download", SMOOTHCERT_DATA=str(tmp_path)
    )
    assert fetched["replay_published"] == 45
    assert fetched["iss_savings_table"] == fetched["iss_savings_figure"] == 1
    none = planned(folder, "iss", "--config", "published=none", SMOOTHCERT_DATA=str(tmp_path))
    assert "replay_published" not in none


@pytest.fixture(scope="module")
def done(folder: Path) -> Path:
    """The results of the tiny configuration, run from nothing."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    result = snakemake(folder, "iss", "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stderr + "".join(
        f"{log}:\n{log.read_text()}" for log in folder.glob("results/smoke-tiny/logs/**/*.log")
    )
    return folder / "results/smoke-tiny"


@pytest.mark.slow
def test_a_run_leaves_every_table_figure_and_the_report(done: Path) -> None:
    for n in range(1, 6):
        for suffix in ("csv", "md", "tex"):
            assert (done / f"tables/iss_table{n}.{suffix}").stat().st_size > 100
    for name in ("iss_fig1", "iss_fig3", "iss_fig4", "iss_fig5", "iss_fig6", "iss_fig6_lower"):
        for suffix in ("pdf", "png"):
            assert (done / f"figures/{name}.{suffix}").stat().st_size > 5000
    html = (done / "reports/iss.html").read_text()
    assert html.count("data:image/png") >= 7
    assert names.budget("iss-fresh_ad0.05-4000") in html
    assert "import csv" not in html


@pytest.mark.slow
def test_a_run_for_one_budget_draws_what_the_budget_reads_and_no_more(done: Path) -> None:
    cell = "digits/tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed"
    whole = VoteStore.read(done / f"votes/{cell}/votes.npz")
    assert (whole.samples() == 4000).all()
    slug = "sequential_decide0.25-4000"
    own = VoteStore.read(done / f"live/votes/{cell}/{slug}/votes.npz")
    live = read_certificates(done / f"live/certificates/{cell}/{slug}.tsv")
    shared = read_certificates(done / f"certificates/{cell}/{slug}.tsv")
    assert own.samples().sum() < whole.samples().sum()
    assert (live.columns["samples"] == own.samples() + own.n0).all()
    # The same streams: stopping early changes no certificate.
    for column in ("predict", "radius", "count", "n", "samples"):
        assert (live.columns[column] == shared.columns[column]).all(), column
    assert (live.columns["time"] > 0).all()


@pytest.mark.slow
def test_the_tables_tell_own_votes_from_shared_ones(done: Path) -> None:
    with (done / "tables/iss_table1.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert sorted((r["budget"], r["votes"]) for r in rows) == [
        ("fixed-1000", "shared"), ("fixed-4000", "own"), ("iss-fresh_ad0.05-4000", "own"),
        ("iss-fresh_ad0.05-4000", "shared"), ("iss_ad0.05-4000", "shared"),
    ]  # fmt: skip
    for row in rows:
        assert float(row["time"]) > 0
        assert row["acr_paper"] == row["samples_paper"] == ""
    assert "Different data" in (done / "tables/iss_table1.md").read_text()
    numbers = read_numbers([done / "numbers/iss_coverage.csv"])
    worst = wide(numbers[(numbers.part == WORST) & (numbers.classes == "elected")])
    worst = worst.groupby("reading").worst.max()
    assert worst["fresh"] <= 1 < worst["maximum"]
    assert np.isfinite(worst).all()


@pytest.mark.slow
def test_nothing_is_done_twice(done: Path) -> None:
    result: subprocess.CompletedProcess[str] = snakemake(
        done.parent.parent, "iss", "--dry-run", "--configfile", "tiny.yaml"
    )
    assert "Nothing to be done" in result.stdout + result.stderr
