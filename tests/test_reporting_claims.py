"""The ledger of claims: every claim has a verdict that a check computed, and a check can fail."""

from __future__ import annotations

import ast
import csv
import importlib

import pytest

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import claims as module
from smoothcert.report.claims import (
    DIFFERENT,
    DIRECTIONS,
    IN_PART,
    LEVEL,
    NEITHER,
    NOT_REPRODUCED,
    NOT_RUN,
    OPPOSITE,
    REPRODUCED,
    SAME,
    VERDICTS,
    Claim,
    Evidence,
    Measured,
    closed_form,
    conclude,
    judge,
    not_run,
    read_claims,
    toward,
)
from smoothcert.report.ledger import COLUMNS, count, ledger
from smoothcert.report.reference import PAPERS


def test_every_claim_has_a_check_and_every_check_a_claim():
    claims = read_claims()
    assert len(claims) == 125
    for folder, _ in PAPERS.values():
        importlib.import_module(f"smoothcert.papers.{folder}.claims")
    calls = [ast.parse(claim.check, mode="eval").body for claim in claims]
    assert {call.func.id for call in calls} == set(module._CHECKS)


def test_a_verdict_is_of_the_papers_own_settings_where_there_are_any():
    own = Measured("+7.6 points on cifar10", True, True, SAME)
    other = Measured("-4.5 points on digits", False, False, OPPOSITE)

    def verdict(*measured):
        found = conclude(measured, "tables/x.csv", "why", "nothing here")
        assert found.verdict in VERDICTS
        assert found.direction in DIRECTIONS
        return found.verdict, found.direction

    assert verdict(own) == (REPRODUCED, SAME)
    assert verdict(own, other) == (REPRODUCED, SAME)
    assert verdict(other) == (DIFFERENT, OPPOSITE)
    assert verdict(other, Measured("+1.0 on mnist", False, True, SAME)) == (DIFFERENT, IN_PART)
    assert verdict(Measured("-8 on cifar10", True, False, OPPOSITE)) == (NOT_REPRODUCED, OPPOSITE)
    assert verdict(own, Measured("-8 on imagenet", True, False, OPPOSITE))[0] == NOT_REPRODUCED
    assert verdict(Measured("12.0 percent on digits", False, False, LEVEL)) == (DIFFERENT, LEVEL)
    nothing = conclude([], "tables/x.csv", "why", "nothing here")
    assert nothing == not_run("nothing here")
    assert (nothing.verdict, nothing.ours, nothing.evidence) == (NOT_RUN, "", "")
    shown = conclude([other], "tables/x.csv", "why", "nothing here")
    assert shown.ours == "-4.5 points on digits (opposite direction)"
    assert closed_form("0.994", False, "", "equation 3").verdict == NOT_REPRODUCED


def test_a_direction_needs_more_than_chance():
    assert toward(3.0, 7.7) == SAME
    assert toward(-3.0, 7.7) == OPPOSITE
    assert toward(-3.0, -7.7) == SAME
    assert toward(0.0, 7.7) == NEITHER
    assert toward(3.0, 7.7, low=-1.0, high=7.0) == NEITHER
    assert toward(3.0, 7.7, low=1.0, high=7.0) == SAME


@pytest.mark.parametrize("text", ["best(", "7", "no_such_check(1)", "judge.x(1)", "x(open('a'))"])
def test_a_check_that_is_no_call_of_one_is_one_line(tmp_path, monkeypatch, text):
    monkeypatch.setattr(module.importlib, "import_module", lambda name: None)
    claim = Claim("iss", "1", "a claim", "3/10", "fraction", "agrees", "", text)
    assert (claim.number, claim.stated) == (0.3, "3/10 fraction")
    with pytest.raises(SmoothcertError, match=r"claims\.csv: 'a claim': check .*: expected one of"):
        judge(claim, Evidence(tmp_path))


def test_an_empty_folder_has_verdicts_only_where_no_data_is_needed(tmp_path):
    rows = ledger(tmp_path)
    assert [r.claim for r in rows] == read_claims()
    for row in rows:
        assert row.finding.verdict in VERDICTS
        assert row.finding.direction in DIRECTIONS
        assert row.finding.why
        if row.finding.verdict == NOT_RUN:
            assert row.finding.ours == row.finding.evidence == ""
        else:
            assert row.finding.verdict != DIFFERENT
            assert row.finding.ours
    wrong = next(r.finding for r in rows if r.claim.claim.startswith("p_A above which"))
    assert wrong.verdict == NOT_REPRODUCED  # the paper's 0.94
    assert "0.994 (sigma 0.5)" in wrong.ours
    assert sum(n[REPRODUCED] for n in count(rows).values()) >= 10


def test_the_files_say_the_same_and_links_lead_somewhere(tmp_path, capsys):
    base = tmp_path / "tables" / "claims"
    assert main(["overview", "claims", str(tmp_path), "--out", str(base)]) == 0
    assert "DDRS: " in capsys.readouterr().out
    with base.with_suffix(".csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 125
    assert all((tmp_path / row["evidence"]).exists() for row in rows)
    text = base.with_suffix(".md").read_text(encoding="utf-8")
    unrun = sum(row["verdict"] == NOT_RUN for row in rows)
    assert sum(line.count(" | not run | ") for line in text.splitlines()) == unrun


def test_a_folder_that_is_none_is_one_line(tmp_path):
    with pytest.raises(SmoothcertError, match="not a results folder"):
        ledger(tmp_path / "absent")
