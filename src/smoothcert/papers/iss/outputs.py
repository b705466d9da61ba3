"""The outputs of ISS (Chen et al. 2022)."""

from __future__ import annotations

from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.iss.options import (
    CoverageOptions,
    MappingOptions,
    ReplayOptions,
    ScaleOptions,
)
from smoothcert.papers.iss.published_models import consistency, macer, one_consistency
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
# In full, for the fingerprint of their code
_MAKERS = {
    1: "smoothcert.papers.iss.published_tables:table1",
    4: "smoothcert.papers.iss.published_tables:table4",
    5: "smoothcert.papers.iss.published_tables:table5",
}
_CURVES = {
    1: "smoothcert.papers.iss.figure_replay:published1",
    5: "smoothcert.papers.iss.figure_replay:published5",
}
_MODELS = {1: consistency, 4: consistency, 5: macer}
# What a replay runs, beside the members that the runs of its votes name.
_PARTS = ("noise.gaussian", "budget.fixed", "budget.iss", "budget.iss-fresh", "budget.sequential")


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


def _on_published(number: int) -> Output:
    return Output(
        name=f"iss_table{number}_published",
        kind="table",
        title=f"{_TABLES[number]}, on published certificates",
        make=_MAKERS[number],
        needs=(Need("published", select=_MODELS[number]),),
        compared=True,
    )


def _curves(number: int) -> Output:
    return Output(
        name=f"iss_fig{number}_published",
        kind="figure",
        title=(
            f"Figure {number} of ISS: average radius against samples, on published certificates,"
            " with the paper's points"
        ),
        make=_CURVES[number],
        draw="smoothcert.papers.iss.figure_replay:draw_trade_off",
        needs=(Need("published", select=_MODELS[number]),),
    )


SECTION = Section(
    key="iss",
    title="Input-specific sample sizes (ISS)",
    claim=(
        "Chen et al. 2022: most inputs need far fewer samples than the usual 100,000 for a nearly"
        " equal radius."
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
            outside=True,
            options=MappingOptions,
            parts=("noise.gaussian",),
        ),
        _budgets(4),
        _budgets(5),
        _on_published(1),
        _on_published(4),
        _on_published(5),
        Output(
            name="iss_savings",
            kind="table",
            title="Samples that sound budgets would save on published models, at equal decline",
            make="smoothcert.papers.iss.published_tables:savings",
            needs=_PUBLISHED,
        ),
        Output(
            name="iss_savings",
            kind="figure",
            title="Samples at equal decline of the average radius, on published models",
            make="smoothcert.papers.iss.figure_replay:measure_savings",
            draw="smoothcert.papers.iss.figure_replay:draw_savings",
            needs=_PUBLISHED,
        ),
        _curves(1),
        Output(
            name="iss_fig4_published",
            kind="figure",
            title=(
                "Figure 4 of ISS: where ISS is better, and the class probabilities of the paper's"
                " models, from published certificates"
            ),
            make="smoothcert.papers.iss.figures:published4",
            draw="smoothcert.papers.iss.figures:draw_figure4",
            needs=(Need("published", select=consistency),),
            outside=True,
            parts=("noise.gaussian", "budget.iss"),
        ),
        _curves(5),
        Output(
            name="iss_fig6_published",
            kind="figure",
            title=(
                "Figure 6 of ISS, lower: average radius and samples by the fraction of stage 1, on"
                " published certificates"
            ),
            make="smoothcert.papers.iss.figure_replay:published6",
            draw="smoothcert.papers.iss.figure_replay:draw_figure6_lower",
            needs=(Need("published", select=one_consistency),),
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
            title="Figure 4 of ISS: where ISS is better, and the class probabilities of one model",
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
            title="Figure 6 of ISS, lower: average radius and samples by the fraction of stage 1",
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
            title="Exact failure probability of ISS for every reading of its Algorithm 2",
            make="smoothcert.papers.iss.figure_coverage:measure",
            draw="smoothcert.papers.iss.figure_coverage:draw",
            options=CoverageOptions,
            config="iss.coverage",
        ),
    ),
)
