"""The hot loop: class counts of a base classifier under noise.

Counts stay on the device until several looks are done; the noise of a look is one draw from
the look's own named stream, so the batch size of the forward pass does not change it. No
forward pass spans two looks: kernels may round differently in another batch, and a look must
not depend on which looks a killed run had already drawn.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from smoothcert.budget.base import Budget
from smoothcert.compute.devices import choose_device
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import check_part
from smoothcert.datasets.lazy_images import LazyImages
from smoothcert.models.mode import evaluating
from smoothcert.models.own import arithmetic, check_module, device_of, examine, name_of
from smoothcert.noise.base import Noise
from smoothcert.sampling.spec import Purpose
from smoothcert.votes import Counts, VoteStore
from smoothcert.votes.identity import difference
from smoothcert.votes.journal import ESTIMATION, SELECTION, Look, LookJournal

Progress = Callable[[int, int, int], None]  # inputs done now, samples drawn now, all inputs

PRECISIONS = {
    name_of(kind): kind for kind in (torch.float32, torch.bfloat16, torch.float16, torch.float64)
}


def default_batch(d: int, device: torch.device) -> int:
    """Samples of one forward pass: on CPUs small enough for the cache, else filling a GPU."""
    values, most = (1 << 18, 512) if device.type == "cpu" else (1 << 25, 4096)
    return int(np.clip(1 << int(np.log2(max(values / d, 1))), 16, most))


def check_arithmetic(model: torch.nn.Module, precision: str) -> None:
    """Raise SmoothcertError where float32, the default, would change a model's arithmetic."""
    own = name_of(arithmetic(model))
    if precision == "float32" and own != precision:
        wanted = f"; --precision {own} keeps it" if own in PRECISIONS else ""
        raise SmoothcertError(
            f"model: it computes in {own}, and precision float32 would certify another"
            f" classifier{wanted}"
        )


@dataclass
class Sampler:
    """Counts the votes of ``model`` (images in [0,1] -> logits) under ``noise``.

    ``precision`` is part of the classifier that is certified: whoever predicts with the model
    must use the same. float32, the default, is not taken for a wish to change a model that
    computes in something else: that is refused. ``trace`` compiles the network (constants
    folded, layouts chosen by the CPU library: 1.3-2.5 times faster on CPUs); only for networks
    without data-dependent control flow. Moves the model to ``device`` in eval mode.
    """

    model: torch.nn.Module
    noise: Noise
    n_classes: int
    batch: int
    device: torch.device
    precision: str = "float32"
    trace: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise SmoothcertError(
                f"precision {self.precision!r}: expected one of {', '.join(PRECISIONS)}"
            )
        if self.batch < 1:
            raise SmoothcertError(f"batch {self.batch}: expected at least 1")
        if self.n_classes < 2:
            raise SmoothcertError(f"classes {self.n_classes}: expected at least 2")
        own, wanted = arithmetic(self.model), PRECISIONS[self.precision]
        if own != wanted:
            check_arithmetic(self.model, self.precision)
            self.model = self.model.to(wanted)
        self.model = self.model.eval()
        if device_of(self.model) != self.device:
            self.model = self.model.to(self.device)
        self._forward = self.model

    @torch.inference_mode()
    def votes(
        self, x: torch.Tensor, scale: float, draws: Sequence[tuple[torch.Generator, int]]
    ) -> NDArray[np.int64]:
        """Votes for one input ``x`` [*shape], float32: counts [len(draws), n_classes].

        Each draw is a generator and a number of samples; its noise is drawn in one piece, and
        its forward passes hold ``batch`` samples (the last one the rest).
        Raises SmoothcertError where the model gives NaN or another number of classes.
        """
        x = x.to(self.device)
        if self.trace and self._forward is self.model:
            self._forward = _traced(self.model, x.expand(self.batch, *x.shape))
        counts = torch.zeros(len(draws), self.n_classes, dtype=torch.int64, device=self.device)
        finite = torch.ones((), dtype=torch.bool, device=self.device)
        for row, (stream, n) in zip(counts, draws, strict=True):
            for noisy in self.noise.noisy(x.expand(n, *x.shape), scale, stream).split(self.batch):
                logits = self._forward(noisy.to(PRECISIONS[self.precision]))
                self._check_shape(logits)
                finite &= torch.isfinite(logits.sum())
                row += torch.bincount(logits.argmax(1), minlength=self.n_classes)
        if not finite:
            raise SmoothcertError("the model gave NaN or infinite logits: nothing to count")
        return counts.cpu().numpy()

    def _check_shape(self, logits: torch.Tensor) -> None:
        if logits.ndim != 2 or logits.shape[1] != self.n_classes:
            raise SmoothcertError(
                f"the model gives an output of shape {tuple(logits.shape)};"
                f" expected (batch, {self.n_classes}) logits"
            )


def _traced(model: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
    """The network as a frozen graph, optimized for inference on this machine."""
    with warnings.catch_warnings():
        # The tracer is deprecated in favour of a compiler that needs a C++ toolchain.
        warnings.simplefilter("ignore")
        graph = torch.jit.trace(model, example.contiguous(), check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(graph))


def check_images(images: torch.Tensor, idx: Sequence[int] | NDArray) -> None:
    """Raise SmoothcertError for the first image with a NaN or a value outside [0, 1]."""
    flat = images.reshape(len(images), -1)
    wrong = ~((flat >= 0) & (flat <= 1)).all(1)
    if wrong.any():
        i = int(wrong.nonzero()[0])
        low, high = float(flat[i].min()), float(flat[i].max())
        found = "NaN" if torch.isnan(flat[i]).any() else f"values from {low:g} to {high:g}"
        raise SmoothcertError(f"image idx {idx[i]}: expected values in [0, 1], found {found}")


def check_scales(scales: NDArray, idx: Sequence[int] | NDArray) -> None:
    """Raise SmoothcertError for the first noise scale that is not a positive number."""
    wrong = ~(np.isfinite(scales) & (scales > 0))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise SmoothcertError(f"idx {idx[i]}: noise scale {scales[i]:g}: expected it positive")


def check_look(budget: Budget, look: int) -> None:
    """Raise SmoothcertError unless the budget's n is a multiple of ``look`` samples."""
    if look < 1:
        raise SmoothcertError(f"look {look}: expected at least 1 sample")
    if budget.n % look:
        raise SmoothcertError(
            f"budget {budget.slug}: n {budget.n} is no multiple of the {look} samples of a look;"
            " choose another n or look"
        )


@dataclass(frozen=True)
class Inputs:
    """What is sampled: N images with their place in the data set and their noise scales."""

    images: torch.Tensor  # [N, *shape] float32 in [0,1] (or any sequence of [*shape])
    row: NDArray[np.int64]  # [N] position among the selected inputs of the whole store
    idx: NDArray[np.int64]  # [N] index in the data set: it names the random streams
    label: NDArray[np.int64]  # [N]
    scale: NDArray[np.float64]  # [N]


def collect(
    sampler: Sampler,
    inputs: Inputs,
    budget: Budget,
    identity: dict[str, Any],
    rows: int,
    journal: LookJournal | None = None,
    top_up: VoteStore | None = None,
    progress: Progress | None = None,
) -> tuple[VoteStore, NDArray[np.float64]]:
    """Sample each input as far as ``budget`` wants; return the store and seconds an input.

    ``identity`` is the store's specification (seed, look, n0, shape, ... see votes.py).
    Looks already in ``journal`` or ``top_up`` (a store of the same identity) are not drawn
    again. Raises SmoothcertError for unequal identities and for bad images or scales.
    """
    check_scales(inputs.scale, inputs.idx)
    budget = budget.beside(sampler.noise)
    known = _known(identity, inputs, journal, top_up)
    selections, estimations, looks = [], [], []
    seconds = np.zeros(len(inputs.idx))
    for i in range(len(inputs.idx)):
        have = known.get(int(inputs.row[i]), {})
        seconds[i] = sum(s for _, s in have.values())
        drawn = _collect_one(sampler, inputs, i, budget, identity, have, journal)
        seconds[i] += drawn.seconds
        selections.append(drawn.selection)
        estimations.extend(drawn.looks)
        looks.append(len(drawn.looks))
        if progress:
            progress(1, drawn.samples, len(inputs.idx))
    store = VoteStore(
        identity=identity,
        rows=rows,
        row=inputs.row,
        idx=inputs.idx,
        label=inputs.label,
        scale=inputs.scale,
        looks=np.array(looks, np.int64),
        selection=Counts.from_rows(selections),
        estimation=Counts.from_rows(estimations),
    )
    return store, seconds


Known = dict[tuple[str, int], tuple[dict[int, int], float]]  # (stream, look) -> votes, seconds


def _known(
    identity: dict[str, Any], inputs: Inputs, journal: LookJournal | None, top_up: VoteStore | None
) -> dict[int, Known]:
    """By row, the looks that need not be drawn again."""
    known: dict[int, Known] = {}
    if top_up is not None:
        if said := difference(top_up.identity, identity):
            raise SmoothcertError(f"the store to top up is of another specification: {said}")
        wanted = {int(row): i for i, row in enumerate(inputs.row)}
        first = np.cumsum(top_up.looks) - top_up.looks
        for p, row in enumerate(top_up.row.tolist()):
            if row not in wanted:
                continue
            i = wanted[row]
            if top_up.idx[p] != inputs.idx[i] or top_up.scale[p] != inputs.scale[i]:
                raise SmoothcertError(
                    f"the store to top up is of another specification: input {row} has idx"
                    f" {top_up.idx[p]}, scale {top_up.scale[p]}; expected {inputs.idx[i]},"
                    f" {inputs.scale[i]}"
                )
            have: Known = {(SELECTION, 0): (top_up.selection.row(p), 0.0)}
            for j in range(top_up.looks[p]):
                have[ESTIMATION, j] = (top_up.estimation.row(first[p] + j), 0.0)
            known[row] = have
    for look in journal.looks if journal else ():
        known.setdefault(look.row, {})[look.stream, look.look] = (look.votes, look.seconds)
    return known


@dataclass
class _Drawn:
    selection: dict[int, int]
    looks: list[dict[int, int]]
    samples: int
    seconds: float


def _collect_one(
    sampler: Sampler,
    inputs: Inputs,
    i: int,
    budget: Budget,
    identity: dict[str, Any],
    have: Known,
    journal: LookJournal | None,
) -> _Drawn:
    """All looks of one input: those at hand, then as many more as the budget wants."""
    row, idx, scale = int(inputs.row[i]), int(inputs.idx[i]), float(inputs.scale[i])
    look, c = identity["look"], identity["n_classes"]
    d = int(np.prod(identity["shape"]))
    image: torch.Tensor | None = None
    samples, seconds = 0, 0.0

    def draw(stream: str, numbers: Sequence[int], size: int) -> list[dict[int, int]]:
        nonlocal image, samples, seconds
        if image is None:
            image = inputs.images[i]
            check_images(image[None], [idx])
        start = time.perf_counter()
        seed, name = identity["seed"], stream_name(stream, identity.get("purpose"))
        draws = [(generator(seed, name, idx, j, device=sampler.device), size) for j in numbers]
        counts = [_sparse(c) for c in sampler.votes(image, scale, draws)]
        took = (time.perf_counter() - start) / len(numbers)
        samples, seconds = samples + size * len(numbers), seconds + took * len(numbers)
        if journal:
            for j, votes in zip(numbers, counts, strict=True):
                journal.add(Look(row, stream, j, took, votes))
        return counts

    if (SELECTION, 0) in have:
        selection = have[SELECTION, 0][0]
    else:
        selection = draw(SELECTION, [0], identity["n0"])[0]
    votes: list[dict[int, int]] = []
    while (ESTIMATION, len(votes)) in have:
        votes.append(have[ESTIMATION, len(votes)][0])
    # The budget is asked as if from the start and only where it wanted to be asked again, so
    # a killed run ends with just the looks that an undisturbed one would have.
    asked, target = -1, 0
    while target > asked:
        asked = target
        while len(votes) < target:
            # Several looks a call keep the device busy; few enough that a kill loses little.
            ahead = min(target - len(votes), max(4, 2 * sampler.batch // look))
            votes += draw(ESTIMATION, range(len(votes), len(votes) + ahead), look)
        seen = np.array([_dense(v, c) for v in votes[:target]], np.int64).reshape(-1, c)
        wanted = budget.wanted(_dense(selection, c), seen, sampler.noise, scale, d, look)
        target = max(target, -(-wanted // look))
    return _Drawn(selection, votes, samples, seconds)


def stream_name(stream: str, purpose: str | None = None) -> str:
    """What the noise of a stream is called: its own name where it certifies."""
    return stream if purpose is None else f"{purpose}-{stream}"


def _dense(votes: dict[int, int], n_classes: int) -> NDArray[np.int64]:
    out = np.zeros(n_classes, np.int64)
    for c, v in votes.items():
        out[c] = v
    return out


def _sparse(counts: NDArray[np.int64]) -> dict[int, int]:
    return {int(c): int(counts[c]) for c in np.flatnonzero(counts)}


def sample(
    model: torch.nn.Module,
    images: torch.Tensor | NDArray | LazyImages,
    budget: Budget,
    noise: Noise,
    *,
    labels: ArrayLike | None = None,
    scales: ArrayLike | None = None,
    idx: ArrayLike | None = None,
    seed: int = 0,
    look: int = 1000,
    batch: int | None = None,
    device: str | torch.device | None = None,
    purpose: Purpose = "certification",
) -> VoteStore:
    """Votes of a model of your own, in memory: the first step of certifying it.

    ``model`` maps images in [0,1] (normalization inside) to logits. It is asked in eval mode and
    in its own arithmetic, where it is (or a copy of it on ``device``), and left as it was.
    ``images`` are [N, *shape], floating-point, read as float32; ``labels`` [N] default to -1
    (unknown); ``scales`` [N] (or one for all) to the noise's own. ``look`` is cut to the
    budget's n.

    The noise of an input is named by ``seed`` and its ``idx`` [N], by default 0 to N - 1. Whoever
    samples a data set in several calls, batch by batch of a loader say, gives each its idx, as in
    ``idx=range(start, start + len(images))``: else every call repeats the noise of the first.
    The same seed and idx draw the same noise again; a larger n after having looked at a smaller
    one is no fresh sample (docs/methods/iss.md, topping up). ``purpose`` "prediction" draws other
    noise for the same names, so that ``predict`` of its votes is a check on certificates.

    Raises SmoothcertError for a network that is no function of each image (see
    models.own.examine), images outside [0,1], a scale that is not positive, labels that are no
    classes, an n that is no multiple of the look, or arguments of another shape or type.
    """
    check_module(model)
    check_part(budget, Budget)
    check_part(noise, Noise)
    where = device_of(model) if device is None else choose_device(str(device))
    look = min(look, budget.n)
    check_look(budget, look)
    images = _as_images(images)
    n, shape = len(images), tuple(images.shape[1:])
    check_images(images[:1], [0])
    batch = batch or default_batch(int(np.prod(shape)), where)
    if _elsewhere(model, where):
        model = copy.deepcopy(model).to(where)
    else:
        where = device_of(model)
    with evaluating(model):
        n_classes = examine(model, shape).shape[1]
        inputs = Inputs(
            images=images,  # type: ignore[arg-type]
            row=np.arange(n),
            idx=np.arange(n) if idx is None else _as_idx(idx, n),
            label=np.full(n, -1) if labels is None else _as_labels(labels, n, n_classes),
            scale=np.full(n, noise.scale) if scales is None else _as_scales(scales, n),
        )
        precision = name_of(arithmetic(model))
        identity = {
            "noise": noise.slug,
            "seed": seed,
            "look": look,
            "n0": budget.n0,
            "batch": batch,
            "shape": list(shape),
            "n_classes": n_classes,
            "precision": precision,
            "scaling": "fixed" if scales is None else "given",
        }
        if purpose != "certification":
            identity["purpose"] = purpose
        sampler = Sampler(model, noise, n_classes, batch, where, precision)
        return collect(sampler, inputs, budget, identity, n)[0]


def _elsewhere(model: torch.nn.Module, where: torch.device) -> bool:
    now = device_of(model)
    return now.type != where.type or where.index not in (None, now.index)


def _as_images(images: Any) -> torch.Tensor | LazyImages:
    """[N, *shape] float32 from a tensor, a NumPy array or a list of either."""
    try:
        if isinstance(images, list | tuple):
            images = torch.stack([torch.as_tensor(image) for image in images])
        elif isinstance(images, np.ndarray):
            images = torch.from_numpy(np.ascontiguousarray(images))
    except (TypeError, ValueError, RuntimeError) as error:
        raise SmoothcertError(f"images: expected numbers [N, *shape]: {error}") from None
    if not isinstance(images, torch.Tensor | LazyImages):
        raise SmoothcertError(
            f"images: expected a tensor or an array [N, *shape], found {type(images).__name__}"
        )
    if len(images.shape) < 2 or 0 in images.shape:
        raise SmoothcertError(
            f"images: expected at least one, [N, *shape]; found shape {tuple(images.shape)}"
        )
    if isinstance(images, LazyImages):
        return images
    if not images.is_floating_point():
        raise SmoothcertError(
            f"images: expected floating-point numbers in [0, 1], found {name_of(images.dtype)}"
        )
    return images.detach().float()


def _as_numbers(name: str, values: ArrayLike, n: int, one_for_all: bool = False) -> NDArray:
    """``values`` [n] as numbers; SmoothcertError for another shape or anything else."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
    try:
        array = np.asarray(list(values) if isinstance(values, range) else values)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        shown = " ".join(repr(values).split())
        raise SmoothcertError(f"{name}: expected {n} numbers, found {shown:.60}")
    if array.shape != (n,) and not (one_for_all and array.shape == ()):
        raise SmoothcertError(
            f"{name}: expected one for each of {n} images, found shape {array.shape}"
        )
    return array


def _whole(name: str, values: ArrayLike, n: int) -> NDArray[np.int64]:
    array = _as_numbers(name, values, n)
    wrong = ~np.isfinite(array) | (array != np.floor(array)) if array.dtype.kind == "f" else None
    if wrong is not None and wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise SmoothcertError(f"{name}: expected whole numbers, found {array[i]:g} at {i}")
    return array.astype(np.int64)


def _as_labels(labels: ArrayLike, n: int, n_classes: int) -> NDArray[np.int64]:
    array = _whole("labels", labels, n)
    wrong = (array < -1) | (array >= n_classes)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise SmoothcertError(
            f"labels: expected classes 0 to {n_classes - 1}, or -1 where unknown; found {array[i]}"
            f" at {i}"
        )
    return array


def _as_idx(idx: ArrayLike, n: int) -> NDArray[np.int64]:
    array = _whole("idx", idx, n)
    if (array < 0).any() or len(np.unique(array)) < n:
        raise SmoothcertError("idx: expected numbers of 0 or more that differ: they name the noise")
    return array


def _as_scales(scales: ArrayLike, n: int) -> NDArray[np.float64]:
    array = _as_numbers("scales", scales, n, one_for_all=True)
    return np.array(np.broadcast_to(array, (n,)), np.float64)
