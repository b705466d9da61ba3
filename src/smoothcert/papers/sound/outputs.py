"""What changes with the sound methods: one table, and certified accuracy as the main number."""

from __future__ import annotations

from smoothcert.papers.sound.comparisons import COMPARISONS
from smoothcert.report.output import Output, Section

SECTION = Section(
    key="sound",
    title="What the sound methods change",
    claim=(
        "Each paper's method beside one whose certificates are proved as they are used, on the same"
        " models and inputs: certified accuracy first, then samples and average radius."
    ),
    outputs=(
        Output(
            name="sound_methods",
            kind="table",
            title="What changes if one uses the sound method",
            make="smoothcert.papers.sound.table:compare",
            needs=tuple(need for one in COMPARISONS for need in one.needs),
            parts=("budget.both",),
        ),
    ),
)
