"""What figures of audits may say: no value where none was measured, no colour with two meanings."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from smoothcert.audits import (
    figure_attack,
    figure_coverage,
    figure_honesty,
    figure_memory,
    figure_numerics,
)
from smoothcert.audits.columns import ATTACKED, FAILURES, UNDER_ATTACK
from smoothcert.report.numbers import PERCENT, POINTS, Metric, Number, frame, write_numbers
from smoothcert.report.output import Files, Options


def drawn(module, *paths):
    return module.draw(module.measure(Files.parse([str(path) for path in paths]), Options()))


def verdicts(path, **about):
    text = {"format": 1, "kind": "k", "verdicts": [], "record": {"about": about}}
    path.with_suffix(".json").write_text(json.dumps(text))


def failures(path):
    rows = [(f"rule {i}", "exact", 40, 0.05, 1, p, 0.1 * i % 1, 0.0)
            for i in range(13) for p in (0.5, 0.7, 0.9)]  # fmt: skip
    rows += [(f"rule {i}", "simulated", 5000, 0.001, 1, p, 0.5, 0.2)
             for i in range(6) for p in (0.5, 0.75, 1.0)]  # fmt: skip
    rows += [("as published", "exact", 5000, 0.001, 0, p, 1.5, 0.0) for p in (0.5, 0.6)]
    pd.DataFrame(rows, columns=list(FAILURES)).to_csv(path, index=False)
    return path


def test_each_procedure_has_a_panel_and_a_colour_means_the_same_in_all(tmp_path):
    figure = drawn(figure_coverage, failures(tmp_path / "c.csv"))
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 14
    titles = [axes.get_title() for axes in shown]
    assert len(set(titles)) == 14
    assert titles[-1] == "as published, no proof\nat most 1.50 α"
    colours: dict[str, set[object]] = {"small": set(), "full": set(), "simulated": set()}
    for axes in shown:
        for line in axes.get_lines()[1:]:
            small = len(line.get_xdata()) == 3 and line.get_marker() == "None"
            kind = "small" if small else "simulated" if line.get_marker() == "o" else "full"
            if line.get_marker() not in ("None", "o"):
                continue  # the end of an error bar
            colours[kind].add(line.get_color())
    assert [len(found) for found in colours.values()] == [1, 1, 1]
    assert len(set.union(*colours.values())) == 3


def test_failure_rates_stand_at_the_probability_that_was_simulated(tmp_path):
    figure = drawn(figure_coverage, failures(tmp_path / "c.csv"))
    marks = [line for axes in figure.axes for line in axes.get_lines() if line.get_marker() == "o"]
    assert marks
    for line in marks:
        np.testing.assert_array_equal(line.get_xdata(), [0.5, 0.75, 1.0])


def attacked(path, count=12, gaussian=True, classes=2):
    rng = np.random.default_rng(0)
    rows = {
        name: np.zeros(count, kind) if kind is not str else "" for name, kind in ATTACKED.items()
    }
    rows = {**rows, "idx": np.arange(count), "radius": rng.uniform(0.1, 1, count), "tactic": "line"}
    rows["margin"] = rng.uniform(0.5, 1, count) if classes > 1 else np.full(count, np.inf)
    rows["largest"], rows["allowed"] = rng.uniform(0.1, 0.3, (2, count))
    rows["fallback"] = rows["radius"] / 2
    columns = [c for c in ATTACKED if gaussian or c not in figure_memory.GAUSSIAN_ONLY]
    pd.DataFrame(rows)[columns].to_csv(path, sep="\t", index=False)
    verdicts(path, training="cohen-fs-0.25")
    return path


def test_an_accuracy_axis_ends_at_100_and_no_legend_lies_on_the_curves(tmp_path):
    figure = drawn(figure_memory, attacked(tmp_path / "m.tsv"))
    figure.draw_without_rendering()
    assert len(figure.axes) == 3
    for axes in figure.axes[1:]:
        assert axes.get_ylim()[1] <= 102
    for axes in figure.axes:
        legend = axes.get_legend().get_window_extent()
        assert legend.y1 < axes.get_window_extent().y0


@pytest.mark.parametrize("gaussian", [True, False])
def test_a_panel_without_data_is_left_out_or_says_why(tmp_path, gaussian):
    figure = drawn(figure_memory, attacked(tmp_path / "m.tsv", gaussian=gaussian, classes=1))
    assert len(figure.axes) == 2 + gaussian
    last = figure.axes[-1]
    assert not last.axison
    assert [text.get_text() for text in last.texts] == ["all balls are of one class"]


def test_accuracy_under_attack_is_shown_at_the_radii_attacked_and_not_between(tmp_path):
    path = tmp_path / "a.csv"
    rows = [("fixed, k", "s", "l2", 0.25 * i, 18 - 3 * i, 20 - 2 * i, 20) for i in range(6)]
    pd.DataFrame(rows, columns=list(UNDER_ATTACK)).to_csv(path, index=False)
    verdicts(path)
    (axes,) = drawn(figure_attack, path).axes
    marks = [bars.lines[0] for bars in axes.containers if hasattr(bars, "lines")]
    assert len(marks) == 2
    for line, least in zip(marks, (3, 10), strict=True):
        assert line.get_linestyle() == "None"
        assert line.get_ydata()[-1] == pytest.approx(100 * least / 20)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "0.25", "0.5", "0.75", "1", "1.25"]
    assert "\n\n" not in axes.get_title()


def honesty(path):
    """A store whose joint certificates lose 2 of 100, then 60 where they must end."""

    def reading(name, level, points):
        row = {"part": "curve", "subject": "s", "training": "cohen-fs-0.25", "norm": "l2",
               "reading": name, "level": level, "noise": "gaussian-0.25"}  # fmt: skip
        return row | {Metric("accuracy_percent", r): Number(v, v, v, 100, PERCENT)
                      for r, v in points}  # fmt: skip

    rows = [
        reading("each", "α = 0.001 each", [(0.0, 90.0), (0.5, 80.0), (1.0, 60.0)]),
        reading("joint", "α/N, N = 100", [(0.0, 90.0), (0.4, 80.0), (0.9, 58.0)]),
        reading("corrected", "α = 0.001 each", [(0.0, 89.0), (0.5, 79.0), (1.0, 59.0)]),
    ]
    chosen = {"part": "optimism", "subject": "t", "dataset": "digits", "arch": "mlp",
              "recipe": "cohen-fs", "settings": 4}  # fmt: skip
    for folds in (2, 10):
        numbers = {Metric("points", r): Number(v, v - 0.1, v + 0.1, 100, POINTS)
                   for r, v in ((0.0, 0.0), (0.5, 0.3), (1.0, 0.0))}  # fmt: skip
        rows.append({**chosen, "folds": folds, **numbers})
    write_numbers(path, frame("honesty", rows))
    return path


def test_what_is_lost_by_holding_all_at_once_is_seen_below_the_accuracies(tmp_path):
    above, losses, _ = drawn(figure_honesty, honesty(tmp_path / "h.csv")).axes
    assert len(above.get_lines()) == 3
    joint, corrected = losses.get_lines()
    at = dict(zip(joint.get_xdata().tolist(), joint.get_ydata().tolist(), strict=True))
    assert at == {0.0: 0.0, 0.4: 0.0, 0.5: 22.0, 0.9: 2.0, 1.0: 60.0}
    assert set(corrected.get_ydata()) == {1.0}
    assert 22 < losses.get_ylim()[1] < 60  # what lies where the joint ones must end is cut off
    assert len({line.get_color() for line in above.get_lines()}) == 3


def test_optimism_is_shown_at_its_radii_by_marks_that_do_not_hide_each_other(tmp_path):
    *_, axes = drawn(figure_honesty, honesty(tmp_path / "h.csv")).axes
    marks = [bars.lines[0] for bars in axes.containers]
    assert [line.get_linestyle() for line in marks] == ["None", "None"]
    assert not set(marks[0].get_xdata()) & set(marks[1].get_xdata())
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.5", "1"]
    assert "digits, mlp, Cohen: best of 4, 2 folds" in [
        text.get_text() for text in axes.get_legend().get_texts()
    ]


def test_times_of_votes_say_what_they_are_of(tmp_path):
    path = tmp_path / "n.csv"
    rows = [
        {"dataset": "digits", "variant": name, "n": 1000, "votes_changed": Number(0.0, inputs=10),
         "radii_changed": Number(0.0, inputs=10), "predictions_changed": Number(0.0, inputs=10),
         "seconds": Number(1e-6 * i, inputs=10)}
        for i, name in enumerate(("float32, as certified", "float64"), 1)
    ]  # fmt: skip
    write_numbers(path, frame("numerics", rows))
    _, right = drawn(figure_numerics, path).axes
    assert "excluding export and noise drawing" in right.get_xlabel()
    assert [text.get_text() for text in right.texts] == ["1", "2"]
