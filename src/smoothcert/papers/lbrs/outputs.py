"""The outputs of Anderson and Sojoudi 2022 (LBRS)."""

from __future__ import annotations

from smoothcert.report.output import Need, Output, Section

_FOLDER = "smoothcert.papers.lbrs"
_SPIRAL = Need("file", "lbrs/spiral.npz")
_TASKS = {
    "first": (Need("paths", f"{_FOLDER}.plan:first"),),
    "second": (Need("paths", f"{_FOLDER}.plan:second"),),
}


def _figure(number: int, what: str, title: str, needs: tuple[Need, ...]) -> Output:
    return Output(
        name=f"lbrs_fig{number}",
        kind="figure",
        title=f"Figure {number}: {title}",
        make=f"{_FOLDER}.figures:measure_{what}",
        draw=f"{_FOLDER}.figures:draw_{what}",
        needs=needs,
    )


SECTION = Section(
    key="lbrs",
    title="Locally biased smoothing (LBRS)",
    claim=(
        "Anderson and Sojoudi 2022: a bias towards the nearest reserved example makes the decision"
        " robust, with a deterministic radius."
    ),
    paper="lbrs",
    notebook="lbrs",
    checks=f"{_FOLDER}.claims",
    outputs=(
        Output(
            name="lbrs_claims",
            kind="table",
            title="The claims of LBRS and the numbers that decide them",
            make=f"{_FOLDER}.verdicts:verdicts",
            needs=(
                Need("file", "lbrs/spiral.npz", group="spiral"),
                Need("paths", f"{_FOLDER}.plan:first", group="first"),
                Need("paths", f"{_FOLDER}.plan:second", group="second"),
            ),
        ),
        _figure(1, "regions", "decision regions on the spiral as the bias grows", (_SPIRAL,)),
        _figure(2, "radii", "accuracy and certified radii against the bias", (_SPIRAL,)),
        _figure(3, "sweep", "accuracy against bias and noise, first image task", _TASKS["first"]),
        _figure(4, "attack", "accuracy under attack, first image task", _TASKS["first"]),
        _figure(5, "sweep", "accuracy against bias and noise, second image task", _TASKS["second"]),
        _figure(6, "attack", "accuracy under attack, second image task", _TASKS["second"]),
    ),
    needs=(
        Need("file", "lbrs/spiral.csv", group=None),
        Need("paths", f"{_FOLDER}.plan:all_certificates", group=None),
    ),
)
