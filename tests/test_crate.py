"""A run as an RO-Crate: every file is in it and described, with what made it and from what."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY
from reporting import certificates

from smoothcert.cli import main

VALIDATOR = shutil.which("rocrate-validator")
DIGEST = "9cb1c0d5adf560a9520b685430bdba5d5d605923c9f64fa531beadba6260a653"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates, votes, a table, a data set, what jobs took, and their logs."""
    folder = tmp_path_factory.mktemp("crate") / "results" / "smoke"
    record = {
        "identity": {"dataset": "digits", "seed": 7, "device": "cpu"},
        "surroundings": {
            "python": "3.12.1",
            "packages": {"torch": "2.13.0"},
            "git": {"revision": "0123456789abcdef", "dirty": False},
        },
    }
    paths = certificates(folder, inputs=20, record=record)
    out, numbers = folder / "tables/cohen_table", folder / "numbers/cohen_table.csv"
    assert main(["table", "cohen_table", "--out", str(out), "--numbers", str(numbers), *paths]) == 0
    digits = {
        "name": "digits", "n_classes": 10, "shape": [1, 8, 8],
        "splits": {"test": {"size": 500, "digest": DIGEST, "files": {}}},
    }  # fmt: skip
    for path, text in {
        "data/digits.json": json.dumps(digits),
        "votes/digits/tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed/votes.npz": "votes",
        "benchmarks/sample/one.tsv": "s\tmax_rss\tcpu_time\n12.5000\t100.00\t11.00\n",
        "logs/train/one.log": "not kept",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture(scope="module")
def crate(results: Path) -> Path:
    pytest.importorskip("rocrate", reason="the package rocrate is not installed")
    out = results.parent / "smoke.crate.zip"
    command = ["crate", str(results), "--out", str(out), "--workflow", str(REPOSITORY)]
    assert main([*command, "--made-by", "--config preset=smoke seed=7", "--author", "A. N."]) == 0
    return out


@pytest.fixture(scope="module")
def described(crate: Path) -> dict[str, dict]:
    with zipfile.ZipFile(crate) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_every_file_is_described_as_it_is(crate: Path, described: dict, results: Path) -> None:
    with zipfile.ZipFile(crate) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    del files["ro-crate-metadata.json"]
    for name, content in files.items():
        assert described[name]["sha256"] == hashlib.sha256(content).hexdigest(), name
    listed = {part["@id"] for part in described["./"]["hasPart"]}
    assert listed == set(files)
    kept = {
        f"results/smoke/{path.relative_to(results)}"
        for path in results.rglob("*")
        if path.is_file() and "logs" not in path.parts
    }
    assert kept < set(files)
    assert {"Snakefile", "config.yaml", "config/smoke.yaml", "requirements.lock"} < set(files)


def test_the_run_says_from_what_with_what_and_when(described: dict) -> None:
    run = described["#run"]
    assert run["instrument"] == {"@id": "Snakefile"}
    assert described[run["agent"]["@id"]]["name"] == "A. N."
    objects = {one["@id"] for one in run["object"]}
    assert {"config.yaml", "config/smoke.yaml", "#data-digits"} <= objects
    assert DIGEST in json.dumps([described[one["@id"]] for one in _all(described, "#data-digits")])
    made = {one["@id"] for one in run["result"]}
    assert "results/smoke/tables/cohen_table.csv" in made
    assert not any("logs" in name for name in made)
    assert run["startTime"] < run["endTime"]
    software = {one["@id"]: described[one["@id"]] for one in _needs(described)}
    assert software["pkg:pypi/torch"]["version"] == "2.13.0"
    assert described["Snakefile"]["version"] == "0123456789ab"
    table = described["results/smoke/tables/cohen_table.html"]
    assert table["name"].startswith("Certified accuracy")


def _all(described: dict, own: str) -> list[dict]:
    digests = described[own]["identifier"]
    return digests if isinstance(digests, list) else [digests]


def _needs(described: dict) -> list[dict]:
    return described["Snakefile"]["softwareRequirements"]


@pytest.mark.skipif(
    VALIDATOR is None,
    reason="rocrate-validator is not on PATH (pip install roc-validator, in an environment of its"
    " own: it wants an older rich than Snakemake's report does)",
)
def test_the_crate_is_a_valid_workflow_run_crate(crate: Path) -> None:
    assert VALIDATOR is not None
    done = subprocess.run(
        [VALIDATOR, "-y", "validate", "--no-paging", "--requirement-severity", "REQUIRED",
         "--profile-identifier", "workflow-run-crate-0.5", str(crate)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_missing_is_one_line(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "x.zip"
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    assert main(["crate", str(results), "--out", str(out)]) == 2
    assert "pip install 'smoothcert[crate]'" in capsys.readouterr().err
    monkeypatch.undo()
    pytest.importorskip("rocrate", reason="the package rocrate is not installed")
    assert main(["crate", str(results), "--out", str(out), "--workflow", str(tmp_path)]) == 2
    assert "run this in the checkout" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    workflow = ["--workflow", str(REPOSITORY)]
    assert main(["crate", str(tmp_path / "empty"), "--out", str(out), *workflow]) == 2
    assert "no table or figure" in capsys.readouterr().err
    assert not out.exists()
