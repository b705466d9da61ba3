"""Seeds of training: which training a slug with a seed is, and the comparisons seed by seed."""

from __future__ import annotations

import numpy as np
import pytest
from test_config import preset
from test_ddrs_tables import certificate

from smoothcert.certificates.runs import read_run
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.ddrs.figure_seeds import draw, measure
from smoothcert.papers.ddrs.options import SeedOptions
from smoothcert.papers.ddrs.seeds import seeds, verdict
from smoothcert.report import names
from smoothcert.report.output import Files
from smoothcert.workflow import experiments, needs
from smoothcert.workflow.catalogue import find
from smoothcert.workflow.configuration import check


def cell(training):
    return {"dataset": "digits", "arch": "tiny_cnn", "training": training}


def test_a_seed_in_a_slug_changes_the_seed_of_that_training_and_nothing_else():
    config = preset("smoke")
    for training in ("cohen-fs-0.25", "macer-ds2-0.25", "cohen-fs_ft-0.25"):
        head, _, scale = training.rpartition("-")
        plain = experiments.settings(config, "train", cell(training))
        other = experiments.settings(config, "train", cell(f"{head}_seed1-{scale}"))
        assert plain["seed"] == config["seed"] == 0
        assert other == {**plain, "seed": 1}


def test_what_is_fine_tuned_starts_from_the_parent_of_its_own_seed():
    config = preset("smoke")
    assert experiments.parent(config, cell("cohen-ds2_seed2-0.25")) == ("cohen-fs_seed2-0.25", 8)
    assert experiments.parent(config, cell("cohen-fs_ft_seed2-0.25")) == ("cohen-fs_seed2-0.25", 8)
    assert experiments.parent(config, cell("cohen-fs_seed2-0.25")) is None
    # a published checkpoint is of one seed
    imagenet = {**cell("cohen-ds2_seed2-0.25"), "dataset": "imagenet", "arch": "resnet50"}
    assert experiments.parent(preset("paper"), imagenet) == ("cohen-fs-0.25", "published")


def test_people_read_the_seed():
    assert names.training("cohen-fs_seed1-0.25") == "Cohen (seed 1), σ = 0.25"
    assert names.training("macer-ds2_n1_seed2-0.25") == "MACER-DS2 (n = 1) (seed 2), σ = 0.25"


def test_seeds_that_would_be_taken_for_one_another_are_refused():
    config = preset("smoke")
    grid = config["experiments"]["ddrs_seeds"][0]
    config["seed"] = 101
    with pytest.raises(SmoothcertError, match=r"ddrs_seeds.*101 is the seed of the whole run"):
        check(config)
    config["seed"] = 0
    config["experiments"]["ddrs_grid"] = [grid]
    with pytest.raises(SmoothcertError, match=r"ddrs_grid.training.*do not distinguish seeds"):
        check(config)


def test_a_preset_without_seeds_makes_no_comparison_of_them():
    config, output = preset("laptop"), find("ddrs_seeds", "table")
    assert not needs.available(config, output)
    assert output not in needs.left_out(config)  # it lacks no published certificates
    with pytest.raises(SmoothcertError, match=r"experiments\.ddrs_seeds: no runs"):
        needs.files(config, output)
    assert needs.available(preset("smoke"), output)


def runs(root, methods=("cohen", "smoothadv"), scalings=("fixed",), seed_of=lambda k: k):
    """Certificates of three seeds; a method's radii differ by a step that depends on the seed."""
    paths = []
    for k in range(3):
        for i, method in enumerate(methods):
            for j, scaling in enumerate(scalings):
                variant = f"_seed{k}" if k else ""
                margin = np.linspace(0.2, 1.2, 60) + 0.1 * i * (k - 1) + 0.2 * j * (k + 1)
                record = {"votes": {"model": {"seed": seed_of(k)}}}
                paths.append(
                    certificate(root, f"{method}-fs{variant}-0.25", "gaussian-0.25", scaling,
                                margin=margin, record=record)
                )  # fmt: skip
    return paths


def by_row(paths, **options):
    table = seeds(Files.parse(paths), SeedOptions(**options))
    return {(row["comparison"], row["measure"]): row for row in table.rows}


def test_the_spread_between_seeds_stands_beside_that_of_the_inputs(tmp_path):
    paths = runs(tmp_path)
    rows = by_row(paths, radius=0.2)
    row = rows["SmoothAdv minus Cohen", "ACR"]
    radii = [np.where(read_run(p).table.correct == 1, read_run(p).table.radius, 0) for p in paths]
    gaps = [(radii[2 * k + 1] - radii[2 * k]).mean() for k in range(3)]
    assert [row[f"seed_{k}"].value for k in range(3)] == pytest.approx(gaps)
    assert row["mean_inputs"].value == row["mean_seeds"].value == pytest.approx(np.mean(gaps))
    assert row["spread"].value == pytest.approx(np.std(gaps, ddof=1))
    # Student's t of two degrees of freedom: 4.303
    half = 4.303 * np.std(gaps, ddof=1) / np.sqrt(3)
    assert row["mean_seeds"].high - row["mean_seeds"].value == pytest.approx(half, rel=1e-3)
    assert row["mean_inputs"].high < row["mean_seeds"].high  # here the seed decides
    assert row["verdict"] == "sign differs"
    points = rows["SmoothAdv minus Cohen", "% at 0.20"]
    reached = [100 * (r >= 0.2).mean() for r in radii]
    assert points["seed_2"].value == pytest.approx(reached[5] - reached[4])


def test_the_scale_of_all_inputs_is_told_from_what_is_beyond_it(tmp_path):
    paths = runs(tmp_path, ["cohen"], ["fixed", "ascent-mean-K900", "ascent-K900"])
    rows = by_row(paths)
    assert [row["kind"] for (_, of), row in rows.items() if of == "ACR"] == [
        "DS", "shift", "beyond the shift",
    ]  # fmt: skip
    assert {row["verdict"] for (_, of), row in rows.items() if of == "ACR"} == {"above"}
    of_all = [rows[c, "ACR"]["mean_seeds"].value for c, of in rows if of == "ACR"]
    assert of_all[0] == pytest.approx(of_all[1] + of_all[2])
    figure = draw(measure(Files.parse(paths), SeedOptions()))
    first, *_ = figure.axes[0].get_yticklabels()
    assert first.get_text() == "Cohen-DS minus Cohen"


def test_one_seed_is_no_comparison_and_an_unknown_one_is_named(tmp_path):
    with pytest.raises(SmoothcertError, match="two or more training seeds"):
        by_row(runs(tmp_path / "one", seed_of=lambda k: 0))
    with pytest.raises(SmoothcertError, match="does not state the training seed"):
        by_row(runs(tmp_path / "none", seed_of=lambda k: None))


def test_a_difference_of_0_has_no_sign():
    assert [verdict(v) for v in ([1, 2], [-1, -2], [1, 0], [1, -1])] == [
        "above", "below", "sign differs", "sign differs",
    ]  # fmt: skip
