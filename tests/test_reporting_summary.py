"""The closing screen of a run: no more than a screen, and what one looks for first."""

from pathlib import Path

import pytest
from reporting import certificates

from smoothcert.cli import main
from smoothcert.report.verdict import BROKEN, HOLDS, Verdict, write_verdicts


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "smoke"
    paths = certificates(folder, inputs=40)
    numbers = folder / "numbers" / "cohen_table.csv"
    out = str(folder / "tables" / "cohen_table")
    assert main(["table", "cohen_table", "--out", out, "--numbers", str(numbers), *paths]) == 0
    broken = Verdict("a ball keeps its class", "digits", BROKEN, "found", procedure="ISS printed")
    sound = Verdict("failure at most alpha", "clopper-pearson", HOLDS, "all paths", ours=True)
    write_verdicts(folder / "audits" / "a.json", "test", [broken, sound], {})
    (folder / "benchmarks" / "train").mkdir(parents=True)
    (folder / "benchmarks" / "train" / "a.tsv").write_text("s\th:m:s\n150.0\t0:02:30\n")
    return folder


def test_it_says_what_was_made_how_long_it_took_verdicts_and_where_the_page_is(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["overview", "summary", str(results)]) == 0
    said = capsys.readouterr().out
    assert "Preset smoke" in said
    assert "certificate tables, 1 table" in said
    assert "took      2 minutes" in said
    assert "Cohen, σ = " in said
    assert "ACR [95%]" in said
    assert "not run" in said
    assert "1 HOLDS, 1 BROKEN; sound variants broken: none" in said
    assert "page      not made yet" in said
    (results / "index.html").touch()
    assert main(["overview", "summary", str(results)]) == 0
    said = capsys.readouterr().out
    assert f"page      {results / 'index.html'}" in said
    assert len(said.splitlines()) <= 24
    assert max(map(len, said.splitlines()[:-1])) <= 110


def test_a_folder_with_nothing_in_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["overview", "summary", str(tmp_path)]) == 0
    assert "made      nothing yet" in capsys.readouterr().out
    assert main(["overview", "summary", str(tmp_path / "absent")]) == 2
    assert "not a results folder" in capsys.readouterr().err
