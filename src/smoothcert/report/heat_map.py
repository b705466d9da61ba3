"""A heat map of a table: ours minus the paper's in every cell, and what is more than chance."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from smoothcert.report import names
from smoothcert.report.comparison import DIFFERS, OTHER, UNJUDGED, Difference
from smoothcert.report.style import style

_MOST = 3.0  # allowed differences at which the colours end


def heat_map(cells: Sequence[Difference], title: str) -> Figure:
    """One table's differences; grey where no number of the same data and model exists.

    The colour is the difference in units of what the sampling error allows, so that percents and
    radii share one scale; the text is the difference itself, with ``*`` beyond the sampling
    error (95%). Columns without any number of a paper are left out where others have one.
    """
    compared = {cell.column for cell in cells if cell.verdict != OTHER}
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = [c for c in dict.fromkeys(cell.column for cell in cells) if c in compared]
    columns = columns or list(dict.fromkeys(cell.column for cell in cells))
    values = np.full((len(rows), len(columns)), np.nan)
    shown = {
        cell.row: ", ".join(names.label(*item) for item in cell.labels.items()) for cell in cells
    }
    labels = [textwrap.fill(shown[row], 46) for row in rows]
    lines = sum(label.count("\n") + 1 for label in labels)
    with style():
        height = 1.8 + max(0.3 * len(rows), 0.16 * lines + 0.08 * len(rows))
        width = 3.6 + 0.56 * max(len(columns), 3)
        figure = Figure(figsize=(width, height))
        axes = figure.subplots()
        axes.set_facecolor("0.85")
        for cell in cells:
            if cell.verdict == OTHER:
                continue
            assert cell.difference is not None
            i, j = rows.index(cell.row), columns.index(cell.column)
            units = cell.difference / cell.allowed if cell.allowed else 0.0
            values[i, j] = np.clip(units, -_MOST, _MOST)
            star = "*" if cell.verdict == DIFFERS else "?" if cell.verdict == UNJUDGED else ""
            dark = abs(values[i, j]) > 0.7 * _MOST
            axes.text(j, i, f"{_short(cell.difference)}{star}", ha="center", va="center", size=7,
                      color="white" if dark else "black")  # fmt: skip
        norm = TwoSlopeNorm(0.0, -_MOST, _MOST)
        image = axes.imshow(values, cmap="PuOr", norm=norm, aspect="auto")
        axes.set_xticks(range(len(columns)), [_name(c) for c in columns], rotation=45, ha="right")
        axes.set_yticks(range(len(rows)), labels, size=7)
        axes.grid(visible=False)
        if np.isfinite(values).any():
            bar = figure.colorbar(image, ax=axes, ticks=[-3, -1, 0, 1, 3])
            bar.set_label("difference, in units of\nthe sampling error (95%)")
            note = " beyond the sampling error of both sides (95%); ? sampling error unknown"
        else:
            note = "nothing to compare: every number here is for other data or another model"
        axes.set_xlabel(note)
        if np.isnan(values).any():
            grey = Patch(facecolor="0.85", label="the paper has no number for this data and model")
            axes.legend(handles=[grey], loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=7)
        figure.suptitle(textwrap.fill(title, int(12 * width)), size="medium")
    return figure


def _short(difference: float) -> str:
    size = abs(difference)
    if size >= 100:
        return f"{difference:+,.0f}"
    return f"{difference:+.1f}" if size >= 1 else f"{difference:+.2f}"


def _name(column: str) -> str:
    """A column's key as it reads."""
    for prefix in ("accuracy_percent_", "certified_"):
        if column.startswith(prefix):
            return f"≥ {column.removeprefix(prefix).replace('_', '/')}"
    return column.replace("_", " ").replace("acr", "ACR")
