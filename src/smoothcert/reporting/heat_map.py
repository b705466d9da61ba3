"""A heat map of a table: ours minus the paper's in every cell, and what is more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from smoothcert.figures.style import style
from smoothcert.reporting.comparison import DIFFERS, OTHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smoothcert.reporting.comparison import Difference


def heat_map(cells: Sequence[Difference], title: str) -> Figure:
    """One table's differences; grey where no number of the same data and model exists.

    A cell's text is the difference; ``*`` marks what exceeds the sampling error of the inputs
    of both sides (95%). Colours saturate at the largest difference.
    """
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    values = np.full((len(rows), len(columns)), np.nan)
    with style():
        figure = Figure(figsize=(2.5 + 0.62 * len(columns), 1.3 + 0.3 * len(rows)))
        axes = figure.subplots()
        for cell in cells:
            i, j = rows.index(cell.row), columns.index(cell.column)
            if cell.verdict == OTHER:
                continue
            assert cell.difference is not None
            values[i, j] = cell.difference
            star = "*" if cell.verdict == DIFFERS else ""
            axes.text(j, i, f"{cell.difference:+.2g}{star}", ha="center", va="center", size=7)
        most = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
        axes.set_facecolor("0.88")
        image = axes.imshow(values, cmap="PuOr", vmin=-most, vmax=most, aspect="auto")
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
        axes.set_yticks(range(len(rows)), [_short(row) for row in rows], size=7)
        axes.grid(visible=False)
        if np.isfinite(values).any():
            figure.colorbar(image, ax=axes, label="ours minus the paper's")
            note = "* beyond the sampling error of the inputs (95%); grey: other data or model"
        else:
            note = "no cell is comparable: every number here is of other data or another model"
        axes.set_xlabel(note)
        axes.set_title(title)
    return figure


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
