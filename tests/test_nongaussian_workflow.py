"""Every table and figure of Zhang et al. is a target; radius tables are made once and read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import copy_workflow
from test_iss_workflow import planned
from test_workflow import snakemake

from smoothcert.certificates import read_certificates
from smoothcert.compute.streams import generator
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.workflow import experiments

pytestmark = pytest.mark.xdist_group("workflow")

TABLES = ("table1", "table2", "table3", "gain", "training")
FIGURES = ("fig1", "fig2", "fig3", "fig4", "ablation")
TARGETS = tuple(f"nongaussian_{name}" for name in (*TABLES, *FIGURES, "report"))

GRID = {
    "dataset": "digits", "arch": "tiny_cnn", "training": "cohen-fs-0.50",
    "scaling": "fixed", "budget": "fixed-1000",
}  # fmt: skip
LINF = [GRID | {"noise": ["gaussian-linf-0.50", "mixed-linf_k2-0.25", "mixed-linf_k2-0.50"]}]
OWN = "centripetal-l2_k48-1.00"
TINY = {
    "experiments": {
        "nongaussian_l1": [
            GRID
            | {
                "training": "cohen-fs-laplace-0.25",
                "noise": ["laplace-0.25", "centripetal-l1_k32-0.4962"],
            }
        ],
        "nongaussian_l2": [GRID | {"noise": ["gaussian-0.50", OWN]}],
        "nongaussian_linf": LINF,
        "nongaussian_fig4": LINF,
        "nongaussian_training": [
            GRID | {"training": ["cohen-fs-0.50", f"cohen-fs-{OWN}"], "noise": OWN}
        ],
    },
    "recipes": {"cohen": {"digits": {"epochs": 4}}},
    "inputs": {"digits": {"max": 12, "shards": 1}},
    "sampling": {"look": 500},
    "nongaussian": {
        "ablation": {"d": [10, 20], "shares": [0, 0.5], "p": [0.99], "numbers": 100_000},
        "toy": {"attacks": [0.1], "accuracies": [0.6, 0.9], "k": [0, 2]},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_workflow(tmp_path_factory.mktemp("nongaussian"))


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_each_target_is_planned_at_every_preset_without_any_data(folder: Path, preset: str) -> None:
    jobs = planned(folder, "nongaussian", "--config", f"preset={preset}")
    assert all(jobs[target] == 1 for target in TARGETS)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    overlay = yaml.safe_load((folder / f"config/{preset}.yaml").read_text())
    sections = {**config["experiments"], **(overlay.get("experiments") or {})}
    names = ("l1", "l2", "linf", "fig4", "training")
    runs = experiments.expand([g for name in names for g in sections[f"nongaussian_{name}"]])
    # A radius table serves every model, input and scale; Gaussian votes serve l2 and linf.
    tables = {(r["dataset"], s) for r in runs if (s := experiments.tabulated(r["noise"]))}
    assert jobs["radius_table"] == len(tables)
    stores = {(*list(r.values())[:3], experiments.drawn_as(r["noise"])) for r in runs}
    assert jobs["gather"] == len(stores)


def test_the_slugs_of_the_workflow_say_what_the_noises_say() -> None:
    shapes = ("gaussian", "laplace", "uniform", "gaussian-linf", "centripetal-l1_k3")
    shapes += ("centripetal-l2", "centripetal-l2_k3", "centripetal-linf", "mixed-linf")
    shapes += ("centripetal-l1", "centripetal-linf_k2", "mixed-linf_k1")
    noises = [NOISES.parse(f"{shape}-0.50") for shape in shapes]
    for noise in noises:
        table = isinstance(noise, Centripetal) and (noise.k > 0 or noise.name == "centripetal-linf")
        assert experiments.tabulated(noise.slug) == (noise.shape_slug if table else None)
        assert experiments.drawn_as(noise.slug) == noise.drawn_as.slug
        x = noise.sample((3, 1, 4, 4), generator(0, "test"))
        assert torch.equal(x, noise.drawn_as.sample((3, 1, 4, 4), generator(0, "test")))
    others = [noise.slug for noise in noises if noise.drawn_as != noise]
    assert others == ["gaussian-linf-0.50"]
    assert experiments.drawn_as(*others) == "gaussian-0.50"


@pytest.fixture(scope="module")
def done(folder: Path) -> Path:
    """The results of the tiny configuration, run from nothing."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    result = snakemake(folder, "nongaussian", "--cores", "2", "--configfile", "tiny.yaml")
    assert result.returncode == 0, result.stderr + "".join(
        f"{log}:\n{log.read_text()}" for log in folder.glob("results/smoke-tiny/logs/**/*.log")
    )
    return folder / "results/smoke-tiny"


@pytest.mark.slow
def test_a_run_leaves_every_table_figure_and_the_report(done: Path) -> None:
    for name in TABLES:
        for suffix in ("csv", "md", "tex"):
            assert (done / f"tables/nongaussian_{name}.{suffix}").stat().st_size > 100
    for name in FIGURES:
        for suffix in ("pdf", "png"):
            assert (done / f"figures/nongaussian_{name}.{suffix}").stat().st_size > 5000
    html = (done / "reports/nongaussian.html").read_text()
    assert html.count('src="data:image/png') == len(FIGURES)
    for text in ("Zhang et al.: mixed-norm", "monte-carlo", "quadrature", "different data"):
        assert text in html
    assert "import json" not in html
    with (done / "tables/nongaussian_gain.csv").open() as handle:
        gains = {row["noise"]: row for row in csv.DictReader(handle)}
    assert len(gains) == 4
    parts = [float(gains[OWN][key]) for key in ("certificate", "p_a", "size")]
    assert float(gains[OWN]["total"]) == pytest.approx(sum(parts), abs=1e-9)


@pytest.mark.slow
def test_certificates_rest_on_the_table_and_the_votes_that_their_records_name(done: Path) -> None:
    cell = done / "certificates/digits/tiny_cnn/cohen-fs-0.50"
    record = json.loads((cell / f"{OWN}/fixed/fixed-1000.json").read_text())
    assert record["radius_table"]["noise"] == "centripetal-l2_k48"
    made = read_certificates(cell / f"{OWN}/fixed/fixed-1000.tsv")
    noise = NOISES.parse(OWN)
    assert np.array_equal(made.radius, noise.radius(made.columns["p_lower"], 1.0, 64))
    linf, l2 = (
        read_certificates(cell / f"{name}-0.50/fixed/fixed-1000.tsv")
        for name in ("gaussian-linf", "gaussian")
    )
    assert np.array_equal(linf.columns["count"], l2.columns["count"])
    assert np.allclose(linf.radius, l2.radius / 8, rtol=1e-12)
    record = json.loads((cell / "gaussian-linf-0.50/fixed/fixed-1000.json").read_text())
    assert (record["noise"], record["drawn_as"]) == ("gaussian-linf-0.50", "gaussian-0.50")
    assert not (done / "votes/digits/tiny_cnn/cohen-fs-0.50/gaussian-linf-0.50").exists()
    mixed = json.loads((cell / "mixed-linf_k2-0.25/fixed/fixed-1000.json").read_text())
    assert mixed["radius_table"]["failure_probability"] == 1e-6
    assert len(list(done.glob("radius-tables/mixed-linf_k2/*.json"))) == 1


@pytest.mark.slow
def test_a_change_of_a_shape_makes_its_table_again_and_no_other(done: Path) -> None:
    folder = done.parents[1]
    path = folder / "src/smoothcert/noise/mixed_table.py"
    before = path.read_text()
    path.write_text(before.replace("_CHUNK = 20_000", "_CHUNK = 10_000"))
    try:
        jobs = planned(folder, "nongaussian", "--configfile", "tiny.yaml")
    finally:
        path.write_text(before)
    assert jobs["radius_table"] == 1
    assert jobs["certify"] == 2  # Laplace and Gaussian certificates are not touched
