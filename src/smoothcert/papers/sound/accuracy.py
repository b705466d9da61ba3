"""Certified accuracy as the main number, corrected for alpha, and the law of p_A beside the ACR.

The ACR of a classifier is one number that large p_A dominate: it can be raised without end on
inputs that are sure already, and rises with the number of samples (Sun et al. 2024, "Average
certified radius is a poor metric for randomized smoothing"). The shares of inputs at or above a
p_A say what any number of samples, radius or average can be made of.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import ndtri

from smoothcert.certificates import CertificateTable, metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.papers.ddrs.cells import accuracy_at
from smoothcert.papers.sound.table import RADII
from smoothcert.report import names
from smoothcert.report.numbers import PERCENT, Metric, Number, Row, acr, each, frame, share
from smoothcert.report.output import Files, Options, Picture
from smoothcert.report.style import COLOURS, DASHES, style
from smoothcert.report.table import Column, Table

LEVELS = (0.5, 0.9, 0.99, 0.999)
_FINE = (*np.round(np.arange(0.5, 0.995, 0.01), 2).tolist(), 0.995, 0.999, 0.9995, 0.9999)
_TICKS = (0.5, 0.75, 0.9, 0.99, 0.999, 0.9999)


def accuracies(files: Files, options: Options) -> Table:
    """One row a run."""
    runs = [run for run in read_runs(files.some()) if "count" in run.table.columns]
    columns = (
        Column("dataset", "data"),
        Column("training", "training", show=names.training),
        Column("noise", "noise", show=names.noise),
        Column("budget", "budget", show=names.budget),
        Column("inputs", "inputs"),
        *(Column(accuracy_at(r), f"≥ {r:g}", measured=True) for r in RADII),
        *(Column(corrected_at(r), f"≥ {r:g}, corrected") for r in RADII),
        *(Column(share_at(p), f"p_A ≥ {p:g}") for p in LEVELS),
        Column("acr", "ACR", measured=True),
    )
    notes = (
        "Certified accuracy (% of inputs) with 95% CIs (test-set sampling)."
        " Corrected for certificates that may be wrong: with probability 0.999 over the noise, no"
        " attack on these inputs leaves less.",
        "p_A: vote share of the class for inputs certified as their label; % of all inputs at or"
        " above it.",
    )
    return Table("", columns, [_row(run) for run in runs], notes)


def corrected_at(radius: float) -> Metric:
    """Certified accuracy at a radius, less the correction for alpha."""
    return Metric("corrected_percent", float(radius))


def share_at(p: float) -> Metric:
    """The share of inputs at or above a p_A; the frame's radius is p."""
    return Metric("p_a_percent", float(p))


def _row(run: Run) -> Row:
    table = run.table
    accuracy = metrics.certified_accuracy(table, RADII)
    left = metrics.corrected_accuracy(table, RADII)
    return {
        **dict(run.axes.items()),
        "inputs": len(table),
        **{accuracy_at(r): share(accuracy[i]) for i, r in enumerate(RADII)},
        **{
            corrected_at(r): Number(100 * float(left[i]), inputs=len(table), unit=PERCENT)
            for i, r in enumerate(RADII)
        },
        **_shares(table, LEVELS),
        "acr": acr(metrics.average_certified_radius(table)),
    }


def _shares(table: CertificateTable, levels: tuple[float, ...]) -> Row:
    p = class_probability(table)
    return {
        share_at(v): share(metrics.proportion(int((p >= v).sum()), len(p)), brief=True)
        for v in levels
    }


def class_probability(table: CertificateTable) -> NDArray[np.float64]:
    """The share of votes [N] for the class that is certified and right, else 0."""
    votes = table.columns["count"] / np.maximum(table.columns["n"], 1)
    return np.where(table.correct == 1, votes, 0.0)


def measure(files: Files, options: Options) -> Picture:
    """A row a run: the share of inputs at or above each p_A."""
    rows: list[Row] = [
        {**dict(run.axes.items()), "inputs": len(run.table), **_shares(run.table, _FINE)}
        for run in read_runs(files.some())
        if "count" in run.table.columns
    ]
    return Picture(frame("p_a_distribution", rows))


def draw(picture: Picture) -> Figure:
    """One curve a run, on the scale of Phi^-1(p_A): a step is a step of the radius."""
    with style():
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        for place, (_, part) in enumerate(picture.numbers.groupby("row", sort=True)):
            one = each(part)[0]
            text = names.model(one.dataset, one.training, one.noise)
            look: dict[str, Any] = {
                "color": COLOURS[place % len(COLOURS)],
                "linestyle": DASHES[place % len(DASHES)],
            }
            axes.fill_between(
                ndtri(part.radius),
                part.low,
                part.high,
                color=look["color"],
                alpha=0.15,
                linewidth=0,
            )
            axes.plot(ndtri(part.radius), part.value, label=text, **look)
        axes.set_xticks(ndtri(np.array(_TICKS)), [f"{p:g}" for p in _TICKS])
        axes.set_xlabel("$p_A$")
        axes.set_ylabel("certified correctly, with at least $p_A$ (% of inputs)")
        axes.set_ylim(0, 102)
        axes.legend(loc="lower left", fontsize=7)
    return figure
