"""Certified accuracy of what can be deployed, and of what cannot, at equal samples: one panel a
comparison of dual.py."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from smoothcert.certificates.runs import read_runs
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.papers.ddrs import runs as names
from smoothcert.papers.ddrs.dual import DDRS, DUAL, EXPERTS, FIXED, compared
from smoothcert.report import curves
from smoothcert.report.numbers import Row, frame
from smoothcert.report.output import Files, Picture
from smoothcert.report.printing import norm as printed_norm
from smoothcert.report.style import COLOURS, ENVELOPE, heading, panels, style

_DASHES = {FIXED: "-", DDRS: ":", DUAL: "--", EXPERTS: "-."}


def measure(files: Files, options: AccuracyOptions) -> Picture:
    """A row a curve, at every radius at which it steps down."""
    rows: list[Row] = []
    chosen = names.check(read_runs(files.some()))
    for panel, one in enumerate(compared(chosen)):
        common: Row = {"panel": panel, "title": one.title, "norm": one.runs[0].norm}
        for line in one.lines():
            if line.kind in _DASHES and line.run is not None and line.table is not None:
                about: Row = {"kind": line.kind, "series": line.choice, **names.axes(line.run)}
                rows.append({**common, **about, **curves.curve([line.table], options.strict)})
        if len(one.fixed) > 1:
            best: Row = {"kind": "envelope", "series": "envelope of the fixed: no classifier"}
            tables = [run.table for run in one.fixed]
            rows.append({**common, **best, **curves.curve(tables, options.strict)})
    return Picture(frame("ddrs_dual", rows), {"strict": options.strict, "title": options.title})


def draw(picture: Picture) -> Figure:
    """Solid: fixed; dotted: DDRS, which certifies no one classifier; dashed: dual smoothing."""
    sign = ">" if picture.more["strict"] else "≥"
    with style():
        figure, each = panels(picture.numbers.panel.nunique())
        most = int(picture.numbers.groupby("panel")["row"].nunique().max())
        figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + 0.2 * most)
        # Hung by a length below the axis, whatever the height of a panel.
        drop = ScaledTranslation(0, -0.5, figure.dpi_scale_trans)
        for axes, (_, part) in zip(each, picture.numbers.groupby("panel"), strict=True):
            drawn = -1
            for _, one in part.groupby("row", sort=True):
                kind, label = one.kind.iloc[0], one.series.iloc[0]
                if kind in _DASHES:
                    drawn += 1
                    look: dict[str, Any] = {"color": COLOURS[drawn % len(COLOURS)]}
                    look["linestyle"] = _DASHES[kind]
                else:
                    look = {"color": ENVELOPE, "linewidth": 4.5, "zorder": 1.5}
                curves.draw(axes, one, band=kind == FIXED, label=label, **look)
            axes.set_title(part.iloc[0].title)
            axes.set_xlabel(
                f"certified {printed_norm(part.iloc[0].norm)} radius r (pixels in [0, 1])"
            )
            axes.set_ylabel(f"correct with radius {sign} r (% of inputs)")
            axes.set_ylim(0, 102)
            where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, 0)}
            where |= {"bbox_transform": axes.transAxes + drop, "borderaxespad": 0}
            axes.legend(fontsize="small", **where)
        heading(figure, picture.more["title"])
    return figure
