"""Radius tables as files, on the command line, and in a certificate."""

import json

import numpy as np
import pytest

from smoothcert import cli
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.radius_table import RadiusTable

NOISE = NOISES.parse("centripetal-l2_k20-0.25")


@pytest.fixture(autouse=True)
def _command(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "radius-table", "tabulate p*(r)")


@pytest.fixture(scope="module")
def table() -> RadiusTable:
    return NOISE.build_table(64, intervals=16)


def test_a_table_survives_its_file_to_the_last_bit(table, tmp_path):
    path = tmp_path / "t.json"
    table.save(path)
    back = RadiusTable.load(path)
    assert np.array_equal(back.radius, table.radius)
    assert np.array_equal(back.failure, table.failure)
    assert (back.noise, back.d, back.between) == (table.noise, table.d, table.between)
    assert back.record == table.record
    p = np.linspace(0, 1, 301)
    assert np.array_equal(back.radius_at(p), table.radius_at(p))


def test_a_noise_certifies_by_the_table_in_a_file(table, tmp_path):
    path = tmp_path / "t.json"
    table.save(path)
    part = NOISE.with_table_file(path)
    assert part == NOISE  # the table is not part of what the noise is
    assert part.slug == NOISE.slug
    assert np.array_equal(part.radius([0.9], 0.25, 64), 0.25 * table.radius_at([0.9]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": "centripetal-l2_k9"}, "is for centripetal-l2_k9, expected centripetal-l2_k20"),
        ({"format": "other"}, "format 'other', expected 'smoothcert radius table 1'"),
        ({"failure": [0.5, 0.6]}, "expected as many radii as failures"),
        ({"radius": [0, 2, 1], "failure": [0.5, 0.4, 0.3]}, "radii not ascending at entry 2"),
        ({"radius": [0, 1, 2], "failure": [0.5, 0.6, 0.3]}, "expected positive and descending"),
        ({"between": "guess"}, "between 'guess'"),
        ({"d": None}, "not a valid radius table"),
    ],
)
def test_a_wrong_file_is_one_clear_line(table, tmp_path, change, message):
    path = tmp_path / "t.json"
    table.save(path)
    content = json.loads(path.read_text()) | change
    path.write_text(json.dumps(content))
    with pytest.raises(SmoothcertError, match=r"t\.json: ") as caught:
        NOISE.with_table_file(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_old_table_that_certifies_too_much_at_k_one_below_d_is_refused():
    part = NOISES.parse("centripetal-l2_k3-1.00")
    table = part.build_table(4, intervals=8)
    assert part.with_table(table).standard_radius(0.9, 4) > 0
    keep = np.r_[0, table.steps : len(table.radius)]
    old = RadiusTable(table.noise, 4, table.radius[keep], table.failure[keep], table.between)
    with pytest.raises(SmoothcertError, match=r"certifies too much near 0 .*make it again"):
        part.with_table(old)


def test_a_table_with_steps_survives_its_file(tmp_path):
    table = NOISES.parse("centripetal-l1_k2-1.00").build_table(3, intervals=8)
    table.save(tmp_path / "t.json")
    back = RadiusTable.load(tmp_path / "t.json")
    p = np.linspace(0, 1, 301)
    assert np.array_equal(back.radius_at(p), table.radius_at(p))
    for steps in (-1, len(table.radius)):
        content = json.loads((tmp_path / "t.json").read_text()) | {"steps": steps}
        (tmp_path / "t.json").write_text(json.dumps(content))
        with pytest.raises(SmoothcertError, match="steps"):
            RadiusTable.load(tmp_path / "t.json")


def test_a_truncated_or_foreign_file_is_one_clear_line(tmp_path):
    path = tmp_path / "t.json"
    for text in ('{"format": "smoothcert radius table 1"', "{}", "[]"):
        path.write_text(text)
        with pytest.raises(SmoothcertError, match=r"t\.json: "):
            RadiusTable.load(path)
    with pytest.raises(SmoothcertError, match="uses no radius table"):
        NOISES.parse("gaussian-0.25").with_table_file(path)


def test_a_table_for_another_dimension_is_refused(table):
    part = NOISE.with_table(table)
    with pytest.raises(SmoothcertError, match="is for d = 64, expected 784"):
        part.standard_radius(0.9, 784)


def test_radii_of_a_floor_table_are_those_of_its_grid():
    grid = RadiusTable("x", 4, np.array([0.0, 1, 2]), np.array([0.5, 0.2, 0.1]), "floor")
    p = np.array([0.4, 0.5, 0.79, 0.8, 0.85, 0.9, 1.0])
    assert grid.radius_at(np.nextafter(p, 1)).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert grid.p_at([0, 0.5, 1, 1.5, 2]) == pytest.approx([0.5, 0.8, 0.8, 0.9, 0.9])
    assert grid.p_at(3) == 1
    assert (grid.radius_at(grid.p_at([0.5, 1, 1.5, 2])) >= [0.5, 1, 1.5, 2]).all()


def test_the_command_writes_the_table_and_names_what_it_made(tmp_path, capsys):
    path = tmp_path / "tables" / "t.json"
    assert cli.main(["radius-table", "centripetal-l1_k5", "--d", "16", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert "centripetal-l1_k5, d = 16" in out
    assert RadiusTable.load(path).failure_probability == 0
    spec = json.dumps({"noise": "mixed-linf_k3-0.25", "d": 9, "samples": 3000, "seed": 4})
    assert cli.main(["radius-table", "--spec", spec, "--out", str(path)]) == 0
    made = RadiusTable.load(path)
    assert made.noise == "mixed-linf_k3"
    assert made.record["samples"] == 3000
    assert made.record["seed"] == 4
    assert made.failure_probability == 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gaussian-0.25", "--d", "9"], "closed form and needs no table"),
        (["centripetal-l2_k9", "--d", "9"], "k = 9 needs d > k, got d = 9"),
        (["centripetal-l2_k9"], "d is missing"),
        (
            ["centripetal-l2_k9", "--d", "10", "--seed", "1"],
            "those of centripetal-l2_k9 are not sampled",
        ),
        (["centripetal-l9", "--d", "10"], "unknown"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(tmp_path, capsys, arguments, message):
    path = tmp_path / "t.json"
    assert cli.main(["radius-table", *arguments, "--out", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not path.exists()
