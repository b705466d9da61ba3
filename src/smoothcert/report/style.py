"""One look for all figures: sizes, fonts, colours that colour-blind readers tell apart.

Files are deterministic: no creation date, no random identifiers. Matplotlib draws without a
display and its global settings stay as they are.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smoothcert.core.files import atomic

# Okabe and Ito (2008), without the yellow that is too light for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)))
ENVELOPE = "0.72"
PANEL = (4.8, 4.0)  # inches

_SETTINGS: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.fontsize": "small",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,  # fonts as text that can be searched and edited
    "savefig.dpi": 200,
    "svg.hashsalt": "smoothcert",
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings within the block, whatever the user's own are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value
        yield


def panels(count: int, columns: int = 3, size: tuple[float, float] = PANEL) -> tuple[Figure, Any]:
    """A figure with ``count`` panels, at most ``columns`` in a row: (figure, axes [count])."""
    wide = min(count, columns)
    high = -(-count // wide)
    figure = Figure(figsize=(size[0] * wide, size[1] * high))
    each = figure.subplots(high, wide, squeeze=False).ravel()
    for axes in each[count:]:
        axes.set_axis_off()
    return figure, each[:count]


def around_zero(axes: Axes, names: Sequence[str], above: float = 0.5, below: float = 0.5) -> None:
    """A zero line, and a named row for each of ``names``, the first on top, with room around."""
    axes.axvline(0, color="0.3", linewidth=1.0)
    axes.set_yticks(range(len(names)), list(names), fontsize="small")
    axes.set_ylim(len(names) - 1 + below, -above)


def heading(figure: Figure, text: str | None) -> None:
    """The heading of a whole figure, in lines that fit its width; None: it has none."""
    if text:
        figure.suptitle(textwrap.fill(text, int(10 * figure.get_figwidth())))


def save(figure: Figure, base: str | os.PathLike[str], title: str = "") -> list[Path]:
    """Write ``base``.pdf and ``base``.png, each atomically; returns their paths.

    ``title`` is kept in both files: it is what a reader who cannot see the figure is told.
    """
    titled = {"Title": title} if title else {}
    paths = []
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        path = Path(base).with_name(Path(base).name + suffix)
        with style(), atomic(path) as temporary:
            figure.savefig(temporary, metadata={**metadata, **titled})
        paths.append(path)
    return paths
