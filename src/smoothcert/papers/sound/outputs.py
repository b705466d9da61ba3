"""What changes with the sound methods: one table, and certified accuracy as the main number."""

from __future__ import annotations

from smoothcert.papers.sound.comparisons import COMPARISONS
from smoothcert.report.output import Need, Output, Section

_MAIN = (Need("certificates", "cohen"), Need("certificates", "training"))

SECTION = Section(
    key="sound",
    title="What the sound methods change",
    claim=(
        "Each paper's method and a sound replacement, on the same models and inputs: certified"
        " accuracy first, then samples and average radius."
    ),
    outputs=(
        Output(
            name="sound_methods",
            kind="table",
            title="What changes with the sound method",
            make="smoothcert.papers.sound.table:compare",
            needs=tuple(need for one in COMPARISONS for need in one.needs),
            parts=("budget.both",),
        ),
        Output(
            name="certified_accuracy",
            kind="table",
            title="Certified accuracy, corrected for α, the distribution of p_A, and the ACR",
            make="smoothcert.papers.sound.accuracy:accuracies",
            needs=_MAIN,
        ),
        Output(
            name="p_a_distribution",
            kind="figure",
            title="How confident the models are: fraction of inputs at or above each p_A",
            make="smoothcert.papers.sound.accuracy:measure",
            draw="smoothcert.papers.sound.accuracy:draw",
            needs=_MAIN[:1],
        ),
    ),
)
