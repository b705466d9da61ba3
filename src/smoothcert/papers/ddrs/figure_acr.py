"""Three readings of "ACR over several models and K": the paper's numbers, and ours beside them.

The paper defines ACR as the mean radius of one classifier and prints more than any classifier of
its appendix can have. Panels of the paper need no run: bars are what its appendix H allows. A
panel of ours is of other data and shows where the same three readings lie among each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.cohen.options import Titled
from smoothcert.papers.ddrs import printed_acr
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.cells import data
from smoothcert.papers.ddrs.series import add_notes, inputs_note, small_print
from smoothcert.papers.ddrs.tables import groups
from smoothcert.report.numbers import RADIUS, Key, Label, Number, Row, acr, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.reference import cells
from smoothcert.report.style import COLOURS, PANEL, heading, style

DATASETS = {"cifar10": "CIFAR-10", "imagenet": "ImageNet"}
NOTE = (
    "Paper: diamonds show the ACR printed in its tables 1 to 3; bars show the range allowed by the"
    " accuracies in its appendix H. It defines ACR for one model."
)
_LOOKS: dict[str, tuple[str, str, float, str]] = {  # colour, mark, place in a row, words
    "acr_model": (COLOURS[0], "o", -0.18, "best single model and K"),
    "acr_area": (COLOURS[4], "s", 0.18, "area under the envelope over models and K"),
    "acr_printed": ("black", "D", 0.0, "printed in the paper"),
    "acr_oracle": (COLOURS[1], "D", 0.0, "mean of each input's largest radius (an oracle)"),
}


def measure(files: Files, options: Titled) -> Picture:
    """A row a method: in the paper by its data, then of the runs."""
    rows = [_paper(*key) for key in _printed()]
    runs = read_runs(files[""])
    known = [run for run in runs if names.base(run) in names.TABLES]
    for base in names.TABLES:
        if any(names.base(run) == base for run in known):
            for family in groups(known, base):
                rows += _ours(family, known)
    ours = f"Ours: {inputs_note(known)}" if known else ""
    more = {"notes": small_print(NOTE, ours), "title": options.title}
    return Picture(frame("ddrs_acr", rows), more)


def _printed() -> list[tuple[str, str, float]]:
    """(data set, method, ACR) of tables 1 to 3."""
    return [
        (str(cell.dataset), str(cell.method), cell.value)
        for table in names.TABLES.values()
        for cell in cells("ddrs", table, metric="ACR")
        if cell.value is not None
    ]


def _paper(dataset: str, method: str, printed: float) -> Row:
    return {
        "panel": f"paper, {DATASETS.get(dataset, dataset)}",
        "printed_on": dataset,
        "method": method,
        "acr_model": _between(*printed_acr.one_model(dataset, method)),
        "acr_area": _between(*printed_acr.envelope(dataset, method)),
        "acr_printed": Number(printed, unit=RADIUS),
    }


def _between(low: float, high: float) -> Number:
    return Number((low + high) / 2, low, high, unit=RADIUS)


def _ours(family: Sequence[Run], among: Sequence[Run]) -> list[Row]:
    """The methods of one family, on the inputs that all its runs have."""
    by_label: dict[str, list[Run]] = {}
    for run in names.common(sorted(family, key=names.order)):
        by_label.setdefault(names.label(run), []).append(run)
    rows: list[Row] = []
    for label, runs in by_label.items():
        tables = [run.table for run in runs]
        each = [metrics.average_certified_radius(table) for table in tables]
        row: dict[Key, Label | Number] = {
            "panel": f"ours, {data(runs[0], among)}",
            "dataset": runs[0].dataset,
            "method": label,
            "acr_model": acr(max(each, key=lambda one: float(one.value))),
            "acr_area": acr(metrics.envelope_area(tables)),
            "acr_oracle": acr(metrics.per_input_maximum(tables)),
        }
        rows.append(row)
    return rows


def draw(picture: Picture) -> Figure:
    """A panel a data set, of the paper or ours; a row a method."""
    panels = [part for _, part in picture.numbers.groupby("panel", sort=False)]
    with style():
        most = max(part.method.nunique() for part in panels)
        figure = Figure(figsize=(PANEL[0] * 0.9 * len(panels), 0.36 * most + 2.4))
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        shown: dict[str, Any] = {}
        for axes, part in zip(grid, panels, strict=True):
            shown |= _panel(axes, part)
        handles = {_LOOKS[name][3]: shown[name] for name in _LOOKS if name in shown}
        grid[len(grid) // 2].legend(
            handles.values(), handles, loc="upper center", bbox_to_anchor=(0.5, -0.15)
        )
        add_notes(figure, picture.more["notes"])
        heading(figure, picture.more["title"])
    return figure


def _panel(axes: Axes, numbers: pd.DataFrame) -> dict[str, Any]:
    """The rows of one panel; returns the legend's handles by metric."""
    theirs = str(numbers.panel.iloc[0]).startswith("paper")
    methods = list(dict.fromkeys(numbers.method))
    handles: dict[str, Any] = {}
    for name, (colour, marker, shift, _) in _LOOKS.items():
        part = numbers[numbers.metric == name]
        if part.empty:
            continue
        y = [methods.index(method) + shift for method in part.method]
        if theirs and name != "acr_printed":  # what is allowed, without a value of its own
            handles[name] = axes.barh(y, part.high - part.low, left=part.low, height=0.3,
                                      color=colour)  # fmt: skip
        else:
            (handles[name],) = axes.plot(part.value, y, linestyle="none", marker=marker,
                                         color=colour, markersize=5)  # fmt: skip
    ends = numbers[["value", "low", "high"]] if theirs else numbers[["value"]]
    low, high = float(ends.min().min()), float(ends.max().max())
    axes.set_xlim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    axes.set_yticks(range(len(methods)), methods, fontsize="small")
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_title(numbers.panel.iloc[0])
    axes.set_xlabel("ACR (pixels in [0, 1])")
    return handles
