"""Audits are targets at every preset, of certificates that are made anyway, and a break of a
variant that is called sound fails its target and leaves the verdict.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, copy_workflow
from test_iss_workflow import planned
from test_workflow import snakemake

from smoothcert.report.verdict import BROKEN, read_verdicts
from smoothcert.workflow import experiments

pytestmark = pytest.mark.xdist_group("workflow")

TARGETS = (
    "audit_memory_soundness", "audit_falsification", "audit_coverage", "audit_honesty",
    "audit_numerics", "audit_radii", "audits",
)  # fmt: skip
PRESETS = ("smoke", "laptop", "cifar", "paper")
NOTEBOOK = REPOSITORY / "notebooks" / "audits.ipynb"


def merged(base: dict, over: dict) -> dict:
    """As Snakemake merges configuration files: mappings key by key."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = (
            merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return out


def configuration(preset: str) -> dict:
    files = [REPOSITORY / "config.yaml", REPOSITORY / "config" / f"{preset}.yaml"]
    base, over = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in files)
    return merged(base, over)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_audited_is_made_by_an_experiment_anyway(preset: str) -> None:
    config = configuration(preset)
    made = list(experiments.all_runs(config))
    audits = config["audits"]
    grids = {f"{kind}.runs": a["runs"] for kind, a in audits.items() if "runs" in a}
    # coverage counts its simulated inputs under the same name
    grids = {key: value for key, value in grids.items() if isinstance(value, list)}
    grids["honesty.together"] = audits["honesty"]["together"]
    grids["falsification.dual"] = audits["falsification"]["dual"]
    assert set(grids) == {
        "memory_soundness.runs", "falsification.runs", "attack_accuracy.runs", "honesty.runs",
        "honesty.together", "numerics.runs", "falsification.dual",
    }  # fmt: skip
    for key, of in grids.items():
        runs = experiments.expand(of)
        assert runs
        assert [run for run in runs if run not in made] == [], key
    tasks = config["lbrs"]["tasks"]
    for task in audits["falsification"]["lbrs"]["tasks"]:
        assert set(audits["falsification"]["lbrs"]["bias"]) <= set(tasks[task]["certify"]["bias"])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_kind_of_certificate_is_attacked(preset: str) -> None:
    runs = experiments.expand(configuration(preset)["audits"]["falsification"]["runs"])
    budgets = {run["budget"].partition("-")[0].partition("_")[0] for run in runs}
    assert {"fixed", "iss", "sequential"} <= budgets
    assert any(run["budget"].startswith("iss-fresh") for run in runs)
    noises = {re.sub(r"-?[0-9.]+$", "", run["noise"]).partition("_")[0] for run in runs}
    assert {"gaussian", "uniform", "laplace", "gaussian-linf", "mixed-linf"} <= noises
    assert {"centripetal-l1", "centripetal-l2"} <= noises
    scaled = {run["noise"].partition("-")[0] for run in runs if run["scaling"] != "fixed"}
    assert scaled == {"gaussian", "uniform"}  # data-dependent scales: DDRS, Yang


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("audits"))


@pytest.mark.parametrize("preset", ["smoke", pytest.param("laptop", marks=pytest.mark.slow),
                                    pytest.param("paper", marks=pytest.mark.slow)])  # fmt: skip
def test_each_target_is_planned_without_any_data(folder: Path, preset: str) -> None:
    jobs = planned(folder, *TARGETS, "--config", f"preset={preset}")
    assert all(jobs[target] == 1 for target in TARGETS)
    for job in ("memory_soundness", "falsification", "attack_accuracy"):
        assert jobs[f"audit_{job}_run"] >= 1
    assert jobs["audit_falsification_lbrs"] == 1


def test_the_notebook_is_committed_without_outputs_and_paths() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    assert not any(re.search(r"[\"'](/|~)", "".join(cell["source"])) for cell in cells)


@pytest.mark.slow
def test_a_break_of_ours_fails_its_target_and_leaves_the_verdict(folder: Path) -> None:
    """A radius formula that is a third too large, planted in a copy of the library."""
    tiny = {"audits": {"radii": {"noises": ["gaussian-1.00"], "n": 5000, "d": 16}}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    source = folder / "src/smoothcert/noise/gaussian.py"
    right = source.read_text(encoding="utf-8")
    wrong = right.replace("np.maximum(ndtri(", "1.33 * np.maximum(ndtri(")
    assert wrong != right
    source.write_text(wrong, encoding="utf-8")
    arguments = ("audit_radii", "--cores", "1", "--configfile", "tiny.yaml")
    results, logs = folder / "results/smoke-tiny/audits", folder / "results/smoke-tiny/logs/audits"
    try:
        failed = snakemake(folder, *arguments)
    finally:
        source.write_text(right, encoding="utf-8")
    assert failed.returncode != 0
    assert not (results / "radii.json").exists()
    (kept,) = read_verdicts(logs / "radii.json").verdicts
    assert kept.ours
    assert kept.verdict == BROKEN
    done = snakemake(folder, *arguments)
    assert done.returncode == 0, done.stderr
    (now,) = read_verdicts(results / "radii.json").verdicts
    assert now.verdict != BROKEN
    # Nothing changed, nothing is done; another effort, or the code of its noise: done again.
    result = snakemake(folder, *arguments, "--dry-run")
    assert "Nothing to be done" in result.stdout + result.stderr
    tiny["audits"]["radii"]["n"] = 6000
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    assert planned(folder, *arguments)["audit_radii_run"] == 1
    tiny["audits"]["radii"]["n"] = 5000
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    source.write_text(wrong, encoding="utf-8")
    try:
        assert planned(folder, *arguments)["audit_radii_run"] == 1
    finally:
        source.write_text(right, encoding="utf-8")
