"""The outputs of Cohen et al. 2019."""

from __future__ import annotations

from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.report.output import Need, Output, Section

_NEEDS = (Need("certificates", "cohen"),)

SECTION = Section(
    key="cohen",
    title="Gaussian smoothing",
    claim=(
        "Cohen, Rosenfeld and Kolter 2019: a majority vote under Gaussian noise cannot change"
        " within a radius given by the vote's margin. The baseline for everything below."
    ),
    notebook="cohen",
    outputs=(
        Output(
            name="cohen_table",
            kind="table",
            title="Certified accuracy and average certified radius by noise scale",
            make="smoothcert.papers.cohen.table:cohen",
            needs=_NEEDS,
            options=AccuracyOptions,
            config="outputs.cohen_table",
            compared=True,
        ),
        Output(
            name="cohen_figure",
            kind="figure",
            title="Certified accuracy against the ℓ₂ radius, one curve per noise scale",
            make="smoothcert.papers.cohen.figure:measure",
            draw="smoothcert.papers.cohen.figure:draw",
            needs=_NEEDS,
            options=AccuracyOptions,
            config="outputs.cohen_figure",
        ),
        Output(
            name="published_certificates",
            kind="table",
            title="Certificates published by the papers' authors: accuracy, ACR and level",
            make="smoothcert.papers.cohen.published:records",
            needs=(Need("published"),),
        ),
        Output(
            name="published_choice",
            kind="table",
            title="What choosing among published models gains, and what an ACR can mean",
            make="smoothcert.papers.cohen.published_choice:choices",
            outside=True,
            needs=(Need("published"),),
        ),
    ),
)
