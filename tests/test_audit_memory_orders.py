"""How much a memory's answers depend on the order of inputs, and what an attacker gains by it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smoothcert import cli
from smoothcert.audits.columns import ATTACKED, GAUSSIAN_ONLY
from smoothcert.audits.either_order import either_order
from smoothcert.audits.orders import spread
from smoothcert.audits.rows import read_rows, write_rows
from smoothcert.certificates import make_table
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.verdict import write_verdicts

RADII = np.array([0.0, 0.25, 0.5])


def line(positions, predict, radius):
    """Certificates of points on a line, all labelled 0."""
    n = len(positions)
    points = np.zeros((n, 4), np.float32)
    points[:, 0] = positions
    table = make_table(
        idx=np.arange(n), label=np.zeros(n), predict=predict, radius=radius, norm="l2"
    )
    return table, points


def test_two_clashing_balls_give_the_first_comer_its_ball():
    table, points = line([0.0, 0.5], [0, 1], [0.4, 0.3])
    result = spread(table, points, [[0, 1], [1, 0]], RADII)
    # Input 0 first: it keeps 0.4. Input 1 first: 0 is cut to 0.5 - 0.3.
    assert result.acr == pytest.approx([0.4 / 2, 0.2 / 2])
    assert result.accuracy[:, 1].tolist() == [50.0, 0.0]
    assert result.trimmed.tolist() == [1, 1]
    assert result.varies
    assert result.summary()["acr"]["sd"] > 0
    assert result.raw_acr == pytest.approx(0.2)


def test_an_input_inside_another_ball_changes_its_class_in_one_order_only():
    table, points = line([0.0, 0.1], [0, 1], [0.4, 0.3])
    result = spread(table, points, [[0, 1], [1, 0]], RADII)
    assert result.captured.tolist() == [1, 1]
    assert result.accuracy[:, 0].tolist() == [100.0, 0.0]  # both are labelled 0


def test_without_overlap_every_order_is_the_same():
    table, points = line([0.0, 2.0, 4.0], [0, 1, 0], [0.4, 0.3, 0.9])
    result = spread(table, points, [[0, 1, 2], [2, 1, 0], [1, 0, 2]], RADII)
    assert not result.varies
    assert (result.acr == result.raw_acr).all()


def test_an_attack_is_obedient_after_the_ball_and_takes_from_it_before():
    # The attack lies inside the ball of input 0 with a small ball of class 1 of its own.
    table, points = line([0.0, 3.0], [0, 1], [0.5, 0.5])
    attack = np.array([[0.45, 0, 0, 0]], np.float32)
    after, before = either_order(
        points, table.predict, table.radius, attack, np.array([1]), np.array([0.1]),
        np.array([0]), "l2",
    )  # fmt: skip
    assert (after.clashes, after.captured, after.trimmed, after.lost) == (0, 0, 0, 0)
    assert (after.inside, after.obeyed) == (1, 1)
    assert (before.clashes, before.captured, before.trimmed) == (0, 0, 1)
    assert before.lost == pytest.approx(0.5 - 0.35)
    # With a ball that holds input 0, coming first captures it.
    _, before = either_order(
        points, table.predict, table.radius, attack, np.array([1]), np.array([0.6]),
        np.array([0]), "l2",
    )  # fmt: skip
    assert before.captured == 1
    # An abstention plants nothing.
    after, before = either_order(
        points, table.predict, table.radius, attack, np.array([-1]), np.array([0.0]),
        np.array([0]), "l2",
    )  # fmt: skip
    assert (before.captured, before.trimmed, before.inside) == (0, 0, 0)
    assert (after.inside, after.obeyed) == (1, 1)


def test_a_memory_that_forgets_to_trim_is_caught(monkeypatch):
    from smoothcert.certificates import memory

    def forgetful(predict, radius, near, order=None, debug=False):
        return memory.Adjusted(predict, radius, np.full(len(predict), memory.NONE))

    monkeypatch.setattr("smoothcert.certificates.memory.remember", forgetful)
    table, points = line([0.0, 3.0], [0, 1], [0.5, 0.5])
    attack = np.array([[0.45, 0, 0, 0]], np.float32)
    after, before = either_order(
        points, table.predict, table.radius, attack, np.array([1]), np.array([0.1]),
        np.array([0]), "l2",
    )  # fmt: skip
    assert after.clashes == before.clashes == 1
    assert after.obeyed < after.inside


def test_the_figure_is_drawn_of_rows_that_read_back(tmp_path, capsys):
    rng = np.random.default_rng(0)
    whole = pd.DataFrame(
        [{k: kind(rng.integers(0, 2)) for k, kind in ATTACKED.items()} for _ in range(9)]
    )
    files = {"a": whole, "b": whole.drop(columns=list(GAUSSIAN_ONLY))}  # b: no Gaussian noise
    for name, rows in files.items():
        write_rows(tmp_path / f"{name}.tsv", rows)
        about = {"training": f"cohen-fs-0.{len(rows.columns)}", "noise": name}
        write_verdicts(tmp_path / f"{name}.json", "memory-soundness", [], {"about": about})
    pd.testing.assert_frame_equal(read_rows(tmp_path / "a.tsv", ATTACKED), whole)
    paths = [str(tmp_path / f"{name}.tsv") for name in files]
    assert cli.main(["figure", "audit_memory", *paths, "--out", str(tmp_path / "figure")]) == 0
    for path in capsys.readouterr().out.split():
        assert Path(path).stat().st_size > 5000
    (tmp_path / "a.tsv").write_text((tmp_path / "a.tsv").read_text().replace("1.0", "x", 1))
    with pytest.raises(SmoothcertError, match=r"a\.tsv:\d"):
        read_rows(tmp_path / "a.tsv", ATTACKED)
    with pytest.raises(SmoothcertError, match=r"b\.tsv:1: expected the columns"):
        read_rows(tmp_path / "b.tsv", ATTACKED)
