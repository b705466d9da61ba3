"""What a way of training gains over Cohen's, on the same inputs."""

from __future__ import annotations

from dataclasses import replace

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.slugs import Training
from smoothcert.report import names, numbers
from smoothcert.report.numbers import Row, acr
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table

# Methods whose papers print a larger average certified radius than Cohen's at the same scale:
# Zhai et al. 2020 (SmoothAdv, MACER), Jeong and Shin 2020
ABOVE = ("smoothadv", "macer", "consistency")


def gain(files: Files, options: Options) -> Table:
    """One row a training that is not Cohen's: its ACR, and that minus Cohen's at its scale."""
    runs = read_runs(files.some())
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training", show=names.training),
        Column("noise", "noise", show=names.noise),
        Column("n", "n"),
        Column("inputs", "inputs"),
        Column("acr", "ACR", measured=True),
        Column("gain", "minus Cohen's ACR", measured=True),
        Column("papers", "in the papers"),
    )
    rows = [
        _row(run, trained, runs)
        for run in runs
        if (trained := run.trained) is not None and trained != _cohen(trained)
    ]
    notes = (
        "In the papers: on CIFAR-10 and ImageNet, with one scale for all inputs.",
        "Brackets: paired 95% CIs (test-set sampling). One training run each, so a"
        " difference is of these two models; another seed moves it. A dash: no such run.",
    )
    return Table("", columns, rows, notes)


def _cohen(trained: Training) -> Training:
    """Cohen's training with the same noise and scale."""
    return replace(trained, method="cohen", schedule="fs", variant="")


def _row(run: Run, trained: Training, runs: list[Run]) -> Row:
    axes = {**run.axes, "training": _cohen(trained).slug}
    base = next((other for other in runs if other.axes == axes), None)
    known = trained.method in ABOVE and (trained.schedule, trained.variant) == ("fs", "")
    return {
        "dataset": run.dataset,
        "arch": run.arch,
        "training": run.training,
        "noise": run.noise,
        "n": run.n,
        "inputs": len(run.table),
        "acr": acr(metrics.average_certified_radius(run.table)),
        "gain": numbers.gain(metrics.acr_difference(run.table, base.table)) if base else None,
        "papers": "above" if known else None,
    }
