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
from smoothcert.certificates.runs import Run
from smoothcert.certificates.selection import HeldOut, held_out, paired_difference
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.report.printing import norm as norm_symbol
from smoothcert.report.printing import number
from smoothcert.report.reference import Row, cells
from smoothcert.report.table import Column, Entry, Options, Table, acr, share, words
from smoothcert.report.table_registry import TABLES

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
LABELS = {"baseline": "Baseline", "searched": "Baseline, any scale", "method": "Ours"}


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
            f"certificate tables: found none of {BASELINES[norm]} or of a non-Gaussian noise"
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


@TABLES.member("nongaussian_table1")
def table1(runs: Sequence[Run], options: Options) -> Table:
    """l1: Laplace noise and centripetal l1 noise."""
    return _table(runs, options, "l1")


@TABLES.member("nongaussian_table2")
def table2(runs: Sequence[Run], options: Options) -> Table:
    """l2: Gaussian noise and centripetal l2 noise."""
    return _table(runs, options, "l2")


@TABLES.member("nongaussian_table3")
def table3(runs: Sequence[Run], options: Options) -> Table:
    """linf: Gaussian noise through l2, and mixed-norm or centripetal linf noise."""
    return _table(runs, options, "linf")


def _table(runs: Sequence[Run], options: Options, norm: str) -> Table:
    found = groups(runs, norm)
    radii = _radii(found, norm) if options.radii is None else metrics.parse_radii(options.radii)
    sign = ">" if options.strict else "≥"
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training"),
        Column("noise", "noise"),
        Column("choice", "choice of the run"),
        Column("runs", "runs"),
        Column("n", "n"),
        Column("inputs", "inputs"),
        Column("acr", "ACR", measured=True),
        *(Column(key(r, norm), f"{sign} {_radius(r, norm)}", measured=True) for r in radii),
    )
    rows: list[dict[str, Entry]] = []
    for group in found:
        rows += _rows(group, radii, norm, options.strict)
    title = options.title or (
        f"Certified accuracy (%) at {norm_symbol(norm)} radii: {BASELINES[norm]} noise and the"
        " noises of Zhang et al."
    )
    return Table(title, columns, rows, _notes(rows))


def _radii(found: list[dict[str, list[Run]]], norm: str) -> NDArray:
    """The paper's radii where it has numbers for the data; else as far as anything is certified."""
    every = [run for group in found for members in group.values() for run in members]
    paper, further = metrics.parse_radii(RADII[norm]), metrics.parse_radii(_FURTHER[norm])
    reach = max(float(run.table.radius.max()) for run in every)
    if any(run.dataset in _ARCH for run in every):
        return np.append(paper, further[further <= reach])
    radii = np.append(paper, further)
    return radii[: max(1, int((radii <= reach).sum()))]


def _rows(
    group: dict[str, list[Run]], radii: NDArray, norm: str, strict: bool
) -> list[dict[str, Entry]]:
    everything = [run for name in ROLES for run in group[name]]
    tables = dict(
        zip(
            (str(run.path) for run in everything),
            metrics.common_inputs([run.table for run in everything]),
            strict=True,
        )
    )
    rows, results = [], {}
    for name, members in rivals(group).items():
        own = [tables[str(run.path)] for run in members]
        common = {
            "dataset": words(members[0].dataset or members[0].path.name),
            "arch": words(members[0].arch),
            "training": words(members[0].recipe),
            "noise": words(f"{LABELS[name]}: {', '.join(noise_names(members))}"),
            "runs": words(len(members)),
            "n": words(members[0].n),
            "inputs": words(len(own[0])),
        }
        reference = None if name == "searched" else _reference(members, norm, name)
        results[name] = held_out(own, radii, strict)
        if len(own) > 1:
            best = metrics.envelope(own, radii, strict)
            rows.append(
                {
                    **common,
                    "choice": words("best at each radius, on these inputs"),
                    "acr": acr(metrics.envelope_area(own)),
                    **_accuracies(best, radii, norm, reference),
                }
            )
        rows.append(
            {
                **common,
                "choice": words("chosen on the other half" if len(own) > 1 else "none: one run"),
                "acr": acr(metrics.mean(results[name].radius, least=0.0)),
                **_accuracies(
                    _share(results[name].certified),
                    radii,
                    norm,
                    reference if len(own) == 1 else None,
                ),
            }
        )
    for name in ("baseline", "searched") if "method" in results else ():
        if name in results:
            rows.append(_difference(rows[-1], results["method"], results[name], name, radii, norm))
    return rows


def _difference(
    row: dict[str, Entry], ours: HeldOut, base: HeldOut, name: str, radii: NDArray, norm: str
) -> dict[str, Entry]:
    """A row below ``row``: the method minus a baseline, both chosen on the other half."""
    difference = [
        paired_difference(a, b) for a, b in zip(ours.certified, base.certified, strict=True)
    ]
    return {
        **row,
        "noise": words(f"Ours minus {LABELS[name].lower()}"),
        "runs": words(None),
        "choice": words("the same, paired"),
        "acr": signed(metrics.mean(ours.radius - base.radius)),
        **{key(r, norm): share(difference[i]) for i, r in enumerate(radii)},
    }


def signed(estimate: Estimate) -> Entry:
    """A difference of radii, with its sign."""
    value, low, high = (float(v) for v in (estimate.value, estimate.low, estimate.high))
    return Entry(f"{value:+.4f}", f"[{low:+.4f}, {high:+.4f}]", "", (value, low, high, None))


def noise_names(runs: Sequence[Run]) -> list[str]:
    """The noises without k and scale, each once."""
    return list(dict.fromkeys(NOISES.parse(run.noise).name for run in runs if run.noise))


def _share(certified: NDArray[np.bool_]) -> list[Estimate]:
    n = certified.shape[1]
    return [metrics.proportion(int(row.sum()), n) for row in certified]


def _accuracies(
    values: Estimate | list[Estimate], radii: NDArray, norm: str, reference: Row | None
) -> dict[str, Entry]:
    return {
        key(r, norm): share(values[i], reference.at(float(r)) if reference else None)
        for i, r in enumerate(radii)
    }


def _reference(runs: Sequence[Run], norm: str, name: str) -> Row | None:
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
    found = cells("zhang", TABLE_OF[norm], dataset=first.dataset, method=method)
    return Row(found) if found else None


def key(radius: float, norm: str) -> str:
    """A radius as a column of the CSV: 0.25, or 2_255 for linf."""
    return f"accuracy_percent_{_radius(radius, norm).replace('/', '_')}"


def _radius(radius: float, norm: str) -> str:
    levels = radius * 255
    if norm == "linf" and radius > 0 and abs(levels - round(levels)) < 1e-9:
        return f"{round(levels)}/255"
    return number(float(radius))


def _notes(rows: list[dict[str, Entry]]) -> tuple[str, ...]:
    notes = [
        "Accuracies are percent of the inputs that are classified correctly with a certified"
        " radius of at least r, in pixels of [0,1] images; an abstention is wrong. Brackets:"
        " 95% intervals for the number of inputs.",
        "Baseline: certified at the scale of training, as in the paper; any scale: with a search"
        " for the scale, like ours.",
        "Best at each radius: over all scales (and k) of a row's runs and all models, chosen on"
        " the inputs that measure it, as in the paper; its ACR is the area under it. Chosen on"
        " the other half: the run is chosen on half of the inputs and measured on the other;"
        " differences are between rows of this kind or of one run.",
    ]
    if any(entry.paper for row in rows for entry in row.values()):
        notes.append(
            "After the slash: the paper's value. The paper certifies models that others"
            " released; its number of samples, alpha, k and scales are not in the text at hand."
        )
    return tuple(notes)
