"""Figures: curves that are the certified accuracy, the paper's marks, files without dates."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from reporting import certificates

from smoothcert.certificates import make_table, metrics
from smoothcert.certificates.runs import read_runs
from smoothcert.cli import main
from smoothcert.papers.cohen.figure import draw, measure
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.report import curves, pictures
from smoothcert.report.output import Files
from smoothcert.report.style import save

PAPER = {"dataset": "cifar10", "arch": "resnet18", "sigmas": (0.12, 0.25, 0.5), "n": 100_000}


def drawn(paths, **options):
    """The figure of certificate files."""
    return draw(measure(Files.parse(list(map(str, paths))), AccuracyOptions(**options)))


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def at(line, radius):
    """The height at ``radius`` of a curve drawn with steps-pre."""
    x, y = line.get_data()
    return y[np.searchsorted(x, radius, side="left")]


def test_curves_are_the_certified_accuracy(tmp_path):
    paths = certificates(tmp_path)
    runs = read_runs(paths)
    axes = drawn(paths).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    for run in runs:
        line = lines[f"σ = {run.sigma:.2f}"]
        assert line.get_drawstyle() == "steps-pre"
        assert line.get_ydata()[-1] == 0
        own = run.table.radius[run.table.correct == 1]
        for radius in np.random.default_rng(1).uniform(0, own.max(), 50):
            expected = 100 * (own >= radius).sum() / len(run.table)
            assert at(line, radius) == pytest.approx(expected)
    best = lines["envelope: best σ at each radius"]
    for radius in (0.0, 0.2, 0.6):
        expected = metrics.envelope([r.table for r in runs], [radius]).value[0]
        assert at(best, radius) == pytest.approx(100 * expected)


def test_thinned_curves_keep_their_ends_and_never_lie_above():
    rng = np.random.default_rng(0)
    n = 5000
    table = make_table(
        idx=np.arange(n), label=np.ones(n), predict=np.ones(n), radius=rng.exponential(1, n)
    )
    radii = curves.breakpoints([table], most=50)
    assert len(radii) <= 52
    assert radii[0] == 0
    assert radii[-1] == table.radius.max()
    height = metrics.certified_accuracy(table, radii).value
    for r in rng.uniform(0, radii[-1], 100):
        drawn = height[np.searchsorted(radii, r)]
        assert drawn <= metrics.certified_accuracy(table, [r]).value[0]


def test_the_papers_values_are_marked_on_the_papers_data_only(tmp_path):
    figure = drawn(certificates(tmp_path / "a", **PAPER))
    axes = figure.axes[0]
    assert "paper: DDRS appendix H.1" in labels(axes)
    marks = [
        line for line in axes.get_lines() if line.get_marker() == "o" and len(line.get_xdata())
    ]
    assert [line.get_ydata()[0] for line in marks] == [79.89, 74.45, 63.72]
    # A mark has the colour of its curve.
    curve_colours = [line.get_color() for line in axes.get_lines() if "σ =" in line.get_label()]
    assert [line.get_color() for line in marks] == curve_colours
    assert axes.get_xlim()[1] > max(line.get_xdata().max() for line in marks)
    other = certificates(tmp_path / "b", **{**PAPER, "dataset": "cifar10-jpeg"})
    axes = drawn(other).axes[0]
    assert not any("paper" in text for text in labels(axes))
    assert all(line.get_marker() == "None" for line in axes.get_lines())


def test_one_panel_a_data_set_with_units_on_the_axes(tmp_path):
    paths = certificates(tmp_path) + certificates(tmp_path, dataset="mnist", arch="small_cnn")
    figure = drawn(paths, title="T", strict=True)
    assert len(figure.axes) == 2
    assert [axes.get_title().split(",")[0] for axes in figure.axes] == ["digits", "mnist"]
    for axes in figure.axes:
        assert axes.get_xlabel() == r"certified $\ell_2$ radius r (pixels in [0, 1])"
        assert axes.get_ylabel() == "correct with radius > r (% of inputs)"


def test_files_are_deterministic_and_settings_stay(tmp_path, capsys):
    paths = certificates(tmp_path, inputs=40)
    before = dict(mpl.rcParams)
    for name in ("a", "b"):
        assert main(["figure", "cohen_figure", "--out", str(tmp_path / name), *paths]) == 0
    capsys.readouterr()
    for suffix in (".pdf", ".png"):
        first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
        assert first == second
    assert b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()
    assert dict(mpl.rcParams) == before
    title = "Certified accuracy against the ℓ₂ radius, one curve per noise scale"
    assert pictures.title(tmp_path / "a.png") == title  # for who cannot see it


def test_nothing_certified_still_draws(tmp_path):
    path = tmp_path / "none.tsv"
    path.write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t-1\t0.0\t0\t1.0\n")
    figure = drawn([path])
    assert [p.suffix for p in save(figure, tmp_path / "f")] == [".pdf", ".png"]
