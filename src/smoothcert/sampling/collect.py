"""A store of votes: for each input the looks that its budget wants.

An input is a coroutine that asks for looks until its budget has enough. Threads take looks from
one queue, as many at a time as fill a call and of several inputs where one asks for little.
Votes depend on neither: each look has noise of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smoothcert.budget.base import Budget
from smoothcert.compute.devices import cores
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
    jobs: int | None = 1,
) -> tuple[VoteStore, NDArray[np.float64]]:
    """Sample each input as far as ``budget`` wants; return the store and seconds an input.

    ``identity`` is the store's specification (seed, look, n0, shape, ... see votes/store.py).
    Looks already in ``journal`` or ``top_up`` (a store of the same identity) are not drawn
    again. ``jobs`` threads (None: the cores this process may use; 1 on a GPU) share the work, each
    on one core: to the same votes.
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
    work.run(jobs or (cores() if sampler.device.type == "cpu" else 1))
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
            raise SmoothcertError(f"the store to top up has another specification: {said}")
        wanted = {int(row): i for i, row in enumerate(inputs.row)}
        first = np.cumsum(top_up.looks) - top_up.looks
        for p, row in enumerate(top_up.row.tolist()):
            if row not in wanted:
                continue
            i = wanted[row]
            if top_up.idx[p] != inputs.idx[i] or top_up.scale[p] != inputs.scale[i]:
                raise SmoothcertError(
                    f"the store to top up has another specification: input {row} has idx"
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


@dataclass(frozen=True)
class _Task:
    """One look to be drawn, of input ``i``."""

    i: int
    stream: str
    look: int
    size: int


@dataclass(frozen=True)
class _Done:
    """All that was drawn for one input, and the seconds it took."""

    selection: dict[int, int]
    looks: list[dict[int, int]]
    seconds: float


Votes = tuple[dict[int, int], float]  # of a look, and the seconds it took
# An input in progress: it yields what it wants and is sent the votes of each look.
_Input = Generator[_Wanted, list[Votes], _Done]


class _Work:
    """The looks to be drawn, from which threads take as many at a time as fill a call."""

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
        self._queue: Iterator[int] = iter(range(len(inputs.idx)))
        self._tasks: deque[_Task] = deque()
        self._begun: dict[int, _Input] = {}
        self._images: dict[int, torch.Tensor] = {}
        self._missing: dict[int, dict[int, Votes | None]] = {}  # of an input, its looks asked for
        self._busy = 0  # threads that draw or advance inputs
        self._stopped = False
        self._changed = threading.Condition()
        self._full = _call(identity["look"], sampler.batch)
        self._jobs = 1

    def run(self, jobs: int) -> None:
        """Until every input is done; the first error of a thread ends them all."""
        self._jobs = max(jobs, 1)
        with _one_thread():
            if jobs <= 1:
                self._work()
            else:
                self._share(jobs)

    def _share(self, jobs: int) -> None:
        with ThreadPoolExecutor(jobs, "sampling", torch.set_num_threads, (1,)) as pool:
            parts = [pool.submit(self._work) for _ in range(jobs)]
            try:
                wait(parts, return_when=FIRST_EXCEPTION)
            finally:
                self._stop()  # after an interrupt of the caller, too
            for part in parts:
                part.result()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            while tasks := self._take():
                self._give(tasks, self._draw(tasks))
        except BaseException:
            self._stop()
            raise

    def _take(self) -> list[_Task]:
        """The looks of a call; waits while only others know whether there will be more."""
        with self._changed:
            while not self._stopped:
                while self._asked() < self._jobs * self._full and self._begin():
                    pass
                # What is left is shared alike, so that threads end together.
                share = min(self._full, -(-self._asked() // self._jobs))
                tasks: list[_Task] = []
                while self._tasks and sum(task.size for task in tasks) < share:
                    tasks.append(self._tasks.popleft())
                if tasks:
                    self._busy += 1
                    return tasks
                if not self._busy:
                    break
                self._changed.wait()
            return []

    def _asked(self) -> int:
        """The samples of the looks that wait to be drawn."""
        return sum(task.size for task in self._tasks)

    def _begin(self) -> bool:
        """Begin inputs until one has a look to be drawn; False if none is left."""
        for i in self._queue:
            self._begun[i] = self._input(i)
            if wanted := self._advance(i, None):
                self._ask(i, wanted)
                return True
        return False

    def _ask(self, i: int, wanted: _Wanted) -> None:
        self._missing[i] = dict.fromkeys(wanted.numbers)
        self._tasks += [_Task(i, wanted.stream, j, wanted.size) for j in wanted.numbers]

    def _advance(self, i: int, votes: list[Votes] | None) -> _Wanted | None:
        """What input ``i`` wants after these votes; None once it is done."""
        try:
            return next(self._begun[i]) if votes is None else self._begun[i].send(votes)
        except StopIteration as end:
            with self._changed:  # whoever shows progress counts, and threads end together
                self.done[i] = end.value
                del self._begun[i]
                self._images.pop(i, None)
                if self.progress:
                    self.progress(1, 0, len(self.inputs.idx))
            return None

    def _draw(self, tasks: Sequence[_Task]) -> list[Votes]:
        """The votes and the seconds of each look."""
        start = time.perf_counter()
        seed, purpose = self.identity["seed"], self.identity.get("purpose")
        draws = [
            Draw(
                self._image(task.i),
                float(self.inputs.scale[task.i]),
                range(task.look * task.size, (task.look + 1) * task.size)
                if self.budget.exhaustive
                else generator(
                    seed,
                    stream_name(task.stream, purpose),
                    int(self.inputs.idx[task.i]),
                    task.look,
                    device=self.sampler.device,
                ),
                task.size,
            )
            for task in tasks
        ]
        counts = self.sampler.votes(draws)
        took = (time.perf_counter() - start) / sum(task.size for task in tasks)
        return [(_sparse(c), took * t.size) for c, t in zip(counts, tasks, strict=True)]

    def _give(self, tasks: Sequence[_Task], found: Sequence[Votes]) -> None:
        """Keep the votes of a call, and advance the inputs that have all they asked for."""
        with self._changed:
            for task, (votes, seconds) in zip(tasks, found, strict=True):
                self._missing[task.i][task.look] = (votes, seconds)
                if self.journal:
                    row = int(self.inputs.row[task.i])
                    self.journal.add(Look(row, task.stream, task.look, seconds, votes))
            if self.progress:
                self.progress(0, sum(task.size for task in tasks), len(self.inputs.idx))
            complete = {}
            for i in dict.fromkeys(task.i for task in tasks):
                votes_of = [v for v in self._missing[i].values() if v is not None]
                if len(votes_of) == len(self._missing[i]):
                    complete[i] = votes_of
        for i, votes_of in complete.items():  # a budget may take its time: others draw meanwhile
            wanted = self._advance(i, votes_of)
            if wanted:
                with self._changed:
                    self._ask(i, wanted)
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _image(self, i: int) -> torch.Tensor:
        """Fetched once, on the device; SmoothcertError for values outside [0, 1]."""
        image = self._images.get(i)
        if image is None:
            image = self.inputs.images[i]
            check_images(image[None], [int(self.inputs.idx[i])])
            check_grid(image, int(self.inputs.idx[i]), self.sampler.noise)
            self._images[i] = image = image.to(self.sampler.device)
        return image

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
            ((selection, spent),) = yield _Wanted(SELECTION, range(1), self.identity["n0"])
            seconds += spent
        votes: list[dict[int, int]] = []
        while (ESTIMATION, len(votes)) in have:
            votes.append(have[ESTIMATION, len(votes)][0])
        # The budget is asked as if from the start and only where it wanted to be asked again, so
        # a killed run ends with just the looks that an undisturbed one would have.
        asked, target = -1, 0
        while target > asked:
            asked = target
            if len(votes) < target:
                # Threads end out of order: a killed run may have kept a later look already.
                numbers = range(len(votes), target)
                missing = [j for j in numbers if (ESTIMATION, j) not in have]
                found = (yield _Wanted(ESTIMATION, missing, look)) if missing else []
                new = dict(zip(missing, found, strict=True))
                votes += [new[j][0] if j in new else have[ESTIMATION, j][0] for j in numbers]
                seconds += sum(spent for _, spent in found)
            seen = np.array([_dense(v, c) for v in votes[:target]], np.int64).reshape(-1, c)
            wanted = self.budget.wanted(
                _dense(selection, c), seen, self.sampler.noise, scale, d, look
            )
            target = max(target, -(-wanted // look))
        return _Done(selection, votes, seconds)


def _call(look: int, batch: int) -> int:
    """The samples of a call: whole looks that nearly fill their last pass.

    Eight passes or more keep the device busy; few enough that a kill loses little.
    """
    least = -(-8 * batch // look)

    def padded(looks: int) -> float:
        return -looks * look % batch / (looks * look)

    choice = range(least, 4 * least + 8)
    return look * next((k for k in choice if padded(k) < 0.005), min(choice, key=padded))


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
