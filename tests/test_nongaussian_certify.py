"""``smoothcert certify`` with a radius table, and with votes read as another noise's."""

import json
from pathlib import Path

import numpy as np
import pytest
from core_helpers import make_store

from smoothcert.certificates import read_certificates
from smoothcert.cli import main
from smoothcert.noise import NOISES

D = 64


def write_store(path: Path, noise: str) -> str:
    votes = [[[v, 1000 - v]] * 4 for v in (1000, 990, 800, 520)]
    store = make_store(
        votes, selection=[[100, 0]] * 4, look=1000, n_classes=2, noise=noise, shape=[1, 8, 8]
    )
    store.write(path)
    return str(path)


def certify(votes: str, out: Path, *arguments: str) -> int:
    return main(
        ["certify", "--votes", votes, "--budget", "fixed-4000", "--out", str(out), *arguments]
    )


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.json"
    NOISES.parse("centripetal-l2_k48-1.00").build_table(D, intervals=16).save(path)
    return str(path)


def test_a_table_file_is_what_the_radii_come_from_and_is_recorded(tmp_path, table):
    votes, out = write_store(tmp_path / "v.npz", "centripetal-l2_k48-0.50"), tmp_path / "c.tsv"
    assert certify(votes, out, "--radius-table", table) == 0
    made = read_certificates(out)
    coarse = NOISES.parse("centripetal-l2_k48-1.00").build_table(D, intervals=16)
    assert np.array_equal(made.radius, 0.5 * coarse.radius_at(made.columns["p_lower"]))
    assert made.radius[0] > 0
    about = json.loads(out.with_suffix(".json").read_text())["radius_table"]
    assert (about["noise"], about["d"], about["method"]) == ("centripetal-l2_k48", D, "quadrature")


def test_gaussian_votes_certify_linf_and_the_record_says_how_they_were_drawn(tmp_path):
    votes, out = write_store(tmp_path / "v.npz", "gaussian-0.50"), tmp_path / "c.tsv"
    assert certify(votes, tmp_path / "l2.tsv") == 0
    assert certify(votes, out, "--noise", "gaussian-linf-0.50") == 0
    made, l2 = read_certificates(out), read_certificates(tmp_path / "l2.tsv")
    assert (made.single("norm"), made.single("noise")) == ("linf", "gaussian-linf-0.50")
    assert np.allclose(made.radius, l2.radius / 8, rtol=1e-12)
    record = json.loads(out.with_suffix(".json").read_text())
    assert (record["noise"], record["drawn_as"]) == ("gaussian-linf-0.50", "gaussian-0.50")


@pytest.mark.parametrize(
    ("noise", "arguments", "message"),
    [
        ("gaussian-0.50", ["--noise", "gaussian-linf-0.25"], "votes were drawn with gaussian-0.50"),
        ("gaussian-0.50", ["--noise", "laplace-0.50"], "another distribution"),
        ("gaussian-0.50", ["--radius-table", "TABLE"], "uses no radius table"),
        ("centripetal-l2_k8-0.50", ["--radius-table", "TABLE"], "is for centripetal-l2_k48"),
        ("centripetal-l2_k48-0.50", ["--radius-table", "absent.json"], "absent.json"),
        ("gaussian-0.50", ["--seed", "1"], "seed: does not apply to --votes"),
    ],
)
def test_what_the_votes_or_the_table_cannot_certify_ends_in_one_line(
    tmp_path, capsys, table, noise, arguments, message
):
    votes, out = write_store(tmp_path / "v.npz", noise), tmp_path / "c.tsv"
    assert certify(votes, out, *[a.replace("TABLE", table) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()
