"""The vote store: for each input the class counts at each look. Everything cheap reads it.

A look is a chunk of ``look`` samples of an input's estimation stream; the ``n0`` selection
votes are a stream of their own. From one store come the certificates of every smaller budget
and every alpha with no further forward pass. The store holds only what determines it (no
times, no history), so however it was sharded, killed, resumed or topped up, equal votes are
equal bytes.

File format, version 1: an ``.npz`` archive (no pickles) of

=================  ===========  ==========================================================
``meta``           uint8 [.]    UTF-8 JSON: ``format``, ``identity`` (what was sampled: data
                                set and digest, model digest, noise, scaling, seed, look, n0,
                                batch, precision, ...), ``rows`` (inputs of the whole store)
``row``            int64 [N]    position among the selected inputs; 0..N-1 once gathered
``idx``, ``label`` int64 [N]    index in the data set; true class
``scale``          float64 [N]  noise scale used for the input (pixels of [0,1] images)
``looks``          int64 [N]    number of looks of the input's estimation stream
``selection_*``    3 arrays     counts, one row an input:  ``ptr`` int64 [rows+1], ``class``
``estimation_*``   3 arrays     int32 [nnz], ``count`` int64 [nnz] (compressed sparse rows);
                                estimation has one row a look, the inputs' looks in order
``count_low`` ...  int64 [N]    only in stores made from published tables: the interval of
``count_high``                  counts that the printed radius allows
``route_level`` .. int64 [N]    only in routed stores (certificates/routed.py): the level that
``route_count``                 the estimator names, and its votes for it
=================  ===========  ==========================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import atomic
from smoothcert.votes.identity import difference

Ints = NDArray[np.int64]

FORMAT = 1


@dataclass(frozen=True)
class Counts:
    """Sparse class counts, one row each (compressed sparse rows, classes ascending)."""

    ptr: Ints  # [rows + 1]
    cls: NDArray[np.int32]  # [nnz]
    count: Ints  # [nnz]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[int, int]]) -> Counts:
        """From one ``{class: count}`` a row; zero counts are dropped."""
        classes: list[int] = []
        counts: list[int] = []
        ptr = [0]
        for row in rows:
            for c in sorted(row):
                if row[c]:
                    classes.append(c)
                    counts.append(row[c])
            ptr.append(len(classes))
        return cls(np.array(ptr, np.int64), np.array(classes, np.int32), np.array(counts, np.int64))

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def row(self, i: int) -> dict[int, int]:
        """Row ``i`` as ``{class: count}``."""
        part = slice(self.ptr[i], self.ptr[i + 1])
        return dict(zip(self.cls[part].tolist(), self.count[part].tolist(), strict=True))

    def dense(self, n_classes: int) -> Ints:
        """All rows as an array [rows, n_classes]."""
        out = np.zeros((len(self), n_classes), np.int64)
        out[self.entry_rows(), self.cls] = self.count
        return out

    def entry_rows(self) -> Ints:
        """The row of each stored entry, [nnz]."""
        return np.repeat(np.arange(len(self)), np.diff(self.ptr))


@dataclass(frozen=True)
class VoteStore:
    """Class counts of N inputs; see the module for the fields. Arrays are not to be changed."""

    identity: dict[str, Any]
    rows: int
    row: Ints
    idx: Ints
    label: Ints
    scale: NDArray[np.float64]
    looks: Ints
    selection: Counts
    estimation: Counts
    extra: dict[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.idx)

    @property
    def n_classes(self) -> int:
        """The number of classes of the base classifier."""
        return self.identity["n_classes"]

    @property
    def look(self) -> int:
        """Samples of one look."""
        return self.identity["look"]

    @property
    def n0(self) -> int:
        """Selection samples an input."""
        return self.identity["n0"]

    @property
    def d(self) -> int:
        """Dimension of an input."""
        return int(np.prod(self.identity["shape"]))

    def samples(self) -> Ints:
        """Estimation samples stored for each input, [N]."""
        return self.looks * self.look

    def selection_counts(self) -> Ints:
        """The selection votes as an array [N, n_classes]."""
        return self.selection.dense(self.n_classes)

    def top_class(self) -> Ints:
        """The class with most selection votes, ties to the lowest; -1 where none is stored."""
        top = np.full(len(self), -1, np.int64)
        best = np.zeros(len(self), np.int64)
        # Entries come with ascending class, so ">" keeps the lowest class of a tie.
        for r, c, v in zip(
            self.selection.entry_rows(), self.selection.cls, self.selection.count, strict=True
        ):
            if v > best[r]:
                top[r], best[r] = c, v
        return top

    def count(self, classes: ArrayLike, n: ArrayLike) -> Ints:
        """Votes for ``classes`` [N] within the first ``n`` estimation samples (int or [N]).

        Raises SmoothcertError if ``n`` is no multiple of the look, or an input has fewer.
        """
        n = np.broadcast_to(np.asarray(n, np.int64), (len(self),))
        looks = self._whole_looks(n)
        entry_row, entry_look, votes = self._entries_of(np.asarray(classes))
        inside = entry_look < looks[entry_row]
        total = np.bincount(entry_row[inside], votes[inside], minlength=len(self))
        return total.astype(np.int64)

    def class_counts(self, n: ArrayLike) -> Ints:
        """Votes of every class within the first ``n`` estimation samples (int or [N]): [N, C].

        Raises as :meth:`count`.
        """
        looks = self._whole_looks(np.broadcast_to(np.asarray(n, np.int64), (len(self),)))
        entry_row, entry_look = self._cells()
        cells = self.estimation.entry_rows()
        inside = entry_look[cells] < looks[entry_row[cells]]
        at = entry_row[cells] * self.n_classes + self.estimation.cls
        shape = (len(self), self.n_classes)
        total = np.bincount(
            at[inside], self.estimation.count[inside], minlength=shape[0] * shape[1]
        )
        return total.reshape(shape).astype(np.int64)

    def votes_per_look(self, classes: ArrayLike) -> Ints:
        """Votes for ``classes`` [N] in each look, [N, most looks]; 0 beyond an input's looks."""
        out = np.zeros((len(self), int(self.looks.max(initial=0))), np.int64)
        entry_row, entry_look, votes = self._entries_of(np.asarray(classes))
        out[entry_row, entry_look] = votes
        return out

    def dense_looks(self, i: int) -> Ints:
        """The estimation votes of the input at position ``i``, [looks, n_classes]."""
        start = int(self.looks[:i].sum())
        out = np.zeros((int(self.looks[i]), self.n_classes), np.int64)
        for j in range(len(out)):
            for c, v in self.estimation.row(start + j).items():
                out[j, c] = v
        return out

    def _entries_of(self, classes: NDArray) -> tuple[Ints, Ints, Ints]:
        """(input, look, votes) of the stored entries that are for the input's class."""
        cell_row, cell_look = self._cells()
        cells = self.estimation.entry_rows()
        wanted = self.estimation.cls == classes[cell_row[cells]]
        cells = cells[wanted]
        return cell_row[cells], cell_look[cells], self.estimation.count[wanted]

    def _cells(self) -> tuple[Ints, Ints]:
        """The input and the look of each row of ``estimation``."""
        cell_row = np.repeat(np.arange(len(self)), self.looks)
        first = np.cumsum(self.looks) - self.looks
        return cell_row, np.arange(len(cell_row)) - first[cell_row]

    def _whole_looks(self, n: Ints) -> Ints:
        if (n % self.look).any():
            bad = n[(n % self.look) != 0][0]
            raise SmoothcertError(
                f"n {bad}: the votes are stored in looks of {self.look} samples;"
                f" expected a multiple of {self.look}"
            )
        short = self.samples() < n
        if short.any():
            i = int(np.flatnonzero(short)[0])
            raise SmoothcertError(
                f"idx {self.idx[i]}: {n[i]} estimation samples are needed,"
                f" {self.samples()[i]} are stored; sample more first"
            )
        return n // self.look

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the store atomically; equal stores give equal bytes."""
        meta = {"format": FORMAT, "identity": self.identity, "rows": self.rows}
        arrays = {
            "meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8),
            "row": self.row,
            "idx": self.idx,
            "label": self.label,
            "scale": self.scale,
            "looks": self.looks,
            **_counts_arrays("selection", self.selection),
            **_counts_arrays("estimation", self.estimation),
            **self.extra,
        }
        with atomic(path) as temporary, temporary.open("wb") as handle:
            np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> VoteStore:
        """Read and verify a store.

        Raises SmoothcertError: no such file, not a store, truncated or inconsistent.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            meta = json.loads(arrays.pop("meta").tobytes())
            if meta["format"] != FORMAT:
                raise SmoothcertError(
                    f"{path}: vote store format {meta['format']}; expected {FORMAT}"
                )
            store = cls(
                identity={**meta["identity"]},
                rows=meta["rows"],
                selection=_pop_counts("selection", arrays),
                estimation=_pop_counts("estimation", arrays),
                **{n: arrays.pop(n) for n in ("row", "idx", "label", "scale", "looks")},
                extra=arrays,
            )
        except FileNotFoundError:
            raise SmoothcertError(f"{path}: no such vote store") from None
        except SmoothcertError:
            raise
        # A damaged archive can say anything: another compression, a password, a huge size.
        except Exception as error:
            raise SmoothcertError(f"{path}: not a complete vote store: {error}") from None
        store._check(path)
        return store

    def _check(self, path: Path) -> None:
        n = len(self.idx)
        lengths = {len(a) for a in (self.row, self.label, self.scale, self.looks, self.selection)}
        cells = len(self.estimation)
        sums = np.bincount(self.estimation.entry_rows(), self.estimation.count, minlength=cells)
        lacks = {"look", "n0", "n_classes", "shape", "noise"} - self.identity.keys()
        if lacks:
            raise SmoothcertError(f"{path}: inconsistent vote store: lacks {min(lacks)!r}")
        if lengths != {n} or cells != self.looks.sum():
            raise SmoothcertError(f"{path}: inconsistent vote store: its arrays differ in length")
        if "published" not in self.identity and (sums != self.look).any():
            raise SmoothcertError(
                f"{path}: inconsistent vote store: a look does not hold {self.look} votes"
            )


def _counts_arrays(name: str, counts: Counts) -> dict[str, NDArray]:
    return {f"{name}_ptr": counts.ptr, f"{name}_class": counts.cls, f"{name}_count": counts.count}


def _pop_counts(name: str, arrays: dict[str, NDArray]) -> Counts:
    return Counts(*(arrays.pop(f"{name}_{part}") for part in ("ptr", "class", "count")))


def take(store: VoteStore, positions: Sequence[int] | Ints) -> VoteStore:
    """The inputs at ``positions``, in that order, as a store."""
    positions = np.asarray(positions, np.int64)
    first = np.cumsum(store.looks) - store.looks
    cells = [first[p] + j for p in positions for j in range(store.looks[p])]
    return VoteStore(
        identity=store.identity,
        rows=store.rows,
        row=store.row[positions],
        idx=store.idx[positions],
        label=store.label[positions],
        scale=store.scale[positions],
        looks=store.looks[positions],
        selection=_take_rows(store.selection, positions),
        estimation=_take_rows(store.estimation, np.array(cells, np.int64)),
        extra={name: column[positions] for name, column in store.extra.items()},
    )


def _take_rows(counts: Counts, rows: Ints) -> Counts:
    lengths = np.diff(counts.ptr)[rows]
    ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    entries = np.repeat(counts.ptr[:-1][rows] - ptr[:-1], lengths) + np.arange(ptr[-1])
    return Counts(ptr, counts.cls[entries], counts.count[entries])


def gather(stores: Sequence[VoteStore], names: Sequence[str]) -> VoteStore:
    """Join shards into the whole store; ``names`` are for messages.

    Raises SmoothcertError for shards of different specifications (two models, say), for an
    input that is in two shards, and for one that is in none.
    """
    if not stores:
        raise SmoothcertError("gather: no shards given")
    head = stores[0]
    for store, name in zip(stores[1:], names[1:], strict=True):
        said = difference(head.identity, store.identity)
        if said or store.rows != head.rows:
            said = said or f"rows: {head.rows} and {store.rows}"
            raise SmoothcertError(f"{names[0]} and {name} are not shards of one store: {said}")
    row = np.concatenate([s.row for s in stores])
    owner = np.repeat(np.arange(len(stores)), [len(s) for s in stores])
    order = np.argsort(row, kind="stable")
    row, owner = row[order], owner[order]
    twice = np.flatnonzero(np.diff(row) == 0)
    if len(twice):
        i = twice[0]
        raise SmoothcertError(
            f"{names[owner[i]]} and {names[owner[i + 1]]} overlap: both hold input {row[i]}"
        )
    lost = np.setdiff1d(np.arange(head.rows), row)
    if len(lost):
        raise SmoothcertError(
            f"the shards leave gaps: input {lost[0]} of {head.rows} is in none of"
            f" {len(stores)} ({len(lost)} missing)"
        )
    return take(concatenate(stores), order)


def concatenate(stores: Sequence[VoteStore]) -> VoteStore:
    """The inputs of all stores below each other, with the identity of the first."""

    def join(name: str) -> NDArray:
        return np.concatenate([getattr(s, name) for s in stores])

    return VoteStore(
        identity=stores[0].identity,
        rows=stores[0].rows,
        row=join("row"),
        idx=join("idx"),
        label=join("label"),
        scale=join("scale"),
        looks=join("looks"),
        selection=_stack([s.selection for s in stores]),
        estimation=_stack([s.estimation for s in stores]),
        extra={name: np.concatenate([s.extra[name] for s in stores]) for name in stores[0].extra},
    )


def _stack(counts: Sequence[Counts]) -> Counts:
    ends = np.cumsum([0] + [c.ptr[-1] for c in counts])
    ptr = np.concatenate([[0]] + [c.ptr[1:] + e for c, e in zip(counts, ends, strict=False)])
    return Counts(
        ptr.astype(np.int64),
        np.concatenate([c.cls for c in counts]),
        np.concatenate([c.count for c in counts]),
    )
