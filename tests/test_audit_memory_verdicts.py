"""Verdicts: their file, and what the command ends with."""

import json

import numpy as np
import pytest

from smoothcert import cli
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.verdict import (
    BROKEN,
    HOLDS,
    NOT_FOUND,
    Verdict,
    exit_code,
    read_verdicts,
    write_verdicts,
)

PAPERS = Verdict(
    "<b>no overlap</b>", "digits", BROKEN, "2 of 9", witness="w/1.npz", numbers={"broken": 2}
)
OURS = Verdict("our ball", "digits", HOLDS, "300 tries", ours=True)


def test_a_papers_broken_promise_is_a_result_and_our_own_is_a_failure(tmp_path):
    assert write_verdicts(tmp_path / "a.json", "x", [PAPERS, OURS], {}) == 0
    lost = Verdict("our ball", "digits", BROKEN, "x2", ours=True)
    assert write_verdicts(tmp_path / "b.json", "x", [PAPERS, lost], {}) == 1
    assert read_verdicts(tmp_path / "b.json").verdicts[1] == lost  # written all the same
    assert exit_code([Verdict("ours", "digits", NOT_FOUND, "9 tries", ours=True)]) == 0


def test_verdicts_read_back_as_written_with_numbers_that_json_can_hold(tmp_path):
    numbers = {"a": np.float64(1.5), "b": np.arange(2), "c": np.inf, "d": np.bool_(True)}
    one = Verdict("p", "s", NOT_FOUND, "e", numbers=numbers)
    write_verdicts(tmp_path / "v.json", "kind", [one], {"seed": np.int64(3)})
    back = read_verdicts(tmp_path / "v.json")
    assert back.kind == "kind"
    assert back.record == {"seed": 3}
    assert back.verdicts[0].numbers == {"a": 1.5, "b": [0, 1], "c": None, "d": True}


def test_a_word_that_is_no_verdict_and_a_wrong_file_are_refused(tmp_path):
    with pytest.raises(SmoothcertError, match="expected one of HOLDS"):
        Verdict("p", "s", "FINE", "e")
    wrong = tmp_path / "v.json"
    for text in ("{", "[]", json.dumps({"format": 1, "verdicts": [{"promise": "p"}]})):
        wrong.write_text(text)
        with pytest.raises(SmoothcertError, match=r"v\.json"):
            read_verdicts(wrong)


def test_an_unknown_kind_of_audit_is_one_line(capsys):
    with pytest.raises(SystemExit):
        cli.main(["audit", "nothing"])
    assert capsys.readouterr().err.startswith("error: ")
