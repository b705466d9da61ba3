"""Runs in the terms of DDRS: Cohen, Cohen-DS, Cohen-DS2; and the paper's row for each.

A method's name says how the model was trained (2: with data-dependent scales) and that it is
certified with them (DS). Uniform noise is Yang's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from smoothcert.budget import BUDGETS, Fixed
from smoothcert.certificates import metrics
from smoothcert.certificates.runs import AXES, Run
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.noise import NOISES, Noise
from smoothcert.papers.ddrs.comparable import cohen_row, settings_of
from smoothcert.report.numbers import Row
from smoothcert.report.printing import number
from smoothcert.report.reference import NotComparable, cells
from smoothcert.report.reference import Row as PaperRow
from smoothcert.scaling import SCALINGS, Ascent, Grid, Ramp, Scaling

BASES = {"cohen": "Cohen", "smoothadv": "SmoothAdv", "macer": "MACER"}
YANG = "Yang"
ALL = (*BASES.values(), YANG)
SPLITTING = "Splitting, all shifts"  # Levine and Feizi, beside Yang
# Samples of an ascent step, of training and certification, where the paper's tables 1-3 say none.
_N = {"MACER": 8}
TABLES = {"Cohen": "table1", "SmoothAdv": "table2", "MACER": "table3"}
APPENDICES = {"Cohen": "appendix_H1", "SmoothAdv": "appendix_H2", "MACER": "appendix_H3"}
# The network of the paper's CIFAR-10 models by its text, and by its code.
_SAME_ARCH = {"resnet18_stem7": "resnet18"}
_DS2_EPOCHS = {("cifar10", "Cohen"): 200}  # 50 with the fixed scale, then 150


def base(run: Run) -> str | None:
    """Cohen, SmoothAdv, MACER, Yang (l1: uniform noise, and what stands beside it), or None for
    what the tables of DDRS do not have."""
    trained, part = run.trained, noise(run)
    if trained is None or part is None or trained.method not in BASES:
        return None
    drawn = part.drawn_as
    if trained.noise != drawn.shape_slug:
        return None
    if drawn.name in ("uniform", "splitting"):
        return YANG if trained.method == "cohen" else None
    return BASES[trained.method] if part.name == "gaussian" else None


def noise(run: Run) -> Noise | None:
    """The noise that certifies; None where the run does not say."""
    return NOISES.parse(run.noise) if run.noise else None


def takes_every_copy(run: Run) -> bool:
    """Whether its votes are of all noisy copies that there are, none of them drawn."""
    return run.budget is not None and run.budget.startswith("exhaustive-")


def symbol(run: Run) -> str:
    """What the scale of a run's noise is called."""
    part = noise(run)
    return "λ" if part is not None and part.norm == "l1" else "σ"


def scaling(run: Run) -> Scaling:
    """How the noise scales of a run were chosen; raises SmoothcertError for an unknown slug."""
    return SCALINGS.parse(run.scaling or "fixed")


def kind(part: Scaling) -> str:
    """The slug without K: ``ascent_n8``, ``grid-n4``, ``fixed``."""
    return part.slug.removesuffix(f"-K{getattr(part, 'K', '')}")


def steps(run: Run) -> int | None:
    """K, if the scales were found in that many steps."""
    part = scaling(run)
    return None if kind(part) == part.slug else getattr(part, "K", None)


def search(run: Run) -> str:
    """``ascent`` for Algorithm 1 with any n and K, ``grid`` for the greedy grid with any n; other
    scalings by their slug without K."""
    part = scaling(run)
    plain = (isinstance(part, Ascent) and part == Ascent(part.K, n=part.n)) or (
        isinstance(part, Grid) and part == Grid(part.n)
    )
    return part.name if plain else kind(part)


def own_scale(run: Run) -> bool:
    """Whether the noise of certification (at sigma_0) is that of training."""
    return run.trained is not None and run.trained.scale == run.sigma


def samples(base: str) -> int:
    """Samples of an ascent step in the paper's tables 1 to 3."""
    return _N.get(base, 1)


def training_n(run: Run) -> int:
    """Samples of an ascent step in DS2 training, from the variant ``_n8``."""
    assert run.trained is not None
    variant = run.trained.variant.removeprefix("_n")
    return int(variant) if variant.isdigit() else samples(base(run) or "")


def label(run: Run) -> str:
    """The name of the method, for a run with a :func:`base`: Cohen-DS, MACER-DS2 (n = 1)."""
    trained, part, name = run.trained, scaling(run), base(run)
    assert trained is not None
    assert name is not None
    tuned = "_ft" in trained.variant
    usual = samples(name)
    name, notes = _l1_name(run) if name == YANG else (name, [])
    if isinstance(part, Ascent):
        if part != Ascent(part.K, n=part.n):
            notes.append(kind(part))
        elif part.n != usual:
            notes.append(f"n = {part.n}")
        name += "-DS2" if trained.schedule == "ds2" else "-DS"
        if trained.schedule == "ds2" and training_n(run) not in (usual, part.n):
            notes.append(f"trained with n = {training_n(run)}")
    elif part.name != "fixed":
        notes.append(kind(part))
    elif not own_scale(run):
        notes.append("another fixed scale")
    if not isinstance(part, Ascent) and trained.schedule == "ds2":
        notes.insert(0, "DS2 in training only")
    if tuned:
        notes.insert(0, "fine-tuned")
    return f"{name} ({', '.join(notes)})" if notes else name


def _l1_name(run: Run) -> tuple[str, list[str]]:
    """Yang or what stands beside it, and how it differs: the paper has half-widths up to 1."""
    part = noise(run)
    assert part is not None
    notes = ["λ > 1"] if part.scale > 1 else []
    if part.boxed:
        notes.append("inputs in [0, 1]")
    return (YANG if part.drawn_as.name == "uniform" else SPLITTING), notes


def model_name(run: Run) -> str:
    """The model and K among those of one method: ``σ 0.25, K 900``."""
    text = f"{symbol(run)} {number(run.sigma)}" if run.sigma is not None else run.path.name
    if not own_scale(run) and run.trained is not None:
        text += f" (trained {number(run.trained.scale)})"
    return text if steps(run) is None else f"{text}, K {steps(run)}"


def order(run: Run) -> tuple[object, ...]:
    """Sorts the runs of a model family: training, kind of scaling, noise scale, K."""
    trained = run.trained
    schedule = {"fs": 0, "ds2": 2}.get(trained.schedule if trained else "", 3)
    tuned = trained is not None and "_ft" in trained.variant
    variant = trained.variant if trained else ""
    part = scaling(run)
    place = {"fixed": "", "ascent": "a", "ascent-sound": "b"}.get(part.name, f"c{kind(part)}")
    return (
        _beside_yang(run),
        schedule + tuned,
        variant,
        place,
        kind(part),
        run.sigma or 0.0,
        steps(run) or 0,
        str(run.path),
    )


def _beside_yang(run: Run) -> int:
    """0 for what the paper has; then wider noise, inputs in the box, other noise."""
    part = noise(run)
    if part is None or part.norm != "l1":
        return 0
    return (part.scale > 1) + 2 * part.boxed + 4 * (part.drawn_as.name != "uniform")


def memory_changes(run: Run) -> int | None:
    """Certificates that the memory changed; None if the table has not been through it."""
    event = run.table.optional("memory_event")
    if event is None:
        return None
    return int(((event == "trimmed") | (event == "inside")).sum())


def common(runs: Sequence[Run]) -> list[Run]:
    """The runs restricted to the inputs that all of them have."""
    tables = metrics.common_inputs([run.table for run in runs])
    return [replace(run, table=table) for run, table in zip(runs, tables, strict=True)]


def axes(run: Run) -> Row:
    """What a run is of: labels of its numbers."""
    return {axis: getattr(run, axis) for axis in AXES}


def shared(runs: Sequence[Run]) -> Row:
    """The axes on which all runs agree: labels of what is of all of them."""
    first, *others = map(axes, runs)
    return {k: v for k, v in first.items() if all(other[k] == v for other in others)}


def is_fixed(run: Run) -> bool:
    """Fixed smoothing: one scale in training and certification, no fine-tuning."""
    return label(run) == base(run)


# --- how far a scale can reach -----------------------------------------------------------------


def largest_radius(run: Run, scale: float) -> float | None:
    """The radius of an input of this scale whose n votes all agree: no input has a larger one.

    None unless the run has one fixed n.
    """
    try:
        budget = BUDGETS.parse(run.budget or "")
    except SmoothcertError:
        return None
    if not isinstance(budget, Fixed) or run.noise is None:
        return None
    bound = clopper_pearson_lower(budget.n, budget.n, budget.alpha)
    return scale * float(NOISES.parse(run.noise).standard_radius(bound, 1))


def ramp_speed(run: Run) -> float:
    """What one step adds to the scale of an input whose class probabilities are clamped."""
    how = scaling(run)
    assert isinstance(how, Ascent | Ramp)
    assert run.noise is not None
    # Both class probabilities clamped: the derivative is the radius at scale 1 of 1 - clamp.
    return how.step * float(NOISES.parse(run.noise).standard_radius(np.array(1 - how.clamp), 1))


# --- the paper's rows ----------------------------------------------------------------------


def paper_row(run: Run) -> PaperRow | NotComparable:
    """The row of appendix H for this model and K, if data, architecture and settings agree."""
    ours = settings_of(run)
    ours = replace(ours, arch=_SAME_ARCH.get(ours.arch or "", ours.arch))
    trained, part, name = run.trained, scaling(run), base(run)
    if trained is None or name not in TABLES:
        return NotComparable("not in the paper")
    if trained.schedule == "fs" and part.name == "fixed":
        return cohen_row(ours)
    epochs = ours.epochs
    if trained.schedule == "ds2":
        expected = _DS2_EPOCHS.get((str(run.dataset), name))
        if None not in (epochs, expected) and epochs != expected:
            return NotComparable("different length of training")
        epochs = None
    same_model = replace(
        ours, schedule="fs" if trained.schedule == "ds2" else ours.schedule, scaling="fixed",
        epochs=epochs,
    )  # fmt: skip
    checked = cohen_row(same_model)
    if isinstance(checked, NotComparable):
        return checked
    if not isinstance(part, Ascent) or not _published(part):
        return NotComparable("another search")
    if trained.schedule == "ds2" and training_n(run) != part.n:
        return NotComparable("not in the paper")
    found = cells(
        "ddrs", APPENDICES[name], dataset=run.dataset, method=_method(name, trained.schedule),
        sigma=run.sigma, K=part.K, n=part.n,
    )  # fmt: skip
    return PaperRow(found) if found else NotComparable("not in the paper")


def paper_best(runs: Sequence[Run]) -> tuple[PaperRow | NotComparable, str]:
    """The row of tables 1-3 (best over sigma and K) for the runs of one method, and its source.

    Comparable if each run is, with the paper's sigma; fewer K than the paper's are allowed, and
    the source says so.
    """
    first = runs[0]
    name, trained = base(first), first.trained
    if name == YANG:
        return _yang(runs)
    each = [paper_row(run) for run in runs]
    reason = next((r for r in each if isinstance(r, NotComparable)), None)
    if reason is not None or name is None or trained is None:
        reason = reason or NotComparable("not in the paper")
        return reason, reason.reason
    # The block n = 8 of the appendix is the one that table 3 prints.
    if getattr(scaling(first), "n", None) not in (None, samples(name)):
        return NotComparable("not in the paper"), "not in the paper's table: appendix only"
    searched = scaling(first).name != "fixed"
    method = _method(name, trained.schedule) if searched else name
    key = {"dataset": first.dataset, "method": method}
    theirs = cells("ddrs", APPENDICES[name], **key)
    if searched:
        theirs = tuple(c for c in theirs if c.n == getattr(scaling(first), "n", None))
    if {run.sigma for run in runs} != {c.sigma for c in theirs}:
        return NotComparable("different choice of sigma"), "different choice of σ"
    row = PaperRow(cells("ddrs", TABLES[name], **key))
    ours = len({(run.sigma, steps(run)) for run in runs})
    searches = len({(c.sigma, c.K) for c in theirs})
    return row, row.source if ours == searches else f"{row.source}: best of {searches}"


def _yang(runs: Sequence[Run]) -> tuple[PaperRow | NotComparable, str]:
    """The row of table 4, whose architecture, training and K the paper does not state."""
    first = runs[0]
    fixed = scaling(first).name == "fixed"
    method = YANG if fixed else f"{YANG}-DS"
    found = cells("ddrs", "table4", dataset=first.dataset, method=method)
    for reason, differs in {
        "different data": not cells("ddrs", "table4", dataset=first.dataset),
        "not in the paper": not found or label(first) != method,
        "different samples or alpha": {(r.n, r.alpha) for r in runs} != {(100_000, 0.001)},
        "different choice of lambda": {r.sigma for r in runs} != {0.25, 0.5, 1.0},
    }.items():
        if differs:
            return NotComparable(reason), reason.replace("lambda", "λ")
    return PaperRow(found), "DDRS table 4 (architecture and K not stated)"


def _method(name: str, schedule: str) -> str:
    return f"{name}-DS2" if schedule == "ds2" else f"{name}-DS"


def _published(part: Ascent) -> bool:
    """Whether an ascent is the paper's; bounds on sigma and the class pair it leaves open."""
    return (part.step, part.clamp) == (1e-4, 0.02)


def check(runs: Sequence[Run], bases: Sequence[str] = ALL) -> list[Run]:
    """The runs of these methods; raises SmoothcertError if there are none."""
    chosen = [run for run in runs if base(run) in bases]
    if not chosen:
        raise SmoothcertError(
            f"certificate tables: found none of {' or '.join(bases)}: expected models trained"
            " with the noise that certifies them"
        )
    return chosen
