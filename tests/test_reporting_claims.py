"""The ledger of claims: every claim has a verdict that a check computed, and a check can fail."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report.claims import (
    CHECKS,
    DIFFERENT,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    VERDICTS,
)
from smoothcert.report.ledger import COLUMNS, count, ledger, read_claims
from smoothcert.report.reference import value

RADII = ("0.00", "0.25", "0.50", "0.75")


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def ddrs_table(folder, data="cifar10, resnet18", paper="DDRS table 1", off=None):
    """Table 1 with the paper's CIFAR-10 numbers of 10,000 inputs; ``off``: points by method."""
    rows = []
    for method in ("Cohen", "Cohen-DS", "Cohen-DS2"):
        row = {"data": data, "method": method, "choice": "per radius, same inputs"}
        row |= {"models": "3 σ", "memory": "0 of 100", "paper": paper}
        for r in RADII:
            said = value("ddrs", "table1", dataset="cifar10", method=method, radius=float(r)).value
            ours, key = said + (off or {}).get(method, 0.0), f"accuracy_percent_{r}"
            row |= {key: ours, f"{key}_low": ours - 1, f"{key}_high": ours + 1}
            row[f"{key}_paper"] = said if paper.startswith("DDRS") else ""
        rows.append(row)
    write(folder / "tables" / "ddrs_table1.csv", rows)


def verdicts(folder):
    return {(r.claim.section, r.claim.claim): r.finding for r in ledger(folder)}


GAIN = ("4.1 Cohen + DS", "Cohen-DS over Cohen at 0.5, CIFAR-10")
LEVEL = ("4.1 Cohen + DS", "Cohen-DS at 0.5, CIFAR-10")
BEST = ("abstract", "gain at radius 0.5 over the strongest baseline, CIFAR-10")


def test_every_claim_has_one_check_and_every_check_a_claim():
    claims = read_claims()
    assert len(claims) == 125
    used = Counter()
    for claim in claims:
        found = CHECKS.of(claim)
        assert len(found) == 1, claim
        used[found[0][0]] += 1
    assert set(used) == {check for *_, check in CHECKS.members}


def test_an_empty_folder_has_verdicts_only_where_no_data_is_needed(tmp_path):
    rows = ledger(tmp_path)
    assert [r.claim for r in rows] == read_claims()
    for row in rows:
        assert row.finding.verdict in VERDICTS
        assert row.finding.why
        if row.finding.verdict == NOT_RUN:
            assert row.finding.ours == row.finding.evidence == ""
        else:
            assert row.finding.verdict != DIFFERENT
            assert row.finding.ours
    found = verdicts(tmp_path)
    assert found[GAIN].verdict == NOT_RUN
    wrong = next(f for (_, claim), f in found.items() if claim.startswith("p_A above which"))
    assert wrong.verdict == NOT_REPRODUCED  # the paper's 0.94
    assert "0.994 (sigma 0.5)" in wrong.ours
    assert sum(n[REPRODUCED] for n in count(rows).values()) >= 10


def test_the_papers_own_numbers_are_reproduced_and_others_are_not(tmp_path):
    ddrs_table(tmp_path)
    same = verdicts(tmp_path)
    assert same[GAIN].verdict == same[LEVEL].verdict == REPRODUCED
    ddrs_table(tmp_path, off={"Cohen-DS": 12.0})
    high = verdicts(tmp_path)
    assert high[GAIN].verdict == high[LEVEL].verdict == NOT_REPRODUCED
    assert "+19.7 points" in high[GAIN].ours
    assert "same direction" in high[GAIN].ours


def test_a_gain_that_is_a_loss_is_not_reproduced_however_wide_the_error(tmp_path):
    ddrs_table(tmp_path, off={"Cohen-DS": -8.0})  # 47.8 - 8 is below 40.1
    path = tmp_path / "tables" / "ddrs_table1.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    for row in rows:
        row["accuracy_percent_0.50_low"], row["accuracy_percent_0.50_high"] = "0", "100"
    write(path, rows)
    found = verdicts(tmp_path)[GAIN]
    assert found.verdict == NOT_REPRODUCED
    assert "opposite direction" in found.ours


def test_other_data_is_no_verdict_but_a_direction(tmp_path):
    ddrs_table(tmp_path, "digits, tiny_cnn", "different data", off={"Cohen-DS": -12.0})
    found = verdicts(tmp_path)
    assert {found[GAIN].verdict, found[LEVEL].verdict} == {DIFFERENT}
    assert "-4.3 points on digits, tiny_cnn (opposite direction)" in found[GAIN].ours
    ddrs_table(tmp_path, "cifar10, tiny_cnn", "different architecture")
    assert verdicts(tmp_path)[GAIN].verdict == DIFFERENT


def test_a_best_of_fewer_methods_than_the_papers_is_no_verdict(tmp_path):
    ddrs_table(tmp_path)
    assert verdicts(tmp_path)[BEST].verdict == DIFFERENT


def test_lbrs_is_judged_on_the_papers_data_only(tmp_path):
    row = {"claim": "the gain of LBRS over NS is larger for linf attacks", "where": "5.2"}
    row |= {"measured": "l2 +0.1; linf +0.2", "figure": "4"}
    words = "the gain of LBRS over NS relative to the CNN is larger for l-infinity attacks"
    key = ("5.2 clean and robust accuracy", words)
    for data, verdict, expected in (
        ("mnist:8", "holds", REPRODUCED),
        ("mnist:8", "in part", NOT_REPRODUCED),
        ("digits:8", "holds", DIFFERENT),
    ):
        write(tmp_path / "tables/lbrs_claims.csv", [{**row, "data": data, "verdict": verdict}])
        assert verdicts(tmp_path)[key].verdict == expected


def test_iss_pairs_are_read_at_equal_samples(tmp_path):
    model = {"dataset": "digits", "training": "cohen-fs-0.25", "noise": "gaussian-0.25"}

    def row(budget, samples, acr, paper=""):
        return {**model, "budget": budget, "samples": samples, "samples_paper": paper, "acr": acr}

    key = ("introduction / figure 1", "ISS is above IAS in ACR at every equal time")
    fixed = [row("fixed-1000", 1000, 0.5), row("fixed-10000", 10000, 0.6)]
    # half way in the logarithm: 0.55
    for acr, words in ((0.56, "same direction"), (0.54, "opposite direction")):
        write(tmp_path / "tables/iss_table1.csv",
              [*fixed, row("iss_ad0.05-10000", 10**3.5, acr)])  # fmt: skip
        found = verdicts(tmp_path)[key]
        assert found.verdict == DIFFERENT
        assert words in found.ours
    write(tmp_path / "tables/iss_table1.csv", [*fixed, row("iss_ad0.05-10000", 500, 0.9)])
    assert verdicts(tmp_path)[key].verdict == NOT_RUN  # no fixed size so small


def test_the_files_say_the_same_and_links_lead_somewhere(tmp_path, capsys):
    ddrs_table(tmp_path)
    base = tmp_path / "tables" / "claims"
    assert main(["overview", "claims", str(tmp_path), "--out", str(base)]) == 0
    assert "DDRS: " in capsys.readouterr().out
    with base.with_suffix(".csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 125
    assert all((tmp_path / row["evidence"]).exists() for row in rows)
    text = base.with_suffix(".md").read_text(encoding="utf-8")
    assert sum(line.count(" | not run | ") for line in text.splitlines()) == sum(
        row["verdict"] == NOT_RUN for row in rows
    )


def test_a_folder_or_table_that_is_none_is_one_line(tmp_path):
    with pytest.raises(SmoothcertError, match="no folder of results"):
        ledger(tmp_path / "absent")
    path = tmp_path / "audits" / "x.json"
    path.parent.mkdir()
    path.write_text("{", encoding="utf-8")
    ddrs_table(tmp_path)
    with pytest.raises(SmoothcertError, match=r"x\.json"):
        ledger(tmp_path)
