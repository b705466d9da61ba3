"""The workflow itself: it runs to its end, and redoes exactly what depends on a change."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import copy_workflow

from smoothcert.papers.cohen.outputs import SECTION as COHEN

pytestmark = pytest.mark.xdist_group("workflow")

TINY = {
    "experiments": {
        "cohen": [
            {
                "dataset": "digits",
                "arch": "tiny_cnn",
                "training": "cohen-fs-0.25",
                "noise": "gaussian-0.25",
                "scaling": "fixed",
                "budget": "fixed-1000",
            }
        ]
    },
    "recipes": {"cohen": {"digits": {"epochs": 2}}},
    "inputs": {"digits": {"max": 20, "shards": 2}},
    "sampling": {"look": 500},
}
CELL = "digits/tiny_cnn/cohen-fs-0.25/gaussian-0.25/fixed"
REPORTS = {"cohen_table", "cohen_figure", "cohen_report"}


def snakemake(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake as a user would, with one thread a process."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env={**inherited, "XDG_CACHE_HOME": str(folder / ".cache"), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def plan(folder: Path, *arguments: str, target: str = "cohen") -> dict[str, int]:
    """How many jobs of each rule a dry run would do."""
    result = snakemake(folder, *arguments, "--dry-run", "--quiet", "rules", "--", target)
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    table = re.search(r"^Job stats:\n.*\n[- ]+\n((?:\w+ +\d+\n)+)", text, re.M)
    if table is None:
        assert "Nothing to be done" in text, text
        return {}
    counts = {name: int(n) for name, n in (line.split() for line in table[1].splitlines())}
    return {name: n for name, n in counts.items() if name not in ("total", "all", "cohen")}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workflow in which the tiny configuration has run to its end."""
    folder = copy_workflow(tmp_path_factory.mktemp("workflow"))
    write(folder, TINY)
    result = snakemake(folder, "cohen", "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stderr + "".join(
        f"{log}:\n{log.read_text()}" for log in folder.glob("results/smoke-tiny/logs/**/*.log")
    )
    return folder


def write(folder: Path, config: dict) -> None:
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def replan(done: Path):
    """Plan with one change to the configuration or to one file; undone afterwards."""
    edited: list[tuple[Path, bytes]] = []

    def with_change(config: dict | None = None, file: str = "", old: str = "", new: str = ""):
        if config is not None:
            write(done, {**TINY, **config})
        if file:
            path = done / "src/smoothcert" / file
            edited.append((path, path.read_bytes()))
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new, 1))
        return plan(done, "--configfile", "tiny.yaml")

    yield with_change
    write(done, TINY)
    for path, content in edited:
        path.write_bytes(content)


def test_every_promised_file_is_there(done: Path) -> None:
    results = done / "results/smoke-tiny"
    for name in (
        "data/digits.json",
        "models/digits/tiny_cnn/cohen-fs-0.25/model.safetensors",
        f"votes/{CELL}/votes.npz",
        f"certificates/{CELL}/fixed-1000.tsv",
        f"certificates/{CELL}/fixed-1000.json",
        "tables/cohen_table.csv",
        "tables/cohen_table.md",
        "tables/cohen_table.tex",
        "tables/cohen_table.html",
        "numbers/cohen_table.csv",
        "numbers/cohen_figure.csv",
        "figures/cohen_figure.pdf",
        "figures/cohen_figure.png",
        "reports/cohen.html",
    ):
        assert (results / name).stat().st_size > 0, name
    assert not list(results.glob("votes/**/shards/*.npz"))
    rows = (results / f"certificates/{CELL}/fixed-1000.tsv").read_text().splitlines()
    assert rows[0].split("\t")[:6] == ["idx", "label", "predict", "radius", "correct", "time"]
    assert len(rows) == 1 + 20


def test_the_report_shows_the_table_and_no_code(done: Path) -> None:
    html = (done / "results/smoke-tiny/reports/cohen.html").read_text()
    assert "Cohen" in html
    assert "data:image/png" in html
    assert "import json" not in html


def test_a_second_run_has_nothing_to_do(done: Path) -> None:
    assert plan(done, "--configfile", "tiny.yaml") == {}


def test_another_learning_rate_redoes_all_but_the_data(replan) -> None:
    recipe = {"cohen": {"digits": {"epochs": 2, "lr": 0.01}}}
    assert replan({"recipes": recipe}).keys() == {
        "train", "sample", "gather", "certify", *REPORTS,
    }  # fmt: skip


def test_another_selection_of_inputs_does_not_train_again(replan) -> None:
    jobs = replan({"inputs": {"digits": {"max": 10, "shards": 2}}})
    assert jobs == {"sample": 2, "gather": 1, "certify": 1} | dict.fromkeys(REPORTS, 1)


def test_a_smaller_budget_beside_the_first_reads_the_same_votes(replan) -> None:
    grid = {**TINY["experiments"]["cohen"][0], "budget": ["fixed-1000", "fixed-500"]}
    assert replan({"experiments": {"cohen": [grid]}}) == {"certify": 1} | dict.fromkeys(REPORTS, 1)


def test_snakemakes_report_shows_table_and_figure_with_a_caption(done: Path) -> None:
    made = snakemake(done, "cohen", "--report", "report.zip", "--configfile", "tiny.yaml")
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(done / "report.zip") as archive:
        shown = {Path(name).name for name in archive.namelist()}
        html = archive.read("report/report.html").decode()
    assert {"cohen_table.html", "cohen_figure.png", "cohen.html"} <= shown
    assert html.count(COHEN.claim[:40]) >= len(REPORTS)
    assert "results/smoke-tiny/numbers/cohen_table.csv" in html
    assert "Certified robustness by" in html


def test_other_radii_redo_the_table_and_the_report(replan) -> None:
    jobs = replan({"outputs": {"cohen_table": {"radii": [0, 0.1]}}})
    assert jobs == {"cohen_table": 1, "cohen_report": 1}


def test_resources_redo_nothing(replan) -> None:
    assert replan({"resources": {"train": {"mem_mb": 1, "threads": 2}}}) == {}


def test_a_changed_bound_is_certified_anew_from_the_same_votes(replan) -> None:
    jobs = replan(None, "core/confidence.py", "np.where(k > 0, bound, 0.0)", "bound")
    assert jobs == {"certify": 1} | dict.fromkeys(REPORTS, 1)


def test_a_changed_training_method_trains_again(replan) -> None:
    jobs = replan(None, "training/cohen.py", "cross_entropy(", "cross_entropy(1.0 * ")
    assert jobs.keys() == {"train", "sample", "gather", "certify", *REPORTS}


def test_a_changed_figure_redoes_the_figure_and_the_report(replan) -> None:
    jobs = replan(None, "papers/cohen/figure.py", "ncols=2", "ncols=3")
    assert jobs == {"cohen_figure": 1, "cohen_report": 1}


def test_a_comment_or_a_noise_that_is_not_used_redoes_nothing(replan) -> None:
    replan(None, "training/cohen.py", "cross_entropy(", "cross_entropy(  # a comment\n")
    assert replan(None, "noise/laplace.py", "np.maximum(", "np.minimum(") == {}


def test_a_copy_of_the_folder_redoes_nothing(done: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(done, tmp_path / "copy", copy_function=shutil.copy)  # with new times
    assert plan(copy, "--configfile", "tiny.yaml") == {}


def test_one_target_runs_only_what_it_needs(tmp_path: Path) -> None:
    folder = copy_workflow(tmp_path)
    jobs = plan(folder, target="cohen_table")
    assert jobs == {
        "data": 1, "train": 2, "sample": 2, "gather": 2, "certify": 2, "cohen_table": 1,
    }  # fmt: skip


def test_preset_cifar_uses_the_available_data_set_and_says_so(tmp_path: Path) -> None:
    folder, data = copy_workflow(tmp_path / "there"), tmp_path / "data"
    data.mkdir()

    def planned() -> tuple[str, str]:
        arguments = ("cohen_table", "--summary", "--config", "preset=cifar")
        result = snakemake(folder, *arguments, SMOOTHCERT_DATA=str(data))
        assert result.returncode == 0, result.stderr
        models = re.findall(r"models/([a-z0-9-]+)/small_resnet/", result.stdout)
        return "".join({*models}), result.stderr

    name, said = planned()
    assert name == "cifar10"
    assert re.search(
        "^cifar10 not found in .*: the first job downloads it.* put cifar10-jpeg.npz", said, re.M
    )
    (data / "cifar10-jpeg.npz").touch()
    name, said = planned()
    assert name == "cifar10-jpeg"
    assert re.search("^cifar10 not found in .*: using cifar10-jpeg, under its own name", said, re.M)
    (data / "cifar-10-python.tar.gz").touch()
    name, said = planned()
    assert name == "cifar10"
    assert "not found" not in said


def test_every_preset_is_planned_without_any_data(tmp_path: Path) -> None:
    folder = copy_workflow(tmp_path)
    assert plan(folder, "--config", "preset=laptop")["train"] == 2
    jobs = plan(folder, "--profile", "slurm", "--config", "preset=paper")
    assert (jobs["data"], jobs["train"], jobs["certify"]) == (2, 7, 7)
    assert jobs["sample"] == 4 * 2 + 3 * 10
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preset=huge"], "configuration: preset: expected one of cifar, laptop, paper, smoke"),
        (["sede=1"], "configuration: sede: unknown key"),
    ],
)
def test_a_wrong_configuration_ends_at_once(done: Path, arguments: list[str], message: str) -> None:
    result = snakemake(done, "--dry-run", "--config", *arguments)
    assert result.returncode != 0
    assert message in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
