"""When a number of DDRS may stand beside ours: same data, architecture and settings.

Cohen et al. 2019 is not among the four papers, so the reference of a fixed Gaussian noise is the
row "Cohen" of DDRS (ResNet-18 on CIFAR-10, ResNet-50 on ImageNet): appendix H.1 for each sigma,
table 1 for the best sigma at each radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smoothcert.certificates.runs import Run, find
from smoothcert.report.reference import NotComparable, Row, cells

# Data sets and architectures of DDRS (section 4, set-up); the method names of its tables.
# The released code has the stem of ImageNet on CIFAR-10 too.
ARCHITECTURES = {"cifar10": ("resnet18", "resnet18_stem7"), "imagenet": ("resnet50",)}
_DDRS_METHODS = {
    "cohen": ("Cohen", "table1", "appendix_H1"),
    "smoothadv": ("SmoothAdv", "table2", "appendix_H2"),
    "macer": ("MACER", "table3", "appendix_H3"),
}
# Epochs of training from scratch; the ImageNet models are the baselines' own.
_DDRS_EPOCHS = {"cifar10": 200}


@dataclass(frozen=True)
class Settings:
    """What was certified, as far as it is known; None is unknown and equals nothing.

    ``method`` and ``schedule`` as in a training slug (cohen, fs); ``sigma`` of training and
    certification, None for the best over several; ``epochs`` of training may stay unknown.
    """

    dataset: str | None = None
    arch: str | None = None
    method: str | None = None
    schedule: str | None = None
    norm: str = "l2"
    noise: str = "gaussian"
    sigma: float | None = None
    train_sigma: float | None = None
    scaling: str = "fixed"
    n: int | None = None
    n0: int | None = None
    alpha: float | None = None
    epochs: int | None = None
    both: bool = False  # bounds the other classes too


def cohen_row(ours: Settings, best_of: Sequence[float] = ()) -> Row | NotComparable:
    """The paper's row for a fixed Gaussian noise, from DDRS: "Cohen", "SmoothAdv", "MACER".

    The row of appendix H for ``ours.sigma``; with the several sigma of ``best_of`` the row of
    tables 1-3 (per radius the best sigma), whose ACR is the mean of the per-input maximum.
    """
    if ours.dataset not in ARCHITECTURES:
        return NotComparable("different data")
    if ours.arch not in ARCHITECTURES[ours.dataset]:
        return NotComparable("different architecture")
    if ours.method not in _DDRS_METHODS or ours.schedule != "fs":
        return NotComparable("not in the paper")
    if (ours.norm, ours.noise, ours.scaling) != ("l2", "gaussian", "fixed"):
        return NotComparable("not in the paper")
    if not best_of and ours.train_sigma != ours.sigma:
        return NotComparable("different noise in training")
    if (ours.n, ours.alpha) != (100_000, 0.001) or ours.n0 not in (None, 100):
        return NotComparable("different samples or alpha")
    if ours.both:
        return NotComparable("bounds on both classes")
    if ours.epochs is not None and ours.epochs != _DDRS_EPOCHS.get(ours.dataset, ours.epochs):
        return NotComparable("different length of training")
    method, best, each = _DDRS_METHODS[ours.method]
    key = {"dataset": ours.dataset, "method": method, "train": "FS", "certify": "FS"}
    single = cells("ddrs", each, **key)
    if not best_of:
        found = tuple(c for c in single if c.sigma == ours.sigma)
        return Row(found) if found else NotComparable("not in the paper")
    if set(best_of) != {c.sigma for c in single}:
        return NotComparable("different choice of sigma")
    return Row(cells("ddrs", best, sigma=None, **key))


def papers_own(run: Run) -> str:
    """``yes`` for data, architecture, samples and failure probability of DDRS, else ``no``."""
    known = run.arch in ARCHITECTURES.get(run.dataset or "", ())
    return "yes" if known and (run.n, run.alpha) == (100_000, 0.001) else "no"


def settings_of(run: Run) -> Settings:
    """What decides whether a number is comparable with a run's."""
    trained = run.trained
    epochs = find(run.record, "epochs")
    return Settings(
        dataset=run.dataset,
        arch=run.arch,
        method=None if trained is None else trained.method,
        schedule=None if trained is None else trained.schedule + trained.variant,
        norm=run.norm,
        noise=run.noise_name or "unknown",
        sigma=run.sigma,
        train_sigma=None if trained is None else trained.scale,
        scaling=run.scaling or "unknown",
        n=run.n,
        n0=run.table.single("n0"),
        alpha=run.alpha,
        epochs=epochs if isinstance(epochs, int) else None,
        both="p_upper" in run.table.columns,
    )
