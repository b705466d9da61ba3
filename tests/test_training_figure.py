"""The figure of trainings: the log's own numbers, and where a fine-tuned run begins."""

from __future__ import annotations

import numpy as np
import pytest

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.training.figure import QUANTILES, draw, measure, read_log
from smoothcert.report.output import Files
from smoothcert.training.log import write_log
from smoothcert.workflow.catalogue import find


def write(root, training, epochs=8, first=None, seed=0, dataset="digits", end=None):
    """A log on its path under models/; ``first`` is the epoch from which scales are its own."""
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(99)  # what a branch shares with the run it left
    rows = []
    for epoch in range(1, epochs + 1):
        shared = common.random(3)
        own = rng.random(3)
        loss, right, _ = shared if first is None or epoch < first else own
        row = {"epoch": epoch, "loss": 2 * loss, "noisy_accuracy": right, "lr": 0.1, "seconds": 1.5}
        if first is not None and epoch >= first:
            scales = np.sort(0.2 + 0.2 * rng.random(len(QUANTILES)))
            row |= {f"scale_{name}": s for name, s in zip(QUANTILES, scales, strict=True)}
            row["scale_mean"] = scales.mean()
        if end is not None:  # an accuracy that is reached after the first epoch
            row["noisy_accuracy"] = 0.4 if epoch == 1 else end
        rows.append(row)
    path = root / "models" / dataset / "tiny_cnn" / training / "model.log.csv"
    path.parent.mkdir(parents=True)
    write_log(path, rows)
    return path


def training_curves(*logs, title=None):
    return draw(measure(Files.parse([str(path) for path in logs]), Titled(title=title)))


def lines(axes):
    return [line for line in axes.get_lines() if len(line.get_xdata()) > 2]


def test_one_log_is_drawn_as_it_was_written_under_its_name(tmp_path):
    path = write(tmp_path, "cohen-ds2-0.25", first=4)
    log, figure = read_log(path), training_curves(path, title="Training")
    assert figure.get_suptitle() == "Training (digits, tiny_cnn)"
    assert figure.axes[0].get_title() == "Cohen, σ = 0.25"
    loss, error, scale = figure.axes
    for axes, values in (
        (loss, log.columns["loss"]),
        (error, 100 - 100 * log.columns["noisy_accuracy"]),
    ):
        (line,) = lines(axes)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 9))
        np.testing.assert_allclose(line.get_ydata(), values)
    middle, low, high = lines(scale)
    np.testing.assert_allclose(middle.get_ydata()[:3], 0.25)  # before: the one scale of all
    np.testing.assert_array_equal(middle.get_ydata()[3:], log.columns["scale_q50"][3:])
    np.testing.assert_array_equal(low.get_ydata(), log.columns["scale_min"][3:])
    np.testing.assert_array_equal(high.get_ydata(), log.columns["scale_max"][3:])
    wide = scale.collections[0].get_paths()[0].vertices
    assert wide[:, 0].min() == 4
    assert wide[:, 1].min() == pytest.approx(log.columns["scale_q05"][3:].min())
    assert wide[:, 1].max() == pytest.approx(log.columns["scale_q95"][3:].max())
    assert "pixels" in scale.get_ylabel()


def test_a_branch_begins_where_it_left_and_a_fine_tuned_run_where_its_parent_ends(tmp_path):
    parent = write(tmp_path, "cohen-fs-0.25", epochs=10)
    branch = write(tmp_path, "cohen-ds2-0.25", epochs=10, first=6)
    tuned = write(tmp_path, "cohen-ds2_n8-0.25", epochs=4, first=1)
    control = write(tmp_path, "cohen-fs_ft-0.25", epochs=4, seed=3)
    figure = training_curves(tuned, control, branch, parent)
    starts = {
        line.get_xdata()[0]: line.get_xdata()[-1]
        for line in lines(figure.axes[0])
        if line.get_xdata()[0] != 11
    }
    assert starts == {1: 10, 5: 10}
    assert sum(line.get_xdata()[0] == 11 for line in lines(figure.axes[0])) == 2
    assert all("continues" in axes.get_xlabel() for axes in figure.axes)
    alone = training_curves(branch)
    assert lines(alone.axes[0])[0].get_xdata()[0] == 1


def test_six_trainings_have_a_column_a_method_in_the_papers_order(tmp_path):
    logs = []
    for method in ("macer", "cohen", "smoothadv"):
        logs.append(write(tmp_path, f"{method}-fs-0.25"))
        logs.append(write(tmp_path, f"{method}-ds2-0.25", first=5))
    figure = training_curves(*logs)
    assert len(figure.axes) == 9
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["Cohen, σ = 0.25", "SmoothAdv, σ = 0.25", "MACER, σ = 0.25"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == len(set(texts)) == 5


def test_without_scales_of_their_own_there_is_no_panel_of_scales(tmp_path):
    assert len(training_curves(write(tmp_path, "cohen-fs-0.25")).axes) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column 'epoch'"),
        ("epoch,loss,noisy_accuracy,lr\n1,2,3,4\n", "lacks the column 'seconds'"),
        ("epoch,loss,noisy_accuracy,lr,seconds\n", "no epochs"),
        ("epoch,loss,noisy_accuracy,lr,seconds\n1,2,3,4\n", ":2: expected 5 fields, found 4"),
        ("epoch,loss,noisy_accuracy,lr,seconds\n1,two,3,4,5\n", ":2: column 'loss'"),
        ("epoch,loss,noisy_accuracy,lr,seconds\n1,nan,3,4,5\n", "expected a finite number"),
        ("epoch,loss,noisy_accuracy,lr,seconds\n2,1,1,1,1\n1,1,1,1,1\n", "increasing numbers"),
    ],
)
def test_a_file_that_is_no_log_is_named_in_one_line(tmp_path, text, message):
    path = tmp_path / "model.log.csv"
    path.write_text(text)
    with pytest.raises(SmoothcertError) as error:
        read_log(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_the_command_writes_both_files(tmp_path, capsys):
    path = write(tmp_path, "macer-ds2-0.50", epochs=1, first=1)
    base = tmp_path / "curves"
    command = ["figure", "training_curves_gaussian-0.50", "--out", str(base)]
    assert main([*command, "--spec", '{"code": "x"}', str(path)]) == 0
    assert capsys.readouterr().out.split() == [f"{base}.pdf", f"{base}.png"]
    assert (tmp_path / "curves.png").stat().st_size > 5000
    assert main([*command, str(tmp_path / "no.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_errors_of_2_and_5_percent_are_apart_on_one_axis_for_all_methods(tmp_path):
    paths = [
        write(tmp_path, f"{method}-fs-0.25", end=accuracy)
        for method, accuracy in (("cohen", 0.98), ("macer", 0.95))
    ]
    figure = training_curves(*paths)
    errors = figure.axes[2:4]
    assert errors[0].get_ylim() == errors[1].get_ylim()
    heights = [
        float(axes.transAxes.inverted().transform(axes.transData.transform((1, error)))[1])
        for axes, error in zip(errors, (2.0, 5.0), strict=True)
    ]
    assert heights[1] - heights[0] > 0.2  # of the panel


def test_a_title_names_the_noise_and_its_files_its_slug():
    output = find("training_curves_gaussian-0.25", "figure")
    assert output.name == "training_curves_gaussian-0.25"
    assert "Gaussian, σ = 0.25" in output.title
    assert "gaussian-0.25" not in output.title
