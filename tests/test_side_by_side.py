"""Claims by data set, runs side by side, and the page about them."""

from __future__ import annotations

import pandas as pd
import pytest
from test_ddrs_claims import GAIN_AT_HALF, at, table1, write

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import claims, side_by_side
from smoothcert.report.by_data import by_data, write_by_data
from smoothcert.report.claims import Evidence, Gain, origin, read_claims
from smoothcert.report.findings import SHOWN
from smoothcert.report.numbers import GAIN, PERCENT, POINTS, Number


def number(low, high):
    return Number((low + high) / 2, low, high, unit=GAIN)


@pytest.mark.parametrize(
    ("chosen", "held_out", "controls", "expected"),
    [
        (-1, (-2, -0.5), None, claims.NO_GAIN),
        (0, (0.5, 1), {}, claims.NO_GAIN),
        (1, (-0.5, 1.5), {}, claims.UNCLEAR),
        (3, (-0.5, 1.5), {}, claims.OPTIMISM),
        (3, (-2, -1), {}, claims.OPTIMISM),
        (1, (0.5, 1.5), None, claims.NO_CONTROL),
        (1, (0.5, 1.5), {claims.SHIFT: [(-0.1, 0.2)]}, claims.SHIFT),
        (1, (0.5, 1.5), {claims.SHIFT: [(0.1, 0.2), (-0.1, 0.2)]}, claims.SHIFT),
        (1, (0.5, 1.5), {claims.SHIFT: [(0.1, 0.2)], claims.LONGER: [(-1, 1)]}, claims.LONGER),
        (1, (0.5, 1.5), {claims.SHIFT: [(0.1, 0.2)]}, claims.REMAINS),
    ],
)  # fmt: skip
def test_where_a_gain_comes_from(chosen, held_out, controls, expected):
    made = controls and {name: [number(*ends) for ends in each] for name, each in controls.items()}
    assert origin(Gain(chosen, number(*held_out), made)) == expected


def run(folder, dataset, paired, over_mean=None):
    """Table 1 on a data set, the control of equal mean scale, and the claims by data set."""
    table1(folder, dataset, "different data", paired=paired)
    if over_mean:
        row = {
            "dataset": dataset,
            "arch": "net",
            "noise": "gaussian-0.25",
            "training": "cohen-fs-0.25",
            "trained": "fs",
        }
        row |= {"data": f"{dataset}, net", "scaling": "ascent-K900", "budget": "fixed-1000"}
        row |= {"search": "ascent", "K": 900, "minus_mean": number(*over_mean)}
        write(folder, "ddrs_controls_table", [row])
    folder.joinpath("tables").mkdir()
    write_by_data(folder, folder / "tables/claims")
    return folder


def gain_of(rows, on):
    return rows[(rows.claim == GAIN_AT_HALF) & (rows.on == on)].iloc[0]


def test_runs_stand_side_by_side_by_data_set(tmp_path):
    folders = [
        run(tmp_path / "small", "digits", (-0.5, 15.9)),
        run(tmp_path / "large", "mnist", (0.5, 14.9), (0.01, 0.02)),
        run(tmp_path / "again", "mnist", (0.5, 14.9), (-0.01, 0.02)),
    ]
    rows = side_by_side.read_runs(folders[:2])
    one, other = gain_of(rows, "digits"), gain_of(rows, "mnist")
    assert (one.direction, one.origin) == (claims.NEITHER, claims.UNCLEAR)
    assert (other.direction, other.origin) == (claims.SAME, claims.REMAINS)
    assert (other.low, other.high, other.papers_choice) == (0.5, 14.9, pytest.approx(7.7))
    assert set(rows.verdict) == {claims.DIFFERENT}  # the paper's numbers on other data
    text = side_by_side.to_markdown(rows)
    assert "| claim | stated | digits | mnist |" in text
    assert "+7.7 [+0.5, +14.9]: same direction; remains |" in text
    assert "reproduced (" not in text
    # a data set of two runs: which is which; what both say alike stands once
    rows = side_by_side.read_runs(folders)
    assert {"mnist (large)", "digits"} <= set(rows.on)
    assert not rows.duplicated(["claim", "on"]).any()


def test_data_sets_of_one_run_are_judged_apart(tmp_path):
    table1(tmp_path, "digits", "different data", off={"Cohen-DS": -12.0})
    rows = []
    for dataset, values in {"digits": (40, 30), "mnist": (40, 50)}.items():
        for method, value in zip(("Cohen", "Cohen-DS"), values, strict=True):
            row = {"data": f"{dataset}, net", "dataset": dataset, "method": method}
            row |= {"base": "Cohen", "selection": "per radius", "paper": "different data"}
            rows.append({**row, at(0.5): Number(value, value - 1, value + 1, 100, PERCENT)})
    write(tmp_path, "ddrs_table1", rows)
    found = by_data(Evidence(tmp_path))
    found = found[found.claim == GAIN_AT_HALF].set_index("data")
    assert dict(found.direction) == {"digits": claims.OPPOSITE, "mnist": claims.SAME}
    assert dict(found.value) == {"digits": -10, "mnist": 10}
    assert set(found.unit) == {POINTS}


def test_a_folder_without_its_claims_and_two_of_one_name_are_one_line(tmp_path):
    with pytest.raises(SmoothcertError, match="overview claims"):
        side_by_side.read_runs([tmp_path])
    with pytest.raises(SmoothcertError, match="different names"):
        side_by_side.read_runs([tmp_path / "a/x", tmp_path / "b/x"])
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/claims_by_data.csv").write_text("paper,claim\n")
    with pytest.raises(SmoothcertError, match="lacks the column 'section'"):
        side_by_side.read_runs([tmp_path])


def test_the_page_counts_what_the_table_has(tmp_path, capsys):
    folder = run(tmp_path / "small", "digits", (0.5, 14.9), (-0.01, 0.02))
    base, page, words = tmp_path / "ledger", tmp_path / "README.md", tmp_path / "words.md"
    words.write_text("**In short.** The scale shifts.\n", encoding="utf-8")
    places = ["--out", str(base), "--page", str(page), "--words", str(words)]
    assert main(["overview", "ledger", str(folder), *places[:2], *places[4:]]) == 2
    assert "--words: stands at the top of --page" in capsys.readouterr().err
    assert main(["overview", "ledger", str(folder), *places]) == 0
    assert str(page) in capsys.readouterr().out
    rows = pd.read_csv(base.with_suffix(".csv"), keep_default_na=False)
    text = page.read_text(encoding="utf-8")
    same = int((rows.direction == claims.SAME).sum())
    assert f"| DDRS | digits | {len(rows)} | {same} |" in text
    assert "| digits | 2 | 0 | 0 | 0 | 2 | 0 | 0 | 0 |" in text  # at two radii; shifts of the scale
    assert (
        "\n\n**In short.** The scale shifts.\n\n![The papers' gains on our data](ledger.png)"
        in text
    )
    assert "(small)" in text
    assert base.with_suffix(".png").stat().st_size > 10_000


def test_what_the_page_shows_of_the_papers_are_claims_of_theirs():
    assert set(SHOWN) <= {claim.check for claim in read_claims()}
