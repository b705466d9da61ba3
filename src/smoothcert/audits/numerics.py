"""The same noise in other arithmetic: how many votes, predictions and radii change?

Every variant of the base classifier (precision, kernels, batch size, device) meets the very same
noise, drawn on the reference's device from the streams of selection and estimation. Each variant
has valid certificates of its own; the question is what is lost when a certificate of one is taken
for another. A variant that agrees with the certified one on all but a share zeta of the noise keeps
P(c) >= p - zeta, so a certificate can be carried over soundly: zeta is counted on the same votes,
and alpha is split between its bound and that of p.
"""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smoothcert.budget import Fixed
from smoothcert.budget.incremental import incremental_lower
from smoothcert.certificates import ABSTAIN, CertificateTable, make_table
from smoothcert.certificates.certification import certify
from smoothcert.compute.arithmetic import PRECISIONS, computing
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.scratch import Scratch
from smoothcert.models.activations import operations
from smoothcert.noise import GaussianGrid, Noise
from smoothcert.noise.base import on_grid
from smoothcert.sampling.engines import ENGINES, Engine, open_engine
from smoothcert.votes import Counts, VoteStore
from smoothcert.votes.journal import ESTIMATION, SELECTION

Ints = NDArray[np.int64]

AS_CERTIFIED = ", as certified"  # ends the name of the reference
CPU_OPERATIONS = 3e13  # of a variant on a CPU: some ten minutes of one core


@dataclass(frozen=True)
class Variant:
    """One way to compute the same network."""

    name: str
    precision: str = "float32"
    batch: int = 512
    engine: str = "torch"
    device: str = "cpu"


def variants(certified: Engine, batch: int, votes: int = 0) -> list[Variant]:
    """The certified way first, on its own device, then others that this machine can go.

    Those of a CPU only where ``votes`` of each cost it some minutes, if the reference is a GPU's;
    those of a GPU where there is one.
    """
    ours, theirs, device = certified.name, certified.precision, certified.device.type
    on = ", GPU" if device == "cuda" else ""
    found = [
        Variant(f"{ours} in {theirs}{on}{AS_CERTIFIED}", theirs, batch, ours, device),
        Variant(f"{ours} in {theirs}{on}, batches of 37", theirs, 37, ours, device),
    ]
    tried = [(engine, kind) for engine in ENGINES for kind in ("float32", "bfloat16", "float64")]
    if device == "cuda" and votes * operations(certified.model, certified.shape) > CPU_OPERATIONS:
        tried = []
    for engine, kind in tried:
        if device == "cpu" and (engine, kind) == (ours, theirs):
            continue
        try:
            open_engine(certified.model, certified.shape, torch.device("cpu"), engine, kind)
        except SmoothcertError:
            continue  # it cannot run this network, in this precision or on this machine
        found.append(Variant(f"{engine} in {kind}", kind, batch, engine))
    if torch.cuda.is_available():
        size = batch if device == "cuda" else 8 * batch
        found += [
            Variant(f"torch in {kind}, GPU", kind, size, device="cuda")
            for kind in PRECISIONS
            if (device, theirs) != ("cuda", kind)
        ]
    return found


@dataclass(frozen=True)
class Outcome:
    """One variant on N inputs: its certificates; how many of each input's n votes [N] are for
    another class than the reference's (None where it met other noise); seconds a vote of the
    network alone, without exporting it or drawing the noise."""

    variant: str
    table: CertificateTable
    differ: Ints | None
    n: int
    seconds: float
    carried: CertificateTable | None = None


def compare(
    model: nn.Module,
    noise: Noise,
    images: Tensor,
    idx: Ints,
    label: Ints,
    scale: NDArray[np.float64],
    tried: Sequence[Variant],
    n: int = 10_000,
    n0: int = 100,
    alpha: float = 0.001,
    seed: int = 0,
    look: int = 1000,
    keep: Scratch | None = None,
) -> list[Outcome]:
    """Certify N images with every variant on the same noise; the first is the reference.

    ``keep``: where the classes of finished inputs lie, which are not computed again.
    Raises SmoothcertError unless n is a multiple of ``look``.
    """
    if n % look:
        raise SmoothcertError(f"numerics: n {n}: expected a multiple of the look {look}")
    runs = [Way(model, images.shape[1:], v) for v in tried]
    votes: list[list[Ints]] = [[] for _ in tried]
    seconds = np.zeros(len(tried))
    draws = [(SELECTION, 0, n0), *((ESTIMATION, j, look) for j in range(n // look))]
    for run in runs:
        run.prepare(images[0], (n0, look))
    for i in range(len(images)):
        if keep and (kept := keep.read(f"input-{i:05d}")):
            for k in range(len(tried)):
                votes[k].append(_unpacked(kept["classes"][k]))
                seconds[k] += kept["seconds"][k]
            continue
        classes: list[list[Ints]] = [[] for _ in tried]
        spent_now = np.zeros(len(tried))
        for purpose, j, size in draws:
            stream = generator(seed, purpose, int(idx[i]), j, device=runs[0].device)
            eps = noise.sample((size, *images.shape[1:]), stream)
            for k, run in enumerate(runs):
                start = run.clock()
                classes[k].append(run.classes(images[i], eps, float(scale[i])))
                spent_now[k] += run.clock() - start
        seconds += spent_now
        for k in range(len(tried)):
            votes[k].append(np.concatenate(classes[k]))
        if keep:
            packed = [_packed(of[-1]) for of in votes]
            keep.write(f"input-{i:05d}", {"classes": packed, "seconds": spent_now.tolist()})
    c = runs[0].n_classes
    reference = np.stack(votes[0])
    budget = Fixed(n, alpha, n0)
    out: list[Outcome] = []
    for k, variant in enumerate(tried):
        own = np.stack(votes[k])
        store = _store(own, n0, c, noise, images, idx, label, scale)
        table = certify(store, budget, noise)
        differ = (own[:, n0:] != reference[:, n0:]).sum(1)
        spent = float(seconds[k] / own.size)
        carried = None
        if k:
            carried = carry_over(out[0].table, differ, n, alpha, noise, images[0].numel())
        out.append(Outcome(variant.name, table, differ, n, spent, carried))
    return out


class Way:
    """A variant, ready to classify noisy copies."""

    def __init__(self, model: nn.Module, shape: Sequence[int], variant: Variant) -> None:
        self.variant = v = variant
        self.device = torch.device(v.device)
        self._engine = open_engine(copy.deepcopy(model), shape, self.device, v.engine, v.precision)
        self.n_classes = 0
        # Of a CPU's own work on a busy machine; a GPU is waited for, so its wall time counts.
        self.clock = time.process_time if self.device.type == "cpu" else time.perf_counter

    def prepare(self, x: Tensor, sizes: Sequence[int]) -> None:
        """Load the kernels for these numbers of copies of ``x``, so that no time that is taken
        later is theirs."""
        for size in (*sizes, *sizes):
            self.classes(x, torch.zeros(size, *x.shape), 1.0)

    @torch.inference_mode()
    def classes(self, x: Tensor, eps: Tensor, scale: float) -> Ints:
        """The class of each noisy copy, [len(eps)]."""
        wide = self.variant.precision == "float64"
        x, eps = x.to(self.device), eps.to(self.device)
        found, finite = [], torch.ones((), dtype=torch.bool, device=self.device)
        with computing(self.variant.precision):
            for part in eps.split(self.variant.batch):
                if wide:
                    noisy = x.double() + scale * part.double()
                else:
                    noisy = torch.add(x, part, alpha=scale)
                logits = self._engine.logits(noisy)
                finite &= torch.isfinite(logits).all()
                found.append(logits.argmax(1))
        if not finite:
            raise SmoothcertError(f"numerics: {self.variant.name}: NaN or infinite logits")
        self.n_classes = logits.shape[1]
        return torch.cat(found).cpu().numpy()


def _packed(classes: Ints) -> str:
    return base64.b64encode(classes.astype("<u2").tobytes()).decode()


def _unpacked(text: str) -> Ints:
    return np.frombuffer(base64.b64decode(text), "<u2").astype(np.int64)


def _store(
    votes: Ints, n0: int, c: int, noise: Noise, images: Tensor, idx: Ints, label: Ints,
    scale: NDArray[np.float64],
) -> VoteStore:  # fmt: skip
    """The votes [N, n0 + n] as a store of one look an input."""

    def counts(part: Ints) -> Counts:
        rows = (np.bincount(row, minlength=c) for row in part)
        return Counts.from_rows({k: int(v) for k, v in enumerate(row)} for row in rows)

    rows = np.arange(len(votes))
    identity = {
        "noise": noise.slug, "look": votes.shape[1] - n0, "n0": n0, "n_classes": c,
        "shape": list(images.shape[1:]), "scaling": "given",
    }  # fmt: skip
    return VoteStore(
        identity, len(rows), rows, idx, label, np.asarray(scale, np.float64),
        np.ones(len(rows), np.int64), counts(votes[:, :n0]), counts(votes[:, n0:]),
    )  # fmt: skip


def carry_over(
    table: CertificateTable, differ: Ints, n: int, alpha: float, noise: Noise, d: int
) -> CertificateTable:
    """The certificates of ``table`` for a classifier that differs in ``differ`` of n votes.

    P'(c) >= P(c) - P(they differ); both bounds at alpha / 2, both on votes that did not choose
    the class, so they may be the same votes.
    """
    p_lower = incremental_lower(table.columns["count"], n, differ, n, alpha)
    sigma = table.columns["sigma"]
    radius = np.where(p_lower > 0.5, noise.radius(np.maximum(p_lower, 0.5), sigma, d), 0.0)
    # The class is that of the selection votes, abstention or not: a bound above 1/2 names it.
    predict = np.where((table.predict != ABSTAIN) & (radius > 0), table.predict, ABSTAIN)
    return make_table(
        idx=table.idx, label=table.label, predict=predict, radius=radius, p_lower=p_lower,
        alpha=alpha, sigma=sigma, n=n, norm=noise.norm,
    )  # fmt: skip


def gridded(
    model: nn.Module, noise: Noise, images: Tensor, idx: Ints, label: Ints,
    scale: NDArray[np.float64], steps: int, batch: int, n: int = 10_000, n0: int = 100,
    alpha: float = 0.001, seed: int = 0, device: str = "cpu",
) -> Outcome | None:  # fmt: skip
    """The same model under Gaussian noise on a grid of ``steps``, a power of 2 (own draws).

    None for another noise, or for images off the grid. Raises SmoothcertError for other steps,
    whose sums are not exact in float32.
    """
    if steps & (steps - 1):
        raise SmoothcertError(f"steps {steps}: expected a power of 2, for exact sums")
    if noise.name != "gaussian" or not bool(on_grid(images, steps).all()):
        return None
    exact = GaussianGrid(noise.scale, steps)
    run = Way(model, images.shape[1:], Variant("grid", batch=batch, device=device))
    run.prepare(images[0], (batch,))
    # A CPU draws all at once; of large images that is more than a GPU's memory.
    size = n0 + n if device == "cpu" else batch
    spent, votes = 0.0, []
    for i in range(len(images)):
        stream = generator(seed, "grid", int(idx[i]), device=run.device)
        x, own = images[i].to(run.device), []
        for first in range(0, n0 + n, size):
            copies = min(size, n0 + n - first)
            eps = exact.added(x.expand(copies, *x.shape), float(scale[i]), stream)
            start = run.clock()
            own.append(run.classes(x, eps, 1.0))
            spent += run.clock() - start
        votes.append(np.concatenate(own))
    seconds = spent / (len(images) * (n0 + n))
    store = _store(np.stack(votes), n0, run.n_classes, exact, images, idx, label, scale)
    table = certify(store, Fixed(n, alpha, n0))
    return Outcome(f"torch in float32, noise on a grid of 1/{steps}", table, None, n, seconds)
