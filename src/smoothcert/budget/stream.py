"""Where an adaptive budget reads votes: a store, the looks so far, or a simulation.

A rule asks a :class:`Stream` for the votes of each input's chosen class within the first n
estimation samples, and may ask for more after it has seen them. The same rule text therefore
decides when sampling stops, certifies a finished store, and runs in replays and audits.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.votes import VoteStore

Ints = NDArray[np.int64]


class Stream(Protocol):
    """Votes of N inputs. ``chosen`` [N] is the class with most of the ``n0`` selection votes,
    ``first`` [N] its selection votes, ``look`` the samples of one look."""

    look: int
    n0: int
    chosen: Ints
    first: Ints

    def count(self, rows: Ints, n: Ints) -> Ints:
        """Votes for the chosen class within the first ``n`` [A] samples of inputs ``rows`` [A].

        ``n`` is a multiple of the look, and never falls for an input.
        """
        ...


class Short(Exception):
    """An input needs ``n`` estimation samples and has fewer."""

    def __init__(self, n: int) -> None:
        self.n = n


class StoreStream:
    """The inputs of a vote store."""

    def __init__(self, store: VoteStore) -> None:
        self.look, self.n0 = store.look, store.n0
        self.chosen = store.top_class()
        selection = store.selection_counts()
        rows = np.arange(len(store))
        self.first = np.where(self.chosen >= 0, selection[rows, np.maximum(self.chosen, 0)], 0)
        votes = store.votes_per_look(self.chosen)
        self._total = np.concatenate([np.zeros((len(store), 1), np.int64), votes.cumsum(1)], 1)
        self.available, self._idx = store.samples(), store.idx

    def count(self, rows: Ints, n: Ints) -> Ints:
        short = self.available[rows] < n
        if short.any():
            i = int(np.flatnonzero(short)[0])
            raise SmoothcertError(
                f"idx {self._idx[rows[i]]}: {n[i]} estimation samples are needed,"
                f" {self.available[rows[i]]} are stored; sample more first"
            )
        return self._total[rows, n // self.look]


class PrefixStream:
    """One input while it is being sampled; raises :class:`Short` beyond its looks."""

    def __init__(self, selection: Ints, looks: Ints, look: int) -> None:
        self.look, self.n0 = look, int(selection.sum())
        top = int(selection.argmax())
        self.chosen, self.first = np.array([top]), np.array([int(selection[top])])
        self._total = np.concatenate([[0], looks[:, top].cumsum()]).astype(np.int64)

    def count(self, rows: Ints, n: Ints) -> Ints:
        # A rule that has stopped asks for no input (A = 0).
        if len(n) and n[0] > (len(self._total) - 1) * self.look:
            raise Short(int(n[0]))
        return self._total[n // self.look]
