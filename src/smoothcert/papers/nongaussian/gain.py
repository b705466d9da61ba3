"""Where a gain of non-Gaussian noise comes from, and what training with the noise changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smoothcert.certificates import metrics
from smoothcert.certificates.runs import Run, read_runs
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import number
from smoothcert.noise import NOISES
from smoothcert.noise.centripetal import Centripetal
from smoothcert.papers.nongaussian.tables import BASELINES, groups, role
from smoothcert.report import names, numbers
from smoothcert.report.numbers import Key, Label, Number, Row, acr, share
from smoothcert.report.output import Files, Options
from smoothcert.report.table import Column, Table


def gain(files: Files, options: Options) -> Table:
    """One row a method's run: its ACR minus the baseline's, split in three.

    certificate: the same votes' bounds turned into radii by the method and by the baseline at
    matched noise energy. p_A: the votes, both certified as the baseline's. size: the
    baseline at the matched scale minus the baseline at the scale of training.
    """
    runs = read_runs(files.some())
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("training", "training", show=names.training),
        Column("noise", "noise", show=names.noise),
        Column("matched", "baseline with equal energy", show=names.noise),
        Column("n", "n"),
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
        "Gain: ACR minus the ACR of the baseline certified at its training scale, on the same"
        " model. It is the sum of three parts. Certificate: radii from the method's bounds on"
        " p_A, minus radii from the same bounds with the baseline's noise of equal energy"
        " E‖z‖₂². p_A: the latter minus the baseline's radii at that energy, from its own bounds."
        " Noise size: the baseline at that energy minus the baseline at the training scale. A"
        " dash: no baseline run has that scale (within 0.1%).",
        "Brackets: paired 95% CIs (test-set sampling).",
    )
    return Table("", columns, rows, notes)


def _gain(run: Run, baselines: Sequence[Run]) -> Row:
    noise = NOISES.parse(str(run.noise))
    assert isinstance(noise, Centripetal)
    d = _dimension(run)
    scale = matched_scale(noise, d)
    base = NOISES[BASELINES[noise.norm]](scale)
    row: dict[Key, Label | Number] = {
        "dataset": run.dataset,
        "arch": run.arch,
        "training": run.training,
        "noise": run.noise,
        "matched": f"{base.name}-{number(round(scale, 4))}",
        "n": run.n,
        "inputs": len(run.table),
        "norm": run.norm,
        "acr": acr(metrics.average_certified_radius(run.table)),
        **dict.fromkeys(("total", "p_a", "size")),
    }
    same_model = [b for b in baselines if b.training == run.training]
    trained = run.trained
    start = _at(same_model, trained.scale if trained else None)
    matched = _at(same_model, scale)
    p_lower = run.table.optional("p_lower")
    if p_lower is None:
        raise SmoothcertError(f"{run.path}: has no column p_lower")
    ours = metrics.certified_radius(run.table)
    as_base = np.where(metrics.is_right(run.table), base.radius(p_lower, scale, d), 0.0)
    row["certificate"] = numbers.gain(metrics.mean_difference(ours, as_base))
    if start is not None:
        row["total"] = numbers.gain(metrics.acr_difference(run.table, start.table))
    if matched is not None:
        theirs = metrics.certified_radius(matched.table)
        row["p_a"] = numbers.gain(metrics.mean_difference(as_base, theirs))
        if start is not None:
            row["size"] = numbers.gain(metrics.acr_difference(matched.table, start.table))
    return row


def _dimension(run: Run) -> int:
    shape = run.record.get("shape")
    if not shape:
        raise SmoothcertError(f"{run.path}: its record has no shape; expected the input shape")
    return int(np.prod(shape))


def matched_scale(noise: Centripetal, d: int) -> float:
    """The scale at which the baseline of the norm has the noise's E ||z||_2^2."""
    per_entry = noise.scale * float(np.sqrt(noise.energy(d) / d))
    return per_entry / float(np.sqrt(2)) if noise.norm == "l1" else per_entry


def _at(runs: Sequence[Run], scale: float | None) -> Run | None:
    """The run whose noise scale is nearest, if within 0.1%."""
    known = [run for run in runs if run.sigma]
    if scale is None or not known:
        return None
    best = min(known, key=lambda run: abs(np.log(float(run.sigma or 1) / scale)))
    return best if abs(np.log(float(best.sigma or 1) / scale)) < 1e-3 else None


def training(files: Files, options: Options) -> Table:
    """One row a noise that models were trained with: what that changes, on the same inputs.

    Beside the model trained with the noise: the same noise on the model trained with the
    baseline's noise of equal energy, and that model certified with its own noise.
    """
    runs = read_runs(files.some())
    columns = (
        Column("dataset", "data"),
        Column("arch", "architecture"),
        Column("noise", "noise", show=names.noise),
        Column("baseline", "baseline", show=names.noise),
        Column("n", "n"),
        Column("inputs", "inputs"),
        Column("acr", "ACR, trained with the noise", measured=True),
        Column("minus_model", "minus ACR, trained with the baseline's", measured=True),
        Column("minus_baseline", "minus ACR, baseline throughout", measured=True),
        Column("accuracy_percent", "≥ 0, trained with the noise", measured=True),
        Column("accuracy_minus_model", "minus ≥ 0, trained with the baseline's", measured=True),
        Column("accuracy_minus_baseline", "minus ≥ 0, baseline throughout", measured=True),
    )
    rows = [_training(run, runs) for run in runs if _own(run)]
    if not rows:
        raise SmoothcertError(
            "certificate tables: found none for a model trained with the certified noise"
        )
    notes = (
        "≥ 0: percent of inputs certified correctly at radius 0. The models in a row differ only in"
        " their training noise, which has equal energy E‖z‖₂²; one training run each, so a"
        " difference concerns these two models, not the methods. A dash: no such run.",
        "Brackets: paired 95% CIs (test-set sampling).",
    )
    return Table("", columns, rows, notes)


def _own(run: Run) -> bool:
    """Whether the model was trained with the run's own non-Gaussian noise."""
    return role(run) == "method" and run.trained is not None and run.trained.noise_slug == run.noise


def _training(run: Run, runs: Sequence[Run]) -> Row:
    noise = NOISES.parse(str(run.noise))
    assert isinstance(noise, Centripetal)
    scale = matched_scale(noise, _dimension(run))
    alike = [
        other
        for other in runs
        if other.trained is not None
        and not _own(other)
        and abs(np.log(other.trained.scale / scale)) < 1e-3
        and all(getattr(other, axis) == getattr(run, axis) for axis in _SAME)
    ]
    model = next((other for other in alike if other.noise == run.noise), None)
    name = BASELINES[noise.norm]
    baseline = _at([other for other in alike if other.noise_name == name], scale)
    accuracy = metrics.certified_accuracy(run.table, [0.0])[0]
    row: dict[Key, Label | Number] = {
        "dataset": run.dataset,
        "arch": run.arch,
        "noise": run.noise,
        "baseline": baseline.noise if baseline else None,
        "n": run.n,
        "inputs": len(run.table),
        "norm": run.norm,
        "acr": acr(metrics.average_certified_radius(run.table)),
        "accuracy_percent": share(accuracy),
    }
    for key, other in (("minus_model", model), ("minus_baseline", baseline)):
        row[key] = row[f"accuracy_{key}"] = None
        if other is not None:
            own, theirs = metrics.common_inputs([run.table, other.table])
            row[key] = numbers.gain(metrics.acr_difference(own, theirs))
            row[f"accuracy_{key}"] = share(metrics.accuracy_difference(own, theirs, [0.0])[0])
    return row


_SAME = ("dataset", "arch", "scaling", "budget")
