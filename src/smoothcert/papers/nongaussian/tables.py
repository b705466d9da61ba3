"""Tables 1 (l1), 2 (l2) and 3 (linf) of Zhang et al. 2020.

A method is compared with the baseline of its norm (Laplace, Gaussian, Gaussian through l2) on
the same models and inputs: over all runs at the best one for each radius, as the paper does,
and with the run chosen on the other half of the inputs, which does not reward a finer search.
The paper's baseline certifies at the scale of training; a second one searches the scale too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from smoothcert.certificates import metrics
from smoothcert.certificates.metrics import Estimate
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.certificates.selection import HeldOut, held_out, paired_difference
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.papers.cohen.options import AccuracyOptions
from smoothcert.report import names
from smoothcert.report.numbers import Key, Label, Metric, Number, Row, acr, gain, share
from smoothcert.report.output import Files
from smoothcert.report.printing import number
from smoothcert.report.reference import Row as PaperRow
from smoothcert.report.reference import cells
from smoothcert.report.table import Column, Table

BASELINES = {"l1": "laplace", "l2": "gaussian", "linf": "gaussian-linf"}
TABLE_OF = {"l1": "table1", "l2": "table2", "linf": "table3"}
RADII = {
    "l1": "0:2.25:0.25",
    "l2": "0:2.25:0.25",
    "linf": "0,2/255,4/255,6/255,8/255,10/255,12/255",
}
# Columns for small images, which are certified further than the paper's.
_FURTHER = {"l1": "2.5,3", "l2": "2.5,3", "linf": "16/255,24/255,32/255,48/255"}
# Data set -> architecture, and norm -> whose models, for which the paper prints numbers.
_ARCH = {"cifar10": "resnet110", "imagenet": "resnet50"}
_TRAINED = {
    "l1": ("cohen", "laplace"),
    "l2": ("cohen", "gaussian"),
    "linf": ("smoothadv", "gaussian"),
}
ROLES = ("baseline", "method")
LABELS = {"baseline": "Baseline", "searched": "Baseline, any scale", "method": "Zhang et al."}
# How a run of several is chosen: the label ``selection`` and the column ``choice``.
BEST, HELD_OUT, ONE = "these inputs", "held out", "one run"
CHOICES = {
    BEST: "best at each radius, on these inputs",
    HELD_OUT: "chosen on the other half",
    ONE: "none: one run",
}


def role(run: Run) -> str | None:
    """``baseline``, ``method``, or None for a run that is neither, by its noise."""
    if run.noise is None:
        return None
    noise = NOISES.parse(run.noise)
    if isinstance(noise, Centripetal):
        return "method"
    return "baseline" if noise.name == BASELINES[noise.norm] else None


def groups(runs: Sequence[Run], norm: str) -> list[dict[str, list[Run]]]:
    """Runs of one norm that differ in noise and training scale only, by role.

    Raises SmoothcertError if there is no run of either role.
    """

    def key(run: Run) -> tuple[str, ...]:
        return tuple(str(v) for v in (run.dataset, run.arch, run.recipe, run.scaling, run.budget))

    chosen = sorted((run for run in runs if run.norm == norm and role(run)), key=key)
    if not chosen:
        raise SmoothcertError(
            f"certificate tables: found none for {BASELINES[norm]} or a non-Gaussian noise"
            f" for {norm}"
        )
    found = []
    for _, members in groupby(chosen, key=key):
        group: dict[str, list[Run]] = {name: [] for name in ROLES}
        for run in members:
            group[str(role(run))].append(run)
        found.append(group)
    return found


def rivals(group: dict[str, list[Run]]) -> dict[str, list[Run]]:
    """A group's runs by what they stand for in a table, a key of LABELS.

    ``baseline``: at the scale of training; ``searched``: at any scale, if there are others;
    ``method``. What has no run is left out.
    """
    every = group["baseline"]
    as_trained = [run for run in every if _at_training_scale(run)]
    found = {"baseline": as_trained, "method": group["method"]}
    if len(as_trained) < len(every):
        found = {"baseline": as_trained, "searched": every, "method": group["method"]}
    return {name: runs for name, runs in found.items() if runs}


def _at_training_scale(run: Run) -> bool:
    return run.trained is not None and run.sigma == run.trained.scale


def table1(files: Files, options: AccuracyOptions) -> Table:
    """l1: Laplace noise and centripetal l1 noise."""
    return _table(read_runs(files.some()), options, "l1")


def table2(files: Files, options: AccuracyOptions) -> Table:
    """l2: Gaussian noise and centripetal l2 noise."""
    return _table(read_runs(files.some()), options, "l2")


def table3(files: Files, options: AccuracyOptions) -> Table:
    """linf: Gaussian noise through l2, and mixed-norm or centripetal linf noise."""
    return _table(read_runs(files.some()), options, "linf")


def _table(runs: Sequence[Run], options: AccuracyOptions, norm: str) -> Table:
    """Rows have the labels ``selection`` (a key of CHOICES) and ``method`` too: a key of LABELS, or
    ``difference``, of the method and the baseline ``minus``."""
    parts = groups(runs, norm)
    radii = _radii(parts, norm) if options.radii is None else metrics.parse_radii(options.radii)
    sign = ">" if options.strict else "≥"
    rows = [row for group in parts for row in _rows(group, radii, norm, options.strict)]
    readable = {
        _named(name, noise_names(members)): _named(name, noise_titles(members))
        for group in parts
        for name, members in rivals(group).items()
    }
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training", show=names.recipe),
        Column("noise", "noise", show=lambda text: readable.get(text, text)),
        Column("choice", "choice of the run"),
        Column("runs", "runs"),
        Column("n", "n"),
        Column("inputs", "inputs"),
        Column("acr", "ACR", measured=True),
        *(Column(accuracy_at(r), f"{sign} {_radius(r, norm)}", csv=_csv(r, norm)) for r in radii),
    )
    return Table(options.title or "", columns, rows, _notes(rows))


def _radii(parts: list[dict[str, list[Run]]], norm: str) -> NDArray:
    """The paper's radii where it has numbers for the data; else as far as anything is certified."""
    every = [run for group in parts for members in group.values() for run in members]
    paper, further = metrics.parse_radii(RADII[norm]), metrics.parse_radii(_FURTHER[norm])
    reach = max(float(run.table.radius.max()) for run in every)
    if any(run.dataset in _ARCH for run in every):
        return np.append(paper, further[further <= reach])
    radii = np.append(paper, further)
    return radii[: max(1, int((radii <= reach).sum()))]


def _rows(group: dict[str, list[Run]], radii: NDArray, norm: str, strict: bool) -> list[Row]:
    everything = [run for name in ROLES for run in group[name]]
    common = metrics.common_inputs([run.table for run in everything])
    tables = dict(zip((str(run.path) for run in everything), common, strict=True))
    rows: list[Row] = []
    results = {}
    for name, members in rivals(group).items():
        each = [tables[str(run.path)] for run in members]
        reference = None if name == "searched" else _reference(members, norm, name)
        labels: Row = {
            "dataset": members[0].dataset or members[0].path.name,
            "arch": members[0].arch,
            "training": members[0].recipe,
            "noise": _named(name, noise_names(members)),
            "runs": len(members),
            "n": members[0].n,
            "inputs": len(each[0]),
            "norm": norm,
            "method": name,
        }
        results[name] = held_out(each, radii, strict)
        chosen = {
            **labels,
            **_choice(HELD_OUT if len(each) > 1 else ONE),
            "acr": acr(results[name].acr),
            **_accuracies(
                _share(results[name].certified), radii, reference if len(each) == 1 else None
            ),
        }
        if len(each) > 1:
            best = {
                **labels,
                **_choice(BEST),
                "acr": acr(metrics.envelope_area(each)),
                **_accuracies(metrics.envelope(each, radii, strict), radii, reference),
            }
            rows.append(best)
        rows.append(chosen)
    for name in ("baseline", "searched") if "method" in results else ():
        if name in results:
            rows.append(_difference(rows[-1], results["method"], results[name], name, radii))
    return rows


def _choice(selection: str) -> Row:
    return {"selection": selection, "choice": CHOICES[selection]}


def _difference(row: Row, method: HeldOut, base: HeldOut, name: str, radii: NDArray) -> Row:
    """A row below ``row``: the method minus a baseline, both chosen on the other half."""
    difference = [
        paired_difference(a, b) for a, b in zip(method.certified, base.certified, strict=True)
    ]
    return {
        **row,
        "noise": f"{LABELS['method']} minus {LABELS[name].lower()}",
        "runs": None,
        "choice": "the same, paired",
        "method": "difference",
        "minus": name,
        "acr": gain(metrics.mean_difference(method.radius, base.radius)),
        **{accuracy_at(r): share(difference[i]) for i, r in enumerate(radii)},
    }


def noise_names(runs: Sequence[Run]) -> list[str]:
    """The noises without k and scale, each once."""
    return list(dict.fromkeys(NOISES.parse(run.noise).name for run in runs if run.noise))


def noise_titles(runs: Sequence[Run]) -> list[str]:
    """The same in print."""
    return [names.noise_family(name) for name in noise_names(runs)]


def _named(rival: str, noises: list[str]) -> str:
    return f"{LABELS[rival]}: {', '.join(noises)}"


def _share(certified: NDArray[np.bool_]) -> list[Estimate]:
    n = certified.shape[1]
    return [metrics.proportion(int(row.sum()), n) for row in certified]


def _accuracies(
    values: Estimate | list[Estimate], radii: NDArray, reference: PaperRow | None
) -> Row:
    row: dict[Key, Label | Number] = {
        accuracy_at(r): share(values[i], reference.at(float(r)) if reference else None)
        for i, r in enumerate(radii)
    }
    return {**row, "paper": reference.source if reference else None}


def _reference(runs: Sequence[Run], norm: str, name: str) -> PaperRow | None:
    """The paper's row, if data, architecture, kind of training, n and alpha are the paper's."""
    first = runs[0]
    if first.dataset is None or _ARCH.get(first.dataset) != first.arch:
        return None
    for run in runs:
        trained = run.trained
        if trained is None or (trained.method, trained.noise) != _TRAINED[norm]:
            return None
        if (run.n, run.alpha) != (100_000, 0.001):
            return None
    method = {"baseline": "Baseline", "method": "Ours"}[name]
    printed = cells("zhang", TABLE_OF[norm], dataset=first.dataset, method=method)
    return PaperRow(printed) if printed else None


def accuracy_at(radius: float) -> Metric:
    """Certified accuracy at a radius, as the rows name it."""
    return Metric("accuracy_percent", float(radius))


def _csv(radius: float, norm: str) -> str:
    """Its column in the CSV: accuracy_percent_0.25, or accuracy_percent_2_255 for linf."""
    return f"accuracy_percent_{_radius(radius, norm).replace('/', '_')}"


def _radius(radius: float, norm: str) -> str:
    levels = radius * 255
    if norm == "linf" and radius > 0 and abs(levels - round(levels)) < 1e-9:
        return f"{round(levels)}/255"
    return number(float(radius))


def _notes(rows: list[Row]) -> tuple[str, ...]:
    notes = [
        "Accuracies are percent of inputs classified correctly with a certified"
        " radius of at least r, in pixels of [0,1] images; an abstention is wrong. Brackets:"
        " 95% CIs (test-set sampling).",
        "Baseline: certified at the training scale, as in the paper; any scale: with a scale"
        " search, as in Zhang et al.",
        "Best at each radius: over all scales (and k) of a row's runs and all models, chosen on"
        " the same inputs, as in the paper; its ACR is the area under it. Chosen on the other"
        " half: the run is chosen on half of the inputs and measured on the other; differences are"
        " between rows of this kind or with one run.",
    ]
    if any(isinstance(n, Number) and n.paper for row in rows for n in row.values()):
        notes.append(
            "After the slash: the paper's value. The paper certifies models released by"
            " others; its text gives no number of samples, alpha, k or scales."
        )
    return tuple(notes)
