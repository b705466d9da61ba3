"""Tables 1 (l1), 2 (l2) and 3 (linf) of Zhang et al. 2020, and where a gain comes from.

A method is compared with the baseline of its norm (Laplace, Gaussian, Gaussian through l2) on
the same models and inputs: over all runs at the best one for each radius, as the paper does,
and with the run chosen on the other half of the inputs, which does not reward a finer search.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from smoothcert import metrics
from smoothcert.errors import SmoothcertError
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.printing import norm as norm_symbol
from smoothcert.printing import number
from smoothcert.reference import Row, cells
from smoothcert.selection import held_out, paired_difference
from smoothcert.tables.base import UNKNOWN, Column, Entry, Options, Table, acr, share, words
from smoothcert.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smoothcert.metrics import Estimate
    from smoothcert.runs import Run

BASELINES = {"l1": "laplace", "l2": "gaussian", "linf": "gaussian-linf"}
TABLE_OF = {"l1": "table1", "l2": "table2", "linf": "table3"}
RADII = {
    "l1": "0:2.25:0.25",
    "l2": "0:2.25:0.25",
    "linf": "0,2/255,4/255,6/255,8/255,10/255,12/255",
}
# Data set -> architecture, and norm -> whose models, for which the paper prints numbers.
_ARCH = {"cifar10": "resnet110", "imagenet": "resnet50"}
_TRAINED = {
    "l1": ("cohen", "laplace"),
    "l2": ("cohen", "gaussian"),
    "linf": ("smoothadv", "gaussian"),
}
ROLES = ("baseline", "method")
_LABELS = {"baseline": "Baseline", "method": "Ours"}


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
    radii = metrics.parse_radii(RADII[norm] if options.radii is None else options.radii)
    sign = ">" if options.strict else "≥"
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training"),
        Column("noise", "noise"),
        Column("choice", "choice of the run"),
        Column("runs", "runs"),
        Column("inputs", "inputs"),
        Column("acr", "ACR", measured=True),
        *(Column(key(r, norm), f"{sign} {_radius(r, norm)}", measured=True) for r in radii),
    )
    rows: list[dict[str, Entry]] = []
    for group in groups(runs, norm):
        rows += _rows(group, radii, norm, options.strict)
    title = options.title or (
        f"Certified accuracy (%) at {norm_symbol(norm)} radii: {BASELINES[norm]} noise and the"
        " noises of Zhang et al."
    )
    return Table(title, columns, rows, _notes(rows))


def _rows(
    group: dict[str, list[Run]], radii: NDArray, norm: str, strict: bool
) -> list[dict[str, Entry]]:
    present = [name for name in ROLES if group[name]]
    everything = [run for name in present for run in group[name]]
    tables = dict(
        zip(
            (str(run.path) for run in everything),
            metrics.common_inputs([run.table for run in everything]),
            strict=True,
        )
    )
    rows, results = [], {}
    for name in present:
        members = group[name]
        own = [tables[str(run.path)] for run in members]
        common = {
            "dataset": words(members[0].dataset or members[0].path.name),
            "arch": words(members[0].arch),
            "training": words(members[0].recipe),
            "noise": words(f"{_LABELS[name]}: {', '.join(noise_names(members))}"),
            "runs": words(len(members)),
            "inputs": words(len(own[0])),
        }
        reference = _reference(members, norm, name)
        best = metrics.envelope(own, radii, strict)
        rows.append(
            {
                **common,
                "choice": words("best at each radius, on these inputs"),
                "acr": acr(metrics.envelope_area(own)),
                **_accuracies(best, radii, norm, reference),
            }
        )
        results[name] = held_out(own, radii, strict)
        rows.append(
            {
                **common,
                "choice": words("chosen on the other half"),
                "acr": acr(metrics.mean(results[name].radius, least=0.0)),
                **_accuracies(_share(results[name].certified), radii, norm, None),
            }
        )
    if len(present) == 2:
        ours, base = results["method"], results["baseline"]
        difference = [
            paired_difference(a, b) for a, b in zip(ours.certified, base.certified, strict=True)
        ]
        rows.append(
            {
                **rows[-1],
                "noise": words("Ours minus baseline"),
                "runs": words(None),
                "choice": words("chosen on the other half, paired"),
                "acr": acr(metrics.mean(ours.radius - base.radius)),
                **{key(r, norm): share(difference[i]) for i, r in enumerate(radii)},
            }
        )
    return rows


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
        "Best at each radius: over all scales (and k) of a row's runs and all models, chosen on"
        " the inputs that measure it, as in the paper; its ACR is the area under it. Chosen on"
        " the other half: the run is chosen on half of the inputs and measured on the other.",
    ]
    if any(entry.paper for row in rows for entry in row.values()):
        notes.append(
            "After the slash: the paper's value. The paper certifies models that others"
            " released; its number of samples, alpha, k and scales are not in the text at hand."
        )
    return tuple(notes)


# --- where a gain comes from ---------------------------------------------------------------


@TABLES.member("nongaussian_gain")
def gain(runs: Sequence[Run], options: Options) -> Table:
    """One row a method's run: its ACR minus the baseline's, split in three.

    certificate: the same votes' bounds turned into radii by the method and by the baseline at
    matched noise energy. p_A: the votes, both certified as the baseline's. size: the
    baseline at the matched scale minus the baseline at the scale of training.
    """
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training"),
        Column("noise", "noise"),
        Column("matched", "baseline of equal energy"),
        Column("inputs", "inputs"),
        Column("acr", "ACR", measured=True),
        Column("total", "gain in ACR", measured=True),
        Column("certificate", "certificate", measured=True),
        Column("p_a", "p_A", measured=True),
        Column("size", "noise size", measured=True),
    )
    norms = dict.fromkeys(run.norm for run in runs if role(run))
    rows = [
        _gain(run, group["baseline"])
        for norm in norms
        for group in groups(runs, norm)
        for run in group["method"]
    ]
    notes = (
        "Gain: ACR minus that of the baseline certified at its scale of training, the model"
        " being the same. It is the sum of three parts. Certificate: the radii that the"
        " method's own bounds on p_A give, minus those that they would give with the baseline's"
        " noise of the same energy E‖z‖₂². p_A: the same with the baseline's own bounds at that"
        " energy. Noise size: the baseline at that energy minus the baseline at the scale of"
        " training. A dash: no baseline run has that scale (within 1%).",
        "Brackets: 95% intervals for the number of inputs, paired.",
    )
    return Table(
        options.title or "Where a gain of non-Gaussian noise comes from", columns, rows, notes
    )


def _gain(run: Run, baselines: Sequence[Run]) -> dict[str, Entry]:
    noise = NOISES.parse(str(run.noise))
    assert isinstance(noise, Centripetal)
    shape = run.record.get("shape")
    if not shape:
        raise SmoothcertError(f"{run.path}: its record has no shape; expected the input's")
    d = int(np.prod(shape))
    scale = matched_scale(noise, d)
    base = NOISES[BASELINES[noise.norm]](scale)
    row = {
        "dataset": words(run.dataset),
        "arch": words(run.arch),
        "training": words(run.training),
        "noise": words(run.noise),
        "matched": words(f"{base.name}-{scale:.4g}"),
        "inputs": words(len(run.table)),
        "acr": acr(metrics.average_certified_radius(run.table)),
        **dict.fromkeys(("total", "p_a", "size"), Entry(UNKNOWN)),
    }
    same_model = [b for b in baselines if b.training == run.training]
    trained = run.trained
    start = _at(same_model, trained.scale if trained else None)
    matched = _at(same_model, scale)
    p_lower = run.table.optional("p_lower")
    if p_lower is None:
        raise SmoothcertError(f"{run.path}: has no column p_lower")
    right = run.table.correct == 1
    ours = np.where(right, run.table.radius, 0.0)
    as_base = np.where(right, base.radius(p_lower, scale, d), 0.0)
    row["certificate"] = _signed(metrics.mean(ours - as_base))
    if start is not None:
        row["total"] = _signed(metrics.acr_difference(run.table, start.table))
    if matched is not None:
        theirs = np.where(matched.table.correct == 1, matched.table.radius, 0.0)
        row["p_a"] = _signed(metrics.mean(as_base - theirs))
        if start is not None:
            row["size"] = _signed(metrics.acr_difference(matched.table, start.table))
    return row


def matched_scale(noise: Centripetal, d: int) -> float:
    """The scale at which the baseline of the norm has the noise's E ||z||_2^2."""
    per_entry = noise.scale * float(np.sqrt(noise.energy(d) / d))
    return per_entry / float(np.sqrt(2)) if noise.norm == "l1" else per_entry


def _at(runs: Sequence[Run], scale: float | None) -> Run | None:
    """The run whose noise scale is nearest, if within 1%."""
    known = [run for run in runs if run.sigma]
    if scale is None or not known:
        return None
    best = min(known, key=lambda run: abs(np.log(float(run.sigma or 1) / scale)))
    return best if abs(np.log(float(best.sigma or 1) / scale)) < 0.01 else None


def _signed(estimate: Estimate) -> Entry:
    value, low, high = (float(v) for v in (estimate.value, estimate.low, estimate.high))
    return Entry(f"{value:+.4f}", f"[{low:+.4f}, {high:+.4f}]", "", (value, low, high, None))
