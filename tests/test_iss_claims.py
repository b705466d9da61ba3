"""Claims of ISS: read from the result frame, judged by the paper's own rows, or in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smoothcert.papers.iss.claims import TABLES
from smoothcert.report.claims import DIFFERENT, NOT_REPRODUCED, NOT_RUN, REPRODUCED, Finding
from smoothcert.report.ledger import ledger
from smoothcert.report.numbers import Metric, Number, Row, frame, write_numbers
from smoothcert.report.reference import cells

MODEL = {
    "dataset": "digits", "arch": "tiny_cnn", "training": "cohen-fs-0.25",
    "noise": "gaussian-0.25", "sigma": 0.25, "scaling": "fixed",
}  # fmt: skip
IMAGENET = {
    "dataset": "imagenet", "arch": "resnet50", "training": "consistency-fs-1.00",
    "noise": "gaussian-1.00", "sigma": 1.0, "scaling": "fixed",
}  # fmt: skip
EQUAL_TIME = "ISS is above IAS in ACR at every equal time"
SPEED_UP = "speed-up at a certified-radius cost of at most 0.05 (more than three times)"


def judged(folder: Path) -> dict[str, Finding]:
    """The finding of each claim by its words; the four fractions of samples by section as well."""
    found = {row.claim.claim: row.finding for row in ledger(folder, ["iss"])}
    assert len(ledger(folder, ["iss"])) == 39
    return found


def write(folder: Path, rows: list[Row], output: str = "iss_table1") -> None:
    path = folder / "numbers" / f"{output}.csv"
    path.parent.mkdir(exist_ok=True)
    write_numbers(path, frame(output, rows))


def row(budget: str, samples: float, acr: float, **more: Any) -> Row:
    return {**MODEL, "budget": budget, "samples": Number(samples, inputs=200),
            "acr": Number(acr, acr - 0.04, acr + 0.04, 200), **more}  # fmt: skip


def test_an_empty_folder_has_verdicts_only_where_no_data_is_needed(tmp_path: Path) -> None:
    found = judged(tmp_path)
    for finding in found.values():
        assert finding.verdict != DIFFERENT
        assert finding.why
    assert found["IAS samples for both inputs"].ours == (
        "50,564 (50,248 to 50,885 for the rounding of the bound)"
    )
    assert "kbar 100,000 and bound 0.0042 as stated" in found["radius of x1 given up"].why
    wrong = next(f for claim, f in found.items() if claim.startswith("p_A above which"))
    assert wrong.verdict == NOT_REPRODUCED  # the paper's 0.94
    assert "0.994 (sigma 0.5)" in wrong.ours
    assert sum(f.verdict == REPRODUCED for f in found.values()) == 12
    assert sum(f.verdict == NOT_REPRODUCED for f in found.values()) == 2


def test_pairs_are_read_at_equal_samples(tmp_path: Path) -> None:
    fixed = [row("fixed-1000", 1000, 0.5), row("fixed-10000", 10000, 0.6)]
    # Half way in the logarithm: 0.55.
    for acr, direction in ((0.56, "same direction"), (0.54, "opposite direction")):
        write(tmp_path, [*fixed, row("iss_ad0.05-10000", 10**3.5, acr)])
        found = judged(tmp_path)[EQUAL_TIME]
        assert (found.verdict, found.direction) == (DIFFERENT, direction)
        assert found.evidence == "tables/iss_table1.csv"
        assert "1 pairs on digits, Cohen, σ = 0.25, " in found.ours
    write(tmp_path, [*fixed, row("iss_ad0.05-10000", 500, 0.9)])
    assert judged(tmp_path)[EQUAL_TIME].verdict == NOT_RUN  # no fixed size so small


def test_variants_of_a_budget_are_not_the_papers_rule(tmp_path: Path) -> None:
    for budget in ("iss-fresh_ad0.05-10000", "iss_s200_ad0.05-10000", "iss_a0.01_ad0.05-10000"):
        write(tmp_path, [row(budget, 1000, 0.5)])
        assert judged(tmp_path)[SPEED_UP].verdict == NOT_RUN


def test_the_papers_own_rows_are_reproduced_and_others_are_not(tmp_path: Path) -> None:
    def printed(metric: str) -> Any:
        key = {"method": "ISS-AD-10-0.05", "sigma": 1.0, "metric": metric}
        return cells("iss", "table1", **key)[0]

    samples, acr = printed("avg_samples"), printed("ACR")
    for factor, verdict in ((1.0, REPRODUCED), (1.5, NOT_REPRODUCED)):
        drawn, radius = factor * samples.value, acr.value / factor
        write(
            tmp_path,
            [{
                **IMAGENET,
                "budget": "iss_ad0.05-100000",
                "samples": Number(drawn, drawn - 100, drawn + 100, 500, paper=samples),
                "acr": Number(radius, radius - 0.05, radius + 0.05, 500, paper=acr),
            }],
        )  # fmt: skip
        found = judged(tmp_path)
        assert found[SPEED_UP].verdict == verdict
        assert found["ISS ACR on ImageNet in 250 minutes"].verdict == verdict
        assert found["IAS ACR on ImageNet in 250 minutes"].verdict == NOT_RUN


def test_only_votes_that_were_sampled_for_a_budget_are_timed(tmp_path: Path) -> None:
    claim = "minutes of IAS-10 on ImageNet, both sigma"
    timed = {"votes": "own", "time": Number(0.5)}
    write(tmp_path, [row("fixed-10000", 10000, 0.6, **{**timed, "votes": "shared"})])
    assert judged(tmp_path)[claim].verdict == NOT_RUN
    # The same row in two tables is one measurement.
    for output in TABLES[:2]:
        write(tmp_path, [row("fixed-10000", 10000, 0.6, **timed)], output)
    assert judged(tmp_path)[claim].ours == "0.5 min on digits, Cohen, σ = 0.25 (n = 10,000)"
    slow = {**timed, "time": Number(0.2)}
    own = [row("fixed-10000", 10000, 0.6, **timed), row("iss_ad0.05-10000", 2000, 0.5, **slow)]
    write(tmp_path, own)
    rate = judged(tmp_path)["runtime is roughly proportional to the average number of samples"]
    assert rate.direction == "opposite direction"  # twice the rate


@pytest.mark.parametrize(("last", "direction"), [(6.0, "same"), (4.0, "opposite")])
def test_accuracies_are_compared_at_the_first_and_the_last_radius(
    tmp_path: Path, last: float, direction: str
) -> None:
    def accuracies(first: float, second: float) -> dict[Any, Number]:
        at = (0.0, first), (0.5, second), (1.0, 0.0)
        return {Metric("accuracy_percent", r): Number(v) for r, v in at}

    fixed = [{**row(f"fixed-{n}", n, 0.5), **accuracies(90, 5)} for n in (1000, 10000)]
    write(tmp_path, [*fixed, {**row("iss_ad0.05-10000", 2000, 0.5), **accuracies(89, last)}])
    claim = "ISS is slightly below IAS at low radii and above at high radii"
    assert judged(tmp_path)[claim].direction == f"{direction} direction"
