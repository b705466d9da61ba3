"""Figures of DDRS on generated certificates and real digits, and the notebook's verdicts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtri

from smoothcert import datasets
from smoothcert.certificates import make_table, metrics, write_certificates
from smoothcert.certificates.runs import read_run, read_runs
from smoothcert.cli import main
from smoothcert.compute.streams import generator
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import Gaussian
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.figure_images import STREAM, draw, examples, measure, read_scales
from smoothcert.papers.ddrs.options import ImageOptions
from smoothcert.papers.ddrs.outputs import SECTION
from smoothcert.report.output import Files
from smoothcert.report.reference import value
from smoothcert.scaling.problem import PURPOSES
from smoothcert.workflow.catalogue import find, function

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "ddrs.ipynb"
PAPER = {"dataset": "cifar10", "arch": "resnet18_stem7", "n": 100_000}
INPUTS = 60


def certificate(
    root,
    training="cohen-fs-0.25",
    scaling="fixed",
    gain=0.0,
    *,
    noise=None,
    sigma=None,
    dataset="digits",
    arch="tiny_cnn",
    n=2000,
    seed=0,
):
    """A run on its path; every input's radius is ``gain`` above that of a common draw."""
    noise = noise or f"gaussian-{training.rpartition('-')[2]}"
    scale = np.broadcast_to(float(noise.rpartition("-")[2]) if sigma is None else sigma, INPUTS)
    easy = np.random.default_rng(0).normal(1.6, 0.6, INPUTS)
    jitter = 0.02 * np.random.default_rng(seed).normal(size=INPUTS)
    top = ndtri(clopper_pearson_lower(n, n, 0.001))
    radius = np.clip(scale * np.minimum(easy + jitter, top) + gain, 0, None)
    right = np.random.default_rng(1).random(INPUTS) < 0.9
    label = np.arange(INPUTS) % 10
    predict = np.where(radius > 0, np.where(right, label, (label + 1) % 10), -1)
    table = make_table(
        idx=np.arange(INPUTS), label=label, predict=predict, radius=radius, time=0.5,
        p_lower=0.9, count=n, n=n, n0=100, samples=n + 100, alpha=0.001, sigma=scale,
        noise=noise, norm="l2", budget=f"fixed-{n}", scaling=scaling,
    )  # fmt: skip
    path = root / "certificates" / dataset / arch / training / noise / scaling / f"fixed-{n}.tsv"
    write_certificates(path, table, {"seed": 3, "device": "cpu"})
    return str(path)


def sweep(root, gains=(0.01, 0.04, 0.02), **more):
    """Fixed smoothing, and ascent at K = 100, 200, ...: the second is the best."""
    return [
        certificate(root, **more),
        *(certificate(root, scaling=f"ascent-K{100 * (i + 1)}", gain=g, **more)
          for i, g in enumerate(gains)),
    ]  # fmt: skip


def drawn(name, paths, **options):
    """A figure of the catalogue."""
    output = find(name, "figure")
    picture = function(output.make)(Files.parse(paths), output.options(**options))
    return function(output.draw)(picture)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def small_print(figure):
    return figure.get_supxlabel().replace("\n", " ")


def at(line, radius):
    """The height at ``radius`` of a curve drawn with steps-pre."""
    x, y = line.get_data()
    return y[np.searchsorted(x, radius, side="left")]


# --- figures 3 to 5, appendix B ---------------------------------------------------------------


def test_curves_and_differences_are_those_of_the_certificates_with_the_k_of_the_largest_acr(
    tmp_path,
):
    paths = sweep(tmp_path) + sweep(tmp_path, (0.0, -0.03, 0.05), training="cohen-fs-0.50", seed=1)
    runs = {(run.sigma, run.scaling): run.table for run in read_runs(paths)}
    figure = drawn("ddrs_fig3", paths)
    first, second, envelope, below, _, _ = figure.axes
    assert "Cohen-DS, K = 200" in legend(below)[1]
    assert "Cohen-DS, K = 300" in legend(figure.axes[4])[1]
    radii = np.random.default_rng(2).uniform(0, 0.9, 40)
    for axes, sigma, k in ((first, 0.25, 200), (second, 0.5, 300)):
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
        for line, scaling in zip(lines, ("fixed", f"ascent-K{k}"), strict=True):
            expected = metrics.certified_accuracy(runs[sigma, scaling], np.sort(radii)).value
            inside = np.sort(radii) <= line.get_xdata()[-1]
            heights = [at(line, r) for r in np.sort(radii)[inside]]
            np.testing.assert_allclose(heights, 100 * expected[inside])
    gap = next(line for line in below.get_lines() if len(line.get_xdata()) > 2)
    expected = metrics.accuracy_difference(
        runs[0.25, "ascent-K200"], runs[0.25, "fixed"], gap.get_xdata()
    )
    np.testing.assert_allclose(gap.get_ydata(), 100 * expected.value)
    band = below.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(100 * expected.low.min())
    assert band.max() == pytest.approx(100 * expected.high.max())
    every = [table for (_, scaling), table in runs.items() if scaling != "fixed"]
    best = [line for line in envelope.get_lines() if len(line.get_xdata()) > 2][1]
    for r in (0.1, 0.4, 0.6):
        assert at(best, r) == pytest.approx(100 * metrics.envelope(every, [r]).value[0])


def test_the_papers_values_stand_on_the_papers_data_only_and_else_the_reason(tmp_path):
    paths = [
        *sweep(tmp_path, training="smoothadv-fs-0.25", **PAPER),
        certificate(tmp_path, "smoothadv-ds2-0.25", "ascent-K900", 0.1, **PAPER),
    ]
    figure = drawn("ddrs_fig4", paths)
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in marks] == [
        value("ddrs", "appendix_H2", dataset="cifar10", method=m, sigma=0.25, K=k, radius=0.0).value
        for m, k in (("SmoothAdv", None), ("SmoothAdv-DS", 200), ("SmoothAdv-DS2", 900))
    ]
    curves = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 20]
    assert [line.get_color() for line in marks] == [line.get_color() for line in curves]
    assert "the paper's values (DDRS appendix H.2)" in small_print(figure)
    other = drawn("ddrs_fig3", sweep(tmp_path))
    assert all(line.get_marker() == "None" for axes in other.axes for line in axes.get_lines())
    assert "The paper's values are not shown: different data." in small_print(other)
    assert "without the memory" in small_print(other)


def test_each_figure_takes_its_own_method_and_says_what_it_lacks(tmp_path):
    paths = sweep(tmp_path, training="macer-fs-0.25") + sweep(tmp_path)
    figure = drawn("ddrs_fig5", paths, title="T")
    assert figure.get_suptitle() == "T"
    assert not any("Cohen" in text for axes in figure.axes[2:] for text in legend(axes))
    with pytest.raises(SmoothcertError, match="ddrs_fig4: expected certificates of SmoothAdv"):
        drawn("ddrs_fig4", paths)


def test_controls_and_other_scales_are_not_drawn_as_data_dependent(tmp_path):
    paths = [
        *sweep(tmp_path, (0.02,)),
        certificate(tmp_path, scaling="ramp-K100", gain=0.3),
        certificate(tmp_path, scaling="ascent-K100", gain=0.3, noise="gaussian-0.50"),
        certificate(tmp_path, "cohen-fs_ft-0.25", "ascent-K100", 0.3),
    ]
    figure = drawn("ddrs_fig3", paths)
    above, below = figure.axes
    assert [text.split(" (")[0] for text in legend(below)[:2]] == ["Cohen", "Cohen-DS, K = 100"]
    assert len([line for line in above.get_lines() if len(line.get_xdata()) > 2]) == 2


def test_differences_are_scaled_to_radii_that_the_fixed_scale_can_reach(tmp_path):
    votes: dict[str, Any] = {"n": 100}  # all agree for half of the inputs
    paths = [
        certificate(tmp_path, **votes),
        certificate(tmp_path, scaling="ascent-K900", sigma=0.28, **votes),
    ]
    cap = 0.25 * ndtri(clopper_pearson_lower(100, 100, 0.001))
    fixed, ascent = (read_run(path).table for path in paths)
    gap = metrics.accuracy_difference(ascent, fixed, [cap, 1.0001 * cap])
    assert gap.value[1] - gap.value[0] > 0.2  # the jump that is no gain at any radius below it
    above, below = drawn("ddrs_fig3", paths).axes
    for axes in (above, below):
        (mark,) = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert mark.get_xdata()[0] == pytest.approx(cap)
    assert below.get_ylim()[1] < 100 * gap.value[1]
    before = metrics.accuracy_difference(ascent, fixed, np.linspace(0, cap, 100))
    assert below.get_ylim()[0] < 100 * before.low.min()
    assert below.get_ylim()[1] > 100 * before.high.max()
    assert "beyond the largest radius of the fixed scale at n = 100" in legend(below)


def test_no_cap_is_marked_where_no_input_comes_near_it(tmp_path):
    paths = [certificate(tmp_path, gain=-0.5), certificate(tmp_path, "cohen-fs-0.25", "ascent-K1")]
    read = read_run(paths[1])
    assert names.largest_radius(read, 0.25) == pytest.approx(max(read.table.radius), rel=0.05)
    hard = [certificate(tmp_path, gain=-0.5), certificate(tmp_path, scaling="ascent-K1", gain=-0.5)]
    _, below = drawn("ddrs_fig3", hard).axes
    assert not any("beyond" in text for text in legend(below))


def test_the_grid_search_is_beside_the_ascent_of_equal_cost(tmp_path):
    paths = sweep(tmp_path, (0.01, 0.04))
    paths += [certificate(tmp_path, scaling=f"grid_K100-n{n}", gain=-0.05 / n) for n in (10, 1, 4)]
    figure = drawn("ddrs_appendix_grid", paths)
    texts = [text.split(" (")[0] for text in legend(figure.axes[1])[:5]]
    assert texts == [
        "fixed",
        "ascent, K = 100: 200 passes",
        "grid, n = 1, K = 100: 200 passes",
        "grid, n = 4, K = 100: 200 passes",
        "grid, n = 10, K = 100: 200 passes",
    ]


# --- figure 7, controls, appendix E -----------------------------------------------------------


def test_acr_against_k_starts_at_the_fixed_scale_and_has_its_controls(tmp_path):
    paths = sweep(tmp_path)
    paths += [certificate(tmp_path, scaling=f"ramp-K{k}", gain=-k / 1e4) for k in (100, 300)]
    runs = {run.scaling: run.table for run in read_runs(paths)}
    figure = drawn("ddrs_fig7", paths, radii="0.25,0.5")
    curves, accuracy, area = figure.axes
    assert legend(curves) == ["K = 0", "K = 100", "K = 200", "K = 300"]
    ascent, ramp = area.get_lines()[:2]
    for line, name, steps in ((ascent, "ascent", (100, 200, 300)), (ramp, "ramp", (100, 300))):
        np.testing.assert_array_equal(line.get_xdata(), [0, *steps])
        order = ["fixed", *(f"{name}-K{k}" for k in steps)]
        expected = [float(metrics.average_certified_radius(runs[s]).value) for s in order]
        np.testing.assert_allclose(line.get_ydata(), expected)
    first = accuracy.get_lines()[0]
    expected = [
        100 * metrics.certified_accuracy(runs[s], [0.25]).value[0]
        for s in ("fixed", "ascent-K100", "ascent-K200", "ascent-K300")
    ]
    np.testing.assert_allclose(first.get_ydata(), expected)
    with pytest.raises(SmoothcertError, match="several K of one model"):
        drawn("ddrs_fig7", paths[:2])


def test_a_ramp_is_at_0_up_to_the_k_whose_scale_reaches_the_radius(tmp_path):
    scale = 0.25 + 900e-4 * ndtri(0.98)
    paths = [*sweep(tmp_path), certificate(tmp_path, scaling="ramp-K900", sigma=scale)]
    reach = ndtri(clopper_pearson_lower(2000, 2000, 0.001))
    radius = 0.35 * reach  # of the ramp at this scale, between K = 0 and 900
    figure = drawn("ddrs_fig7", paths, radii=f"0.25,{radius:.6f}")
    lines = figure.axes[1].get_lines()
    low, high = (line for line in lines if line.get_linestyle() == "--")
    least = (round(radius, 6) / reach - 0.25) / (1e-4 * ndtri(0.98))
    np.testing.assert_allclose(high.get_xdata(), [0, least, 900])
    assert list(high.get_ydata()[:2]) == [0, 0]
    assert high.get_ydata()[2] > 0
    assert high.get_markevery() == [0, 2]  # no run stands at the middle one
    np.testing.assert_array_equal(low.get_xdata(), [0, 900])
    assert "Marks are runs" in small_print(figure)


def test_the_controls_are_paired_differences_to_the_fixed_scale_of_the_plain_model(tmp_path):
    paths = [
        certificate(tmp_path, scaling="ascent-K900", gain=0.02, seed=1),
        certificate(tmp_path, scaling="ramp-K900", gain=-0.1, seed=2),
        certificate(tmp_path, noise="gaussian-0.35", gain=0.0),
        certificate(tmp_path, "cohen-ds2-0.25", "ascent-K900", 0.05, seed=3),
        certificate(tmp_path, "cohen-fs_ft-0.25", gain=0.01, seed=4),
    ]
    fixed = certificate(tmp_path)
    figure = drawn("ddrs_controls", [*paths, fixed])
    (axes,) = figure.axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == [
        "DS: ascent, K = 900",
        "constant ramp, K = 900",
        "fixed σ = 0.35",
        "DS2 model, DS: ascent, K = 900",
        "fine-tuned model, fixed σ = 0.25",
    ]
    assert len(set(names)) == len(names)
    plain = read_run(fixed).table
    for y, (path, bars) in enumerate(zip(paths, axes.containers, strict=True)):
        gap = metrics.acr_difference(read_run(path).table, plain)
        assert bars[0].get_xdata()[0] == pytest.approx(float(gap.value))
        assert bars[0].get_ydata()[0] == y
        ends = bars[2][0].get_segments()[0][:, 0]
        np.testing.assert_allclose(ends, [float(gap.low), float(gap.high)])
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == 5
    assert texts[1].endswith("*")  # the ramp's loss leaves out 0
    assert len({bars[0].get_color() for bars in axes.containers}) == 3
    with pytest.raises(SmoothcertError, match="expected fixed smoothing"):
        drawn("ddrs_controls", paths)


def test_the_acr_that_is_printed_stands_beside_the_papers_own_bounds_and_not_beside_ours(tmp_path):
    figure = drawn("ddrs_acr", sweep(tmp_path))
    cifar10, imagenet, ours = figure.axes
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["paper, CIFAR-10", "paper, ImageNet", "ours, digits, tiny_cnn"]
    (printed,) = cifar10.get_lines()
    rows = [text.get_text() for text in cifar10.get_yticklabels()]
    found = dict(zip(rows, printed.get_xdata(), strict=True))
    assert (found["Cohen"], found["Cohen-DS"], found["MACER-DS2"]) == (0.591, 0.784, 0.807)
    single, _ = cifar10.containers
    assert all(
        bar.get_x() + bar.get_width() < x for bar, x in zip(single, found.values(), strict=True)
    )
    tables = [read_run(path).table for path in sweep(tmp_path)[1:]]
    oracle = next(line for line in ours.get_lines() if line.get_marker() == "D")
    expected = metrics.per_input_maximum(tables).value
    assert oracle.get_xdata()[1] == pytest.approx(float(expected))
    assert len(imagenet.get_yticklabels()) == 6
    # Without runs the paper's panels stand alone.
    assert len(drawn("ddrs_acr", []).axes) == 2


def test_the_histogram_marks_who_gained_and_where_the_ramp_ends(tmp_path):
    sigma = np.linspace(0.2, 0.42, INPUTS)
    paths = [
        certificate(tmp_path),
        certificate(tmp_path, scaling="ascent-K300", gain=-1.0),
        certificate(tmp_path, scaling="ascent-K900", sigma=sigma),
    ]
    fixed, _, adapted = (read_run(path).table for path in paths)
    (axes,) = drawn("ddrs_appendix_sigma", paths).axes
    gained = (adapted.radius > fixed.radius) & (adapted.correct == 1)
    assert 0 < gained.sum() < INPUTS
    texts = legend(axes)
    assert f"all {INPUTS} inputs" in texts
    assert any(text.startswith(f"larger radius: {gained.sum()} (") for text in texts)
    every, better = (sum(bar.get_height() for bar in bars) for bars in axes.containers)
    assert (every, better) == (INPUTS, gained.sum())
    assert "K = 900" in axes.get_title()
    assert f"ramp {0.25 + 900e-4 * ndtri(0.98):.3f}" in texts
    # A loss for everybody is drawn as one.
    (axes,) = drawn("ddrs_appendix_sigma", paths[:2]).axes
    assert any(text.startswith("larger radius: 0 (") for text in legend(axes))


# --- figure 6 ---------------------------------------------------------------------------------


def scales_file(path, sigma, scaling="ascent-K900"):
    lines = ["idx\tlabel\tscaling\tsigma"]
    lines += [f"{i}\t0\tascent-K100\t0.25" for i in range(len(sigma))]
    lines += [f"{i}\t0\t{scaling}\t{float(s)!r}" for i, s in enumerate(sigma)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_examples_are_below_at_and_above_the_fixed_scale_where_there_are_such():
    sigma = np.array([0.3, 0.251, 0.1, 0.5, 0.2])
    assert [i for i, _ in examples(sigma, 0.25)] == [2, 1, 3]
    assert examples(sigma, 0.05) == [(2, "σ* nearest to σ₀"), (3, "largest σ*")]
    assert examples(sigma, 0.9) == [(2, "smallest σ*"), (3, "σ* nearest to σ₀")]
    assert examples(np.full(4, 0.25), 0.25) == [(0, "σ* nearest to σ₀")]
    assert [i for i, _ in examples(sigma, 0.25, 5)] == [2, 4, 1, 0, 3]
    assert len(examples(sigma, 0.25, 9)) == 5


def recorded(path, sigma, **identity):
    """A table of scales with its record."""
    scales_file(path, sigma)
    known = {"dataset": "digits", "noise": "gaussian-0.25", "split": "test", "seed": 3}
    path.with_suffix(".json").write_text(json.dumps({"identity": {**known, **identity}}))
    return path


def test_images_show_the_named_draw_of_noise_at_both_scales(tmp_path):
    data = datasets.load("digits", "test")
    scales = recorded(tmp_path / "ascent.tsv", np.linspace(0.1, 0.4, 7))
    figure = draw(measure(Files.parse([f"scales={scales}"]), ImageOptions()))
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert len(shown) == 9
    assert STREAM not in (*PURPOSES, "selection", "estimation", "ascent", "training-noise")
    for row, idx, own in ((0, 0, 0.1), (1, 3, 0.25), (2, 6, 0.4)):
        eps = Gaussian(0.25).sample((1, *data.shape), generator(3, STREAM, idx))[0, 0]
        clean = data.images[idx][0]
        for picture, scale in zip(shown[3 * row : 3 * row + 3], (0, 0.25, own), strict=True):
            expected = torch.clamp(clean + scale * eps, 0, 1).numpy()
            np.testing.assert_allclose(picture, expected, atol=1e-6)
    assert "σ* < σ₀ for 3 and σ* > σ₀ for 3 of 7 inputs" in small_print(figure)
    many = recorded(tmp_path / "many.tsv", np.full(5000, 0.3))
    with pytest.raises(SmoothcertError, match="data set digits: no input"):
        measure(Files.parse([f"scales={many}"]), ImageOptions())


def test_the_command_reads_the_record_of_the_scales_and_refuses_other_certificates(
    tmp_path, capsys
):
    scales = recorded(tmp_path / "ascent.tsv", np.linspace(0.1, 0.4, 20))
    paths = [certificate(tmp_path), certificate(tmp_path, scaling="ascent-K900", gain=0.1)]
    base = tmp_path / "six"
    command = ["figure", "ddrs_fig6", f"scales={scales}", "--out", str(base)]
    assert main([*command, *paths]) == 0
    assert capsys.readouterr().out.split() == [f"{base}.pdf", f"{base}.png"]
    other = certificate(tmp_path, scaling="ascent-K300")
    for files, options, message in (
        ([other], {"scaling": "ascent-K900"}, "expected fixed or ascent-K900"),
        ([other], {}, "no rows of scaling 'ascent-K300'"),
        ([certificate(tmp_path, noise="gaussian-0.50")], {}, "expected digits and gaussian-0.25"),
        ([paths[0], paths[0]], {}, "a second table of scaling fixed"),
        ([], {"rows": 0}, "rows: expected at least 1, found 0"),
        ([], {"scaling": "grid-n4"}, "no rows of scaling 'grid-n4'; found ascent-K100, ascent-"),
    ):
        assert main([*command, *files, "--options", json.dumps(options)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column 'idx'"),
        ("idx\tsigma\n0\t0.2\n", "lacks the column 'scaling'"),
        ("idx\tscaling\tsigma\n", "no rows of scaling"),
        ("idx\tscaling\tsigma\n0\ta\t-1\n", ":2: expected an idx and a positive sigma"),
        ("idx\tscaling\tsigma\n0\ta\n", ":2: expected an idx and a positive sigma"),
    ],
)
def test_a_file_that_holds_no_scales_is_named_in_one_line(tmp_path, text, message):
    path = tmp_path / "scales.tsv"
    path.write_text(text)
    with pytest.raises(SmoothcertError) as error:
        read_scales(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


# --- the notebook -----------------------------------------------------------------------------


def test_the_notebook_is_committed_without_outputs_and_judges_nothing():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    source = ["".join(cell["source"]) for cell in cells]
    assert not any(re.search(r"[\"'](/|~)", text) for text in source)
    calls = [text for text in source if text.startswith("show.")]
    # Two cells are no call; two ask first whether what they show was left out.
    assert len(calls) == len(code) - 4
    calls += [call for text in source for call in re.findall(r"display\((show\..*?\))\)", text)]
    shown = {(kind, name) for text in calls for kind, name in [re.match(
        r'show\.(\w+)\(results, "(\w+)"\)$', text).groups()]}  # fmt: skip
    assert shown == {(o.kind, o.name) for o in SECTION.outputs} | {("claims", "ddrs")}
