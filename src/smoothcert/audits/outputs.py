"""The figures and tables of the audits."""

from __future__ import annotations

from smoothcert.report.output import Need, Output, Section

_JOBS = "smoothcert.workflow.audits"
_HONESTY = (Need("file", "audits/honesty.csv"),)
_NUMERICS = (Need("file", "audits/numerics-{variant}.csv"),)

SECTION = Section(
    key="audits",
    title="Audits",
    claim=(
        "The promises of certificates, and whether an attempt to break them succeeded. A broken"
        " promise of a paper is a result; a broken promise of a variant that this project claims"
        " to be sound is a bug."
    ),
    notebook="audits",
    needs=(Need("paths", f"{_JOBS}:verdicts", group=None),),
    outputs=(
        Output(
            name="audit_memory",
            target="audit_memory_figure",
            kind="figure",
            title="Attacks on certificates with input-dependent scales",
            make="smoothcert.audits.figure_memory:measure",
            draw="smoothcert.audits.figure_memory:draw",
            needs=(
                Need("paths", f"{_JOBS}:attacked_balls"),
                Need("paths", f"{_JOBS}:balls_at_sigma_0", group="fixed"),
            ),
        ),
        Output(
            name="audit_attack_accuracy",
            target="audit_attack_figure",
            kind="figure",
            title="Certified accuracy against accuracy under attack, by radius",
            make="smoothcert.audits.figure_attack:measure",
            draw="smoothcert.audits.figure_attack:draw",
            needs=(Need("paths", f"{_JOBS}:under_attack"),),
        ),
        Output(
            name="audit_coverage",
            target="audit_coverage_figure",
            kind="figure",
            title="Failure rate of each confidence procedure at a known class probability",
            make="smoothcert.audits.figure_coverage:measure",
            draw="smoothcert.audits.figure_coverage:draw",
            needs=(Need("file", "audits/coverage.csv"),),
        ),
        Output(
            name="audit_honesty",
            target="audit_honesty_figure",
            kind="figure",
            title="All certificates at once, and settings chosen on test inputs",
            make="smoothcert.audits.figure_honesty:measure",
            draw="smoothcert.audits.figure_honesty:draw",
            needs=_HONESTY,
        ),
        Output(
            name="audit_honesty_together",
            kind="table",
            title="Per-input and joint certificates",
            make="smoothcert.audits.tables:together",
            needs=_HONESTY,
        ),
        Output(
            name="audit_honesty_optimism",
            kind="table",
            title="Optimism from choosing on test inputs (points)",
            make="smoothcert.audits.tables:optimism",
            needs=_HONESTY,
        ),
        Output(
            name="audit_numerics_{variant}",
            kind="figure",
            title="Votes, predictions and radii changed by other arithmetic ({variant})",
            make="smoothcert.audits.figure_numerics:measure",
            draw="smoothcert.audits.figure_numerics:draw",
            needs=_NUMERICS,
            variants=f"{_JOBS}:numerics_datasets",
        ),
        Output(
            name="audit_numerics_{variant}_arithmetic",
            kind="table",
            title="The same certificates in other arithmetic ({variant})",
            make="smoothcert.audits.tables:arithmetic",
            needs=_NUMERICS,
            variants=f"{_JOBS}:numerics_datasets",
        ),
    ),
)
