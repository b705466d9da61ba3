"""Claims of DDRS, judged from the numbers of a run: the paper's own, others, and none."""

from __future__ import annotations

import pytest

from smoothcert.report.claims import (
    DIFFERENT,
    IN_PART,
    NEITHER,
    NOT_REPRODUCED,
    NOT_RUN,
    OPPOSITE,
    REPRODUCED,
    SAME,
)
from smoothcert.report.ledger import ledger
from smoothcert.report.numbers import GAIN, PERCENT, POINTS, Metric, Number, frame, write_numbers
from smoothcert.report.reference import value

RADII = (0.0, 0.25, 0.5, 0.75)
GAIN_AT_HALF = "Cohen-DS over Cohen at 0.5, CIFAR-10"
LEVEL = "Cohen-DS at 0.5, CIFAR-10"
BEST = "gain at radius 0.5 over the strongest baseline, CIFAR-10"


def at(radius):
    return Metric("accuracy_percent", radius)


def findings(folder):
    return {row.claim.claim: row.finding for row in ledger(folder, ["ddrs"])}


def write(folder, output, rows):
    write_numbers(folder / "numbers" / f"{output}.csv", frame(output, rows))


def table1(folder, dataset="cifar10", paper="DDRS table 1", off=None, half=1.0, paired=None):
    """Table 1 with the paper's CIFAR-10 numbers of 10,000 inputs; ``off``: points by method."""
    rows = []
    for method in ("Cohen", "Cohen-DS", "Cohen-DS2"):
        row = {"data": f"{dataset}, net", "dataset": dataset, "method": method, "base": "Cohen"}
        row |= {"selection": "per radius", "paper": paper}
        for r in RADII:
            cell = value("ddrs", "table1", dataset="cifar10", method=method, radius=r)
            ours = cell.value + (off or {}).get(method, 0.0)
            shown = cell if paper.startswith("DDRS") else None
            row[at(r)] = Number(ours, ours - half, ours + half, 10_000, PERCENT, shown)
        rows.append({**row, "changed_by_memory": Number(0, inputs=100)})
    if paired:
        low, high = paired
        minus = {**rows[0], "method": "Cohen-DS minus Cohen", "selection": "paired", "paper": None}
        rows.append({**minus, at(0.5): Number((low + high) / 2, low, high, 10_000, POINTS)})
    write(folder, "ddrs_table1", rows)


def test_the_papers_own_numbers_are_reproduced_and_others_are_not(tmp_path):
    table1(tmp_path)
    same = findings(tmp_path)
    assert same[GAIN_AT_HALF].verdict == same[LEVEL].verdict == REPRODUCED
    table1(tmp_path, off={"Cohen-DS": 12.0})
    high = findings(tmp_path)
    assert high[GAIN_AT_HALF].verdict == high[LEVEL].verdict == NOT_REPRODUCED
    assert "+19.7 points" in high[GAIN_AT_HALF].ours
    assert high[GAIN_AT_HALF].direction == SAME


def test_a_gain_that_is_a_loss_is_not_reproduced_however_wide_the_error(tmp_path):
    table1(tmp_path, off={"Cohen-DS": -8.0}, half=50.0)  # 47.8 - 8 is below 40.1
    found = findings(tmp_path)[GAIN_AT_HALF]
    assert (found.verdict, found.direction) == (NOT_REPRODUCED, OPPOSITE)


def test_other_data_is_no_verdict_but_a_direction(tmp_path):
    table1(tmp_path, "digits", "different data", off={"Cohen-DS": -12.0})
    found = findings(tmp_path)
    assert {found[GAIN_AT_HALF].verdict, found[LEVEL].verdict} == {DIFFERENT}
    assert "-4.3 points on digits, net (opposite direction)" in found[GAIN_AT_HALF].ours
    table1(tmp_path, "cifar10", "different architecture")
    assert findings(tmp_path)[GAIN_AT_HALF].verdict == DIFFERENT


def test_a_gain_that_the_paired_interval_does_not_tell_from_none_has_no_direction(tmp_path):
    for paired, direction in (((-0.5, 15.9), NEITHER), ((0.5, 14.9), SAME)):
        table1(tmp_path, "digits", "different data", paired=paired)
        found = findings(tmp_path)[GAIN_AT_HALF]
        assert found.direction == direction
        assert "+7.7 points on digits, net; selected on held-out inputs +7.7 points" in found.ours


def test_a_best_of_fewer_methods_than_the_papers_is_no_verdict(tmp_path):
    table1(tmp_path)
    assert findings(tmp_path)[BEST].verdict == DIFFERENT


@pytest.mark.parametrize(
    ("changed", "lost", "direction"), [(0, 0, SAME), (3, 0, OPPOSITE), (3, 2, OPPOSITE)]
)
def test_single_inputs_are_summed_over_the_ascents_of_most_steps(
    tmp_path, changed, lost, direction
):
    model = {"dataset": "digits", "arch": "net", "training": "cohen-fs-0.25", "budget": "fixed-9"}
    model |= {"data": "digits, net", "noise": "gaussian-0.25", "papers_own": "no"}

    def row(search, k, other, noise="gaussian-0.25"):
        return {
            **model, "noise": noise, "search": search, "K": k, "scaling": f"{search}-K{k}",
            "tested": Number(50), "other_prediction": Number(other), "abstains": Number(lost),
            "certified": Number(40), "smaller": Number(7), "proven_loss": Number(0),
            "least_scale": Number(0.2), "most_scale": Number(0.43),
        }  # fmt: skip

    rows = [row("ascent", 100, 9), row("ascent", 900, changed), row("ramp", 900, 9)]
    write(tmp_path, "ddrs_inputs", [*rows, row("ascent", 900, 0, "gaussian-0.50")])
    found = findings(tmp_path)
    of = {claim[:15]: finding for claim, finding in found.items()}
    same, loss = of["data-dependent "], of["optimized sigma"]
    assert f"{changed} of 100 inputs predicted differently (abstentions: {2 * lost})" in same.ours
    assert (same.verdict, same.direction) == (DIFFERENT, direction)
    assert "0 of 80 certificates with a proven loss (14 smaller" in loss.ours
    assert loss.direction == SAME
    assert found["example 2: optimized sigma where the fixed one is 0.25"].direction == SAME


def test_grids_are_judged_beside_the_ascent_of_the_same_model(tmp_path):
    model = {"dataset": "digits", "arch": "net", "training": "cohen-fs-0.25", "trained": "fs"}
    model |= {"data": "digits, net", "noise": "gaussian-0.25", "budget": "fixed-9"}

    def row(search, scaling, acr, minus, n=None, k=None, fewest=None):
        found = {**model, "search": search, "scaling": scaling, "papers_own": "no", "search_n": n}
        found |= {"K": k, "acr": Number(acr), "minus_fs": Number(minus, minus - 1, minus + 1)}
        return found if fewest is None else {**found, "minus_fewest": fewest}

    last = Number(0.2, 0.1, 0.3, unit=GAIN)
    rows = [row("grid", "grid-n1", 0.1, -0.4, 1), row("grid", "grid-n4", 0.3, -0.2, 4, None, last)]
    claims = [c for c in findings(tmp_path) if c.startswith("grid search")]
    for ascent, direction in ((0.1, SAME), (-0.1, IN_PART)):
        write(tmp_path, "ddrs_controls_table",
              [*rows, row("ascent", "ascent-K900", 0.6, ascent, 1, 900)])  # fmt: skip
        below, samples = (findings(tmp_path)[claim] for claim in claims)
        assert below.direction == direction
        assert "grid below the fixed scale for 2 of 2 n" in below.ours
        assert samples.direction == SAME
        assert "0.100 (n = 1), 0.300 (n = 4); last minus first +0.2000" in samples.ours


def test_an_order_of_every_cell_counts_them(tmp_path):
    rows = [
        {"data": "digits, net", "method": method, "sigma": "0.25", "K": k, "search": search,
         "paper": "different data", at(0.0): Number(a), at(0.5): Number(b), at(1.0): Number(0.0)}
        for method, search, k, a, b in (
            ("SmoothAdv", "fixed", None, 90.0, 40.0),
            ("SmoothAdv-DS", "ascent", 100, 90.0, 50.0),
            ("SmoothAdv-DS", "ascent", 900, 80.0, 60.0),
        )
    ]  # fmt: skip
    write(tmp_path, "ddrs_appendix", rows)
    found = findings(tmp_path)
    order = found["SmoothAdv-DS improves on SmoothAdv over all radii and all sigma"]
    assert order.ours.startswith("1 cells above, 1 equal, 0 below on digits, net")
    assert order.direction == SAME
    steps = next(f for c, f in found.items() if c.startswith("certified accuracy rises"))
    assert "SmoothAdv-DS, 0.25 on digits, net: 1 steps up, 1 down" in steps.ours


def test_without_numbers_nothing_is_judged_but_arithmetic(tmp_path):
    found = findings(tmp_path)
    judged = {claim for claim, finding in found.items() if finding.verdict != NOT_RUN}
    assert len(found) == 67
    assert len(judged) == 2
    assert all(found[claim].verdict == REPRODUCED for claim in judged)
