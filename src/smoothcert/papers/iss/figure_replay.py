"""Figures 1, 5 and 6 (lower) of ISS: average radius and samples, from votes that are replayed.

The trade-off is drawn against samples, not minutes: the paper's minutes are proportional to them
(960 for 100,000 on ImageNet, 174 on CIFAR-10).
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from smoothcert.papers.iss.options import ReplayOptions
from smoothcert.papers.iss.published import papers_numbers, read_rows
from smoothcert.papers.iss.published_tables import SERIES, savings_rows
from smoothcert.papers.iss.replays import families, read_recorded, replays, row, stage_one
from smoothcert.report import names
from smoothcert.report.numbers import RADIUS, SAMPLES, Key, Label, Number, Row, frame, wide
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, DASHES, PANEL, heading, style

_RADIUS = "average certified radius (pixels in [0, 1])"


def figure1(files: Files, options: ReplayOptions) -> Picture:
    """ACR against samples, from votes of the first model."""
    return _trade_off("iss_fig1", files, options)


def figure5(files: Files, options: ReplayOptions) -> Picture:
    """The same from votes of the second model."""
    return _trade_off("iss_fig5", files, options)


def published1(files: Files, options: Options) -> Picture:
    """Figure 1 from the published certificates of its models, with the paper's points."""
    return _published("iss_fig1_published", files)


def published5(files: Files, options: Options) -> Picture:
    """Figure 5 from published certificates of its kind of model, with the paper's points."""
    return _published("iss_fig5_published", files)


def _published(output: str, files: Files) -> Picture:
    rows: list[Row] = []
    for panel, file in enumerate(files.some()):
        by = {str(row["budget"]): row for row in read_rows([file], "replay")}
        wanted = {slug: series for series, slugs in families(100_000, 200) for slug in slugs}
        for slug, series in wanted.items():
            rows.append(_point(by[slug], panel, series))
        for one in map(papers_numbers, by.values()):
            drawn, radius = one["samples"], one["acr"]
            assert isinstance(drawn, Number)
            assert isinstance(radius, Number)
            if drawn.paper is None or radius.paper is None or (drawn.paper.value or 0) > 100_000:
                continue
            kind = "IAS" if str(one["budget"]).startswith("fixed") else "ISS"
            paper: dict[Key, Label | Number] = {
                "samples": Number(drawn.paper.value or 0.0, unit=SAMPLES),
                "acr": Number(radius.paper.value or 0.0, unit=RADIUS),
            }
            rows.append(_point({**one, **paper}, panel, f"the paper, {kind}"))
    return Picture(frame(output, rows), {"title": None})


def _point(row: Row, panel: int, series: str) -> Row:
    name = names.model(*(str(row[k]) for k in ("dataset", "training", "noise")))
    labels = ("published", "dataset", "arch", "training", "noise", "sigma", "budget")
    numbers = ("samples", "acr")
    return {
        "panel": panel,
        "model": name,
        "series": series,
        **{key: row[key] for key in (*labels, *numbers)},
    }


def measure_savings(files: Files, options: Options) -> Picture:
    """Samples of each kind of budget at ISS's decline of the ACR, a row a published table."""
    return Picture(frame("iss_savings_figure", savings_rows(files.some())))


def draw_savings(picture: Picture) -> Figure:
    """A line a published table, a mark a kind of budget; few samples are left."""
    points = wide(picture.numbers).iloc[::-1]
    marks = dict(zip(SERIES, "sXoD", strict=True))
    with style():
        figure = Figure(figsize=(PANEL[0] * 1.9, 1.6 + 0.2 * len(points)))
        axes = figure.subplots()
        places = range(len(points))
        for colour, (key, title) in zip(COLOURS, SERIES.items(), strict=False):
            axes.plot(points[key], places, marks[key], color=colour, markersize=5, label=title)
        axes.set_yticks(
            places,
            [
                f"{dataset}, {names.training(training)}"
                for dataset, training in zip(points.dataset, points.training, strict=True)
            ],
        )
        axes.set_ylim(-0.7, len(points) - 0.3)
        axes.set_xlim(left=0)
        axes.set_xlabel("average samples per input at equal decline of the average radius")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        figure.legend(loc="outside upper center", ncols=4)
    return figure


def _trade_off(output: str, files: Files, options: ReplayOptions) -> Picture:
    """A row a model and budget."""
    rows: list[Row] = []
    for panel, file in enumerate(files.some()):
        model = read_recorded(file, options)
        for series, slugs in families(model.size, options.look):
            rows += [
                row(model, one, {"panel": panel, "model": model.name, "series": series})
                for one in replays(model, slugs, options)
            ]
    return Picture(frame(output, rows), {"title": options.title})


def draw_trade_off(picture: Picture) -> Figure:
    """A panel a model, a curve a kind of budget; the paper's points as crosses."""
    points = wide(picture.numbers)
    count = points.panel.nunique()
    columns = min(count, 3)
    lines = -(-count // columns)
    with style():
        figure = Figure(figsize=(PANEL[0] * (0.1 + 0.95 * columns), PANEL[1] * lines + 0.6))
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, (_, panel) in zip(grid.flat, points.groupby("panel"), strict=False):
            for i, (series, curve) in enumerate(panel.groupby("series", sort=False)):
                ordered = curve.sort_values("samples")
                if str(series).startswith("the paper"):
                    mark = "x" if str(series).endswith("IAS") else "+"
                    axes.plot(ordered.samples, ordered.acr, mark, color="black", label=series)
                    continue
                axes.plot(
                    ordered.samples, ordered.acr, "o", linestyle=DASHES[i % len(DASHES)],
                    markersize=3.5, color=COLOURS[i % len(COLOURS)], label=series,
                )  # fmt: skip
            axes.set_xlabel("average samples per input, including selection")
            axes.set_ylabel(_RADIUS)
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
            axes.set_title(panel.model.iloc[0])
        for axes in list(grid.flat)[count:]:
            axes.remove()
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6 if columns > 1 else 3)
        heading(figure, picture.more["title"])
    return figure


def figure6_lower(files: Files, options: ReplayOptions) -> Picture:
    """A row a share k0 / desired and desired size, at U = 0.05."""
    model = read_recorded(files.one(), options)
    budgets = stage_one(model.size, options.look)
    runs = replays(model, (slug for *_, slug in budgets), options)
    rows = [
        row(model, one, {"model": model.name, "k0_share": share, "kbar": kbar})
        for (share, kbar, _), one in zip(budgets, runs, strict=True)
    ]
    return Picture(frame("iss_fig6_lower", rows), {"title": options.title})


def published6(files: Files, options: Options) -> Picture:
    """The same from published certificates of the paper's model."""
    by = {str(row["budget"]): row for row in read_rows([files.one()], "replay")}
    rows = [
        {**_point(by[slug], 0, ""), "k0_share": share, "kbar": kbar}
        for share, kbar, slug in stage_one(100_000, 200)
    ]
    return Picture(frame("iss_fig6_published", rows), {"title": None})


def draw_figure6_lower(picture: Picture) -> Figure:
    """ACR and average samples against the desired samples, a curve a share."""
    points = wide(picture.numbers)
    with style():
        figure = Figure(figsize=(PANEL[0] * 2, PANEL[1]))
        left, right = figure.subplots(1, 2)
        for i, (share, curve) in enumerate(points.groupby("k0_share")):
            look: dict[str, Any] = {
                "color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)],
                "marker": "o", "markersize": 3.5, "label": f"$k_0$ = {share:g} of the desired",
            }  # fmt: skip
            left.plot(curve.kbar, curve.acr, **look)
            right.plot(curve.kbar, curve.samples, **look)
        for axes, label in ((left, _RADIUS), (right, "average samples")):
            axes.set_xlabel("desired samples")
            axes.set_ylabel(label)
            axes.set_xticks(sorted(points.kbar.unique()))
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        right.yaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        left.legend(loc="lower right")
        what = f"How many samples to spend on stage 1 (U = 0.05): {points.model.iloc[0]}"
        heading(figure, picture.more["title"] or what)
    return figure
