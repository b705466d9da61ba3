"""A store of votes: for each input the looks that its budget wants, several inputs a call.

An input is a coroutine that asks for looks until its budget has enough. Those of several inputs
are drawn together where one asks for little, so that short runs fill the passes, and ``jobs``
threads take inputs from one queue. Votes depend on neither: each look has its own noise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smoothcert.budget.base import Budget
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.sampling.checks import check_grid, check_images, check_scales
from smoothcert.sampling.sampler import Draw, Sampler
from smoothcert.votes import Counts, VoteStore
from smoothcert.votes.identity import difference
from smoothcert.votes.journal import ESTIMATION, SELECTION, Look, LookJournal

Progress = Callable[[int, int, int], None]  # inputs done now, samples drawn now, all inputs


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
    jobs: int = 1,
) -> tuple[VoteStore, NDArray[np.float64]]:
    """Sample each input as far as ``budget`` wants; return the store and seconds an input.

    ``identity`` is the store's specification (seed, look, n0, shape, ... see votes/store.py).
    Looks already in ``journal`` or ``top_up`` (a store of the same identity) are not drawn
    again. ``jobs`` threads share the work, each on one core: to the same votes.
    Raises SmoothcertError for unequal identities and for bad images or scales.
    """
    check_scales(inputs.scale, inputs.idx)
    work = _Work(
        sampler,
        inputs,
        budget.beside(sampler.noise),
        identity,
        _known(identity, inputs, journal, top_up),
        journal,
        progress,
    )
    work.run(jobs)
    drawn = [work.done[i] for i in range(len(inputs.idx))]
    store = VoteStore(
        identity=identity,
        rows=rows,
        row=inputs.row,
        idx=inputs.idx,
        label=inputs.label,
        scale=inputs.scale,
        looks=np.array([len(d.looks) for d in drawn], np.int64),
        selection=Counts.from_rows([d.selection for d in drawn]),
        estimation=Counts.from_rows([look for d in drawn for look in d.looks]),
    )
    return store, np.array([d.seconds for d in drawn], np.float64)


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


@dataclass(frozen=True)
class _Wanted:
    """Looks that an input asks for: of a stream, by number, each of ``size`` samples."""

    stream: str
    numbers: Sequence[int]
    size: int

    @property
    def samples(self) -> int:
        return len(self.numbers) * self.size


@dataclass(frozen=True)
class _Done:
    """All that was drawn for one input, and the seconds it took."""

    selection: dict[int, int]
    looks: list[dict[int, int]]
    seconds: float


# An input in progress: it yields what it wants and is sent the votes and the seconds of each look.
_Input = Generator[_Wanted, list[tuple[dict[int, int], float]], _Done]


class _Work:
    """What is to be drawn, and what of it is done."""

    def __init__(
        self,
        sampler: Sampler,
        inputs: Inputs,
        budget: Budget,
        identity: dict[str, Any],
        known: dict[int, Known],
        journal: LookJournal | None,
        progress: Progress | None,
    ) -> None:
        self.sampler, self.inputs, self.budget = sampler, inputs, budget
        self.identity, self.known = identity, known
        self.journal, self.progress = journal, progress
        self.done: dict[int, _Done] = {}
        self._images: dict[int, torch.Tensor] = {}  # of the inputs in progress
        self._queue: Iterator[int] = iter(range(len(self.inputs.idx)))
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        # Several looks a call keep the device busy; few enough that a kill loses little.
        self._full = max(4 * self.identity["look"], 2 * self.sampler.batch)

    def run(self, jobs: int) -> None:
        """Until every input is done; the first error of a thread ends them all."""
        jobs = max(1, min(jobs, len(self.inputs.idx)))
        with _one_thread():
            if jobs == 1:
                self._work()
            else:
                self._share(jobs)

    def _share(self, jobs: int) -> None:
        with ThreadPoolExecutor(jobs, "sampling", torch.set_num_threads, (1,)) as pool:
            parts = [pool.submit(self._work) for _ in range(jobs)]
            try:
                wait(parts, return_when=FIRST_EXCEPTION)
            finally:
                self._stopped.set()  # after an error, or an interrupt of the caller
            for part in parts:
                part.result()

    def _work(self) -> None:
        """Take inputs from the queue, as many at a time as fill a call."""
        active: list[tuple[int, _Input, _Wanted]] = []
        while True:
            samples = sum(wanted.samples for *_, wanted in active)
            while samples < self._full and (i := self._next()) is not None:
                if begun := self._advance(i, self._input(i), None):
                    active.append(begun)
                    samples += begun[2].samples
            if not active or self._stopped.is_set():
                return
            answers = self._draw([(i, wanted) for i, _, wanted in active])
            active = [
                going
                for (i, of, _), votes in zip(active, answers, strict=True)
                if (going := self._advance(i, of, votes))
            ]

    def _next(self) -> int | None:
        with self._lock:
            return next(self._queue, None)

    def _advance(
        self, i: int, of: _Input, votes: list[tuple[dict[int, int], float]] | None
    ) -> tuple[int, _Input, _Wanted] | None:
        """The input with what it wants next; None once it is done."""
        try:
            wanted = next(of) if votes is None else of.send(votes)
        except StopIteration as end:
            self._images.pop(i, None)
            with self._lock:
                self.done[i] = end.value
                if self.progress:
                    self.progress(1, 0, len(self.inputs.idx))
            return None
        return i, of, wanted

    def _draw(
        self, asked: Sequence[tuple[int, _Wanted]]
    ) -> list[list[tuple[dict[int, int], float]]]:
        """For each input that asks, the votes and the seconds of its looks."""
        start = time.perf_counter()
        seed, purpose = self.identity["seed"], self.identity.get("purpose")
        draws = []
        for i, wanted in asked:
            idx, scale = int(self.inputs.idx[i]), float(self.inputs.scale[i])
            image = self._image(i)
            name = stream_name(wanted.stream, purpose)
            draws += [
                Draw(
                    image,
                    scale,
                    range(j * wanted.size, (j + 1) * wanted.size)
                    if self.budget.exhaustive
                    else generator(seed, name, idx, j, device=self.sampler.device),
                    wanted.size,
                )
                for j in wanted.numbers
            ]
        votes = [_sparse(counts) for counts in self.sampler.votes(draws)]
        took = (time.perf_counter() - start) / sum(draw.n for draw in draws)
        seconds = [took * draw.n for draw in draws]
        answers, at = [], 0
        with self._lock:
            for i, wanted in asked:
                part = slice(at, at := at + len(wanted.numbers))
                answers.append(list(zip(votes[part], seconds[part], strict=True)))
                for j, (counts, spent) in zip(wanted.numbers, answers[-1], strict=True):
                    if self.journal:
                        row = int(self.inputs.row[i])
                        self.journal.add(Look(row, wanted.stream, j, spent, counts))
            if self.progress:
                self.progress(0, sum(draw.n for draw in draws), len(self.inputs.idx))
        return answers

    def _image(self, i: int) -> torch.Tensor:
        """Fetched once, on the device; SmoothcertError for values outside [0, 1]."""
        if i not in self._images:
            image = self.inputs.images[i]
            check_images(image[None], [int(self.inputs.idx[i])])
            check_grid(image, int(self.inputs.idx[i]), self.sampler.noise)
            self._images[i] = image.to(self.sampler.device)
        return self._images[i]

    def _input(self, i: int) -> _Input:
        """All looks of one input: those at hand, then as many more as the budget wants."""
        row, scale = int(self.inputs.row[i]), float(self.inputs.scale[i])
        look, c = self.identity["look"], self.identity["n_classes"]
        d = int(np.prod(self.identity["shape"]))
        have = self.known.get(row, {})
        seconds = sum(spent for _, spent in have.values())
        selection: dict[int, int] = {}
        if (SELECTION, 0) in have:
            selection = have[SELECTION, 0][0]
        elif self.identity["n0"]:
            ((selection, spent),) = yield _Wanted(SELECTION, [0], self.identity["n0"])
            seconds += spent
        votes: list[dict[int, int]] = []
        while (ESTIMATION, len(votes)) in have:
            votes.append(have[ESTIMATION, len(votes)][0])
        # The budget is asked as if from the start and only where it wanted to be asked again, so
        # a killed run ends with just the looks that an undisturbed one would have.
        asked, target = -1, 0
        while target > asked:
            asked = target
            while len(votes) < target:
                ahead = min(target - len(votes), max(1, self._full // look))
                for counts, spent in (
                    yield _Wanted(ESTIMATION, range(len(votes), len(votes) + ahead), look)
                ):
                    votes.append(counts)
                    seconds += spent
            seen = np.array([_dense(v, c) for v in votes[:target]], np.int64).reshape(-1, c)
            wanted = self.budget.wanted(
                _dense(selection, c), seen, self.sampler.noise, scale, d, look
            )
            target = max(target, -(-wanted // look))
        return _Done(selection, votes, seconds)


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch on one thread inside: sums over another number of threads round differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
