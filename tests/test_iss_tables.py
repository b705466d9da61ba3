"""The tables and figures of ISS: closed-form ones agree with the paper's text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smoothcert.budget import BUDGETS
from smoothcert.budget.psi import Decline, Mapping, psi
from smoothcert.certificates import make_table
from smoothcert.certificates.runs import Run
from smoothcert.noise import Gaussian
from smoothcert.papers.iss import figures
from smoothcert.papers.iss.tables import iss, mapping_times, method_name, paper_row, samples_of
from smoothcert.report.style import save
from smoothcert.report.table import Options


def test_figure_3_has_the_sample_sizes_of_the_text() -> None:
    """35,000 and 65,000 samples, IAS 50,000; declines 0.0042 and 0.0075."""
    sizes = [
        int(psi(p, Decline(ad=0.0042), Gaussian(1.0), 0.5, 1, kbar=100_000)) for p in (0.51, 0.99)
    ]
    assert sizes == pytest.approx([35_000, 65_000], rel=0.02)
    assert sum(sizes) / 2 == pytest.approx(50_000, rel=0.02)
    at = figures.radius_at(0.99, np.array([100_000.0, 50_000.0]), 0.5)
    assert at[0] - at[1] == pytest.approx(0.0075, abs=5e-5)


def test_figure_4_crosses_near_0_994_and_not_at_0_94() -> None:
    """ISS (100,000, U 0.05) is ahead of IAS (30,000) from there on; the text says 0.94."""
    mapping = Mapping(Decline(ad=0.05), 100_000, 0.001)

    def ahead(p: float) -> float:
        fixed = figures.fixed_radius(p, 30_000, 0.5)
        return figures.expected_radius(p, mapping, 1000, 0.5) - fixed

    assert ahead(0.94) == pytest.approx(-0.035, abs=0.003)
    assert ahead(0.993) < 0 < ahead(0.996)


def run(budget: str, n: int, radius: list[float], **named: str) -> Run:
    table = make_table(
        idx=np.arange(3), label=[0, 1, 2], predict=[0, 1, -1], radius=radius, n=n, n0=1000,
        alpha=0.001, norm="l2",
    )  # fmt: skip
    axes = {"dataset": "imagenet", "arch": "resnet50", "training": "consistency-fs-1.00",
            "noise": "gaussian-1.00", "scaling": "fixed"}  # fmt: skip
    return Run(Path("x.tsv"), table, {}, **{**axes, **named}, budget=budget)


def test_the_paper_stands_beside_its_own_model_only() -> None:
    ours = run("iss_ad0.05-100000", 26_000, [1.0, 2.0, 0.0])
    row = paper_row(ours)
    assert row is not None
    cell = row.metric("avg_samples")
    assert cell is not None
    assert cell.value == 25_987
    assert paper_row(run("iss_ad0.05-100000", 26_000, [1.0, 2.0, 0.0], dataset="digits")) is None
    assert paper_row(run("iss-fresh_ad0.05-100000", 26_000, [1.0, 2.0, 0.0])) is None
    assert method_name(BUDGETS.parse("fixed-26000")) == "IAS-2.6"


def test_the_table_counts_all_samples_and_measures_the_decline() -> None:
    runs = [
        run("fixed-100000", 100_000, [1.05, 2.0, 0.0]),
        run("iss_ad0.05-100000", 26_000, [1.0, 2.0, 0.0]),
        run("iss-fresh_ad0.05-100000", 26_000, [1.0, 1.96, 0.0]),
    ]
    assert [int(samples_of(r)[0]) for r in runs] == [101_000, 26_000, 27_000]
    table = iss(runs, Options(radii=[0, 1.0]))
    declines = [row["mad"].text for row in table.rows]
    assert declines == ["0.000", "0.050", "0.050"]
    assert table.rows[2]["samples"].paper == "25987"


def test_the_mapping_is_timed_beside_the_paper() -> None:
    table = mapping_times(kbar=2000, repeats=1)
    assert [row["rd"].paper for row in table.rows] == ["39.47", "13.52", "7.50"]


def test_closed_form_figures_are_drawn(tmp_path: Path) -> None:
    for name, figure in (("3", figures.equal_decline()), ("6", figures.sizes())):
        paths = save(figure, tmp_path / name)
        assert all(path.stat().st_size > 5000 for path in paths)
