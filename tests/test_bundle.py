"""From a shipped bundle the shipped tables come again to the bit, and nothing else ever runs."""

import ast
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_config import preset

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.ledger import ledger
from smoothcert.workflow import bundle, stand_ins
from smoothcert.workflow.catalogue import outputs
from smoothcert.workflow.fingerprint import Source

pytestmark = pytest.mark.xdist_group("workflow")

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs" / "results"
SHIPPED = sorted(DOCS.glob(f"*/{bundle.ARCHIVE}"))
NAME = "smoke-shipped"
TABLES = ("cohen_table", "iss_table4", "lbrs_claims", "nongaussian_table2")


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The workflow of this checkout on the results in ``folder``, without any data set."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    chosen = ["--cores", "2", "--config", "preset=smoke", f"name={NAME}", "--", *arguments]
    places = ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder)]
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *places, *chosen],
        cwd=REPOSITORY,
        env={**inherited, "XDG_CACHE_HOME": str(folder), "SMOOTHCERT_DATA": str(folder / "none")},
        capture_output=True,
        text=True,
        timeout=600,
    )


def unpacked(shipped: Path, folder: Path) -> Path:
    assert main(["unpack", str(shipped), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return unpacked(DOCS / "smoke" / bundle.ARCHIVE, tmp_path / "results" / NAME)


def rows(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return [tuple(row) for row in csv.reader(handle)]


def test_the_shipped_tables_and_claims_come_again_to_the_bit(results: Path) -> None:
    done = snakemake(results.parents[1], *TABLES)
    assert done.returncode == 0, done.stderr
    docs = DOCS / "smoke" / "tables"
    for name in TABLES:
        for ending in ("csv", "md"):
            file = f"{name}.{ending}"
            assert (results / "tables" / file).read_bytes() == (docs / file).read_bytes(), file
    shown = {f"tables/{name}.csv" for name in TABLES}
    shipped = {row for row in rows(docs / "claims.csv") if shown & set(row)}
    judged = {row.fields for row in ledger(results)}
    assert len(shipped) > 5
    assert shipped <= judged


def test_what_is_missing_is_one_line_and_nothing_is_sampled_or_trained(results: Path) -> None:
    lost = next(results.glob("votes/**/votes.npz"))
    lost.unlink()
    done = snakemake(results.parents[1])
    assert done.returncode != 0
    assert f"{lost.relative_to(results.parents[1])}: missing; expected every file" in done.stderr
    assert not (results / "logs").exists()


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.parent.name)
def test_a_shipped_bundle_is_of_todays_configuration(shipped: Path, tmp_path: Path) -> None:
    folder = unpacked(shipped, tmp_path / "results")
    config = stand_ins.available(preset(shipped.parent.name), bundle.datasets(folder))
    assert bundle.opened(folder, config)
    assert "cifar10_resnet110_cohen2019_train1.00_sigma1.00" in config["published"]


def test_an_output_says_when_it_reads_more_than_results() -> None:
    outside = ("datasets.load", "published.fetch", "time.process_time")
    source, reading = Source(REPOSITORY / "src"), {}
    for path in (REPOSITORY / "src/smoothcert/papers").rglob("*.py"):
        module = ".".join(path.relative_to(REPOSITORY / "src").with_suffix("").parts)
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            calls = (call for call in ast.walk(function) if isinstance(call, ast.Call))
            if isinstance(function, ast.FunctionDef) and any(
                ast.unparse(call.func) in outside for call in calls
            ):
                reading.setdefault(module, set()).add(function.name)
    assert reading
    for output in outputs():
        names = source.reach([output.make]).names()
        reads = any(reading.get(module, set()) & found for module, found in names.items())
        assert output.outside == reads, output.name


def test_another_configuration_is_refused_with_its_key(results: Path) -> None:
    config = preset("smoke")
    config["recipes"]["cohen"]["digits"]["epochs"] = 31
    with pytest.raises(
        SmoothcertError, match=r"model\.log\.csv: recipe\.epochs: expected 30, .* found 31"
    ):
        bundle.opened(results, config)
    config = preset("smoke")
    config["experiments"]["cohen"][0]["budget"] = "fixed-20000"
    with pytest.raises(SmoothcertError, match=r"budget: expected 'fixed-10000', .*'fixed-20000'"):
        bundle.opened(results, config)
    config = preset("smoke")
    config["experiments"]["cohen"][0]["noise"] = "gaussian-0.30"
    with pytest.raises(SmoothcertError, match=r"asks for votes/digits/.*gaussian-0\.30"):
        bundle.opened(results, config)
    config = preset("smoke")
    config["outputs"] = {}  # how a table is shown is free
    assert bundle.opened(results, config)


def test_a_bundle_says_which_data_set_stands_in_for_another() -> None:
    grids = {"stand_ins": {"cifar10": "cifar10-jpeg"}, "experiments": [{"dataset": "cifar10"}]}
    for held in ("cifar10", "cifar10-jpeg"):  # whatever the data directory has
        assert stand_ins.available(grids, [held])["experiments"] == [{"dataset": held}]


def test_a_run_that_left_no_configuration_is_not_shipped(tmp_path: Path, capsys) -> None:
    (tmp_path / "smoke").mkdir()
    assert main(["ship", str(tmp_path / "smoke"), "--out", str(tmp_path / "docs")]) == 2
    assert "configuration.json: missing; snakemake writes it" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()
