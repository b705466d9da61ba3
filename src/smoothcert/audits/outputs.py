"""What the page shows of the audits below their verdicts.

An audit's command writes its tables beside its verdicts, and its figure.
"""

from __future__ import annotations

from smoothcert.report.output import Output, Section


def _table(name: str, title: str) -> Output:
    return Output(f"audits/{name}", "table", title, make="")


def _figure(name: str, title: str) -> Output:
    return Output(f"audit_{name}", "figure", title, make="")


SECTION = Section(
    key="audits",
    title="Audits",
    claim=(
        "Each promise of a certificate, and whether an attempt to break it succeeded. A broken"
        " promise of a paper is a result; a broken promise of a variant that this project calls"
        " sound is a fault."
    ),
    notebook="audits",
    outputs=(
        _figure("memory", "What attacks on certificates of input-dependent scales found"),
        _figure("attack_accuracy", "Certified accuracy beside accuracy under attack, by radius"),
        _figure("coverage", "Failure rate of each confidence procedure at known class probability"),
        _figure("honesty", "Certificates all at once, and settings chosen on the test inputs"),
        _table("honesty-together", "Certificates of a whole table, all at once"),
        _table("honesty-optimism", "Settings chosen on the test inputs"),
        _figure("numerics_{variant}", "The same certificates in other arithmetic, on {variant}"),
        _table("numerics-{variant}-arithmetic", "Certificates in other arithmetic, on {variant}"),
    ),
)
