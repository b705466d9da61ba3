"""The outputs of Zhang et al. 2020."""

from __future__ import annotations

from pydantic import Field

from smoothcert.core.settings import Probability
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.nongaussian.published_models import cohens, smoothadvs
from smoothcert.papers.nongaussian.study.settings import DRAWN
from smoothcert.report.output import Need, Options, Output, Section

_FOLDER = "smoothcert.papers.nongaussian"
_NORMS = ("l1", "l2", "linf")


class AblationOptions(Options):
    """What a reader may choose of the ablation's figure."""

    p: Probability = Field(DRAWN, description="class probability of the figure")


def _table(number: int, norm: str, symbol: str) -> Output:
    return Output(
        name=f"nongaussian_table{number}",
        kind="table",
        title=f"Table {number}: certified accuracy (%) at {symbol} radii",
        make=f"{_FOLDER}.tables:table{number}",
        needs=(Need("certificates", f"nongaussian_{norm}"),),
        options=AccuracyOptions,
        compared=True,
    )


def _figure(name: str, title: str, module: str = "figures", **more: object) -> Output:
    return Output(
        name=f"nongaussian_{name}",
        kind="figure",
        title=title,
        make=f"{_FOLDER}.{module}:measure_{name}",
        draw=f"{_FOLDER}.{module}:draw_{name}",
        **more,  # type: ignore[arg-type]
    )


SECTION = Section(
    key="nongaussian",
    title="Non-Gaussian noise",
    claim=(
        "Zhang et al. 2020: noise with more mass near its centre certifies more than Laplace (ℓ₁)"
        " and Gaussian noise (ℓ₂, ℓ∞) at the same accuracy."
    ),
    paper="zhang",
    notebook="nongaussian",
    checks=f"{_FOLDER}.claims",
    outputs=(
        _table(1, "l1", "ℓ₁"),
        _table(2, "l2", "ℓ₂"),
        _table(3, "linf", "ℓ∞"),
        Output(
            name="nongaussian_table2_published",
            kind="table",
            title="Table 2's baseline, from Cohen's published certificates",
            make="smoothcert.papers.nongaussian.published:table2",
            needs=(Need("published", select=cohens),),
        ),
        Output(
            name="nongaussian_table3_published",
            kind="table",
            title="Table 3's baseline, from SmoothAdv's published certificates",
            make="smoothcert.papers.nongaussian.published:table3",
            needs=(Need("published", select=smoothadvs),),
        ),
        Output(
            name="nongaussian_published_energy",
            kind="table",
            title="Exact effect of centripetal noise of equal energy on the published p_A",
            make="smoothcert.papers.nongaussian.published:equal_energy",
            outside=True,
            needs=(Need("published", select=cohens),),
            parts=("noise.gaussian", "noise.centripetal-l2"),
        ),
        Output(
            name="nongaussian_gain",
            kind="table",
            title="Where a gain of non-Gaussian noise comes from",
            make=f"{_FOLDER}.gain:gain",
            needs=tuple(Need("certificates", f"nongaussian_{norm}") for norm in _NORMS),
        ),
        Output(
            name="nongaussian_training",
            kind="table",
            title="Models trained with the certification noise",
            make=f"{_FOLDER}.gain:training",
            needs=(Need("certificates", "nongaussian_training"),),
        ),
        _figure("fig1", "Figure 1: distribution of the noise norm, in closed form as in the paper"),
        _figure("fig2", "Figure 2: overlap of a density and its shift, measured"),
        _figure(
            "fig3",
            "Figure 3: accuracy against robustness on the toy example",
            needs=(Need("file", "nongaussian/toy.csv"),),
        ),
        _figure(
            "fig4",
            "Figure 4: certified accuracy against the ℓ∞ radius",
            "figure_linf",
            needs=(Need("certificates", "nongaussian_fig4"),),
            options=AccuracyOptions,
        ),
        _figure(
            "ablation",
            "Ablation: certified radius against k at equal noise energy",
            needs=(Need("file", "nongaussian/ablation.csv"),),
            options=AblationOptions,
        ),
    ),
)
