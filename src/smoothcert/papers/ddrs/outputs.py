"""The outputs of DDRS: tables 1 to 4, figures 3 to 7, and those of its appendix."""

from __future__ import annotations

from smoothcert.papers.cohen.options import AccuracyOptions, Titled
from smoothcert.papers.ddrs.options import ImageOptions, MoreImageOptions, SeedOptions
from smoothcert.papers.ddrs.published_models import baselines
from smoothcert.report.output import Need, Options, Output, Run, Section

_HERE = "smoothcert.papers.ddrs"


def shown(runs: list[Run]) -> list[Run]:
    """The furthest ascent of one model: for the figures that look at single inputs."""
    ascents = [
        run for run in runs if run["scaling"] != "fixed" and run["training"] == "cohen-fs-0.25"
    ]
    return ascents[-1:]


def shown_and_fixed(runs: list[Run]) -> list[Run]:
    """The same model at the fixed scale, and at the scales of :func:`shown`."""
    return [one for run in shown(runs) for one in ({**run, "scaling": "fixed"}, run)]


def _memorized(*sections: str) -> tuple[Need, ...]:
    """The certificates of these sections, as the memory leaves them."""
    return tuple(Need("memorized", section) for section in sections)


def _table(
    name: str,
    title: str,
    make: str,
    *sections: str,
    options: type[Options] = AccuracyOptions,
    compared: bool = False,
) -> Output:
    return Output(
        name=name,
        kind="table",
        title=title,
        make=f"{_HERE}.{make}",
        needs=_memorized(*sections),
        options=options,
        compared=compared,
    )


def _figure(
    name: str,
    title: str,
    make: str,
    draw: str,
    *sections: str,
    options: type[Options] = AccuracyOptions,
) -> Output:
    return Output(
        name=name,
        kind="figure",
        title=title,
        make=f"{_HERE}.{make}",
        draw=f"{_HERE}.{draw}",
        needs=_memorized(*sections),
        options=options,
    )


def _images(name: str, title: str, options: type[Options]) -> Output:
    return Output(
        name=name,
        kind="figure",
        title=title,
        make=f"{_HERE}.figure_images:measure",
        draw=f"{_HERE}.figure_images:draw",
        outside=True,
        needs=(
            Need("data", "ddrs_table1", group=None, select=shown),
            Need("scales", "ddrs_table1", group="scales", select=shown),
            Need("certificates", "ddrs_table1", select=shown_and_fixed),
        ),
        options=options,
    )


_SEEDS = (Need("memorized", "ddrs_seeds", seeds=True),)

_TABLES_1_TO_3 = ("ddrs_table1", "ddrs_table2", "ddrs_table3")

SECTION = Section(
    key="ddrs",
    title="Data-dependent noise scales (DDRS)",
    claim=(
        "Alfarra et al. 2022: choosing the noise scale of each input by gradient ascent on its"
        " radius raises certified accuracy and average certified radius."
    ),
    paper="ddrs",
    notebook="ddrs",
    checks=f"{_HERE}.claims",
    outputs=(
        _table(
            "ddrs_table1", "Table 1 of DDRS: Cohen's training", "tables:table1", "ddrs_table1",
            compared=True,
        ),
        _table(
            "ddrs_table2", "Table 2 of DDRS: SmoothAdv", "tables:table2", "ddrs_table2",
            compared=True,
        ),
        _table(
            "ddrs_table3", "Table 3 of DDRS: MACER", "tables:table3", "ddrs_table3",
            compared=True,
        ),
        _table(
            "ddrs_table4", "Table 4 of DDRS: l1 certificates of uniform noise", "tables:table4",
            "ddrs_table4", compared=True,
        ),
        _table(
            "ddrs_controls", "Controls of DDRS: where a gain in ACR comes from",
            "controls:controls", "ddrs_controls", "ddrs_grid", options=Titled,
        ),
        Output(
            name="ddrs_dual",
            kind="table",
            title="Per-input scales, with a proof (dual smoothing) and without",
            make=f"{_HERE}.dual:dual",
            outside=True,
            needs=(Need("certificates", "ddrs_dual"),),
            options=AccuracyOptions,
        ),
        Output(
            name="ddrs_seeds",
            kind="table",
            title="The central comparisons, per training seed",
            make=f"{_HERE}.seeds:seeds",
            needs=_SEEDS,
            options=SeedOptions,
        ),
        _table(
            "ddrs_inputs", "Section 3.4 of DDRS: what its scale does to each input",
            "inputs:inputs", *_TABLES_1_TO_3, "ddrs_table4", "ddrs_fig7", "ddrs_controls",
            "ddrs_grid", "training", options=Titled,
        ),
        _table(
            "ddrs_times", "Appendix F of DDRS: seconds per input", "times:times", *_TABLES_1_TO_3,
            options=Titled,
        ),
        _table(
            "ddrs_appendix", "Appendix H of DDRS: each noise scale and K", "appendix:appendix",
            *_TABLES_1_TO_3, "ddrs_fig7", compared=True,
        ),
        Output(
            name="ddrs_published",
            kind="table",
            title="DDRS's fixed-scale baselines against published certificates",
            make=f"{_HERE}.published:baseline",
            outside=True,
            needs=(Need("published", select=baselines),),
        ),
        _figure(
            "ddrs_fig3",
            "Figure 3 of DDRS: Cohen's training, certified accuracy for each σ, and the envelope",
            "figure_curves:figure3", "figure_curves:draw", "ddrs_table1",
        ),
        _figure(
            "ddrs_fig4",
            "Figure 4 of DDRS: SmoothAdv, certified accuracy for each σ, and the envelope",
            "figure_curves:figure4", "figure_curves:draw", "ddrs_table2",
        ),
        _figure(
            "ddrs_fig5",
            "Figure 5 of DDRS: MACER, certified accuracy for each σ, and the envelope",
            "figure_curves:figure5", "figure_curves:draw", "ddrs_table3",
        ),
        _images(
            "ddrs_fig6",
            "Figure 6 of DDRS: images under fixed and per-input noise",
            ImageOptions,
        ),
        _figure(
            "ddrs_fig7",
            "Figure 7 of DDRS: certified accuracy against the number of ascent steps K",
            "figure_steps:figure7", "figure_steps:draw", "ddrs_fig7",
        ),
        _figure(
            "ddrs_controls",
            "What DDRS's ascent adds to a ramp, a shared scale, a grid: paired ACR",
            "figure_controls:measure", "figure_controls:draw", "ddrs_controls", options=Titled,
        ),
        Output(
            name="ddrs_dual",
            kind="figure",
            title="Certified accuracy of fixed scales, DDRS and dual smoothing at equal samples",
            make=f"{_HERE}.figure_dual:measure",
            draw=f"{_HERE}.figure_dual:draw",
            outside=True,
            needs=(Need("certificates", "ddrs_dual"),),
            options=AccuracyOptions,
        ),
        Output(
            name="ddrs_seeds",
            kind="figure",
            title="Effect of the training seed on the central comparisons",
            make=f"{_HERE}.figure_seeds:measure",
            draw=f"{_HERE}.figure_seeds:draw",
            needs=_SEEDS,
            options=SeedOptions,
        ),
        _figure(
            "ddrs_appendix_grid",
            "Appendix B of DDRS: ascent against greedy grid search",
            "figure_curves:appendix_grid", "figure_curves:draw", "ddrs_grid",
        ),
        _figure(
            "ddrs_acr",
            "The ACR that DDRS prints, the bounds from its appendix H, and ours",
            "figure_acr:measure", "figure_acr:draw", *_TABLES_1_TO_3, options=Titled,
        ),
        Output(
            name="ddrs_appendix_sigma",
            kind="figure",
            title="Appendix E of DDRS: chosen scales, with improved inputs marked",
            make=f"{_HERE}.figure_sigma:measure",
            draw=f"{_HERE}.figure_sigma:draw",
            needs=(Need("certificates", "ddrs_table1", select=shown_and_fixed),),
            options=Titled,
        ),
        _images(
            "ddrs_appendix_images",
            "Appendix of DDRS: more images under fixed and data-dependent noise",
            MoreImageOptions,
        ),
    ),
)  # fmt: skip
