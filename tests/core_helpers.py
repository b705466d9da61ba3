"""What the tests of the core share: a small trained model, vote stores, runs that are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothcert.core.scratch import Journal
from smoothcert.votes import Counts, VoteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def make_store(
    looks: Sequence[Any],
    *,
    selection: Any = None,
    look: int = 100,
    n_classes: int = 3,
    rows: Sequence[int] | None = None,
    total: int | None = None,
    **identity: Any,
) -> VoteStore:
    """A store in memory: ``looks`` is, for each input, a list of class counts [C] each."""
    n = len(looks)
    first = [[0] * n_classes] * n if selection is None else selection
    row = np.arange(n) if rows is None else np.asarray(rows, np.int64)
    sparse = [[dict(enumerate(map(int, v))) for v in input_looks] for input_looks in looks]
    return VoteStore(
        identity={
            "noise": "gaussian-0.50",
            "look": look,
            "n0": int(np.sum(first[0])) if n else 0,
            "n_classes": n_classes,
            "shape": [4],
            "scaling": "fixed",
            **identity,
        },
        rows=n if total is None else total,
        row=row,
        idx=10 * row,
        label=row % n_classes,
        scale=np.full(n, 0.5),
        looks=np.array([len(v) for v in looks], np.int64),
        selection=Counts.from_rows(dict(enumerate(map(int, v))) for v in first),
        estimation=Counts.from_rows(v for input_looks in sparse for v in input_looks),
    )


def trained_digits_model(path: Path) -> Path:
    """A tiny_cnn that has seen the digits under noise for a second, as a checkpoint."""
    import torch

    from smoothcert import datasets, models
    from smoothcert.compute.streams import generator

    torch.set_num_threads(1)
    data = datasets.load("digits", "train")
    model = models.build("tiny_cnn", len(data.classes), data.shape, seed=3)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    stream = generator(0, "test-training")
    labels = torch.from_numpy(data.labels)
    for _ in range(150):
        batch = torch.randint(len(data), (64,), generator=stream)
        noisy = data.images[batch]
        noisy = noisy + 0.5 * torch.randn(noisy.shape, generator=stream)
        loss = torch.nn.functional.cross_entropy(model(noisy), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    models.save(model, path, {"training": "test"})
    return path


def killed(run: Callable[[], object], appends: int, size: int) -> None:
    """Run in a forked process and SIGKILL it in the middle of writing a line of the journal.

    ``appends`` looks are written whole; of the next line only its first ``size`` bytes. The
    caller has set torch to one thread: a forked process has no others.
    """
    process = multiprocessing.get_context("fork").Process(target=_dying, args=(run, appends, size))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the run ended before it could be killed"


@dataclass
class _DyingFile:
    """Passes whole lines on, then a piece of one, and dies as by the hand of the kernel."""

    file: Any
    appends: int
    size: int

    def write(self, line: memoryview) -> int:
        if self.appends == 0:
            self.file.write(bytes(line)[: self.size])
            os.kill(os.getpid(), signal.SIGKILL)
        self.appends -= 1
        return self.file.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _dying(run: Callable[[], object], appends: int, size: int) -> None:
    append = Journal.append

    def dying_append(self: Journal, text: str) -> None:
        if not isinstance(self._handle, _DyingFile):
            self._handle = _DyingFile(self._handle, appends, size)  # type: ignore[assignment]
        append(self, text)

    Journal.append = dying_append  # type: ignore[method-assign]
    run()


def without_times(table: Path) -> list[list[str]]:
    """The cells of a certificate table, the time column left out."""
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    drop = rows[0].index("time")
    return [row[:drop] + row[drop + 1 :] for row in rows]
