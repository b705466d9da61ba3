"""The claims of several runs side by side: a table (CSV, Markdown) and a figure."""

from __future__ import annotations

import ast
import os
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from smoothcert.compute.lazy import pandas as pd
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic, write_text
from smoothcert.report.by_data import read_by_data
from smoothcert.report.claims import NEITHER
from smoothcert.report.ledger import line
from smoothcert.report.numbers import GAIN, PLAIN, POINTS, Number, each
from smoothcert.report.printing import parts
from smoothcert.report.style import COLOURS, around_zero, heading, save, style

TITLE = "The papers' gains on our data"
_CLAIM = ["paper", "section", "claim"]
NOTES = (
    "Direction: of our number against the claim's, not distinguishable where its 95% interval"
    " (test-set sampling) holds 0; in part where several comparisons on the data set differ. The"
    " number is the smallest of them. Without an interval none is known. Nothing here is a"
    " reproduction unless the cell says so: then data, network and settings are the paper's.",
    "A gain is the one chosen on held-out inputs, paired; in parentheses the paper's way, the best"
    " scale and number of steps on the test inputs themselves.",
    "What a gain comes from is the first of these that its numbers do not rule out. No gain: the"
    " paper's way gives none. Optimism of the choice: chosen on held-out inputs it is not above 0"
    " (95%), and the paper's way gives more than that interval. Shift of the noise scale: in ACR it"
    " is not above (95%) the same model with one scale for all inputs (DDRS: the mean of the"
    " ascent's; non-Gaussian noise: the baseline at the best of its scales). Longer training: not"
    " above a model fine-tuned for as long. Remains: above all of these. No control run: one of"
    " these controls is missing on this data set.",
)


def read_runs(folders: Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
    """The rows of several runs with the column ``on``: the data set, and the run where several
    have it. What is the same in several, as replayed published certificates are, stands once.

    Raises SmoothcertError for a folder without them, or two of one name.
    """
    names = [Path(folder).resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise SmoothcertError(f"runs {', '.join(names)}: expected different names of folders")
    each_run = [
        read_by_data(folder).assign(run=name) for folder, name in zip(folders, names, strict=True)
    ]
    rows = pd.concat(each_run, ignore_index=True)
    rows = rows.drop_duplicates([*_CLAIM, "data", "ours", "origin"], ignore_index=True)
    several = rows.groupby("data").run.transform("nunique") > 1
    return rows.assign(on=rows.data + (" (" + rows.run + ")").where(several, ""))


def write_side_by_side(base: str | os.PathLike[str], rows: pd.DataFrame) -> list[Path]:
    """Write ``base``.csv, .md, .png and .pdf, each atomically; returns their paths."""
    table, text = (Path(base).with_name(f"{Path(base).name}{end}") for end in (".csv", ".md"))
    with atomic(table) as temporary:
        rows.drop(columns="on").to_csv(temporary, index=False, lineterminator="\n")
    write_text(text, to_markdown(rows))
    return [table, text, *save(draw(rows), base, TITLE)]


def to_markdown(rows: pd.DataFrame) -> str:
    """A table a paper, a row a claim, a column a data set; then the notes."""
    texts = ["### Claims that compare, on each data set\n"]
    for paper, part in rows.groupby("paper", sort=False):
        texts.append(f"#### {paper}\n\n{table(part)}\n")
    texts.append("\n".join(f"- {note}" for note in NOTES))
    return "\n".join(texts) + "\n"


def table(rows: pd.DataFrame) -> str:
    """A row a claim, a column a data set."""
    columns = sorted(rows.on.unique())
    lines = [line(("claim", "stated", *columns)), line(["---"] * (2 + len(columns)))]
    for _, claim in rows.groupby(_CLAIM, sort=False):
        found, about = {one.on: cell(one) for one in each(claim)}, claim.iloc[0]
        lines.append(line((about.claim, about.stated, *(found.get(c, "") for c in columns))))
    return "\n".join(lines)


def cell(one: Any) -> str:
    """``-0.0078 [-0.0140, -0.0016] (-0.0145): opposite direction; no gain``."""
    words = (
        one.direction
        if not one.verdict.endswith("reproduced")
        else (f"{one.verdict} ({one.direction})")
    )
    if one.origin and one.origin != one.direction:
        words += f"; {one.origin}"
    number = printed(one)
    return f"{number}: {words}" if number else words


def printed(one: Any) -> str:
    """The number of a row, its interval and the paper's choice; nothing where it has none."""
    if pd.isna(one.value):
        return ""
    low, high = (None if pd.isna(end) else float(end) for end in (one.low, one.high))
    if one.unit == PLAIN:
        return f"{one.value:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")
    text = " ".join(parts(Number(float(one.value), low, high, unit=one.unit))).replace("*", "")
    if pd.notna(one.papers_choice):
        (choice,) = parts(Number(float(one.papers_choice), unit=one.unit))
        text += "" if text.startswith(f"{choice} ") else f" ({choice})"
    return text


# --- the figure ----------------------------------------------------------------------------


def comparison(check: str) -> str:
    """A check without the paper's data set: claims that only differ in it are measured alike
    here."""
    call = ast.parse(check, mode="eval").body
    assert isinstance(call, ast.Call)
    call.keywords = [word for word in call.keywords if word.arg != "on"]
    return ast.unparse(call)


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each comparison by its name."""
    for _, part in rows.groupby(rows.check.map(comparison), sort=False):
        name = part.claim.iloc[0]
        for end in (", CIFAR-10", ", ImageNet", ", ACR"):
            name = name.replace(end, "")
        yield name, part


def draw(rows: pd.DataFrame) -> Figure:
    """The gains with intervals, one dot a data set; ACR left, certified accuracy right."""
    gains = rows[rows.origin != ""]
    if gains.empty:
        raise SmoothcertError("no gain in these runs to draw; expected tables of DDRS or Zhang")
    columns = sorted(gains.on.unique())
    panels = {
        "gain in ACR (pixels in [0, 1])": [*_groups(gains[gains.unit == GAIN])],
        "gain in certified accuracy (points)": [*_groups(gains[gains.unit == POINTS])],
    }
    most = max(map(len, panels.values()))
    with style():
        figure = Figure(figsize=(12.5, 0.4 * most * max(1.0, len(columns) / 2) + 1.6))
        axes = figure.subplots(1, 2)
        for one, (label, groups) in zip(axes, panels.items(), strict=True):
            _panel(one, groups, columns)
            one.set_xlabel(label)
        handles = [
            Line2D([], [], color=COLOURS[i % 6], marker="o", label=name)
            for i, name in enumerate(columns)
        ]
        grey: dict[str, Any] = {"color": "0.35", "linestyle": "none"}
        handles += [
            Line2D([], [], marker="o", markerfacecolor="white", label=NEITHER, **grey),
            Line2D([], [], marker="|", markersize=9, label="chosen on the test inputs", **grey),
            Line2D([], [], marker="^", label="the paper's, on its own data", **grey),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
        heading(figure, TITLE)
    return figure


def _panel(axes: Axes, groups: Sequence[tuple[str, pd.DataFrame]], columns: list[str]) -> None:
    step = 0.7 / len(columns)
    for y, (_, part) in enumerate(groups):
        for one in each(part.drop_duplicates("on")):
            place = columns.index(one.on)
            at, colour = y - 0.35 + step * (place + 0.5), COLOURS[place % 6]
            axes.hlines(at, one.low, one.high, color=colour, linewidth=1.3)
            face = "white" if one.direction == NEITHER else colour
            axes.plot([one.value], [at], color=colour, marker="o", markersize=5, mfc=face)
            axes.plot([one.papers_choice], [at], color=colour, marker="|", markersize=9)
        stated = pd.to_numeric(part.stated.str.split().str[0], errors="coerce").dropna().unique()
        axes.plot(stated, [y - 0.4] * len(stated), "^", color="0.35", markersize=4)
    names = [textwrap.fill(name, 36) for name, _ in groups]
    around_zero(axes, names, above=0.7, below=0.6)
    axes.grid(visible=False, axis="y")
