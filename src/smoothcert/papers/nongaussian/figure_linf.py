"""Figure 4 of Zhang et al. 2020: linf certified accuracy, one panel a training scale."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run
from smoothcert.papers.nongaussian.tables import LABELS, groups, noise_names, rivals
from smoothcert.report import curves
from smoothcert.report.figure_registry import FIGURES
from smoothcert.report.printing import number
from smoothcert.report.style import COLOURS, DASHES, PANEL, style
from smoothcert.report.table import Options


@FIGURES.member("nongaussian_fig4")
def figure4(runs: Sequence[Run], options: Options) -> Figure:
    """Baseline and method, each the envelope over its noises for one model."""
    panels: list[tuple[str, dict[str, list[Run]]]] = []
    several = len({run.n for run in runs}) > 1
    for group in groups(runs, "linf"):
        scales = sorted({run.training for members in group.values() for run in members}, key=str)
        for training in scales:
            own = {
                name: [run for run in members if run.training == training]
                for name, members in group.items()
            }
            first = next(run for members in own.values() for run in members)
            scale = first.trained.scale if first.trained else None
            label = f"{first.dataset}, {first.recipe}"
            label += f", σ₀ = {number(scale)}" if scale is not None else ""
            label += f", n = {first.n:,}" if several and first.n else ""
            panels.append((label, rivals(own)))
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with style():
        figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (label, own) in zip(axes, panels, strict=False):
            _panel(ax, label, own, options)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        if options.title:
            figure.suptitle(options.title)
    return figure


def _panel(axes: Axes, label: str, own: dict[str, list[Run]], options: Options) -> None:
    reach = 0.0
    for name, members in own.items():
        i = list(LABELS).index(name)
        tables = metrics.common_inputs([run.table for run in members])
        radii, accuracy = curves.curve(tables, options.strict)
        reach = max(reach, 255 * float(radii[-1]))
        best = f" (best of {len(members)})" if len(members) > 1 else ""
        text = f"{LABELS[name].lower()}: {', '.join(noise_names(members))}{best}"
        curves.draw(axes, 255 * radii, accuracy, color=COLOURS[i], linestyle=DASHES[i], label=text)
    axes.set_title(label)
    axes.set_xlabel(r"certified $\ell_\infty$ radius r (1/255)")
    axes.set_ylabel(f"correct with radius {'>' if options.strict else '≥'} r (% of inputs)")
    if options.radii is not None:
        reach = 255 * float(metrics.parse_radii(options.radii)[-1])
    axes.set_xlim(0, 1.03 * reach or 1)
    axes.set_ylim(0, 102)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))
