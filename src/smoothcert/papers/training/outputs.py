"""The trainings side by side: what they certify, and how their logs went."""

from __future__ import annotations

from smoothcert.papers.cohen.options import AccuracyOptions, Titled
from smoothcert.report.output import Need, Output, Run, Section


def of_noise(runs: list[Run], variant: str) -> list[Run]:
    """The runs of one noise."""
    return [run for run in runs if run["noise"] == variant]


SECTION = Section(
    key="training",
    title="Training the base classifier",
    claim=(
        "Cohen, SmoothAdv and MACER, each with one noise scale for all training inputs and with"
        " per-input scales (DS2), and Consistency, certified at the fixed scale."
    ),
    outputs=(
        Output(
            name="training_table",
            kind="table",
            title="Training methods, certified with the fixed noise scale",
            make="smoothcert.papers.cohen.table:cohen",
            needs=(Need("certificates", "training"),),
            options=AccuracyOptions,
            config="outputs.cohen_table",
            compared=True,
        ),
        Output(
            name="training_gain",
            kind="table",
            title="Gain of each training method over Cohen's",
            make="smoothcert.papers.training.gain:gain",
            needs=(Need("certificates", "training"),),
        ),
        Output(
            name="training_curves_{variant}",
            kind="figure",
            title="Training curves ({variant}): loss, noisy error and noise scales by epoch",
            make="smoothcert.papers.training.figure:measure",
            draw="smoothcert.papers.training.figure:draw",
            needs=(Need("logs", "training", select=of_noise),),
            options=Titled,
            variants="smoothcert.workflow.experiments:training_noises",
            called="smoothcert.report.names:noise",
        ),
    ),
)
