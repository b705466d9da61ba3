"""Figure 4 of Zhang et al. 2020: linf certified accuracy, one panel a training scale."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.nongaussian.tables import LABELS, RADII, groups, noise_titles, rivals
from smoothcert.report import curves, names
from smoothcert.report.numbers import Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.style import COLOURS, DASHES, heading, panels, style


def measure_fig4(files: Files, options: AccuracyOptions) -> Picture:
    """A row a curve, ``method`` a key of LABELS: the envelope over its noises for one model.

    It has a value at every radius of the paper's table 3 too.
    """
    runs = read_runs(files.some())
    several = len({run.n for run in runs}) > 1
    rows: list[Row] = []
    for group in groups(runs, "linf"):
        models = sorted({run.training for members in group.values() for run in members}, key=str)
        for model in models:
            part = {
                name: [run for run in members if run.training == model]
                for name, members in group.items()
            }
            rows += _curves(part, options.strict, several, len({row["panel"] for row in rows}))
    reach = None if options.radii is None else float(metrics.parse_radii(options.radii)[-1])
    more = {"strict": options.strict, "reach": reach, "title": options.title}
    return Picture(frame("nongaussian_fig4", rows), more)


def _curves(group: dict[str, list[Run]], strict: bool, several: bool, panel: int) -> list[Row]:
    """The curves of one model; ``several``: the panels differ in the number of samples."""
    everything = [run for members in group.values() for run in members]
    tables = metrics.common_inputs([run.table for run in everything])
    by_path = dict(zip((run.path for run in everything), tables, strict=True))
    first = everything[0]
    title = f"{first.dataset}, {names.training(first.training or 'unknown')}"
    title += f", n = {first.n:,}" if several and first.n else ""
    rows: list[Row] = []
    radii = metrics.parse_radii(RADII["linf"])
    for name, members in rivals(group).items():
        best = f" (best of {len(members)})" if len(members) > 1 else ""
        rows.append(
            {
                "panel": panel,
                "title": title,
                "dataset": first.dataset,
                "arch": first.arch,
                "training": first.training,
                "norm": "linf",
                "method": name,
                "series": f"{LABELS[name]}: {', '.join(noise_titles(members))}{best}",
                **curves.curve([by_path[run.path] for run in members], strict, radii),
            }
        )
    return rows


def draw_fig4(picture: Picture) -> Figure:
    numbers = picture.numbers.assign(radius=255 * picture.numbers.radius)
    with style():
        figure, each = panels(numbers.panel.nunique())
        for axes, (_, part) in zip(each, numbers.groupby("panel"), strict=True):
            _panel(axes, part, picture.more["strict"], picture.more["reach"])
        heading(figure, picture.more["title"])
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame, strict: bool, reach: float | None) -> None:
    for _, part in numbers.groupby("row"):
        i = list(LABELS).index(part.method.iloc[0])
        label = part.series.iloc[0]
        curves.draw(axes, part, color=COLOURS[i], linestyle=DASHES[i], label=label)
    axes.set_title(numbers.title.iloc[0])
    axes.set_xlabel(r"certified $\ell_\infty$ radius r (1/255)")
    axes.set_ylabel(f"correct with radius {'>' if strict else '≥'} r (% of inputs)")
    most = numbers[numbers.value > 0].radius.max() if reach is None else 255 * reach
    axes.set_xlim(0, 1.03 * most if most > 0 else 1)
    axes.set_ylim(0, 102)
    band: dict[str, Any] = {"color": "0.5", "alpha": 0.25, "linewidth": 0}
    axes.fill_between([], [], label="95% CI (test-set sampling)", **band)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17))
