"""The outputs of ISS (Chen et al. 2022)."""

from __future__ import annotations

from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.iss.options import (
    CoverageOptions,
    MappingOptions,
    ReplayOptions,
    ReplayTableOptions,
    ScaleOptions,
)
from smoothcert.report.output import Need, Output, Run, Section


def _first(runs: list[Run]) -> list[Run]:
    return runs[:1]


_TABLES = {
    1: "Table 1 of ISS: absolute decline",
    4: "Table 4 of ISS: relative decline",
    5: "Table 5 of ISS: the second model",
}
_ONE_MODEL = (Need("votes", "iss_table1", select=_first),)
_PUBLISHED = (Need("published"),)
# What a replay runs, beside the members that the runs of its votes name.
_PARTS = ("noise.gaussian", "budget.fixed", "budget.iss", "budget.iss-fresh", "budget.sequential")
_REPLAYED = "Budgets replayed on published certificates"


def _budgets(number: int) -> Output:
    name = f"iss_table{number}"
    return Output(
        name=name,
        kind="table",
        title=_TABLES[number],
        make="smoothcert.papers.iss.tables:budgets",
        needs=(Need("certificates", name), Need("live", name)),
        options=AccuracyOptions,
        config="outputs.iss_table",
        compared=True,
    )


SECTION = Section(
    key="iss",
    title="Input-specific sample sizes (ISS)",
    claim=(
        "Chen et al. 2022: most inputs need far fewer samples than the usual 100,000 for a radius"
        " that is hardly smaller."
    ),
    paper="iss",
    notebook="iss",
    checks="smoothcert.papers.iss.claims",
    outputs=(
        _budgets(1),
        Output(
            name="iss_table2",
            kind="table",
            title="Table 2 of ISS: settings",
            make="smoothcert.papers.iss.settings_table:settings",
            needs=tuple(Need("certificates", f"iss_table{n}") for n in (1, 4, 5)),
        ),
        Output(
            name="iss_table3",
            kind="table",
            title="Table 3 of ISS: time to build the sample-size mapping",
            make="smoothcert.papers.iss.tables:mapping_times",
            options=MappingOptions,
            parts=("noise.gaussian",),
        ),
        _budgets(4),
        _budgets(5),
        Output(
            name="iss_replay",
            kind="table",
            title=_REPLAYED,
            make="smoothcert.papers.iss.replay_table:replayed",
            needs=_PUBLISHED,
            options=ReplayTableOptions,
            config="iss.replay",
            parts=_PARTS,
        ),
        Output(
            name="iss_fig1",
            kind="figure",
            title="Figure 1 of ISS: average radius against samples, replayed from our votes",
            make="smoothcert.papers.iss.figure_replay:figure1",
            draw="smoothcert.papers.iss.figure_replay:draw_trade_off",
            needs=(Need("votes", "iss_table1"),),
            options=ReplayOptions,
            config="iss.replay",
            parts=_PARTS,
        ),
        Output(
            name="iss_fig3",
            kind="figure",
            title=(
                "Figure 3 of ISS: radius against samples for a low and a high class probability"
            ),
            make="smoothcert.papers.iss.figures:figure3",
            draw="smoothcert.papers.iss.figures:draw_figure3",
            options=ScaleOptions,
        ),
        Output(
            name="iss_fig4",
            kind="figure",
            title="Figure 4 of ISS: where ISS is ahead, and the class probabilities of one model",
            make="smoothcert.papers.iss.figures:figure4",
            draw="smoothcert.papers.iss.figures:draw_figure4",
            needs=_ONE_MODEL,
            options=ReplayOptions,
            config="iss.replay",
            parts=_PARTS,
        ),
        Output(
            name="iss_fig5",
            kind="figure",
            title="Figure 5 of ISS: average radius against samples, the second model",
            make="smoothcert.papers.iss.figure_replay:figure5",
            draw="smoothcert.papers.iss.figure_replay:draw_trade_off",
            needs=(Need("votes", "iss_table5"),),
            options=ReplayOptions,
            config="iss.replay",
            parts=_PARTS,
        ),
        Output(
            name="iss_fig6",
            kind="figure",
            title="Figure 6 of ISS, upper: sample sizes by class probability",
            make="smoothcert.papers.iss.figures:figure6",
            draw="smoothcert.papers.iss.figures:draw_figure6",
            options=ScaleOptions,
        ),
        Output(
            name="iss_fig6_lower",
            kind="figure",
            title="Figure 6 of ISS, lower: average radius and samples by the share of stage 1",
            make="smoothcert.papers.iss.figure_replay:figure6_lower",
            draw="smoothcert.papers.iss.figure_replay:draw_figure6_lower",
            needs=_ONE_MODEL,
            options=ReplayOptions,
            config="iss.replay",
            parts=_PARTS,
        ),
        Output(
            name="iss_coverage",
            kind="figure",
            title="Failure probability of ISS, exact, for every way of reading its Algorithm 2",
            make="smoothcert.papers.iss.figure_coverage:measure",
            draw="smoothcert.papers.iss.figure_coverage:draw",
            options=CoverageOptions,
            config="iss.coverage",
        ),
        Output(
            name="iss_replay",
            kind="figure",
            title=f"{_REPLAYED}: average radius against samples",
            make="smoothcert.papers.iss.figure_replay:published",
            draw="smoothcert.papers.iss.figure_replay:draw_trade_off",
            needs=_PUBLISHED,
            options=ReplayOptions,
            config="iss.replay",
            parts=_PARTS,
        ),
    ),
)
