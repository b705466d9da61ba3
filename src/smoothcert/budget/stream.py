"""Where an adaptive budget reads votes: a store, the looks so far, or a simulation.

A rule asks a :class:`Stream` for the votes of each input's chosen class within the first n
estimation samples, and may ask for more after it has seen them. The same rule text therefore
decides when sampling stops, certifies a finished store, and runs in replays and audits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.votes import VoteStore

Ints = NDArray[np.int64]


class Stream(Protocol):
    """Votes of N inputs. ``chosen`` [N] is the class with most of the ``n0`` selection votes,
    ``first`` [N] its selection votes, ``selection`` [N, C] those of every class, ``look`` the
    samples of one look."""

    look: int
    n0: int
    chosen: Ints
    first: Ints

    @property
    def selection(self) -> Ints: ...

    def count(self, rows: Ints, n: Ints) -> Ints:
        """Votes for the chosen class within the first ``n`` [A] samples of inputs ``rows`` [A].

        ``n`` is a multiple of the look, and never falls for an input.
        """
        ...

    def votes(self, rows: Ints, n: Ints) -> Ints:
        """The votes of every class, [A, C], within the same."""
        ...


class TwoClasses(ABC):
    """A stream where all votes that are not for the chosen class (0 or 1) are for the other."""

    n0: int
    chosen: Ints
    first: Ints

    @abstractmethod
    def count(self, rows: Ints, n: Ints) -> Ints:
        """As of any :class:`Stream`."""

    @property
    def selection(self) -> Ints:
        """The selection votes of both classes, [N, 2]."""
        return _both(self.chosen, self.first, self.n0)

    def votes(self, rows: Ints, n: Ints) -> Ints:
        """The votes of both classes, [A, 2], within the first ``n`` [A] samples."""
        return _both(self.chosen[rows], self.count(rows, n), n)


def _both(chosen: Ints, count: Ints, n: int | Ints) -> Ints:
    other = n - count
    return np.where(chosen[:, None] == 0, np.stack([count, other], 1), np.stack([other, count], 1))


def strongest(votes: Ints, chosen: Ints) -> Ints:
    """The most votes of a class other than ``chosen`` [A], [A], of votes [A, C]."""
    rows = np.arange(len(votes))
    others = votes.copy()
    others[rows[chosen >= 0], chosen[chosen >= 0]] = -1
    return np.maximum(others.max(1), 0)


def up_to(stream: Stream, n: int) -> Ints:
    """``n`` samples of each input [N], or as many as there are of a stream that has an end."""
    wanted = np.full(len(stream.first), n)
    return np.minimum(getattr(stream, "available", n), wanted)


class Short(Exception):
    """An input needs ``n`` estimation samples and has fewer."""

    def __init__(self, n: int) -> None:
        self.n = n


class StoreStream:
    """The inputs of a vote store."""

    def __init__(self, store: VoteStore) -> None:
        self.look, self.n0 = store.look, store.n0
        self.chosen = store.top_class()
        self.selection = store.selection_counts()
        rows = np.arange(len(store))
        first = self.selection[rows, np.maximum(self.chosen, 0)]
        self.first = np.where(self.chosen >= 0, first, 0)
        votes = store.votes_per_look(self.chosen)
        self._total = np.concatenate([np.zeros((len(store), 1), np.int64), votes.cumsum(1)], 1)
        self.available, self._idx, self._store = store.samples(), store.idx, store

    def count(self, rows: Ints, n: Ints) -> Ints:
        self._check(rows, n)
        return self._total[rows, n // self.look]

    def votes(self, rows: Ints, n: Ints) -> Ints:
        self._check(rows, n)
        ends = np.zeros(len(self.available), np.int64)
        ends[rows] = n
        return self._store.class_counts(ends)[rows]

    def _check(self, rows: Ints, n: Ints) -> None:
        short = self.available[rows] < n
        if short.any():
            i = int(np.flatnonzero(short)[0])
            raise SmoothcertError(
                f"idx {self._idx[rows[i]]}: {n[i]} estimation samples are needed,"
                f" {self.available[rows[i]]} are stored; sample more first"
            )


class PrefixStream:
    """One input while it is being sampled; raises :class:`Short` beyond its looks."""

    def __init__(self, selection: Ints, looks: Ints, look: int) -> None:
        self.look, self.n0 = look, int(selection.sum())
        top = int(selection.argmax())
        self.chosen, self.first = np.array([top]), np.array([int(selection[top])])
        self.selection = selection[None]
        start = np.zeros((1, len(selection)), np.int64)
        self._total = np.concatenate([start, looks.cumsum(0)]).astype(np.int64)

    def count(self, rows: Ints, n: Ints) -> Ints:
        return self.votes(rows, n)[:, self.chosen[0]]

    def votes(self, rows: Ints, n: Ints) -> Ints:
        # A rule that has stopped asks for no input (A = 0).
        if len(n) and n[0] > (len(self._total) - 1) * self.look:
            raise Short(int(n[0]))
        return self._total[n // self.look]
