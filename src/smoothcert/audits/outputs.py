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
        "Each promise of a certificate, and whether an attempt to break it succeeded. A broken"
        " promise of a paper is a result; a broken promise of a variant that this project calls"
        " sound is a fault."
    ),
    notebook="audits",
    needs=(Need("paths", f"{_JOBS}:verdicts", group=None),),
    outputs=(
        Output(
            name="audit_memory",
            target="audit_memory_figure",
            kind="figure",
            title="What attacks on certificates of input-dependent scales found",
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
            title="Certified accuracy beside accuracy under attack, by radius",
            make="smoothcert.audits.figure_attack:measure",
            draw="smoothcert.audits.figure_attack:draw",
            needs=(Need("paths", f"{_JOBS}:under_attack"),),
        ),
        Output(
            name="audit_coverage",
            target="audit_coverage_figure",
            kind="figure",
            title="Failure rate of each confidence procedure at known class probability",
            make="smoothcert.audits.figure_coverage:measure",
            draw="smoothcert.audits.figure_coverage:draw",
            needs=(Need("file", "audits/coverage.csv"),),
        ),
        Output(
            name="audit_honesty",
            target="audit_honesty_figure",
            kind="figure",
            title="Certificates all at once, and settings chosen on the test inputs",
            make="smoothcert.audits.figure_honesty:measure",
            draw="smoothcert.audits.figure_honesty:draw",
            needs=_HONESTY,
        ),
        Output(
            name="audit_honesty_together",
            kind="table",
            title="Certificates one by one and all at once",
            make="smoothcert.audits.tables:together",
            needs=_HONESTY,
        ),
        Output(
            name="audit_honesty_optimism",
            kind="table",
            title="Optimism of choosing on the test inputs (points)",
            make="smoothcert.audits.tables:optimism",
            needs=_HONESTY,
        ),
        Output(
            name="audit_numerics_{variant}",
            kind="figure",
            title="Votes, predictions and radii that other arithmetic changes ({variant})",
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
